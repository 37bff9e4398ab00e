//! The thread that writes: takes what waits, makes one transaction of it, and answers everyone who waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::tail::Tail;
use super::{Changes, Entry, Figures, Flush, Hold, LogError, NodeMark, Outcome, Position, Record, Storage};

/// Orders in one transaction at most, and bytes of entries at which no more are taken in: what bounds the time that the first
/// of them waits for the others to be written.
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;

/// Something to be made lasting.
#[derive(Debug)]
pub(super) enum Change {
    /// An entry, and counters that move with it.
    Append(Entry, Vec<(String, i64)>),
    /// What is known of nodes, and what came of entries.
    Note(Vec<(String, Option<NodeMark>)>, Vec<(Position, Outcome)>),
    /// Where the numbers of tables go on is not known any more.
    Forget,
    /// Entries up to here go.
    Trim(Position),
}

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) flush: Flush,
    /// Told the position of what was appended; of the last entry for other changes.
    pub(super) done: oneshot::Sender<Result<Position, LogError>>,
}

/// What the writer leaves for all to read.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) tail: Mutex<Tail>,
    pub(super) figures: Mutex<Figures>,
}

/// The writer: it has the storage, and the lease that allows it. They are given back in this order, also when it panics; that
/// nobody tells of new positions any more is then the sign that they were.
pub(super) struct Writer<S> {
    pub(super) storage: S,
    pub(super) hold: Arc<dyn Hold>,
    pub(super) durable: watch::Sender<Position>,
}

impl<S: Storage> Writer<S> {
    /// Writes until nobody can order anything any more, and all that was ordered is done.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>, published: &Published) {
        while let Some(first) = orders.blocking_recv() {
            let standing = self.storage.standing();
            let mut batch = Batch::new(standing.last, standing.epoch);
            let mut next = Some(first);
            while let Some(order) = next {
                batch.add(order);
                next = if batch.is_full() { None } else { orders.try_recv().ok() };
            }
            let done =
                if self.hold.is_valid() { self.storage.commit(&batch.changes) } else { Err(LogError::LeaseLost) };
            if done.is_ok() {
                self.publish(&mut batch.changes, published);
            }
            for (position, waiting) in batch.waiting {
                // Who has gone meanwhile does not want to know.
                let _ = waiting.send(done.clone().map(|()| position));
            }
        }
    }

    fn publish(&self, changes: &mut Changes, published: &Published) {
        let standing = self.storage.standing();
        let mut figures = published.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.entries += changes.records.len() as u64;
        figures.fsyncs += u64::from(changes.flush == Flush::Now);
        (figures.trimmed, figures.last) = (standing.trimmed, standing.last);
        // Where it cannot be told, the last known size stands: what was asked is done.
        figures.bytes = self.storage.bytes().unwrap_or(figures.bytes);
        drop(figures);
        let mut tail = published.tail.lock().unwrap_or_else(PoisonError::into_inner);
        changes.records.drain(..).for_each(|record| tail.push(record));
        drop(tail);
        self.durable.send_if_modified(|durable| std::mem::replace(durable, standing.last) != standing.last);
    }
}

/// What is done in one transaction.
struct Batch {
    changes: Changes,
    waiting: Vec<(Position, oneshot::Sender<Result<Position, LogError>>)>,
    last: Position,
    epoch: u64,
    bytes: usize,
}

impl Batch {
    fn new(last: Position, epoch: u64) -> Self {
        Self { changes: Changes::default(), waiting: Vec::new(), last, epoch, bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    fn add(&mut self, Order { change, flush, done }: Order) {
        let changes = &mut self.changes;
        changes.flush = changes.flush.max(flush);
        match change {
            Change::Append(entry, counters) => {
                self.last = self.last.next();
                self.bytes += entry.bytes();
                changes.records.push(Record { position: self.last, epoch: self.epoch, entry: entry.into() });
                for (name, next) in counters {
                    let counter = changes.counters.entry(name).or_insert(next);
                    *counter = next.max(*counter);
                }
            }
            Change::Note(marks, outcomes) => {
                changes.marks.extend(marks);
                changes.outcomes.extend(outcomes);
            }
            Change::Forget => changes.forget = true,
            Change::Trim(through) => changes.trim = changes.trim.max(Some(through)),
        }
        self.waiting.push((self.last, done));
    }
}
