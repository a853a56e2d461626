//! The program as a process: built once, started, killed, asked to end.

use serde_json::Value;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The program, built as this test was.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built("bellbuoy"))
}

/// The program of a crate, built as this test was.
pub fn built(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--package", name, "--bin", name, "--message-format=json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "{name} cannot be built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = built.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables.next_back().expect("cargo names what it built")
}

/// One life of the program.
pub struct Life {
    child: Child,
    began: Instant,
    out: JoinHandle<Vec<u8>>,
    error: JoinHandle<Vec<u8>>,
}

impl Life {
    /// Starts it; what it says is read beside, so that it never waits for a full pipe.
    #[allow(clippy::disallowed_methods, reason = "how long a process runs is the machine's time")]
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let out = beside(child.stdout.take().expect("it is piped"));
        let error = beside(child.stderr.take().expect("it is piped"));
        Life { child, began: Instant::now(), out, error }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> (Duration, Output) {
        let status = self.child.wait().expect("a child can be waited for");
        (self.began.elapsed(), self.close(status))
    }

    /// Kills it at a moment of its life; false if it had ended by then, and well.
    pub fn kill_after(mut self, moment: Duration) -> (bool, Output) {
        std::thread::sleep(moment.saturating_sub(self.began.elapsed()));
        self.child.kill().expect("a child can be killed");
        let status = self.child.wait().expect("a child can be waited for");
        let killed = status.signal() == Some(9);
        let output = self.close(status);
        assert!(killed || status.success(), "{status}: {}", String::from_utf8_lossy(&output.stderr));
        (killed, output)
    }

    /// Waits until something is so; fails if the process ends before, or minutes pass.
    pub fn until(&mut self, what: &str, so: impl Fn() -> bool) {
        for _ in 0..2400 {
            if so() {
                return;
            }
            assert!(self.is_alive(), "the program ended before {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited for minutes until {what}");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        end_gently(self.child.id());
    }

    /// True while it has not ended.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child can be looked at").is_none()
    }

    fn close(self, status: ExitStatus) -> Output {
        let read = |thread: JoinHandle<Vec<u8>>| thread.join().expect("a reader does not panic");
        Output { status, stdout: read(self.out), stderr: read(self.error) }
    }
}

/// Sends SIGTERM.
fn end_gently(process: u32) {
    let status = Command::new("kill").args(["-TERM", &process.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "SIGTERM cannot be sent to {process}");
}

fn beside(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        // What a killed process wrote ends where it ends.
        let _ = from.read_to_end(&mut all);
        all
    })
}
