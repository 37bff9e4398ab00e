//! Owns two programs of a database server of which the one writes what the other reads. They are ended with their pipe; and the
//! one that reads is told that all is there only when the one that writes has ended well.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the one may write nothing, or the other read nothing: making an index takes its time.
const STALL: Duration = Duration::from_secs(3600);
/// Bytes that are handed on together.
const PIECE: usize = 256 * 1024;
/// So much of what a program complains of is kept, and so much of it is shown.
const MOST_COMPLAINT: usize = 16 * 1024;
const SHOWN: usize = 600;

/// A program, and under which names it may be installed.
pub(super) struct Program {
    pub(super) names: &'static [&'static str],
    pub(super) arguments: Vec<String>,
    /// What is nobody else's to see: other programs see arguments.
    pub(super) environment: Vec<(&'static str, String)>,
}

/// What passes through the pipe is looked at on its way.
pub(super) trait Passing {
    /// A line, which may be kept back: what is to be handed on now.
    fn line(&mut self, line: Vec<u8>) -> Option<Vec<u8>>;

    /// What is handed on when all lines have passed.
    fn end(&mut self) -> Result<Vec<u8>, String>;
}

/// Has the one write what the other reads, between what is to be read before it and what the lines end in.
pub(super) async fn pipe(
    writer: Program,
    reader: Program,
    before: &str,
    passing: &mut (dyn Passing + Send),
) -> Result<(), String> {
    let mut writer = Running::start(writer, Stdio::piped)?;
    let mut reader = Running::start(reader, Stdio::null)?;
    // What is written to neither is nobody's.
    drop(writer.input.take());
    let input = reader.input.take().ok_or("its input is closed")?;
    let mut input = BufWriter::with_capacity(PIECE, input);
    let passed = pass(&mut writer, &mut input, before, passing).await;
    if let Err(why) = passed {
        // Closing its input would be as good as telling it that all is there.
        reader.child.start_kill().map_err(|error| error.to_string())?;
        // Who stopped first has the reason.
        let said = reader.complaint().await;
        return Err(if said.is_empty() { why } else { format!("{why}; {said}") });
    }
    drop(input);
    let status = late(timeout(STALL, reader.child.wait()).await)?;
    reader.judged(status).await
}

async fn pass(
    writer: &mut Running,
    input: &mut BufWriter<ChildStdin>,
    before: &str,
    passing: &mut (dyn Passing + Send),
) -> Result<(), String> {
    let output = writer.child.stdout.take().ok_or("its output is closed")?;
    let mut output = BufReader::with_capacity(PIECE, output);
    give(input, before.as_bytes()).await?;
    loop {
        let mut line = Vec::new();
        if late(timeout(STALL, output.read_until(b'\n', &mut line)).await)? == 0 {
            break;
        }
        if let Some(line) = passing.line(line) {
            give(input, &line).await?;
        }
    }
    let status = late(timeout(STALL, writer.child.wait()).await)?;
    writer.judged(status).await?;
    give(input, &passing.end()?).await?;
    late(timeout(STALL, input.flush()).await)
}

async fn give(input: &mut BufWriter<ChildStdin>, bytes: &[u8]) -> Result<(), String> {
    late(timeout(STALL, input.write_all(bytes)).await).map_err(|why| format!("it was not taken: {why}"))
}

fn late<T>(done: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match done {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("nothing has happened for {STALL:?}")),
    }
}

/// A program that runs; it is ended when this is dropped.
struct Running {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    complaint: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    fn start(program: Program, output: fn() -> Stdio) -> Result<Self, String> {
        let Program { names, arguments, environment } = program;
        for &name in names {
            let mut command = Command::new(name);
            // Nothing of our own environment: a file or a variable of some user must not lead it elsewhere.
            command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C.UTF-8");
            command.args(&arguments).envs(environment.iter().map(|(name, value)| (name, value)));
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            command.stdout(output());
            match command.spawn() {
                Ok(mut child) => {
                    let complaint = child.stderr.take().map(|stderr| tokio::spawn(heard(stderr)));
                    let input = child.stdin.take();
                    return Ok(Self { name, child, input, complaint });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{name} cannot be run: {error}")),
            }
        }
        let name = names.first().copied().unwrap_or_default();
        Err(format!("{name} is not installed here: it is needed to copy a node of this kind"))
    }

    async fn judged(&mut self, status: ExitStatus) -> Result<(), String> {
        if status.success() {
            return Ok(());
        }
        let said = self.complaint().await;
        Err(if said.is_empty() { format!("{} ended with {status}", self.name) } else { said })
    }

    /// What it complained of, if anything.
    async fn complaint(&mut self) -> String {
        let Some(task) = self.complaint.take() else { return String::new() };
        let said = task.await.unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let said: String = said.trim().chars().take(SHOWN).collect();
        if said.is_empty() { said } else { format!("{}: {}", self.name, said.replace('\n', " ")) }
    }
}

/// Listens to the end, so that it is never held up by it.
async fn heard(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), vec![0; 4096]);
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        if kept.len() < MOST_COMPLAINT {
            kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        }
    }
    kept
}
