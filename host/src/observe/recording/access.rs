//! The access log: each worker writes its lines into memory of its own, and a thread beside the workers takes them from
//! there to where they go. A worker that finds no room drops the line.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::counts::{RecordingCounts, add};
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
    nudge: Arc<Nudge>,
    ended: oneshot::Receiver<()>,
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
        Ok(Self { pens, nudge, ended })
    }

    /// What a worker writes with.
    pub fn of_worker(&self, number: usize) -> Option<Arc<dyn AccessLog>> {
        self.pens.get(number).map(|pen| Arc::clone(pen) as Arc<dyn AccessLog>)
    }

    /// Writes what there is, unless that takes longer than `limit`.
    pub async fn stop(self, limit: Duration) {
        self.nudge.ends.store(true, Relaxed);
        self.nudge.waiting.notify_one();
        // A writer that a full pipe holds up is left where it is.
        if tokio::time::timeout(limit, self.ended).await.is_err() {
            tracing::warn!("the access log cannot be written to its end: nobody takes its lines");
        }
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
        if let Err(error) = self.outlet.follow() {
            self.tell(&error, "the access log's file was moved, and cannot be made anew");
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
        let mut rest = &taken[..];
        while !rest.is_empty() {
            let written = match self.torn {
                true => self.outlet.write(b"\n").map(|_| 0),
                false => self.outlet.write(rest),
            };
            match written {
                Ok(n) => {
                    self.torn = false;
                    let (done, left) = rest.split_at_checked(n).unwrap_or((rest, &[]));
                    add(&self.counts.lines_written, lines(done));
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    add(&self.counts.lines_not_written, lines(rest));
                    self.torn = taken.len().checked_sub(rest.len() + 1).and_then(|last| taken.get(last))
                        != Some(&b'\n')
                        && rest.len() < taken.len();
                    self.tell(&error, "the access log cannot be written");
                    break;
                }
            }
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

fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}
