//! The access log: each worker writes its lines into memory of its own, and a thread beside the workers takes them from
//! there to where they go. A worker that finds no room drops the line.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::counts::{RecordingCounts, add};
use super::ending::Ending;
use super::line::{self, Clock};
use super::outlet::Outlet;
use crate::config::{self, AccessFormat};
use crate::model::Sampling;
use crate::proxy::{Access, AccessLog, Wanted};

/// How long a line stays in memory at the most.
const EVERY: Duration = Duration::from_millis(500);

/// What a worker's lines may take while the writer is busy: a second or more of them at 10,000 a second.
const ROOM: usize = 2 << 20;

/// From this on, the writer is woken before its time.
const MUCH: usize = ROOM / 4;

/// How often the same trouble is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// An access log that is open.
pub struct AccessLogs {
    pens: Vec<Arc<Pen>>,
    ending: Ending,
}

/// What one worker writes with.
struct Pen {
    format: AccessFormat,
    sample: Sampling,
    errors: bool,
    ink: Mutex<Ink>,
    nudge: Arc<Nudge>,
    counts: Arc<RecordingCounts>,
}

#[derive(Default)]
struct Ink {
    lines: Vec<u8>,
    clock: Clock,
}

/// Wakes the writer.
#[derive(Default)]
struct Nudge {
    /// The program ends: what there is, is written, and no more is waited for.
    ends: AtomicBool,
    turn: Mutex<()>,
    waiting: Condvar,
}

/// The thread that takes lines from the workers to where they go.
struct Writer {
    outlet: Outlet,
    pens: Vec<Arc<Pen>>,
    nudge: Arc<Nudge>,
    counts: Arc<RecordingCounts>,
    /// Lines that were taken from a worker.
    taken: Vec<u8>,
    /// The last line was not written to its end.
    torn: bool,
    told: Option<Instant>,
}

impl AccessLogs {
    /// Opens the log, for so many workers.
    ///
    /// # Errors
    /// When the file cannot be opened, or the thread not be had.
    pub fn open(spec: &config::AccessLog, workers: usize, counts: &Arc<RecordingCounts>) -> io::Result<Self> {
        let outlet = Outlet::open(&spec.to)?;
        let nudge = Arc::new(Nudge::default());
        let pen = |_| {
            Arc::new(Pen {
                format: spec.format.clone(),
                sample: spec.sample,
                errors: spec.errors,
                ink: Mutex::default(),
                nudge: Arc::clone(&nudge),
                counts: Arc::clone(counts),
            })
        };
        let pens: Vec<Arc<Pen>> = (0..workers).map(pen).collect();
        let mut writer = Writer {
            outlet,
            pens: pens.clone(),
            nudge: Arc::clone(&nudge),
            counts: Arc::clone(counts),
            taken: Vec::new(),
            torn: false,
            told: None,
        };
        let (ending, ended) = oneshot::channel();
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            let _ = ending.send(());
        })?;
        let ask = move || {
            nudge.ends.store(true, Relaxed);
            nudge.waiting.notify_one();
        };
        let late = "the access log cannot be written to its end: nobody takes its lines";
        Ok(Self { pens, ending: Ending::new(ask, ended, late) })
    }

    /// What a worker writes with.
    pub fn of_worker(&self, number: usize) -> Option<Arc<dyn AccessLog>> {
        self.pens.get(number).map(|pen| Arc::clone(pen) as Arc<dyn AccessLog>)
    }

    /// It is used no more: once no worker has a pen of it, it ends.
    pub fn retire(self) -> Ending {
        self.ending
    }
}

impl fmt::Debug for AccessLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLogs").field("pens", &self.pens.len()).finish_non_exhaustive()
    }
}

impl Pen {
    /// Held by a worker for one line, and by the writer for a moment: nobody waits long.
    fn ink(&self) -> MutexGuard<'_, Ink> {
        self.ink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog for Pen {
    fn wants(&self) -> Wanted {
        match self.sample.draw() {
            true => Wanted::Always,
            false if self.errors => Wanted::IfFailed,
            false => Wanted::Never,
        }
    }

    fn write(&self, access: &Access<'_>) {
        let mut ink = self.ink();
        let Ink { lines, clock } = &mut *ink;
        let before = lines.len();
        if before >= ROOM {
            return add(&self.counts.lines_without_room, 1);
        }
        line::write(&self.format, access, clock, lines);
        let wakes = before < MUCH && lines.len() >= MUCH;
        drop(ink);
        if wakes {
            self.nudge.waiting.notify_one();
        }
    }
}

impl Writer {
    /// Writes until the program ends, or nobody has a pen any more.
    fn run(&mut self) {
        loop {
            let ends = self.nudge.ends.load(Relaxed) || self.pens.iter().all(|pen| Arc::strong_count(pen) == 1);
            self.round();
            if ends {
                return;
            }
            let turn = self.nudge.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // A nudge that comes too early for this costs no more than the time.
            drop(self.nudge.waiting.wait_timeout(turn, EVERY));
        }
    }

    fn round(&mut self) {
        match self.outlet.follow() {
            Ok(is_new) => self.torn &= !is_new,
            Err(error) => self.tell(&error, "the access log's file was moved, and cannot be made anew"),
        }
        for at in 0..self.pens.len() {
            if let Some(pen) = self.pens.get(at) {
                std::mem::swap(&mut pen.ink().lines, &mut self.taken);
            }
            self.flush();
        }
    }

    /// Writes what was taken, or drops it.
    fn flush(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        let (done, error) = pour(&taken, &mut self.torn, |bytes| self.outlet.write(bytes));
        let (written, left) = taken.split_at_checked(done).unwrap_or((&taken, &[]));
        add(&self.counts.lines_written, lines(written));
        add(&self.counts.lines_not_written, lines(left));
        if let Some(error) = error {
            self.tell(&error, "the access log cannot be written");
        }
        self.taken = taken;
        self.taken.clear();
    }

    fn tell(&mut self, error: &io::Error, what: &str) {
        let now = Instant::now();
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
            self.told = Some(now);
            tracing::warn!(%error, "{what}; lines are dropped meanwhile");
        }
    }
}

/// Writes a text as far as it is taken, and tells how far that was. A line that was torn before is ended first.
pub(super) fn pour(
    text: &[u8],
    torn: &mut bool,
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while let Some(rest) = text.get(done..).filter(|rest| !rest.is_empty()) {
        let error = match write(if *torn { b"\n" } else { rest }) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(_) if *torn => {
                *torn = false;
                continue;
            }
            Ok(n) => {
                done += n;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        if let Some(last) = done.checked_sub(1).and_then(|last| text.get(last)) {
            *torn = *last != b'\n';
        }
        return (done, Some(error));
    }
    (done, None)
}

fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}
