//! [`Log`]: what tasks hold to append to the log and to read it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::writer::{Change, Order, Published, Writer};
use super::{
    Entry, Figures, Flush, Hold, Identity, LogError, NodeMark, Outcome, Position, Reader, Record, SqliteStorage,
    Standing, Storage,
};

/// Orders that wait for the writer. Who has one more waits until there is room.
const QUEUE: usize = 4_096;
/// The largest entry: written down, it is well below what SQLite takes for one text.
const MOST_ENTRY_BYTES: usize = 128 << 20;
/// Bytes after which no more records are read at once.
const MOST_READ_BYTES: usize = 4 << 20;

/// The statement log, for many tasks at once. Its writer ends when the last handle is dropped, after all that was ordered is
/// done; the lease is given back then.
#[derive(Clone)]
pub struct Log {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
}

struct Shared {
    identity: Identity,
    epoch: u64,
    published: Arc<Published>,
    durable: watch::Receiver<Position>,
    reader: Mutex<Box<dyn Reader>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shared { identity, epoch, .. } = &*self.shared;
        f.debug_struct("Log").field("identity", identity).field("epoch", epoch).finish_non_exhaustive()
    }
}

/// An entry on its way into the log. It is appended whether anybody waits for it or not.
#[derive(Debug)]
#[must_use = "it is not durable yet"]
pub struct Appending(oneshot::Receiver<Result<Position, LogError>>);

impl Appending {
    /// Waits until the entry is durable.
    ///
    /// # Errors
    /// The entry has no place in the log, unless the error is in doubt.
    pub async fn durable(self) -> Result<Position, LogError> {
        let lost = |_| LogError::InDoubt("its writer ended before it answered".to_owned());
        self.0.await.map_err(lost)?
    }
}

impl Log {
    /// Opens the log in a SQLite file, or makes it, under a lease.
    ///
    /// # Errors
    /// Where it cannot be opened, is no log, or has a record that is damaged.
    pub async fn open(path: &Path, hold: Arc<dyn Hold>) -> Result<Self, LogError> {
        let path = path.to_owned();
        Self::start(move || SqliteStorage::open(&path), hold).await
    }

    /// Starts the writer of a storage, which is opened on its thread.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn start<S: Storage>(
        open: impl FnOnce() -> Result<S, LogError> + Send + 'static,
        hold: Arc<dyn Hold>,
    ) -> Result<Self, LogError> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let (started, opened) = oneshot::channel();
        let write = move || match prepare(open) {
            Ok((storage, durable, shared)) => {
                let published = Arc::clone(&shared.published);
                // Where nobody waits for it any more, no order will come.
                let _ = started.send(Ok(shared));
                Writer { storage, hold, durable }.run(queue, &published);
            }
            Err(error) => {
                drop(hold);
                let _ = started.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("statement-log".to_owned());
        thread.spawn(write).map_err(|error| LogError::Storage(error.to_string()))?;
        let shared = opened.await.map_err(|_| LogError::Ended)??;
        Ok(Self { orders, shared: Arc::new(shared) })
    }

    /// Which log it is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The epoch of this writer.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Puts an entry in the queue. Entries are appended in the order in which this returns; the counters move with theirs.
    ///
    /// # Errors
    /// Nothing is done.
    pub async fn submit(&self, entry: Entry, ids: &[(String, i64)]) -> Result<Appending, LogError> {
        let bytes = entry.bytes();
        if bytes > MOST_ENTRY_BYTES {
            return Err(LogError::TooLarge { bytes, most: MOST_ENTRY_BYTES });
        }
        self.order(Change::Append(entry, ids.to_vec()), Flush::Now).await
    }

    /// Appends an entry: it is durable at the position that is returned.
    ///
    /// # Errors
    /// The entry has no place in the log, unless the error is in doubt.
    pub async fn append(&self, entry: Entry, ids: &[(String, i64)]) -> Result<Position, LogError> {
        self.submit(entry, ids).await?.durable().await
    }

    /// Records together what is known of nodes (none to forget one), and what came of entries, if they are still there.
    ///
    /// # Errors
    /// Nothing is done, unless the error is in doubt.
    pub async fn note(
        &self,
        marks: Vec<(String, Option<NodeMark>)>,
        outcomes: Vec<(Position, Outcome)>,
        flush: Flush,
    ) -> Result<(), LogError> {
        self.done(Change::Note(marks, outcomes), flush).await
    }

    /// Forgets all counters: the next write that needs one asks a node. No other write may be under way.
    ///
    /// # Errors
    /// Where the storage fails.
    pub async fn forget_counters(&self) -> Result<(), LogError> {
        self.done(Change::Forget, Flush::Now).await
    }

    /// Removes the entries up to a position, as far as there are any.
    ///
    /// # Errors
    /// Some may be removed already.
    pub async fn trim(&self, through: Position) -> Result<(), LogError> {
        // Some at a time, so that appends need not wait for all.
        while self.figures().trimmed < through.min(self.durable()) {
            self.done(Change::Trim(through), Flush::Later).await?;
        }
        Ok(())
    }

    /// The last entry that is durable.
    pub fn durable(&self) -> Position {
        *self.shared.durable.borrow()
    }

    /// Tells when there are more. It closes when the writer has ended, and the storage and the lease are given back.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.shared.durable.clone()
    }

    /// What the log counts.
    pub fn figures(&self) -> Figures {
        *self.shared.published.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Durable records after a position, in order: at most so many, fewer where they are large; none where there are none yet.
    ///
    /// # Errors
    /// [`LogError::Trimmed`] where the next one was removed, [`LogError::Corrupt`] where one is damaged.
    pub async fn read(&self, after: Position, most: usize) -> Result<Vec<Record>, LogError> {
        let durable = self.durable();
        let most = most.min(usize::try_from(durable.0.saturating_sub(after.0)).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(Vec::new());
        }
        let recent = self.shared.published.tail.lock().unwrap_or_else(PoisonError::into_inner).after(after, most);
        match recent {
            Some(records) => Ok(records),
            None => self.reading(move |reader| reader.read(after, most, MOST_READ_BYTES)).await,
        }
    }

    /// What came of the entries after a position up to another, as far as it was settled.
    ///
    /// # Errors
    /// Where the storage fails or a record is damaged.
    pub async fn outcomes(&self, after: Position, through: Position) -> Result<BTreeMap<Position, Outcome>, LogError> {
        self.reading(move |reader| reader.outcomes(after, through)).await
    }

    /// What is known of the nodes, by name.
    ///
    /// # Errors
    /// Where the storage fails.
    pub async fn nodes(&self) -> Result<BTreeMap<String, NodeMark>, LogError> {
        self.reading(|reader| reader.nodes()).await
    }

    /// The next id of tables, by name.
    ///
    /// # Errors
    /// Where the storage fails.
    pub async fn counters(&self) -> Result<BTreeMap<String, i64>, LogError> {
        self.reading(|reader| reader.counters()).await
    }

    /// Gives the handle back and waits until the writer has ended, which it does once no other handle is left.
    pub async fn close(self) {
        let mut ended = self.watch();
        drop(self);
        while ended.changed().await.is_ok() {}
    }

    async fn order(&self, change: Change, flush: Flush) -> Result<Appending, LogError> {
        let (done, waiting) = oneshot::channel();
        self.orders.send(Order { change, flush, done }).await.map_err(|_| LogError::Ended)?;
        Ok(Appending(waiting))
    }

    async fn done(&self, change: Change, flush: Flush) -> Result<(), LogError> {
        self.order(change, flush).await?.durable().await.map(drop)
    }

    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Reader) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let shared = Arc::clone(&self.shared);
        let read = move || read(&mut **shared.reader.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(read).await;
        done.unwrap_or_else(|error| Err(LogError::Storage(error.to_string())))
    }
}

type Prepared<S> = (S, watch::Sender<Position>, Shared);

fn prepare<S: Storage>(open: impl FnOnce() -> Result<S, LogError>) -> Result<Prepared<S>, LogError> {
    let storage = open()?;
    let Standing { identity, epoch, trimmed, last } = storage.standing();
    let figures = Figures { trimmed, last, bytes: storage.bytes()?, ..Figures::default() };
    let published = Arc::new(Published { figures: Mutex::new(figures), ..Published::default() });
    let (sender, durable) = watch::channel(last);
    let reader = Mutex::new(storage.reader()?);
    Ok((storage, sender, Shared { identity, epoch, published, durable, reader }))
}
