//! Where the program's log goes: standard error, as text for people or JSON for machines. It is written by a thread of its
//! own: a reader that has stopped costs lines, and holds up nobody.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that are kept while nobody takes them: some megabytes.
const ROOM: usize = 10_000;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log at work. Dropped, it writes what there is, unless nobody takes that for a second.
#[derive(Debug)]
pub struct Logs {
    #[expect(dead_code, reason = "dropping it is what it is for")]
    writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl Drop for Logs {
    fn drop(&mut self) {
        let lines = self.dropped.dropped_lines();
        if lines > 0 {
            tracing::warn!(lines, "lines of this log were dropped: nobody took them");
        }
    }
}

/// Starts the log. `filter` is a level or a list of `target=level`; what cannot be read is told on the log itself.
///
/// # Errors
/// When standard error cannot be had a second time.
pub fn start_logs(format: LogFormat, filter: &str) -> io::Result<Logs> {
    let parsed = EnvFilter::try_new(filter);
    let problem = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    // A descriptor of its own: while it waits, it does not hold what everybody else needs who writes to standard error.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(ROOM).thread_name("log").finish(stderr);
    let dropped = writer.error_counter();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let (Ok(()), Some(problem)) = (started, problem) {
        tracing::warn!("the log filter cannot be read, so `info` is used: {problem}");
    }
    Ok(Logs { writer: guard, dropped })
}
