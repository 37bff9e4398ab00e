//! Owns the transactions of a node between the requests that belong to them. One that nobody asks anything of is taken back, so
//! that a client that has gone does not hold up the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use crate::sql::backend::sqlite::SqliteSession;

/// How long a transaction may be idle whose client does not say.
const IDLE: Duration = Duration::from_secs(10);
/// The longest that it may ask for: what the longest statement takes.
const LONGEST_IDLE: Duration = Duration::from_secs(600);

/// A transaction's session; none once it has ended.
type Held = Arc<tokio::sync::Mutex<Option<SqliteSession>>>;

/// One transaction.
#[derive(Debug)]
struct Entry {
    session: Held,
    touched: Mutex<Instant>,
    /// How long it may be idle.
    idle: Duration,
    /// Who has one at a time.
    owner: Option<String>,
}

/// The transactions of a node. Dropped, it takes all of them back.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions(Arc<Mutex<HashMap<String, Arc<Entry>>>>);

/// A transaction while a request uses it.
pub(super) struct Taken {
    entry: Arc<Entry>,
    session: OwnedMutexGuard<Option<SqliteSession>>,
}

impl Taken {
    pub(super) fn session(&mut self) -> Option<&mut SqliteSession> {
        self.session.as_mut()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *lock(&self.entry.touched) = Instant::now();
    }
}

impl Transactions {
    /// Keeps a session in which a transaction has begun, `idle` for as long as its client asks; answers what it is called.
    pub(super) fn keep(&self, session: SqliteSession, idle: Option<Duration>, owner: Option<String>) -> String {
        let id = format!("{:032x}", fastrand::u128(..));
        let session = Arc::new(tokio::sync::Mutex::new(Some(session)));
        let entry = Arc::new(Entry {
            session,
            touched: Mutex::new(Instant::now()),
            idle: idle.unwrap_or(IDLE).min(LONGEST_IDLE),
            owner,
        });
        lock(&self.0).insert(id.clone(), Arc::clone(&entry));
        tokio::spawn(expire(Arc::downgrade(&self.0), id.clone(), entry));
        id
    }

    /// A transaction, when those who use it have done so. None where there is no such transaction.
    pub(super) async fn take(&self, id: &str) -> Option<Taken> {
        let entry = lock(&self.0).get(id).map(Arc::clone)?;
        let session = Arc::clone(&entry.session).lock_owned().await;
        session.is_some().then_some(Taken { entry, session })
    }

    /// Takes back what an owner has begun, as soon as nobody uses it.
    pub(super) async fn take_back(&self, owner: &str) {
        let is_theirs = |(_, entry): &(&String, &Arc<Entry>)| entry.owner.as_deref() == Some(owner);
        let theirs: Vec<String> = lock(&self.0).iter().filter(is_theirs).map(|(id, _)| id.clone()).collect();
        for id in theirs {
            drop(self.end(&id).await);
        }
    }

    /// The session of a transaction that is to end, which nobody can ask any more.
    pub(super) async fn end(&self, id: &str) -> Option<SqliteSession> {
        let entry = lock(&self.0).remove(id)?;
        let mut session = entry.session.lock().await;
        session.take()
    }
}

/// Takes the transaction back once it has been idle for too long.
async fn expire(transactions: Weak<Mutex<HashMap<String, Arc<Entry>>>>, id: String, entry: Arc<Entry>) {
    // It must not keep the session that it watches.
    let entry = Arc::downgrade(&{ entry });
    loop {
        let Some(due) = entry.upgrade().and_then(|entry| lock(&entry.touched).checked_add(entry.idle)) else { return };
        tokio::time::sleep_until(due.into()).await;
        let (Some(transactions), Some(entry)) = (transactions.upgrade(), entry.upgrade()) else { return };
        let Ok(mut session) = entry.session.try_lock() else {
            // It is in use, however long that takes; its end is a new beginning.
            *lock(&entry.touched) = Instant::now();
            continue;
        };
        if lock(&entry.touched).elapsed() >= entry.idle {
            lock(&transactions).remove(&id);
            session.take();
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
