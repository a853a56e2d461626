//! A real cluster comes, answers, loses brokers and takes them back, and leaves nothing.

use rig::kafka::{Brokers, Kafka, available};
use rig::provided;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

#[test]
fn one_broker_starts_answers_and_leaves_nothing() {
    if !provided(available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::One).expect("a broker starts");
    assert!(kafka.owned());
    assert_eq!(kafka.alive().expect("it answers"), [1]);
    kafka.tool(TOPICS, &["--create", "--topic", "signals", "--partitions", "2"]).expect("a topic can be made");
    assert_eq!(kafka.tool(TOPICS, &["--list"]).expect("topics can be listed").trim(), "signals");

    let folder = kafka.folder().expect("it is ours").to_owned();
    let process = kafka.process(1).expect("it is ours").expect("it runs");
    drop(kafka);
    assert!(!folder.exists());
    assert!(!is_alive(process));
}

fn is_alive(process: u32) -> bool {
    std::process::Command::new("kill")
        .args(["-0", &process.to_string()])
        .output()
        .expect("kill can be run")
        .status
        .success()
}
