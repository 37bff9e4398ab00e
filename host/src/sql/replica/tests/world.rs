//! Nodes that are databases in memory behind sessions that fail, and a log that loses what was not durable. A fuse ends the
//! process at a step that the seed names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tokio::sync::Notify;

use super::super::journal::{Durable, Journal, Notes};
use super::super::log::{Entry, Figures, Flush, Identity, LogError, NodeMark, Outcome, Position, Record};
use crate::model::Address;
use crate::sql::backend::{Backend, Bound, Fault, FaultKind, Rows, Session, Step};
use crate::sql::dialect::Dialect;
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row, Value};

/// What a node does at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// Nothing is done, with this failure; a connection that is lost takes its transaction back.
    Fails(FaultKind),
    /// It is done, and the connection breaks before the answer.
    DoneAndLost,
    /// A commit arrives only later, when its connection is long lost.
    Late,
    /// It never answers.
    Hangs,
    /// It refuses a statement that the others take.
    Refuses,
    /// It counts one row more than the others.
    Miscounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Open,
    Begin,
    Execute,
    Advance,
    Query,
    Commit,
    Rollback,
}

/// All rows of all tables.
pub(super) type Dump = BTreeMap<String, Vec<Row>>;

pub(super) struct NodeState {
    db: Connection,
    pub(super) is_alive: bool,
    pub(super) slow: u32,
    /// Sessions of before do not live any more.
    life: u64,
    /// The session that has a transaction.
    owner: Option<u64>,
    next_session: u64,
    /// What was sent to be committed, and arrives after so many more steps.
    late: Option<(u32, Sent)>,
    pub(super) planned: Vec<(At, Mishap)>,
    /// Transactions that were committed.
    pub(super) commits: usize,
    pub(super) backup: Option<Dump>,
}

/// Statements with what is bound to them.
type Sent = Vec<(String, Vec<Value>)>;

impl NodeState {
    fn run(&mut self, sql: &str, params: &[Value]) -> Result<(Vec<String>, Vec<Row>, u64), Fault> {
        let failed = |error: rusqlite::Error| Fault::new(FaultKind::Statement, error.to_string());
        let before = self.db.total_changes();
        let mut statement = self.db.prepare(sql).map_err(failed)?;
        for (index, param) in params.iter().take(statement.parameter_count()).enumerate() {
            let bound = match param {
                Value::Null => statement.raw_bind_parameter(index + 1, rusqlite::types::Null),
                Value::Integer(value) => statement.raw_bind_parameter(index + 1, value),
                Value::Text(text) => statement.raw_bind_parameter(index + 1, text),
                other => panic!("{other:?}"),
            };
            bound.map_err(failed)?;
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = Vec::new();
        let mut stepping = statement.raw_query();
        while let Some(row) = stepping.next().map_err(failed)? {
            let value = |index| match row.get_ref(index).unwrap() {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Integer(value),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
                other => panic!("{other:?}"),
            };
            rows.push((0..columns.len()).map(value).collect());
        }
        drop(stepping);
        drop(statement);
        let changed = if self.db.total_changes() == before { 0 } else { self.db.changes() };
        Ok((columns, rows, changed))
    }

    fn batch(&self, sql: &str) {
        self.db.execute_batch(sql).unwrap();
    }

    fn take_back(&mut self) {
        if !self.db.is_autocommit() {
            self.batch("ROLLBACK");
        }
        self.owner = None;
    }

    /// Every session is gone; so is what was on its way.
    pub(super) fn kill(&mut self) {
        self.take_back();
        self.late = None;
        self.life += 1;
        self.is_alive = false;
    }

    pub(super) fn dump(&mut self) -> Dump {
        let (_, tables, _) =
            self.run("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", &[]).unwrap();
        let mut dump = Dump::new();
        for table in tables {
            let [Value::Text(table)] = table.as_slice() else { panic!() };
            let (_, rows, _) = self.run(&format!("SELECT rowid, * FROM {table} ORDER BY rowid"), &[]).unwrap();
            dump.insert(table.clone(), rows);
        }
        dump
    }

    pub(super) fn fill(&mut self, dump: &Dump) {
        self.take_back();
        self.late = None;
        for table in self.dump().keys() {
            self.batch(&format!("DELETE FROM {table}"));
        }
        for (table, rows) in dump {
            for row in rows {
                let places: Vec<String> = (1..=row.len()).map(|place| format!("?{place}")).collect();
                let (_, columns, _) = self.run(&format!("SELECT name FROM pragma_table_info('{table}')"), &[]).unwrap();
                let names: Vec<String> = columns
                    .iter()
                    .map(|column| match column.as_slice() {
                        [Value::Text(name)] => name.clone(),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let sql = format!("INSERT INTO {table} (rowid, {}) VALUES ({})", names.join(", "), places.join(", "));
                self.run(&sql, row).unwrap();
            }
        }
    }

    pub(super) fn rows(&mut self, sql: &str) -> Vec<Row> {
        self.run(sql, &[]).unwrap().1
    }
}

/// A node.
pub(super) struct FakeNode {
    pub(super) state: Mutex<NodeState>,
}

impl FakeNode {
    pub(super) fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap()
    }
}

/// Everything that outlives the process.
pub(super) struct World {
    pub(super) nodes: Vec<Arc<FakeNode>>,
    pub(super) log: Mutex<Kept>,
    pub(super) chance: Mutex<fastrand::Rng>,
    /// Out of a thousand steps so many fail.
    pub(super) faults: Mutex<u32>,
    /// The node that may do something else than the others, and how often.
    pub(super) liar: Mutex<Option<(usize, u32)>>,
    /// The process ends after so many steps.
    pub(super) fuse: Mutex<Option<u32>>,
    pub(super) blown: Notify,
}

/// What the log keeps.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) epoch: u64,
    pub(super) records: BTreeMap<Position, Record>,
    queued: Vec<Record>,
    pub(super) outcomes: BTreeMap<Position, Outcome>,
    pub(super) nodes: BTreeMap<String, NodeMark>,
    pub(super) trimmed: Position,
    pub(super) last: Position,
    pub(super) bytes: u64,
}

pub(super) fn address(node: usize) -> Address {
    Address::parse(&format!("n{node}:{}", node + 1)).unwrap()
}

impl World {
    pub(super) fn new(nodes: usize, schema: &str, seed: u64) -> Arc<Self> {
        let node = |_| {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(schema).unwrap();
            let state = NodeState {
                db,
                is_alive: true,
                slow: 1,
                life: 0,
                owner: None,
                next_session: 0,
                late: None,
                planned: Vec::new(),
                commits: 0,
                backup: None,
            };
            Arc::new(FakeNode { state: Mutex::new(state) })
        };
        Arc::new(Self {
            nodes: (0..nodes).map(node).collect(),
            log: Mutex::default(),
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
            faults: Mutex::new(0),
            liar: Mutex::new(None),
            fuse: Mutex::new(None),
            blown: Notify::new(),
        })
    }

    pub(super) fn roll(&self, below: u32) -> u32 {
        self.chance.lock().unwrap().u32(0..below.max(1))
    }

    /// A step of the process: others run, time passes, and the process may end here.
    pub(super) async fn step(&self) {
        let is_over = match &mut *self.fuse.lock().unwrap() {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if is_over {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
        match self.roll(4) {
            0 => tokio::task::yield_now().await,
            1 => tokio::time::sleep(Duration::from_micros(u64::from(self.roll(3000)))).await,
            _ => {}
        }
    }

    fn mishap(&self, node: usize, at: At) -> Option<Mishap> {
        let planned = {
            let planned = &mut self.nodes[node].lock().planned;
            planned.iter().position(|(step, _)| *step == at).map(|found| planned.remove(found).1)
        };
        if planned.is_some() {
            return planned;
        }
        if let Some((liar, left)) = &mut *self.liar.lock().unwrap()
            && *liar == node
            && *left > 0
            && at == At::Execute
            && self.roll(20) == 0
        {
            *left -= 1;
            return Some(if self.roll(2) == 0 { Mishap::Refuses } else { Mishap::Miscounts });
        }
        if self.roll(1000) >= *self.faults.lock().unwrap() {
            return None;
        }
        let kinds = [FaultKind::Lost, FaultKind::Failed, FaultKind::TimedOut, FaultKind::Conflict, FaultKind::Connect];
        let failing = kinds[self.roll(5) as usize];
        let failing = if at == At::Open { FaultKind::Connect } else { failing };
        Some(match (self.roll(8), at) {
            (0, _) => Mishap::Hangs,
            (1 | 2, At::Commit) => Mishap::Late,
            (1..=4, _) => Mishap::DoneAndLost,
            _ => Mishap::Fails(failing),
        })
    }

    /// The process is dead: what was not durable is there up to some place, and not beyond.
    pub(super) fn crash(&self) {
        *self.fuse.lock().unwrap() = None;
        let queued = std::mem::take(&mut self.log.lock().unwrap().queued);
        let survive = self.roll(u32::try_from(queued.len()).unwrap() + 1) as usize;
        let log = &mut *self.log.lock().unwrap();
        for record in queued.into_iter().take(survive) {
            log.last = record.position;
            log.records.insert(record.position, record);
        }
        for node in &self.nodes {
            let mut node = node.lock();
            // Servers see the ends of connections.
            node.take_back();
            node.life += 1;
        }
    }
}

/// Opens sessions.
pub(super) struct FakeBackend(pub(super) Arc<World>);

impl Backend for FakeBackend {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn session<'a>(&'a self, node: &'a Address, _: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        async move {
            let at = usize::from(node.port()) - 1;
            self.0.step().await;
            match self.0.mishap(at, At::Open) {
                None => {}
                Some(Mishap::Hangs) => std::future::pending().await,
                Some(_) => return Err(Fault::new(FaultKind::Connect, "refused by a mishap")),
            }
            let mut state = self.0.nodes[at].lock();
            if !state.is_alive {
                return Err(Fault::new(FaultKind::Connect, "it is not there"));
            }
            state.next_session += 1;
            let (id, life) = (state.next_session, state.life);
            drop(state);
            let session = FakeSession { world: Arc::clone(&self.0), at, id, life, sent: Vec::new(), is_lost: false };
            Ok(Box::new(session) as Box<dyn Session>)
        }
        .boxed()
    }

    fn checks_each(&self) -> bool {
        true
    }

    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        None
    }
}

struct FakeSession {
    world: Arc<World>,
    at: usize,
    id: u64,
    life: u64,
    /// What was run in the transaction.
    sent: Vec<(String, Vec<Value>)>,
    is_lost: bool,
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        let mut node = self.world.nodes[self.at].lock();
        if node.owner == Some(self.id) && node.life == self.life {
            node.take_back();
        }
    }
}

fn lost(why: &str) -> Fault {
    Fault::new(FaultKind::Lost, why)
}

impl FakeSession {
    /// What comes before every step: whether the connection lives, and what happens to it.
    async fn come(&mut self, at: At) -> Result<Option<Mishap>, Fault> {
        self.world.step().await;
        let slow = self.world.nodes[self.at].lock().slow;
        if slow > 1 {
            tokio::time::sleep(Duration::from_millis(u64::from(slow))).await;
        }
        self.arrive();
        let mishap = self.world.mishap(self.at, at);
        match mishap {
            Some(Mishap::Hangs) => {
                std::future::pending::<()>().await;
            }
            Some(Mishap::Fails(kind)) => {
                if matches!(kind, FaultKind::Lost | FaultKind::Connect | FaultKind::TimedOut) {
                    self.lose();
                }
                return Err(Fault::new(kind, "a mishap"));
            }
            _ => {}
        }
        let node = self.world.nodes[self.at].lock();
        if self.is_lost || node.life != self.life || !node.is_alive {
            return Err(lost("the connection is broken"));
        }
        Ok(mishap)
    }

    fn lose(&mut self) {
        self.is_lost = true;
        let mut node = self.world.nodes[self.at].lock();
        if node.owner == Some(self.id) && node.life == self.life {
            node.take_back();
        }
    }

    /// What is on its way comes nearer.
    fn arrive(&self) {
        let mut node = self.world.nodes[self.at].lock();
        match node.late.take() {
            Some((0, sent)) => {
                assert!(node.owner.is_none());
                node.batch("BEGIN");
                for (sql, params) in sent {
                    node.run(&sql, &params).unwrap();
                }
                node.batch("COMMIT");
            }
            Some((left, sent)) => node.late = Some((left - 1, sent)),
            None => {}
        }
    }

    /// Waits for whoever else writes.
    async fn own(&mut self) -> Result<(), Fault> {
        loop {
            {
                let mut node = self.world.nodes[self.at].lock();
                if node.life != self.life || !node.is_alive {
                    return Err(lost("the connection is broken"));
                }
                if node.late.is_none() && node.owner.is_none() {
                    node.owner = Some(self.id);
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.world.step().await;
            self.arrive();
        }
    }

    async fn run(&mut self, bound: Bound<'_>, at: At) -> Result<(Vec<String>, Vec<Row>, u64), Fault> {
        let mishap = self.come(at).await?;
        if mishap == Some(Mishap::Refuses) {
            return Err(Fault::new(FaultKind::Statement, "refused by a mishap"));
        }
        let is_read = at == At::Query && bound.sql.starts_with("SELECT") || self.is_there(bound.sql);
        let is_mine = self.world.nodes[self.at].lock().owner == Some(self.id);
        if !is_mine && !is_read {
            self.own().await?;
        }
        let done = {
            let mut node = self.world.nodes[self.at].lock();
            // Reading beside a transaction of somebody else would see what is not committed.
            assert!(is_mine || !is_read || node.owner.is_none() || node.db.is_autocommit());
            let done = node.run(bound.sql, bound.params);
            if !is_mine && !is_read {
                node.owner = None;
            }
            done
        };
        if is_mine && done.is_ok() {
            self.sent.push((bound.sql.to_owned(), bound.params.to_vec()));
        }
        if mishap == Some(Mishap::DoneAndLost) {
            self.lose();
            return Err(lost("lost after it was done"));
        }
        let miscounted = u64::from(mishap == Some(Mishap::Miscounts));
        done.map(|(columns, rows, affected)| (columns, rows, affected + miscounted))
    }

    /// Whether a table is to be made that there is: nothing is locked for that.
    fn is_there(&self, sql: &str) -> bool {
        let found =
            |node: &mut NodeState| !node.rows("SELECT 1 FROM sqlite_master WHERE name LIKE 'leverframe%'").is_empty();
        sql.starts_with("CREATE TABLE IF NOT EXISTS") && found(&mut self.world.nodes[self.at].lock())
    }

    async fn transact_now(&mut self, step: Step) -> Result<(), Fault> {
        let at = match step {
            Step::Begin | Step::Snapshot => At::Begin,
            Step::Commit => At::Commit,
            Step::Rollback => At::Rollback,
        };
        let mishap = self.come(at).await?;
        match step {
            Step::Begin | Step::Snapshot => {
                self.own().await?;
                self.sent.clear();
                self.world.nodes[self.at].lock().batch("BEGIN");
            }
            Step::Rollback => self.world.nodes[self.at].lock().take_back(),
            Step::Commit if mishap == Some(Mishap::Late) => {
                let arrives = self.world.roll(12);
                let sent = std::mem::take(&mut self.sent);
                self.lose();
                self.world.nodes[self.at].lock().late = Some((arrives, sent));
                return Err(lost("lost on its way"));
            }
            Step::Commit => {
                let mut node = self.world.nodes[self.at].lock();
                assert_eq!(node.owner, Some(self.id));
                node.batch("COMMIT");
                node.commits += 1;
                node.owner = None;
            }
        }
        if mishap == Some(Mishap::DoneAndLost) {
            self.lose();
            return Err(lost("lost after it was done"));
        }
        Ok(())
    }
}

impl Session for FakeSession {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        async move {
            let (columns, rows, _) = self.run(bound, At::Query).await?;
            let column = |name| Column { name, declared: String::new() };
            let columns = columns.into_iter().map(column).collect();
            Ok(Rows { columns, batches: stream::iter([Ok(rows)]).boxed() })
        }
        .boxed()
    }

    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        let at = if bound.sql.contains("leverframe_watermark") { At::Advance } else { At::Execute };
        async move { Ok(self.run(bound, at).await?.2) }.boxed()
    }

    fn transact(&mut self, step: Step, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        self.transact_now(step).boxed()
    }

    fn check_each(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn load<'a>(
        &'a mut self,
        _: &'a Load,
        _: &'a [Column],
        _: Vec<Row>,
        _: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }

    fn shape<'a>(&'a mut self, _: &'a str, _: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

/// The log of one process.
pub(super) struct FakeJournal {
    world: Arc<World>,
    epoch: u64,
    more: Arc<Notify>,
    entries: Mutex<u64>,
}

impl FakeJournal {
    pub(super) fn open(world: &Arc<World>) -> Arc<Self> {
        let mut log = world.log.lock().unwrap();
        log.epoch += 1;
        Arc::new(Self { world: Arc::clone(world), epoch: log.epoch, more: Arc::default(), entries: Mutex::new(0) })
    }
}

impl Journal for FakeJournal {
    fn identity(&self) -> Identity {
        Identity("the log".to_owned())
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn figures(&self) -> Figures {
        let log = self.world.log.lock().unwrap();
        let entries = *self.entries.lock().unwrap();
        Figures { entries, fsyncs: 0, trimmed: log.trimmed, last: log.last, bytes: log.bytes }
    }

    fn durable(&self) -> Position {
        self.world.log.lock().unwrap().last
    }

    fn more(&self, after: Position) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if self.durable() > after {
                    return Ok(());
                }
                more.await;
            }
        }
        .boxed()
    }

    fn submit<'a>(&'a self, entry: Entry, _: &'a [(String, i64)]) -> BoxFuture<'a, Result<Durable, LogError>> {
        async move {
            self.world.step().await;
            let position = {
                let mut log = self.world.log.lock().unwrap();
                let position = log.queued.last().map_or(log.last, |record| record.position).next();
                log.queued.push(Record { position, epoch: self.epoch, entry: Arc::new(entry) });
                position
            };
            let (world, more) = (Arc::clone(&self.world), Arc::clone(&self.more));
            let durable = async move {
                world.step().await;
                {
                    let mut log = world.log.lock().unwrap();
                    let (done, rest): (Vec<_>, Vec<_>) =
                        std::mem::take(&mut log.queued).into_iter().partition(|record| record.position <= position);
                    log.queued = rest;
                    for record in done {
                        log.last = record.position;
                        log.records.insert(record.position, record);
                    }
                }
                more.notify_waiters();
                world.step().await;
                Ok(position)
            };
            Ok(durable.boxed() as Durable)
        }
        .boxed()
    }

    fn read(&self, after: Position, most: usize) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        async move {
            self.world.step().await;
            let log = self.world.log.lock().unwrap();
            if after < log.trimmed {
                return Err(LogError::Trimmed(log.trimmed));
            }
            Ok(log.records.range(after.next()..).take(most).map(|(_, record)| record.clone()).collect())
        }
        .boxed()
    }

    fn outcomes(
        &self,
        after: Position,
        through: Position,
    ) -> BoxFuture<'_, Result<BTreeMap<Position, Outcome>, LogError>> {
        async move {
            self.world.step().await;
            let log = self.world.log.lock().unwrap();
            let range = log.outcomes.range(after.next()..=through.max(after.next()));
            Ok(range.filter(|(at, _)| **at <= through).map(|(at, outcome)| (*at, outcome.clone())).collect())
        }
        .boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, Result<BTreeMap<String, NodeMark>, LogError>> {
        async move { Ok(self.world.log.lock().unwrap().nodes.clone()) }.boxed()
    }

    fn note(&self, notes: Notes, _: Flush) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            self.world.step().await;
            if self.world.roll(1000) < *self.world.faults.lock().unwrap() {
                return Err(LogError::Storage("a mishap".to_owned()));
            }
            let epoch = self.world.log.lock().unwrap().epoch;
            if epoch > self.epoch {
                return Err(LogError::Fenced(epoch));
            }
            self.world.log.lock().unwrap().nodes.extend(notes.nodes);
            self.world.step().await;
            {
                let mut log = self.world.log.lock().unwrap();
                let log = &mut *log;
                for (position, outcome) in notes.outcomes {
                    // What was settled stays.
                    let before = log.outcomes.insert(position, outcome.clone());
                    let is_same = before.is_none_or(|before| before == outcome);
                    assert!(is_same, "{position} was settled otherwise");
                }
                log.outcomes.retain(|position, _| *position > log.trimmed);
            }
            self.world.step().await;
            Ok(())
        }
        .boxed()
    }

    fn forget_counters(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn trim(&self, through: Position) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            self.world.step().await;
            {
                let mut log = self.world.log.lock().unwrap();
                let log = &mut *log;
                log.trimmed = log.trimmed.max(through.min(log.last));
                log.records.retain(|position, _| *position > log.trimmed);
                log.outcomes.retain(|position, _| *position > log.trimmed);
            }
            self.world.step().await;
            Ok(())
        }
        .boxed()
    }
}
