//! A small shell beside the test that ends what was started when the test is no longer there to do so.
//!
//! It listens on a pipe that only this process holds the other end of: however this process goes, SIGKILL included, the
//! system closes the pipe, and the guard kills every process it was told of and removes the folder.
//!
//! Invariant: a process runs its program only after the guard has been told of it, and the guard forgets a process
//! before its number can belong to another.

use crate::RigError;
use crate::deadline::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads `watch NUMBER` and `forget NUMBER` until the pipe is closed.
const WATCH: &str = r#"
watched=''
while read -r word process; do
    case $word in
        watch) watched="$watched $process" ;;
        forget)
            kept=''
            for other in $watched; do [ "$other" = "$process" ] || kept="$kept $other"; done
            watched=$kept
            ;;
    esac
done
for process in $watched; do kill -KILL "$process"; done
rm -rf -- "$1"
"#;

/// Waits for a line before it becomes the program; without one it ends.
const WAIT: &str = r#"read -r go || exit; exec "$@" </dev/null"#;

/// Ends processes and removes a folder when this process is gone.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    words: Arc<Mutex<Option<ChildStdin>>>,
}

impl Guard {
    /// Guards a folder.
    pub(crate) fn over(folder: &Path) -> Result<Guard, RigError> {
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "guard"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A terminal's interrupt ends this process, not its guard.
        command.process_group(0);
        let mut shell = command.spawn().map_err(RigError::process("starting the guard, a shell"))?;
        let words = Arc::new(Mutex::new(shell.stdin.take()));
        Ok(Guard { shell, words })
    }

    /// Starts a program; what it says goes to a file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        &self,
        program: &OsStr,
        arguments: impl IntoIterator<Item = A>,
        log: &File,
    ) -> Result<Process, RigError> {
        let failed = || RigError::process(format!("starting {}", program.display()));
        let mut command = Command::new("sh");
        command.args(["-c", WAIT, "start"]).arg(program).args(arguments);
        command.stdin(Stdio::piped()).process_group(0);
        command.stdout(log.try_clone().map_err(failed())?).stderr(log.try_clone().map_err(failed())?);
        let mut child = command.spawn().map_err(failed())?;
        let go = child.stdin.take();
        let process = Process { child, words: self.words.clone() };
        process.tell("watch").map_err(failed())?;
        go.map_or(Ok(()), |mut go| go.write_all(b"go\n")).map_err(failed())?;
        Ok(process)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes the pipe, at which the guard removes the folder and ends.
        self.words.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.shell.wait();
    }
}

/// A guarded process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    words: Arc<Mutex<Option<ChildStdin>>>,
}

impl Process {
    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.try_wait().ok().flatten();
        if ended.is_some() {
            let _ = self.tell("forget");
        }
        ended
    }

    /// Sends a signal; nothing happens if it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Stops the clock for it, and waits until all of it stands: the system tells one thread, which tells the others.
    pub(crate) fn freeze(&mut self, deadline: Deadline) {
        self.signal(Signal::STOP);
        while !stands(self.number()) && deadline.pause() {}
    }

    /// Waits for its end; false if it still lives after the deadline.
    pub(crate) fn ends_by(&mut self, deadline: Deadline) -> bool {
        loop {
            if self.ended().is_some() {
                return true;
            }
            if !deadline.pause() {
                return false;
            }
        }
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    fn tell(&self, word: &str) -> io::Result<()> {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.as_mut().map_or(Ok(()), |words| writeln!(words, "{word} {}", self.child.id()))
    }
}

/// True if every thread of a process stands still, or nobody can tell.
fn stands(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return true };
    // The state follows the name, which stands in parentheses and may hold some itself.
    let state = |text: String| text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let mut states =
        threads.flatten().filter_map(|thread| state(std::fs::read_to_string(thread.path().join("stat")).ok()?));
    states.all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
            // Until it is waited for, its number is its own.
            let _ = self.tell("forget");
            let _ = self.child.wait();
        }
    }
}
