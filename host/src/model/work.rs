//! Work that takes its time: a plugin that is compiled, a node that is filled. Whoever does it tells how far it is; who
//! listens is not their business.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

/// A total that nobody knows.
const UNKNOWN: u64 = u64::MAX;

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// A plugin is compiled.
    Compile,
    /// A node is filled anew.
    Rebuild,
    /// Nodes are compared.
    Verify,
    /// Nodes are started or stopped until there are as many as are wanted.
    Scale,
}

impl WorkKind {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
            Self::Scale => "scale",
        }
    }
}

/// How far some work is.
#[derive(Debug)]
pub struct Progress {
    /// What kind of work it is.
    pub kind: WorkKind,
    /// What is worked on.
    pub subject: String,
    /// What is counted.
    pub unit: &'static str,
    /// When it began.
    pub since: SystemTime,
    /// The same, to measure from.
    pub began: Instant,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// What is done.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// How much there is to do, where that is known.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Relaxed)).filter(|total| *total != UNKNOWN)
    }
}

/// What becomes of some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkChange {
    /// It begins.
    Begun,
    /// It is over.
    Ended,
}

/// Hears of work.
type Listener = dyn Fn(&Arc<Progress>, WorkChange) + Send + Sync;

/// The way from whoever works to whoever shows it. Never waits.
#[derive(Clone)]
pub struct Works(Arc<Listener>);

impl Works {
    /// Tells a listener.
    pub fn to(listener: impl Fn(&Arc<Progress>, WorkChange) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Tells nobody.
    pub fn nowhere() -> Self {
        Self::to(|_, _| {})
    }

    /// Work begins now; it is over when what is returned is dropped.
    #[must_use]
    pub fn begin(&self, kind: WorkKind, subject: impl Into<String>, unit: &'static str) -> Work {
        let progress = Arc::new(Progress {
            kind,
            subject: subject.into(),
            unit,
            since: SystemTime::now(),
            began: Instant::now(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
        });
        (self.0)(&progress, WorkChange::Begun);
        Work { progress, works: self.clone() }
    }
}

impl fmt::Debug for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Works")
    }
}

/// Work under way.
#[derive(Debug)]
pub struct Work {
    progress: Arc<Progress>,
    works: Works,
}

impl Work {
    /// So much is done, of so much where that is known.
    pub fn is_at(&self, done: u64, total: Option<u64>) {
        self.progress.done.store(done, Relaxed);
        self.progress.total.store(total.unwrap_or(UNKNOWN), Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        (self.works.0)(&self.progress, WorkChange::Ended);
    }
}
