//! Programs that a test starts as processes of their own: what they say is kept, and they end with the test, by their
//! process number.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::world::eventually;

/// A program at work. Killed when it is dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Program {
    /// Starts it; a program that is not there is a failure.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = Arc::default();
        let readers = vec![
            keep(child.stdout.take().expect("piped"), Arc::clone(&output)),
            keep(child.stderr.take().expect("piped"), Arc::clone(&output)),
        ];
        Self { name, child, output, readers }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far, on both channels.
    pub(crate) fn output(&self) -> String {
        read(&self.output)
    }

    /// Waits until it has said what is looked for.
    pub(crate) async fn says<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let Self { name, child, output, .. } = self;
        eventually(&format!("{name} says {what}"), || {
            let ended = child.try_wait().expect("a child of this process");
            let found = find(&read(output));
            assert!(found.is_some() || ended.is_none(), "{name} ended, {ended:?}:\n{}", read(output));
            std::future::ready(found)
        })
        .await
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process").is_some()
    }

    /// Sends a signal by its name, waits for the end, and returns all that it said.
    pub(crate) async fn end(mut self, signal: &str) -> (ExitStatus, String) {
        let sent = Command::new("kill").args(["-s", signal, &self.id().to_string()]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {signal} {}: {}", self.name, self.output());
        let look = || std::future::ready(self.child.try_wait().expect("a child of this process"));
        let status = eventually("the end after the signal", look).await;
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader"));
        (status, self.output())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says something that is worth knowing when the test passes, too: what is printed by the usual means shows only when it
/// fails.
pub(crate) fn tell(line: &str) {
    // Who closed the channel does not want to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn read(output: &Mutex<String>) -> String {
    output.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The program that is tested, without what the environment of the tests would tell it, and with their cache.
pub(crate) fn leverframe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leverframe"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LEVERFRAME_")) {
        command.env_remove(name);
    }
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Whether the long form of a test is asked for, as `tests/run --nightly` does.
pub(crate) fn is_nightly() -> bool {
    std::env::var_os("LEVERFRAME_NIGHTLY").is_some_and(|value| !value.is_empty())
}

/// Reads until the program ends, on a thread of its own.
fn keep(from: impl Read + Send + 'static, output: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    let mut from = BufReader::new(from);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            output.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
