//! Nodes in memory, which answer any query with the rows that they are given, in the manner that they are given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::circuit::Circuits;
use crate::cluster::{LiveCluster, Rules};
use crate::config::{
    BackendSpec, HoldingSpec, KeySpec, KeyValue, PartitionSpec, PartitionedSpec, PlacementSpec, RangeSpec, SplitSpec,
    SqlEntry, SqlLimits, TableSpec, TopologySpec,
};
use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, Events, SqlName};
use crate::routing::Chooser;
use crate::sql::backend::{Backend, Bound, Fault, FaultKind, Rows, Session, Step};
use crate::sql::dialect::Dialect;
use crate::sql::error::Error;
use crate::sql::plan::Load;
use crate::sql::run::{Answer, Entry, Query};
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row, Value};

/// How a node behaves.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    Sound,
    /// Waits so long before it answers.
    Slow(Duration),
    /// Fails so after so many batches.
    Dies(usize, FaultKind),
    /// Cannot be connected to, so many times.
    Away(usize),
    /// Takes connections, and says nothing on them.
    Silent,
    /// Answers the last of its rows for ever.
    Endless,
    Panics,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
    pub(super) shape: Vec<ColumnShape>,
    pub(super) manner: Manner,
}

/// What was done to the nodes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) open: AtomicUsize,
    pub(super) opened: AtomicUsize,
    pub(super) queries: Mutex<Vec<(String, String)>>,
    pub(super) loaded: Mutex<HashMap<String, Vec<Row>>>,
}

pub(super) struct Fake {
    pub(super) nodes: Mutex<HashMap<String, Node>>,
    pub(super) seen: Arc<Seen>,
    /// What the engine answers: the guard, if any, finds a row; the final statement overflows.
    pub(super) guard_finds: bool,
    pub(super) overflows: bool,
}

struct FakeSession {
    name: String,
    node: Node,
    seen: Arc<Seen>,
    guard_finds: bool,
    overflows: bool,
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.seen.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fake {
    fn open(&self, name: &str, node: Node) -> Box<dyn Session> {
        self.seen.open.fetch_add(1, Ordering::SeqCst);
        self.seen.opened.fetch_add(1, Ordering::SeqCst);
        let (seen, name) = (Arc::clone(&self.seen), name.to_owned());
        Box::new(FakeSession { name, node, seen, guard_finds: self.guard_finds, overflows: self.overflows })
    }
}

impl Backend for Fake {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn session<'a>(&'a self, node: &'a Address, _: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        async move {
            if matches!(self.nodes.lock().unwrap()[node.host()].manner, Manner::Silent) {
                std::future::pending::<()>().await;
            }
            let mut nodes = self.nodes.lock().unwrap();
            let found = nodes.get_mut(node.host()).unwrap();
            if let Manner::Away(times) = &mut found.manner
                && *times > 0
            {
                *times -= 1;
                return Err(Fault::new(FaultKind::Connect, "refused"));
            }
            Ok(self.open(node.host(), found.clone()))
        }
        .boxed()
    }

    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        let node = Node { rows: Vec::new(), columns: columns(), shape: Vec::new(), manner: Manner::Sound };
        Some(async move { Ok(self.open("engine", node)) }.boxed())
    }
}

impl Session for FakeSession {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        self.seen.queries.lock().unwrap().push((self.name.clone(), bound.sql.to_owned()));
        let node = self.node.clone();
        // Nothing counts by itself.
        if bound.sql.contains("pragma_table_info") {
            return async { Ok(Rows { columns: Vec::new(), batches: stream::empty().boxed() }) }.boxed();
        }
        if self.name == "engine" {
            return self.final_rows(bound.sql);
        }
        async move {
            let mut batches: Vec<Result<Vec<Row>, Fault>> =
                node.rows.chunks(node.rows.len() / 100 + 2).map(|rows| Ok(rows.to_vec())).collect();
            let last = node.rows.last().cloned().unwrap_or_default();
            match node.manner {
                Manner::Sound | Manner::Away(_) | Manner::Silent => {}
                Manner::Slow(time) => tokio::time::sleep(time).await,
                Manner::Dies(after, kind) => {
                    batches.truncate(after);
                    batches.push(Err(Fault::new(kind, "it died")));
                }
                Manner::Endless => {
                    let endless = stream::iter(batches).chain(stream::repeat(Ok(vec![last; 2])));
                    return Ok(Rows { columns: node.columns, batches: endless.boxed() });
                }
                Manner::Panics => panic!("a backend that panics"),
            }
            // A node lets others run between batches.
            let batches = stream::iter(batches).then(|batch| async {
                tokio::task::yield_now().await;
                batch
            });
            Ok(Rows { columns: node.columns, batches: batches.boxed() })
        }
        .boxed()
    }

    fn execute<'a>(&'a mut self, _: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        async { Ok(0) }.boxed()
    }

    fn transact(&mut self, _: Step, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }

    fn load<'a>(
        &'a mut self,
        load: &'a Load,
        _: &'a [Column],
        rows: Vec<Row>,
        _: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.seen.loaded.lock().unwrap().entry(load.name.clone()).or_default().extend(rows);
        async { Ok(()) }.boxed()
    }

    fn shape<'a>(&'a mut self, _: &'a str, _: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        let shape = self.node.shape.clone();
        async move { Ok(shape) }.boxed()
    }
}

impl FakeSession {
    /// What was loaded, as it is; or what a guard is told to find.
    fn final_rows<'a>(&self, sql: &str) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        let is_guard = sql.contains("typeof");
        let mut rows: Vec<Row> = self.seen.loaded.lock().unwrap().values().flatten().cloned().collect();
        if is_guard {
            rows.truncate(usize::from(self.guard_finds));
        }
        let fault = (self.overflows && !is_guard).then(|| Fault::new(FaultKind::Overflow, "integer overflow"));
        async move {
            match fault {
                Some(fault) => Err(fault),
                None => Ok(Rows { columns: columns(), batches: stream::iter([Ok(rows)]).boxed() }),
            }
        }
        .boxed()
    }
}

/// The columns of the table.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column { name: "id".into(), declared: "INTEGER".into() },
        Column { name: "name".into(), declared: "TEXT".into() },
    ]
}

pub(super) fn shape() -> Vec<ColumnShape> {
    let shape =
        |column: Column| ColumnShape { name: column.name, declared: column.declared, collation: "BINARY".into() };
    columns().into_iter().map(shape).collect()
}

/// Rows with these ids.
pub(super) fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(|id| vec![Value::Integer(id), Value::Text(format!("n{id}"))]).collect()
}

/// Three shards of 1000 ids each: `a` below 1000, `b` below 2000, `c` from there; each with some rows in order.
pub(super) struct World {
    pub(super) backend: Arc<Fake>,
    pub(super) limits: SqlLimits,
    pub(super) attempts: u32,
    /// The endpoints, and which shard each holds.
    pub(super) endpoints: Vec<(&'static str, &'static str)>,
    /// Whether each node holds all, and a scan of `t` is divided among them.
    pub(super) is_split: bool,
    /// Where they are, if not where a fake is.
    pub(super) addresses: HashMap<&'static str, Address>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut nodes = HashMap::new();
        for (nth, name) in ["a", "b", "c"].into_iter().enumerate() {
            let first = nth as i64 * 1000;
            let node = Node { rows: rows(first..first + 5), columns: columns(), shape: shape(), manner: Manner::Sound };
            nodes.insert(name.to_owned(), node);
        }
        let backend = Fake { nodes: Mutex::new(nodes), seen: Arc::default(), guard_finds: false, overflows: false };
        let limits = SqlLimits { timeout: Duration::from_secs(10), ..SqlLimits::default() };
        let endpoints = vec![("a", "a"), ("b", "b"), ("c", "c")];
        Self { backend: Arc::new(backend), limits, attempts: 1, endpoints, is_split: false, addresses: HashMap::new() }
    }

    pub(super) fn engine(mut self, guard_finds: bool, overflows: bool) -> Self {
        let fake = Arc::get_mut(&mut self.backend).unwrap();
        (fake.guard_finds, fake.overflows) = (guard_finds, overflows);
        self
    }

    pub(super) fn with(self, node: &str, change: impl FnOnce(&mut Node)) -> Self {
        change(self.backend.nodes.lock().unwrap().get_mut(node).unwrap());
        self
    }

    pub(super) fn manner(self, node: &str, manner: Manner) -> Self {
        self.with(node, |node| node.manner = manner)
    }

    /// Another endpoint that holds what one has.
    pub(super) fn copy(mut self, of: &'static str, name: &'static str) -> Self {
        let node = self.backend.nodes.lock().unwrap()[of].clone();
        self.backend.nodes.lock().unwrap().insert(name.into(), node);
        self.endpoints.push((name, of));
        self
    }

    pub(super) fn entry(&self) -> Arc<Entry> {
        self.entry_over(Arc::<Fake>::clone(&self.backend))
    }

    pub(super) fn entry_over(&self, backend: Arc<dyn Backend>) -> Arc<Entry> {
        let range = |from: Option<i64>, to: std::ops::Bound<i64>, shard: &str| {
            let to = match to {
                std::ops::Bound::Excluded(to) => std::ops::Bound::Excluded(KeyValue::Integer(to)),
                _ => std::ops::Bound::Unbounded,
            };
            (RangeSpec { from: from.map(KeyValue::Integer), to }, shard.to_owned())
        };
        let placement = PlacementSpec::Ranges(vec![
            range(None, std::ops::Bound::Excluded(1000), "a"),
            range(Some(1000), std::ops::Bound::Excluded(2000), "b"),
            range(Some(2000), std::ops::Bound::Unbounded, "c"),
        ]);
        let spread = PartitionSpec { key: "id".into(), kind: KeySpec::Integer, placement };
        let tables = vec![
            TableSpec { name: "t".into(), holding: HoldingSpec::Partitioned(spread) },
            TableSpec { name: "r".into(), holding: HoldingSpec::Reference },
        ];
        let shards = ["a", "b", "c"].map(str::to_owned).to_vec();
        let cluster = ClusterName::new("nodes").unwrap();
        let spec = SqlEntry {
            name: SqlName::new("shop").unwrap(),
            cluster: cluster.clone(),
            backend: BackendSpec::Sqlite,
            topology: match self.is_split {
                false => TopologySpec::Partitioned(PartitionedSpec { shards, tables }),
                true => TopologySpec::Split(SplitSpec { table: "t".into(), key: "id".into(), total_records: 3000 }),
            },
            limits: self.limits,
        };
        let live = LiveCluster::new(cluster.clone(), Events::nowhere());
        live.configure(Rules::default());
        let specs: Vec<EndpointSpec> = self.endpoints.iter().map(|(name, shard)| self.endpoint(name, shard)).collect();
        live.update(&specs, tokio::time::Instant::now().into_std());
        let circuit = crate::config::Circuit {
            consecutive_failures: Some(1),
            failure_ratio: None,
            open_for: Duration::from_secs(60),
            open_at_most: Duration::from_secs(60),
            trials: 1,
        };
        let circuits = Circuits::new(cluster, Some(circuit), Events::nowhere());
        let ids: Vec<_> = live.roster().members().iter().map(|m| (m.id(), m.endpoint().spec.name.clone())).collect();
        circuits.follow(&ids);
        let (lost, _) = tokio::sync::mpsc::unbounded_channel();
        let chooser = Arc::new(Chooser::new(0, Arc::new(live), lost));
        Entry::new(Arc::new(spec), backend, chooser, Arc::new(circuits), self.attempts)
    }

    fn endpoint(&self, name: &str, shard: &str) -> EndpointSpec {
        let fake = || Address::parse(&format!("{name}:1")).unwrap();
        let address = self.addresses.get(name).cloned().unwrap_or_else(fake);
        let mut spec = EndpointSpec::new(EndpointName::new(name).unwrap(), address);
        spec.labels.insert("shard".into(), shard.into());
        spec
    }

    /// Who was asked since the last call, shapes aside.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> =
            std::mem::take(&mut *self.backend.seen.queries.lock().unwrap()).into_iter().map(|(name, _)| name).collect();
        asked.sort();
        asked
    }

    pub(super) fn open(&self) -> usize {
        self.backend.seen.open.load(Ordering::SeqCst)
    }
}

pub(super) fn query(sql: &str) -> Query {
    Query { sql: sql.into(), ..Query::default() }
}

/// All rows of an answer, and what its report says.
pub(super) async fn all(entry: &Arc<Entry>, query: Query) -> Result<(Vec<Row>, crate::sql::run::Summary), Error> {
    let Answer::Rows(rows) = entry.answer(query).await? else { panic!("no rows") };
    let report = Arc::clone(&rows.report);
    let batches: Vec<Vec<Row>> = rows.batches.try_collect().await?;
    Ok((batches.into_iter().flatten().collect(), report.read()))
}

/// The ids of rows.
pub(super) fn ids(rows: &[Row]) -> Vec<i64> {
    let id = |row: &Row| match row.first() {
        Some(Value::Integer(id)) => *id,
        other => panic!("{other:?}"),
    };
    rows.iter().map(id).collect()
}
