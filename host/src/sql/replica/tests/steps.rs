//! One mishap at each step of one node, and what the others, the clients and the operators see of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::Instant as Clock;

use super::super::copy::Route;
use super::super::log::{Entry, Kind, Outcome, Position, Statement};
use super::super::trust::NoTrust;
use super::super::{Acknowledgement, Freshness, NoRebuild, Node, Replicas, Setup, State, Timing, WriteError};
use super::world::{At, FakeBackend, FakeJournal, Mishap, World, address};
use crate::config::BackendSpec;
use crate::model::{Change, ClusterName, EndpointId, EndpointName, Events, ReplicaChange, SqlName};
use crate::sql::backend::FaultKind;
use crate::sql::value::Value;

pub(super) const SCHEMA: &str =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL); INSERT INTO t VALUES (1, 0);";
pub(super) const ADD: &str = "UPDATE t SET n = n + 1 WHERE id = 1";
/// The same, as operators are told it.
pub(super) const ADD_TOLD: &str = "UPDATE t SET n = n + ? WHERE id = ?";

pub(super) struct Trial {
    pub(super) world: Arc<World>,
    pub(super) replicas: Replicas,
    told: Arc<Mutex<Vec<ReplicaChange>>>,
}

fn name(node: usize) -> EndpointName {
    EndpointName::new(&format!("n{node}")).unwrap()
}

fn soon(seconds: u64) -> Instant {
    (Clock::now() + Duration::from_secs(seconds)).into_std()
}

fn entry(sql: &str, returns: bool) -> Entry {
    let statement = Statement { sql: sql.into(), params: Vec::new(), returns, named: None };
    Entry { statements: vec![statement], kind: Kind::Change, moment: 0 }
}

impl Trial {
    pub(super) async fn of(world: &Arc<World>, acknowledgement: Acknowledgement, most_bytes: u64) -> Self {
        let told: Arc<Mutex<Vec<ReplicaChange>>> = Arc::default();
        let telling = Arc::clone(&told);
        let events = Events::to(move |event| {
            if let Change::Replica(change) = event.change {
                telling.lock().unwrap().push(change);
            }
        });
        let node =
            |node| Node { name: name(node), id: EndpointId(u32::try_from(node).unwrap()), address: address(node) };
        let setup = Setup {
            name: SqlName::new("shop").unwrap(),
            cluster: ClusterName::new("nodes").unwrap(),
            nodes: (0..world.nodes.len()).map(node).collect(),
            backend: Arc::new(FakeBackend(Arc::clone(world))),
            kind: BackendSpec::Sqlite,
            journal: FakeJournal::open(world),
            acknowledgement,
            most_bytes,
            timing: Timing::default(),
            events,
            seed: 1,
        };
        let replicas = Replicas::start(setup).await.unwrap();
        let trial = Self { world: Arc::clone(world), replicas, told };
        tokio::time::sleep(Duration::from_secs(1)).await;
        trial
    }

    async fn new(nodes: usize) -> Self {
        Self::of(&World::new(nodes, SCHEMA, 1), Acknowledgement::AllUp, u64::MAX).await
    }

    pub(super) async fn write(&self, sql: &str) -> Result<Vec<u64>, WriteError> {
        self.replicas.write(entry(sql, false), &[], soon(30)).await.map(|done| done.affected)
    }

    pub(super) fn count(&self, node: usize) -> i64 {
        let rows = self.world.nodes[node].lock().rows("SELECT n FROM t WHERE id = 1");
        let Value::Integer(count) = rows[0][0] else { panic!() };
        count
    }

    pub(super) fn state(&self, node: usize) -> State {
        self.replicas.status().nodes[node].state.clone()
    }

    fn was_told(&self, change: ReplicaChange) -> bool {
        self.told.lock().unwrap().contains(&change)
    }
}

#[tokio::test(start_paused = true)]
async fn a_mishap_at_any_step_of_one_node_is_made_good_and_nobody_waits_for_it_long() {
    let kinds = [
        FaultKind::Lost,
        FaultKind::Failed,
        FaultKind::TimedOut,
        FaultKind::Conflict,
        FaultKind::Connect,
        FaultKind::Busy,
    ];
    let mishaps = kinds.map(Mishap::Fails).into_iter().chain([Mishap::DoneAndLost, Mishap::Late, Mishap::Hangs]);
    for mishap in mishaps {
        for at in [At::Begin, At::Execute, At::Advance, At::Commit] {
            if mishap == Mishap::Late && at != At::Commit {
                continue;
            }
            let trial = Trial::new(3).await;
            trial.world.nodes[1].lock().planned.push((at, mishap));
            for _ in 0..3 {
                assert_eq!(trial.write(ADD).await, Ok(vec![1]), "{mishap:?} at {at:?}");
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
            for node in 0..3 {
                assert_eq!(trial.count(node), 3, "{mishap:?} at {at:?}, node {node}");
                assert_eq!(trial.state(node), State::Up);
            }
            let status = trial.replicas.status();
            assert_eq!((status.trimmed, status.last), (Position(3), Position(3)), "the log is empty");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_late_is_found_out_and_not_taken_for_another_opinion() {
    // What is done a second time counts otherwise, or is refused.
    for (seed, sql) in
        (0..40).flat_map(|seed| ["DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (9, 1)"].map(|sql| (seed, sql)))
    {
        let trial = Trial::of(&World::new(3, SCHEMA, seed), Acknowledgement::AllUp, u64::MAX).await;
        trial.world.nodes[1].lock().planned.push((At::Commit, Mishap::Late));
        assert_eq!(trial.write(sql).await, Ok(vec![1]), "seed {seed}: {sql}");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!((0..3).all(|node| trial.state(node) == State::Up), "seed {seed}: {sql}: {:?}", trial.state(1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_all_refuse_is_the_clients_error_and_changes_nothing() {
    let trial = Trial::new(3).await;
    let refused = trial.write("INSERT INTO t VALUES (1, 1)").await;
    assert!(matches!(refused, Err(WriteError::Refused { ref class, .. }) if class == "constraint"), "{refused:?}");
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    assert!((0..3).all(|node| trial.count(node) == 1 && trial.state(node) == State::Up));
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_or_counts_otherwise_is_taken_out_with_the_statement_and_the_position() {
    for mishap in [Mishap::Refuses, Mishap::Miscounts] {
        let trial = Trial::new(3).await;
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
        trial.world.nodes[2].lock().planned.push((At::Execute, mishap));
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let State::Inconsistent { position, statement, .. } = trial.state(2) else { panic!("{:?}", trial.state(2)) };
        assert_eq!((position, statement.as_str()), (Position(2), ADD_TOLD));
        assert!(trial.was_told(ReplicaChange::Inconsistent));
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
        assert_eq!((trial.count(0), trial.count(1)), (3, 3));
        // It stays out when the process is another one.
        let world = Arc::clone(&trial.world);
        drop(trial);
        world.crash();
        let trial = Trial::of(&world, Acknowledgement::AllUp, u64::MAX).await;
        assert!(matches!(trial.state(2), State::Inconsistent { .. }));
        let wanted = Freshness::default();
        let readers = trial.replicas.readers(wanted, &[EndpointId(0)], soon(1)).await;
        assert_eq!(readers.map(|readers| readers.iter().map(|(id, _)| *id).collect()), Ok(vec![EndpointId(1)]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_write_is_down_and_not_inconsistent() {
    let trial = Trial::new(2).await;
    {
        let mut node = trial.world.nodes[1].lock();
        node.planned.push((At::Execute, Mishap::Refuses));
        // Not even its own watermark.
        node.planned.push((At::Advance, Mishap::Refuses));
    }
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!trial.was_told(ReplicaChange::Inconsistent) && trial.was_told(ReplicaChange::Down));
    assert_eq!((trial.count(1), trial.state(1)), (1, State::Up));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_away_catches_up_and_reads_wait_for_what_they_ask_for() {
    let trial = Trial::new(3).await;
    trial.world.nodes[2].lock().kill();
    for _ in 0..100 {
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    }
    assert!(matches!(trial.state(2), State::Down { .. }));
    let least = Freshness { least: Position(100), max_lag: 0 };
    assert_eq!(
        trial.replicas.readers(least, &[], soon(1)).await.unwrap(),
        [0, 1].map(|id| (EndpointId(id), Position(100)))
    );
    let others = [EndpointId(0), EndpointId(1)];
    let nobody = trial.replicas.readers(least, &others, soon(1)).await.unwrap_err();
    assert_eq!((nobody.least, nobody.up, nobody.nodes), (Position(100), 2, 3));
    trial.world.nodes[2].lock().is_alive = true;
    assert_eq!(trial.replicas.readers(least, &others, soon(60)).await.unwrap(), [(EndpointId(2), Position(100))]);
    assert_eq!(trial.count(2), 100);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(trial.replicas.status().trimmed, Position(100));
    assert!([ReplicaChange::Down, ReplicaChange::Recovering, ReplicaChange::Up].iter().all(|c| trial.was_told(*c)));
}

#[tokio::test(start_paused = true)]
async fn a_success_that_not_all_nodes_have_is_in_the_log_before_a_client_is_told() {
    let trial = Trial::new(2).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    // All have it: nothing can come out otherwise any more.
    assert!(trial.world.log.lock().unwrap().outcomes.is_empty());
    trial.world.nodes[1].lock().kill();
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    let outcomes = trial.world.log.lock().unwrap().outcomes.clone();
    assert_eq!(outcomes.get(&Position(2)), Some(&Outcome::Applied { affected: vec![1] }));
}

#[tokio::test(start_paused = true)]
async fn too_few_nodes_are_no_place_for_a_write() {
    let world = World::new(3, SCHEMA, 1);
    world.nodes[1].lock().kill();
    world.nodes[2].lock().kill();
    let trial = Trial::of(&world, Acknowledgement::Majority, u64::MAX).await;
    assert_eq!(trial.write(ADD).await, Err(WriteError::TooFew { up: 1, needed: 2, nodes: 3 }));
    assert_eq!((trial.count(0), trial.replicas.status().last), (0, Position(0)));
    world.nodes[1].lock().is_alive = true;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn one_that_needs_more_than_the_log_may_keep_is_given_up_and_filled_anew() {
    let world = World::new(3, SCHEMA, 1);
    let trial = Trial::of(&world, Acknowledgement::AllUp, 1_000).await;
    world.nodes[2].lock().kill();
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(trial.state(2), State::Down { .. }));
    world.log.lock().unwrap().bytes = 1_001;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(trial.state(2), State::RebuildNeeded { .. }));
    assert_eq!(trial.replicas.status().trimmed, Position(1));
    world.log.lock().unwrap().bytes = 0;

    let mut rebuild = trial.replicas.rebuild(&name(2)).unwrap();
    assert_eq!(rebuild.sources(), [name(0), name(1)]);
    assert_eq!(trial.replicas.rebuild(&name(2)).err(), Some(NoRebuild::UnderWay("n2".into())));
    rebuild.progress(1, 2, 3);
    let dump = world.nodes[0].lock().dump();
    // What is written meanwhile is kept for it.
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(trial.replicas.status().trimmed, Position(1));
    {
        let mut node = world.nodes[2].lock();
        node.fill(&dump);
        node.is_alive = true;
    }
    rebuild.finish(Position(1)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((trial.state(2), trial.count(2)), (State::Up, 2));
    // One that is not finished is still needed.
    drop(trial.replicas.rebuild(&name(1)).unwrap());
    assert!(matches!(trial.state(1), State::RebuildNeeded { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_was_filled_from_a_node_that_turned_out_to_be_wrong_is_not_gone_on_with() {
    let trial = Trial::new(4).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    let rebuild = trial.replicas.rebuild(&name(3)).unwrap();
    assert_eq!(rebuild.sources()[0], name(0));
    // Its source counts otherwise, and that comes out only when a slow one has answered.
    trial.world.nodes[0].lock().planned.push((At::Execute, Mishap::Miscounts));
    trial.world.nodes[2].lock().slow = 500;
    let writing = trial.write(ADD);
    let filling = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(trial.state(0), State::Up);
        let dump = trial.world.nodes[0].lock().dump();
        trial.world.nodes[3].lock().fill(&dump);
        rebuild.finish(Position(2)).await;
    };
    let (written, ()) = tokio::join!(writing, filling);
    assert_eq!(written, Ok(vec![1]));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(matches!(trial.state(0), State::Inconsistent { .. }));
    let State::RebuildNeeded { why } = trial.state(3) else { panic!("{:?}", trial.state(3)) };
    assert!(why.contains("n0, from which it was filled, is INCONSISTENT"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn one_database_under_two_names_is_not_filled_from_itself() {
    let trial = Trial::new(2).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    let route = |to| Route {
        from: address(0),
        to: address(to),
        backend: Arc::new(FakeBackend(Arc::clone(&trial.world))),
        marks: trial.replicas.marks().clone(),
    };
    let refused = route(0).begin(Duration::from_secs(5)).await.unwrap_err();
    assert!(refused.message.contains("one database"), "{refused:?}");
    // It has its watermark again.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    assert_eq!((trial.count(0), trial.state(0)), (2, State::Up));
    assert_eq!(route(1).begin(Duration::from_secs(5)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_trusted_gets_what_the_log_has_and_nobody_is_passed_over_who_may_have_more() {
    let trial = Trial::new(3).await;
    trial.world.nodes[0].lock().kill();
    for _ in 0..5 {
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    }
    let trust = |node, is_forced| trial.replicas.trust((node, is_forced), || ());
    assert!(matches!(trust("n1", true).await, Err(NoTrust::Needless(_))));
    trial.world.nodes[1].lock().kill();
    trial.world.nodes[2].lock().kill();
    assert!(matches!(trust("n0", true).await, Err(NoTrust::Failed(_))), "it is not there");
    assert!(!trial.was_told(ReplicaChange::RebuildNeeded), "nobody is given up for it");
    tokio::time::sleep(Duration::from_secs(10)).await;
    trial.world.nodes[0].lock().is_alive = true;
    // Before it is known to be back.
    assert_eq!(trust("n0", false).await, Err(NoTrust::Away("n1".into())));
    assert_eq!(trust("n0", true).await, Ok(Position(0)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((trial.count(0), trial.state(0)), (5, State::Up));
    assert!((1..3).all(|node| matches!(trial.state(node), State::RebuildNeeded { .. })));
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_a_later_one_has_followed_writes_no_more() {
    let trial = Trial::new(2).await;
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    trial.world.nodes[0].lock().rows("UPDATE leverframe_watermark SET epoch = 7");
    // What it applies there is taken back, and then it sees why.
    assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    trial.world.log.lock().unwrap().epoch = 7;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(trial.count(0), 1);
    assert_eq!(trial.write(ADD).await, Err(WriteError::Fenced(7)));
    assert!(trial.was_told(ReplicaChange::Fenced));
}

#[tokio::test(start_paused = true)]
async fn two_that_apply_the_same_log_do_nothing_twice() {
    let trial = Trial::new(2).await;
    let other = Trial::of(&trial.world, Acknowledgement::AllUp, u64::MAX).await;
    assert_eq!(other.write(ADD).await, Ok(vec![1]));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((trial.count(0), trial.count(1)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn rows_that_a_write_answers_with_come_to_the_client_once() {
    let trial = Trial::new(3).await;
    let sql = "INSERT INTO t VALUES (5, 6), (7, 8) RETURNING id";
    let done = trial.replicas.write(entry(sql, true), &[], soon(5)).await.unwrap();
    let rows = done.rows.unwrap();
    let returned = rows[0].as_ref().unwrap();
    assert_eq!(returned.rows, [[Value::Integer(5)], [Value::Integer(7)]]);
    assert_eq!((done.affected, done.nodes.len()), (vec![2], 3));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_answers_more_rows_than_are_kept_is_refused_and_nothing_has_changed() {
    let trial = Trial::new(3).await;
    let sql = |rows: usize| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT {rows}) \
             INSERT INTO t SELECT i, 0 FROM n RETURNING id"
        )
    };
    let refused = trial.replicas.write(entry(&sql(10_001), true), &[], soon(30)).await.unwrap_err();
    let WriteError::Refused { message, .. } = &refused else { panic!("{refused:?}") };
    assert!(message.contains("answers 10001 rows"), "{message}");
    let done = trial.replicas.write(entry(&sql(10_000), true), &[], soon(30)).await.unwrap();
    assert_eq!(done.rows.unwrap()[0].as_ref().unwrap().rows.len(), 10_000);
    assert!((0..3).all(|node| trial.state(node) == State::Up), "{:?}", trial.replicas.status());
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_in_a_turn_has_its_place_and_sees_all_before_it() {
    let trial = Trial::new(2).await;
    let turn = trial.replicas.turn(soon(5)).await.unwrap();
    let late = trial.replicas.turn(soon(1)).await;
    assert!(matches!(late, Err(WriteError::Late { position: None })));
    let first = turn.submit(entry(ADD, false), &[]).await.unwrap();
    let turn = trial.replicas.turn(soon(5)).await.unwrap();
    assert_eq!(turn.last(soon(5)).await, Ok(Position(1)));
    let second = turn.submit(entry(ADD, false), &[]).await.unwrap();
    assert_eq!(second.acknowledged(soon(5)).await.unwrap().position, Position(2));
    assert_eq!(first.acknowledged(soon(5)).await.unwrap().position, Position(1));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_older_than_what_nodes_hold_is_neither_written_on_nor_filled_from() {
    for epoch in [1, 9] {
        let trial = Trial::new(3).await;
        trial.world.nodes[2].lock().kill();
        for _ in 0..5 {
            assert_eq!(trial.write(ADD).await, Ok(vec![1]));
        }
        let Trial { world, replicas, .. } = trial;
        drop(replicas);
        // Two nodes have five entries, of a writer that the copy may not know of; the third has none, and would follow.
        {
            let mut log = world.log.lock().unwrap();
            log.records.retain(|position, _| *position <= Position(3));
            log.outcomes.retain(|position, _| *position <= Position(3));
            log.last = Position(3);
        }
        let sql = format!("UPDATE leverframe_watermark SET epoch = max(epoch, {epoch})");
        world.nodes[1].lock().rows(&sql);
        world.nodes[2].lock().is_alive = true;
        let trial = Trial::of(&world, Acknowledgement::AllUp, u64::MAX).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let Err(WriteError::Older(why)) = trial.write(ADD).await else { panic!("it was written") };
        assert!(why.contains("the log ends at 3") && why.contains("older copy"), "{why}");
        assert_eq!(trial.replicas.status().last, Position(3));
        assert!(matches!(trial.replicas.rebuild(&name(0)), Err(NoRebuild::Unclear(_))));
        assert_eq!((trial.count(0), trial.count(1), trial.count(2)), (5, 5, 3));
        // Nobody is given up for it: with the right log all go on.
        assert!(matches!(trial.state(0), State::Down { .. }) && matches!(trial.state(1), State::Down { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_followed_another_copy_of_the_log_does_not_go_on_with_this_one() {
    let trial = Trial::new(3).await;
    for _ in 0..3 {
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    }
    // The log and two nodes are saved; the third has two entries that are lost with what is restored.
    let Trial { world, replicas, .. } = trial;
    drop(replicas);
    let saved: Vec<_> = (0..2).map(|node| world.nodes[node].lock().dump()).collect();
    let trial = Trial::of(&world, Acknowledgement::AllUp, u64::MAX).await;
    for _ in 0..2 {
        assert_eq!(trial.write(ADD).await, Ok(vec![1]));
    }
    let Trial { world, replicas, .. } = trial;
    drop(replicas);
    for (node, saved) in saved.iter().enumerate() {
        world.nodes[node].lock().fill(saved);
    }
    world.nodes[2].lock().kill();
    {
        let mut log = world.log.lock().unwrap();
        log.records.retain(|position, _| *position <= Position(3));
        log.outcomes.retain(|position, _| *position <= Position(3));
        (log.last, log.trimmed) = (Position(3), Position(3));
        log.nodes.values_mut().for_each(|mark| mark.watermark = Position(3));
        // That of no writer before: the clock goes on.
        log.epoch = 9;
    }
    let trial = Trial::of(&world, Acknowledgement::AllUp, u64::MAX).await;
    for _ in 0..4 {
        assert_eq!(trial.write("UPDATE t SET n = n + 10 WHERE id = 1").await, Ok(vec![1]));
    }
    world.nodes[2].lock().is_alive = true;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let State::RebuildNeeded { why } = trial.state(2) else { panic!("{:?}", trial.state(2)) };
    assert!(why.contains("up to 5") && why.contains("another copy"), "{why}");
    assert_eq!((trial.count(0), trial.count(1), trial.count(2)), (43, 43, 5));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_not_the_rows_that_are_named_differs() {
    let trial = Trial::new(3).await;
    assert_eq!(trial.write("INSERT INTO t VALUES (2, 0), (3, 0)").await, Ok(vec![2]));
    // Behind everybody's back.
    trial.world.nodes[1].lock().rows("DELETE FROM t WHERE id = 3");
    let mut named = entry("UPDATE t SET n = 7 WHERE id IN (2, 3)", false);
    named.statements[0].named = Some(2);
    let done = trial.replicas.write(named, &[], soon(30)).await.unwrap();
    assert_eq!(done.affected, [2]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(matches!(trial.state(1), State::Inconsistent { .. }));
    // Where nobody has them, it is refused, and nothing has changed.
    let mut named = entry("UPDATE t SET n = 8 WHERE id IN (2, 3, 4)", false);
    named.statements[0].named = Some(3);
    let refused = trial.replicas.write(named, &[], soon(30)).await.unwrap_err();
    assert!(matches!(&refused, WriteError::Refused { message, .. } if message.contains("names 3 rows")), "{refused:?}");
    let rows = trial.world.nodes[0].lock().rows("SELECT count(*) FROM t WHERE n = 7");
    assert_eq!(rows, [[Value::Integer(2)]]);
}
