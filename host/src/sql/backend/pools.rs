//! Owns the connection pools of the backends that speak over a network: one per node, with a limit. A connection that is
//! broken or in the middle of something is never handed out. Decides nothing else: what a connection is, is the backend's.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts};
use deadpool::{Runtime, managed::TimeoutType};

use super::{Fault, FaultKind};
use crate::model::Address;

/// A pool that nobody has asked for this long is dropped, with its connections: nodes come and go.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// How often that is looked for.
const LOOKED: Duration = Duration::from_secs(30);

/// Makes connections of one kind.
pub(super) trait Connector: Send + Sync + 'static {
    /// A connection.
    type Link: Send;

    /// What is kept of a node between its connections.
    type Known: Default + Send + Sync;

    /// Opens one and sets it up.
    fn connect(&self, node: &Address, known: &Self::Known) -> impl Future<Output = Result<Self::Link, Fault>> + Send;

    /// Whether one that was used before may be used again.
    fn is_sound(&self, link: &mut Self::Link) -> impl Future<Output = bool> + Send;
}

/// A connection on loan; goes back when dropped.
pub(super) type Lent<K> = Object<Dialer<K>>;

/// Opens connections to one node.
pub(super) struct Dialer<K: Connector> {
    connector: Arc<K>,
    node: Address,
    known: K::Known,
    within: Duration,
}

impl<K: Connector> Manager for Dialer<K> {
    type Type = K::Link;
    type Error = Fault;

    async fn create(&self) -> Result<K::Link, Fault> {
        dial(self.connector.as_ref(), (&self.node, &self.known), self.within).await
    }

    async fn recycle(&self, link: &mut K::Link, _: &Metrics) -> RecycleResult<Fault> {
        match self.connector.is_sound(link).await {
            true => Ok(()),
            false => Err(RecycleError::message("broken")),
        }
    }
}

/// Opens a connection. One that takes longer is the node's failure: it may be a host that answers nothing at all.
pub(super) async fn dial<K: Connector>(
    connector: &K,
    (node, known): (&Address, &K::Known),
    within: Duration,
) -> Result<K::Link, Fault> {
    let silent = |_| Fault::new(FaultKind::Connect, format!("{node}: no connection within {within:?}"));
    tokio::time::timeout(within, connector.connect(node, known)).await.map_err(silent)?
}

struct Entry<K: Connector> {
    pool: Pool<Dialer<K>>,
    asked: Instant,
}

/// The pools of all nodes.
pub(super) struct Pools<K: Connector> {
    connector: Arc<K>,
    limit: usize,
    within: Duration,
    known: Mutex<Known<K>>,
}

struct Known<K: Connector> {
    entries: HashMap<Address, Entry<K>>,
    /// When those that nobody asks for were last dropped.
    looked: Instant,
}

impl<K: Connector> Pools<K> {
    /// Up to `limit` connections to each node; at least one. Each is to be open `within` this time.
    pub(super) fn new(connector: K, limit: usize, within: Duration) -> Self {
        let known = Known { entries: HashMap::new(), looked: Instant::now() };
        Self { connector: Arc::new(connector), limit: limit.max(1), within, known: Mutex::new(known) }
    }

    /// How long opening a connection may take.
    pub(super) fn within(&self) -> Duration {
        self.within
    }

    /// A connection to a node; waits for a free one until `due`.
    pub(super) async fn get(&self, node: &Address, due: Instant) -> Result<Lent<K>, Fault> {
        if node.file_path().is_some() {
            return Err(Fault::new(FaultKind::Connect, format!("{node} is a file, not a database server")));
        }
        let pool = self.pool(node)?;
        let left = due.saturating_duration_since(Instant::now());
        // A connection that cannot be told sound for so long is dropped, and another one opened.
        let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: Some(left.min(self.within)) };
        // Whether that is the node's failure or the client's haste is for who knows how much time there was.
        let late = || Fault::new(FaultKind::TimedOut, format!("{node}: no connection in time"));
        let busy = || Fault::new(FaultKind::Busy, format!("{node}: all {} connections are in use", self.limit));
        let is_full = || pool.status().available == 0 && pool.status().size >= self.limit;
        // The two clocks may strike in any order.
        let got = tokio::time::timeout_at(due.into(), pool.timeout_get(&timeouts)).await;
        let got = got.map_err(|_| if is_full() { busy() } else { late() })?;
        got.map_err(|error| match error {
            PoolError::Backend(fault) => fault,
            PoolError::Timeout(TimeoutType::Wait) => busy(),
            PoolError::Timeout(_) => late(),
            other => Fault::new(FaultKind::Connect, format!("{node}: {other}")),
        })
    }

    fn pool(&self, node: &Address) -> Result<Pool<Dialer<K>>, Fault> {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(known.looked) > LOOKED {
            known.looked = now;
            known.entries.retain(|_, entry| now.saturating_duration_since(entry.asked) < FORGOTTEN);
        }
        if let Some(entry) = known.entries.get_mut(node) {
            entry.asked = now;
            return Ok(entry.pool.clone());
        }
        let (connector, node, within) = (Arc::clone(&self.connector), node.clone(), self.within);
        let dialer = Dialer { connector, node: node.clone(), known: K::Known::default(), within };
        // The connection used last is used next: its statements are prepared, the others may grow old.
        let builder = Pool::builder(dialer).max_size(self.limit).queue_mode(QueueMode::Lifo).runtime(Runtime::Tokio1);
        let pool = builder.build().map_err(|error| Fault::new(FaultKind::Connect, error.to_string()))?;
        known.entries.insert(node, Entry { pool: pool.clone(), asked: now });
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connects to nothing: a host that never answers, or one that takes its time.
    struct Takes(Duration);

    impl Connector for Takes {
        type Link = ();
        type Known = ();

        async fn connect(&self, _: &Address, (): &()) -> Result<(), Fault> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }

        async fn is_sound(&self, (): &mut ()) -> bool {
            true
        }
    }

    async fn kind(pools: &Pools<Takes>, time: Duration) -> Result<(), FaultKind> {
        let due = (tokio::time::Instant::now() + time).into_std();
        let got = pools.get(&Address::parse("node:1").unwrap(), due).await;
        got.map(drop).map_err(|fault| fault.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_answers_nothing_costs_the_time_to_connect_and_no_more() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
        let began = tokio::time::Instant::now();
        assert_eq!(kind(&Pools::new(Takes(long), 1, short), long).await, Err(FaultKind::Connect));
        assert!(began.elapsed() < short * 2);
        // A client in a hurry says nothing of the node.
        assert_eq!(kind(&Pools::new(Takes(long), 1, long), short).await, Err(FaultKind::TimedOut));
        assert_eq!(kind(&Pools::new(Takes(short), 1, long), long).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn that_all_connections_are_in_use_is_told_apart_from_a_late_one() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
        let pools = Pools::new(Takes(short), 1, long);
        let due = (tokio::time::Instant::now() + long).into_std();
        let held = pools.get(&Address::parse("node:1").unwrap(), due).await.unwrap();
        assert_eq!(kind(&pools, short).await, Err(FaultKind::Busy));
        drop(held);
        assert_eq!(kind(&pools, short).await, Ok(()));
    }
}
