//! A slice of time in which some clients ask one product, each as fast as it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::caller::Caller;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Select,
    Insert,
}

impl Kind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Select => "SELECT of a row by its key",
            Self::Insert => "INSERT of a row, replicated",
        }
    }
}

/// The clients of a product.
pub(crate) struct Callers {
    open: Vec<Caller>,
    /// Rows that were there before: those that are read.
    rows: u32,
    /// Rows that were inserted.
    inserted: Arc<AtomicU32>,
}

impl Callers {
    /// None yet.
    pub(crate) fn new(rows: u32) -> Self {
        Self { open: Vec::new(), rows, inserted: Arc::default() }
    }

    pub(crate) fn replace(&mut self, open: Vec<Caller>) {
        self.open = open;
    }

    /// All of these have been acknowledged: a bench stops at an error.
    pub(crate) fn inserted(&self) -> u32 {
        self.inserted.load(Ordering::Relaxed)
    }

    /// How many requests were answered, and in what time.
    pub(crate) async fn run(&mut self, kind: Kind, slice: Duration) -> (u64, Duration) {
        let start = Instant::now();
        let busy = self.open.drain(..).map(|mut caller| {
            let (rows, inserted) = (self.rows, Arc::clone(&self.inserted));
            tokio::spawn(async move {
                let mut done = 0;
                while start.elapsed() < slice {
                    match kind {
                        Kind::Select => caller.select(number(fastrand::u32(1..=rows))).await,
                        Kind::Insert => {
                            caller.insert(number(rows + 1 + inserted.fetch_add(1, Ordering::Relaxed))).await;
                        }
                    }
                    done += 1;
                }
                (caller, done)
            })
        });
        let ended = join_all(busy.collect::<Vec<_>>()).await;
        let took = start.elapsed();
        let mut all = 0;
        for one in ended {
            let (caller, done) = one.expect("a client that was answered");
            self.open.push(caller);
            all += done;
        }
        (all, took)
    }
}

fn number(id: u32) -> i32 {
    i32::try_from(id).expect("far fewer rows")
}
