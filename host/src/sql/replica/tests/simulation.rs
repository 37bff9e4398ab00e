//! Random faults, a load that shows every write that is lost or done twice, and a process that ends at any step; at the end
//! everything is there exactly once, and everywhere the same.
//!
//! `LEVERFRAME_SIMULATED=from..to` runs other seeds than the usual ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::Instant as Clock;

use super::super::log::{Entry, Kind, Position, Statement};
use super::super::{Acknowledgement, Freshness, Journal, Node, Replicas, Setup, State, Timing, WriteError};
use super::world::{FakeBackend, FakeJournal, World, address};
use crate::config::BackendSpec;
use crate::model::{Change, ClusterName, EndpointId, EndpointName, Events, ReplicaChange, SqlName};
use crate::sql::value::Value;

const SCHEMA: &str = "CREATE TABLE acc (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    INSERT INTO acc VALUES (0, 0), (1, 100), (2, 100), (3, 100);
    CREATE TABLE seen (op INTEGER NOT NULL);
    CREATE TABLE uniq (id INTEGER PRIMARY KEY, op INTEGER NOT NULL);";

/// What a client knows of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Done,
    Refused,
    /// It may be done or not, or be done later.
    Unknown,
    /// It was not taken.
    Nothing,
}

/// What a write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kindred {
    Increment,
    Transfer(i64, i64),
    Seen,
    Unique(i64),
    Both(i64),
}

type Ops = Arc<Mutex<BTreeMap<i64, (Kindred, Told)>>>;

fn statement(sql: &str, params: &[i64]) -> Statement {
    let params = params.iter().map(|value| Value::Integer(*value)).collect();
    Statement { sql: sql.to_owned(), params, returns: false, named: None }
}

fn entry(op: i64, kindred: Kindred) -> Entry {
    let seen = statement("INSERT INTO seen (op) VALUES (?1)", &[op]);
    let statements = match kindred {
        Kindred::Increment => vec![statement("UPDATE acc SET n = n + 1 WHERE id = 0", &[])],
        Kindred::Transfer(from, to) => vec![
            statement("UPDATE acc SET n = n - 1 WHERE id = ?1", &[from]),
            statement("UPDATE acc SET n = n + 1 WHERE id = ?1", &[to]),
            seen,
        ],
        Kindred::Seen => vec![seen],
        Kindred::Unique(id) => vec![statement("INSERT INTO uniq (id, op) VALUES (?1, ?2)", &[id, op])],
        Kindred::Both(id) => vec![seen, statement("INSERT INTO uniq (id, op) VALUES (?1, ?2)", &[id, op])],
    };
    Entry { statements, kind: Kind::Change, moment: 0 }
}

fn name(node: usize) -> EndpointName {
    EndpointName::new(&format!("n{node}")).unwrap()
}

struct Case {
    seed: u64,
    world: Arc<World>,
    policy: Acknowledgement,
    ops: Ops,
    next: Arc<Mutex<i64>>,
    /// Nodes that were taken for something else than the others.
    taken_out: Arc<Mutex<u32>>,
    tells: bool,
}

fn soon(time: Duration) -> Instant {
    (Clock::now() + time).into_std()
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let world = World::new(chance.usize(3..=5), SCHEMA, seed);
        let policy = [Acknowledgement::AllUp, Acknowledgement::Majority, Acknowledgement::One][chance.usize(0..3)];
        let tells = std::env::var_os("LEVERFRAME_TELL").is_some();
        Self {
            seed,
            world,
            policy,
            ops: Ops::default(),
            next: Arc::new(Mutex::new(1)),
            taken_out: Arc::default(),
            tells,
        }
    }

    async fn start(&self) -> (Arc<Replicas>, Arc<FakeJournal>) {
        let journal = FakeJournal::open(&self.world);
        let node =
            |node| Node { name: name(node), id: EndpointId(u32::try_from(node).unwrap()), address: address(node) };
        let (seed, tells) = (self.seed, self.tells);
        let began = Clock::now();
        let taken_out = Arc::clone(&self.taken_out);
        let events = Events::to(move |event| {
            *taken_out.lock().unwrap() += u32::from(event.change == Change::Replica(ReplicaChange::Inconsistent));
            if tells {
                println!("{seed} {:?} {:?} {:?} {}", began.elapsed(), event.endpoint, event.change, event.cause);
            }
        });
        loop {
            let setup = Setup {
                name: SqlName::new("shop").unwrap(),
                cluster: ClusterName::new("nodes").unwrap(),
                nodes: (0..self.world.nodes.len()).map(node).collect(),
                backend: Arc::new(FakeBackend(Arc::clone(&self.world))),
                kind: BackendSpec::Sqlite,
                journal: Arc::<FakeJournal>::clone(&journal),
                acknowledgement: self.policy,
                most_bytes: u64::MAX,
                timing: Timing { behind: 4, ..Timing::default() },
                events: events.clone(),
                seed,
            };
            // The log fails, too.
            if let Ok(replicas) = Replicas::start(setup).await {
                return (Arc::new(replicas), journal);
            }
        }
    }

    fn kindred(&self) -> Kindred {
        let id = i64::from(self.world.roll(12));
        match self.world.roll(5) {
            0 => Kindred::Increment,
            1 => Kindred::Transfer(1 + id % 3, 1 + (id + 1) % 3),
            2 => Kindred::Seen,
            3 => Kindred::Unique(id),
            _ => Kindred::Both(id),
        }
    }

    async fn client(&self, replicas: &Replicas, writes: u32) {
        for _ in 0..writes {
            let op = {
                let mut next = self.next.lock().unwrap();
                *next += 1;
                *next
            };
            let kindred = self.kindred();
            self.ops.lock().unwrap().insert(op, (kindred, Told::Unknown));
            let due = soon(Duration::from_millis(u64::from(100 + self.world.roll(20_000))));
            let result = replicas.write(entry(op, kindred), &[], due).await;
            let told = match &result {
                Ok(_) => Told::Done,
                Err(WriteError::Refused { .. }) => Told::Refused,
                Err(WriteError::TooFew { .. } | WriteError::Fenced(_) | WriteError::Older(_)) => Told::Nothing,
                Err(WriteError::Log(_) | WriteError::Late { .. } | WriteError::Ending) => Told::Unknown,
            };
            if self.tells {
                println!("{} op {op} {kindred:?}: {result:?}", self.seed);
            }
            self.ops.lock().unwrap().insert(op, (kindred, told));
            match result {
                Ok(done) => {
                    assert!(!done.nodes.is_empty());
                    self.read(replicas, op, kindred, done.position).await;
                }
                Err(WriteError::TooFew { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(u64::from(self.world.roll(200)))).await;
        }
    }

    /// A read at the position of a write sees it.
    async fn read(&self, replicas: &Replicas, op: i64, kindred: Kindred, least: Position) {
        let wanted = Freshness { least, max_lag: 0 };
        let Ok(nodes) = replicas.readers(wanted, &[], soon(Duration::from_secs(5))).await else { return };
        for (node, position) in nodes {
            assert!(position >= least);
            let mut state = self.world.nodes[node.0 as usize].lock();
            let table = match kindred {
                Kindred::Increment => continue,
                Kindred::Unique(_) => "uniq",
                _ => "seen",
            };
            // One that was just restored from a backup does not know it yet.
            if state.is_alive && state.backup.is_none() {
                let rows = state.rows(&format!("SELECT op FROM {table} WHERE op = {op}"));
                assert_eq!(rows.len(), 1, "a read of node {node} at {least} does not see op {op}");
            }
        }
    }

    /// Nodes come and go.
    async fn chaos(&self) {
        let nodes = u32::try_from(self.world.nodes.len()).unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(u64::from(self.world.roll(3_000)))).await;
            let node = &self.world.nodes[self.world.roll(nodes) as usize];
            match self.world.roll(8) {
                0 | 1 => {
                    node.lock().kill();
                    let long = if self.world.roll(4) == 0 { 100_000 } else { 4_000 };
                    tokio::time::sleep(Duration::from_millis(u64::from(self.world.roll(long)))).await;
                    node.lock().is_alive = true;
                }
                2 => {
                    for node in &self.world.nodes {
                        node.lock().kill();
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(self.world.roll(2_000)))).await;
                    self.world.nodes.iter().for_each(|node| node.lock().is_alive = true);
                }
                3 => {
                    let slow = if self.world.roll(2) == 0 { 1 } else { 1 + self.world.roll(300) };
                    node.lock().slow = slow;
                }
                4 => {
                    let mut node = node.lock();
                    node.kill();
                    node.is_alive = true;
                }
                // With one that says what is not so, others must be left to say what is.
                5 if self.world.roll(3) == 0 && !self.has_liar() => self.restore(node).await,
                6 if self.world.roll(6) == 0 && !self.has_liar() => {
                    // Somebody empties the table of watermarks; of one node only, so that there is one to fill it from.
                    let mut node = self.world.nodes[0].lock();
                    node.kill();
                    node.is_alive = true;
                    if node.dump().contains_key("leverframe_watermark") {
                        node.rows("DELETE FROM leverframe_watermark");
                    }
                }
                _ => {}
            }
        }
    }

    fn has_liar(&self) -> bool {
        self.world.liar.lock().unwrap().is_some()
    }

    /// A node is restored from what it had some time ago.
    async fn restore(&self, node: &super::world::FakeNode) {
        let dump = {
            let mut node = node.lock();
            node.kill();
            node.is_alive = true;
            node.dump()
        };
        node.lock().backup = Some(dump.clone());
        tokio::time::sleep(Duration::from_millis(u64::from(self.world.roll(3_000)))).await;
        let mut node = node.lock();
        node.kill();
        node.fill(&dump);
        node.is_alive = true;
        if self.tells {
            println!("{} restored from {:?}", self.seed, dump.get("leverframe_watermark"));
        }
    }

    /// One process, until it ends or has nothing left to do.
    fn process(&self, writes: u32, clients: u32) {
        let runtime = runtime();
        runtime.block_on(async {
            let working = async {
                let (replicas, _) = self.start().await;
                let load = (0..clients).map(|_| self.client(&replicas, writes));
                tokio::select! {
                    biased;
                    _ = futures_util::future::join_all(load) => {}
                    () = self.chaos() => {}
                }
            };
            tokio::select! {
                biased;
                () = self.world.blown.notified() => {}
                () = working => {}
            }
        });
        drop(runtime);
        self.world.crash();
    }

    /// Everything works again: all catch up, or are filled anew.
    fn heal(&self) {
        *self.world.faults.lock().unwrap() = 0;
        *self.world.liar.lock().unwrap() = None;
        for node in &self.world.nodes {
            let mut node = node.lock();
            (node.is_alive, node.slow) = (true, 1);
        }
        let runtime = runtime();
        runtime.block_on(async {
            let (replicas, journal) = self.start().await;
            let all = async {
                tokio::join!(self.client(&replicas, 4), self.healing(&replicas, journal.as_ref()));
                // What was written last is everywhere, too.
                self.healing(&replicas, journal.as_ref()).await;
            };
            let all = tokio::time::timeout(Duration::from_secs(600), all).await;
            assert!(all.is_ok(), "not healed: {:#?}", replicas.status());
        });
        drop(runtime);
        self.world.crash();
    }

    /// Until all nodes are up and the log is empty.
    async fn healing(&self, replicas: &Replicas, journal: &FakeJournal) {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let status = replicas.status();
            for (at, node) in status.nodes.iter().enumerate() {
                if matches!(node.state, State::Inconsistent { .. } | State::RebuildNeeded { .. }) {
                    self.fill(replicas, at).await;
                }
            }
            let is_up = status.nodes.iter().all(|node| node.state == State::Up);
            let figures = journal.figures();
            if is_up && figures.trimmed == figures.last {
                return;
            }
        }
    }

    async fn fill(&self, replicas: &Replicas, node: usize) {
        let Ok(rebuild) = replicas.rebuild(&name(node)) else { return };
        let source = rebuild.sources()[0].clone();
        let source = (0..self.world.nodes.len()).find(|at| name(*at) == source).unwrap();
        let (mut dump, mark) = {
            let mut source = self.world.nodes[source].lock();
            source.kill();
            source.is_alive = true;
            let dump = source.dump();
            let Some(Value::Integer(mark)) = dump["leverframe_watermark"][0].get(4).cloned() else { panic!() };
            (dump, Position(u64::try_from(mark).unwrap()))
        };
        // Rows have the numbers that they have there.
        dump.retain(|table, _| table != "sqlite_sequence");
        {
            let mut target = self.world.nodes[node].lock();
            target.kill();
            target.is_alive = true;
            target.fill(&dump);
        }
        rebuild.finish(mark).await;
    }

    fn check(&self) {
        let seed = self.seed;
        let mut dumps: Vec<_> = self.world.nodes.iter().map(|node| node.lock().dump()).collect();
        for dump in &mut dumps {
            // The rows of a watermark say nothing else than where it is, and which writer has been seen.
            let mark = dump.get_mut("leverframe_watermark").unwrap();
            mark.iter_mut().for_each(|row| row.truncate(5));
            mark.iter_mut().for_each(|row| drop(row.remove(3)));
        }
        for dump in &dumps {
            assert_eq!(dump, &dumps[0], "seed {seed}: nodes differ");
        }
        let column = |table: &str, at: usize| -> Vec<i64> {
            let value = |row: &Vec<Value>| match &row[at] {
                Value::Integer(value) => *value,
                other => panic!("{other:?}"),
            };
            dumps[0][table].iter().map(value).collect()
        };
        let (seen, unique, balances) = (column("seen", 1), column("uniq", 2), column("acc", 2));
        assert_eq!(balances[1..].iter().sum::<i64>(), 300, "seed {seed}: a sum is not kept");
        let (mut least, mut most) = (0, 0);
        for (op, (kindred, told)) in self.ops.lock().unwrap().iter() {
            let in_seen = seen.iter().filter(|seen| *seen == op).count();
            let in_unique = unique.iter().filter(|unique| *unique == op).count();
            let done = match kindred {
                Kindred::Increment => {
                    least += i64::from(*told == Told::Done);
                    most += i64::from(matches!(told, Told::Done | Told::Unknown));
                    continue;
                }
                Kindred::Transfer(..) | Kindred::Seen => in_seen,
                Kindred::Unique(_) => in_unique,
                Kindred::Both(_) => {
                    assert_eq!(in_seen, in_unique, "seed {seed}: op {op} is half done");
                    in_seen
                }
            };
            match told {
                Told::Done => assert_eq!(done, 1, "seed {seed}: op {op} {kindred:?} was acknowledged"),
                Told::Refused | Told::Nothing => assert_eq!(done, 0, "seed {seed}: op {op} {kindred:?} was refused"),
                Told::Unknown => assert!(done <= 1, "seed {seed}: op {op} {kindred:?} was done twice"),
            }
        }
        assert!((least..=most).contains(&balances[0]), "seed {seed}: {} is not {least} to {most}", balances[0]);
    }

    fn run(&self) {
        let faults = [0, 5, 20, 60][self.world.roll(4) as usize];
        *self.world.faults.lock().unwrap() = faults;
        if self.world.roll(3) == 0 {
            let liar = self.world.roll(u32::try_from(self.world.nodes.len()).unwrap());
            *self.world.liar.lock().unwrap() = Some((liar as usize, 1 + self.world.roll(2)));
        }
        for _ in 0..1 + self.world.roll(4) {
            if self.world.roll(4) != 0 {
                let fuse = 20 + self.world.roll(1_500);
                *self.world.fuse.lock().unwrap() = Some(fuse);
            }
            let (writes, clients) = (1 + self.world.roll(8), 1 + self.world.roll(4));
            self.process(writes, clients);
            if self.world.roll(2) == 0 {
                self.world.nodes.iter().for_each(|node| node.lock().is_alive = true);
            }
        }
        let has_liar = self.has_liar();
        self.heal();
        self.check();
        assert!(
            has_liar || *self.taken_out.lock().unwrap() == 0,
            "seed {}: a node was taken out for nothing",
            self.seed
        );
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The variable that says which seeds are run, in the place of the usual ones.
const SEEDS: &str = "LEVERFRAME_SIMULATED";
/// So many are enough that each kind of answer comes about.
const USUAL: u64 = 2000;

fn seeds() -> std::ops::Range<u64> {
    let Some(said) = std::env::var_os(SEEDS) else { return 0..USUAL };
    let said = said.to_string_lossy();
    let range = said.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.filter(|range| !range.is_empty()).unwrap_or_else(|| panic!("{SEEDS} is like 30..60, and not `{said}`"))
}

/// Tells the seed of what fails.
struct Failing(u64);

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}: {SEEDS}={}..{} LEVERFRAME_TELL=1 runs it alone", self.0, self.0, self.0 + 1);
        }
    }
}

#[test]
fn whatever_fails_acknowledged_writes_are_on_all_nodes_exactly_once() {
    let (mut told, mut taken_out) = (BTreeMap::new(), 0);
    let seeds = seeds();
    let is_all = seeds.end - seeds.start >= USUAL;
    for seed in seeds {
        let _failing = Failing(seed);
        let case = Case::new(seed);
        case.run();
        for (_, told_of) in case.ops.lock().unwrap().values() {
            *told.entry(*told_of).or_insert(0) += 1;
        }
        taken_out += *case.taken_out.lock().unwrap();
    }
    println!("{told:?}, {taken_out} nodes taken out");
    for kind in [Told::Done, Told::Refused, Told::Unknown, Told::Nothing].iter().filter(|_| is_all) {
        assert!(told.contains_key(kind), "no client was told {kind:?}: {told:?}");
    }
    assert!(!is_all || taken_out > 0, "no node that says what is not so was taken out");
}
