//! A real cluster comes, answers, loses brokers and takes them back, and leaves nothing.

use rig::kafka::{BOOTSTRAP, Brokers, Kafka, Secured, Settings, available, tool_at};
use rig::{RigError, provided};
use std::io::{BufRead as _, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// Set in a copy of this program that runs one test in another part.
const PART: &str = "RIG_PART";

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

    let (process, folder) = traces(&kafka);
    drop(kafka);
    assert!(!folder.exists());
    assert!(!is_alive(process));
}

#[test]
fn one_broker_keeps_its_data_over_freezes_stops_and_kills() {
    if !provided(available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::One).expect("a broker starts");
    let bootstrap = kafka.bootstrap();
    kafka.tool(TOPICS, &["--create", "--topic", "signals"]).expect("a topic can be made");

    kafka.freeze(1).expect("it is ours");
    assert!(matches!(kafka.alive(), Err(RigError::Silent(_))), "a frozen broker says nothing");
    kafka.thaw(1).expect("it is ours");
    until("it answers again", || kafka.alive().is_ok_and(|alive| alive == [1]));

    for end in [Kafka::stop, Kafka::kill] {
        end(&kafka, 1).expect("it ends");
        assert_eq!(kafka.process(1).expect("it is ours"), None);
        assert!(matches!(kafka.alive(), Err(RigError::Silent(_))), "nobody is there");
        kafka.start_again(1).expect("it comes back");
        assert_eq!(kafka.bootstrap(), bootstrap, "where it was");
        assert_eq!(kafka.tool(TOPICS, &["--list"]).expect("topics can be listed").trim(), "signals");
    }
    kafka.freeze(1).expect("it is ours");
    kafka.stop(1).expect("a frozen broker can be asked to stop, too");
    assert!(matches!(kafka.kill(2), Err(RigError::NoBroker(2))), "there is no second");
}

#[test]
fn three_brokers_survive_the_loss_of_one_and_take_it_back() {
    if !provided(available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::Three).expect("three brokers start");
    assert_eq!(kafka.alive().expect("they answer"), [1, 2, 3]);
    kafka.tool(TOPICS, &["--create", "--topic", "signals", "--partitions", "3"]).expect("a topic can be made");
    let produce = |records: &str| {
        let safely = ["--topic", "signals", "--producer-property", "acks=all"];
        kafka.tool_fed(PRODUCER, &safely, records).expect("records are taken");
    };

    produce("a\nb\nc\n");
    kafka.kill(2).expect("it is ours");
    produce("d\ne\nf\n");
    until("the others miss it", || kafka.alive_for(1).is_ok_and(|alive| alive == [1, 3]));
    kafka.start_again(2).expect("it comes back");
    let in_sync = || kafka.tool(TOPICS, &["--describe", "--under-replicated-partitions"]);
    until("everything is on all three again", || in_sync().is_ok_and(|behind| behind.trim().is_empty()));

    let everything = ["--topic", "signals", "--from-beginning", "--max-messages", "6", "--timeout-ms", "30000"];
    let read = kafka.tool(CONSUMER, &everything).expect("records can be read");
    let mut records: Vec<&str> = read.lines().collect();
    records.sort_unstable();
    assert_eq!(records, ["a", "b", "c", "d", "e", "f"]);

    kafka.freeze(3).expect("it is ours");
    until("the others miss it", || kafka.alive_for(1).is_ok_and(|alive| alive == [1, 2]));
    kafka.thaw(3).expect("it is ours");
    until("it is back", || kafka.alive_for(1).is_ok_and(|alive| alive == [1, 2, 3]));
}

#[test]
fn a_secured_cluster_lets_in_those_who_say_who_they_are() {
    if !provided(available()) {
        return;
    }
    let kafka = Settings::new(Brokers::One).secured().start().expect("a broker starts");
    kafka.tool(TOPICS, &["--create", "--topic", "signals"]).expect("the open door stays");
    let secured = kafka.secured().expect("it is").clone();
    let Secured { user, password, sasl_bootstrap, tls_bootstrap, .. } = &secured;
    let login = |module: &str, password: &str| {
        let module = format!("org.apache.kafka.common.security.{module}");
        format!("sasl.jaas.config={module} required username=\"{user}\" password=\"{password}\";")
    };
    let bearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    let sasl =
        |mechanism: &str, login: String| format!("security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\n{login}");
    let mutual = {
        // Kafka's clients read key and certificate from one file.
        let both = [&secured.client_key_pem, &secured.client_certificate_pem].map(|path| read(path)).concat();
        let path = kafka.folder().expect("it is ours").join("both.pem");
        std::fs::write(&path, both).expect("a file can be written");
        format!("security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location={}", path.display())
    };
    let trust = |ca: &Path| format!("ssl.truststore.type=PEM\nssl.truststore.location={}", ca.display());
    let list = |bootstrap: &str, client: &str, ca: &Path| {
        let file = kafka.folder().expect("it is ours").join("client.properties");
        let patience = "default.api.timeout.ms=5000\nrequest.timeout.ms=4000\nretries=1";
        std::fs::write(&file, format!("{client}\n{}\n{patience}\n", trust(ca))).expect("a file can be written");
        tool_at(bootstrap, TOPICS, &["--list", "--command-config", &file.display().to_string()], "")
    };

    for (bootstrap, client) in [
        (sasl_bootstrap, sasl("PLAIN", login("plain.PlainLoginModule", password))),
        (sasl_bootstrap, sasl("SCRAM-SHA-256", login("scram.ScramLoginModule", password))),
        (sasl_bootstrap, sasl("SCRAM-SHA-512", login("scram.ScramLoginModule", password))),
        (
            sasl_bootstrap,
            sasl(
                "OAUTHBEARER",
                format!("sasl.jaas.config={bearer} required unsecuredLoginStringClaim_sub=\"{user}\";"),
            ),
        ),
        (tls_bootstrap, mutual.clone()),
    ] {
        let listed = list(bootstrap, &client, &secured.ca_pem).unwrap_or_else(|error| panic!("{client}: {error}"));
        assert_eq!(listed.trim(), "signals", "{client}");
    }
    for (bootstrap, client, ca, reason) in [
        (
            sasl_bootstrap,
            sasl("PLAIN", login("plain.PlainLoginModule", "wrong")),
            &secured.ca_pem,
            "Invalid username or password",
        ),
        (
            sasl_bootstrap,
            sasl("SCRAM-SHA-512", login("scram.ScramLoginModule", "wrong")),
            &secured.ca_pem,
            "invalid credentials",
        ),
        (tls_bootstrap, "security.protocol=SSL".to_owned(), &secured.ca_pem, "SSLHandshakeException"),
        (tls_bootstrap, mutual, &secured.strange_ca_pem, "PKIX path building failed"),
    ] {
        let said = list(bootstrap, &client, ca).expect_err("it must not come in").to_string();
        assert!(said.contains(reason), "{client} with {}: {said}", ca.display());
    }
}

#[test]
fn a_test_that_panics_leaves_nothing() {
    if !provided(available()) {
        return;
    }
    let mut left = None;
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let kafka = Kafka::start(Brokers::One).expect("a broker starts");
        left = Some(traces(&kafka));
        // Unlike `panic!`, which this is about, it prints nothing.
        std::panic::resume_unwind(Box::new("a test fails"));
    }));
    assert!(caught.is_err());
    let (process, folder) = left.expect("a broker started");
    assert!(!folder.exists());
    assert!(!is_alive(process));
}

#[test]
fn a_test_that_is_killed_leaves_nothing() {
    if part().is_some() {
        let kafka = Kafka::start(Brokers::One).expect("a broker starts");
        let (process, folder) = traces(&kafka);
        println!("\n{process} {}", folder.display());
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    if !provided(available()) {
        return;
    }
    let mut copy = start_copy("a_test_that_is_killed_leaves_nothing", "victim", &[]);
    let lines = BufReader::new(copy.stdout.take().expect("it is piped")).lines();
    let found = lines.map_while(Result::ok).find_map(|line| {
        let (process, folder) = line.split_once(' ')?;
        Some((process.parse::<u32>().ok()?, PathBuf::from(folder)))
    });
    copy.kill().expect("a child can be killed");
    copy.wait().expect("a child can be waited for");
    let (process, folder) = found.expect("the copy starts a broker");
    until("the broker is gone", || !is_alive(process));
    until("its folder is gone", || !folder.exists());
}

#[test]
fn jars_are_fetched_once_by_one_of_those_who_ask() {
    const NAME: &str = "jars_are_fetched_once_by_one_of_those_who_ask";
    if part().is_some() {
        assert_eq!(available(), Ok(()));
        return;
    }
    if !provided(available()) {
        return;
    }
    let fresh = tempfile::tempdir().expect("a folder can be made");
    let cache = ("XDG_CACHE_HOME", fresh.path().as_os_str().to_owned());
    let askers = [0, 1].map(|_| start_copy(NAME, "asks", std::slice::from_ref(&cache)));
    for asker in askers {
        let output = asker.wait_with_output().expect("a child can be waited for");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let found = |folder: &Path| std::fs::read_dir(folder).expect("it is there").count();
    assert_eq!(found(&fresh.path().join("bellbuoy")), 2, "the jars and the lock");

    // Whoever asks now does so without Maven.
    let broken = tempfile::tempdir().expect("a folder can be made");
    std::os::unix::fs::symlink("/bin/false", broken.path().join("mvn")).expect("a link can be made");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let first = std::iter::once(broken.path().to_owned()).chain(std::env::split_paths(&paths));
    let path = ("PATH", std::env::join_paths(first).expect("a temporary folder has no colon in its name"));
    let output = start_copy(NAME, "asks", &[cache, path]).wait_with_output().expect("a child can be waited for");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_cluster_of_somebody_else_is_used_and_left_alone() {
    const NAME: &str = "a_cluster_of_somebody_else_is_used_and_left_alone";
    if part().is_some() {
        let kafka = Kafka::from_env_or_start().expect("nothing is started");
        assert!(!kafka.owned());
        assert_eq!(kafka.bootstrap(), std::env::var(BOOTSTRAP).expect("it is set"));
        assert_eq!(kafka.alive().expect("it answers"), [1]);
        assert!(matches!(kafka.kill(1), Err(RigError::NotOwned)));
        return;
    }
    if !provided(available()) {
        return;
    }
    let theirs = Kafka::start(Brokers::One).expect("a broker starts");
    let copy = start_copy(NAME, "guest", &[(BOOTSTRAP, theirs.bootstrap().into())]);
    let output = copy.wait_with_output().expect("a child can be waited for");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(theirs.alive().expect("it still answers"), [1]);
}

fn traces(kafka: &Kafka) -> (u32, PathBuf) {
    let process = kafka.process(1).expect("it is ours").expect("it runs");
    (process, kafka.folder().expect("it is ours").to_owned())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("it is text")
}

fn is_alive(process: u32) -> bool {
    let kill = Command::new("kill").args(["-0", &process.to_string()]).stderr(Stdio::null()).status();
    kill.expect("kill can be run").success()
}

/// Fails if something is not so after a minute or two.
#[track_caller]
fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain until {what}");
}

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// This program again, with one test in another part and other variables.
fn start_copy(test: &str, part: &str, variables: &[(&str, std::ffi::OsString)]) -> Child {
    let mut copy = Command::new(std::env::current_exe().expect("this program is a file"));
    copy.args(["--exact", test, "--nocapture"]).env(PART, part).envs(variables.iter().cloned());
    copy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("this program can be started again")
}
