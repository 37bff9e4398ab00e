//! Two-phase execution over nodes that fail at a step of choice: what is told must be what the nodes have.

mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::execute::execute;
use super::*;
use crate::sql::backend::FaultKind;
use crate::sql::shape::ColumnShape;
use world::{At, Mishap, World, name};

const FAR: usize = 1 << 20;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn change(dialect: Dialect, count: Count, shards: u16) -> Change {
    let statement = |shard| ShardStatement { shard: Shard(shard), sql: format!("write {shard}"), params: Vec::new() };
    let statements = (0..shards).map(statement).collect();
    Change { dialect, statements, count, returns: false, questions: Vec::new(), verify: None }
}

fn column(declared: &str) -> ColumnShape {
    ColumnShape { name: "id".into(), declared: declared.into(), collation: "BINARY".into() }
}

/// What is told is what there is.
fn agrees(world: &World, shards: u16, result: &Result<Written, Error>) {
    let lasting = world.lasting();
    let all: Vec<String> = (0..shards).map(|shard| name(Shard(shard))).collect();
    match result {
        Ok(written) => {
            assert_eq!(lasting, all);
            assert_eq!(written.nodes.len(), all.len());
        }
        Err(Error::HalfCommitted { committed, missing, unknown }) => {
            let mut told: Vec<String> = committed.clone();
            told.extend(missing.iter().chain(unknown).map(|(name, _)| name.clone()));
            told.sort();
            assert_eq!(told, all, "every node is told of once");
            assert!(committed.iter().all(|node| lasting.contains(node)), "{committed:?} {lasting:?}");
            assert!(missing.iter().all(|(node, _)| !lasting.contains(node)), "{missing:?} {lasting:?}");
            assert!(!(missing.is_empty() && unknown.is_empty()));
            assert!(!(committed.is_empty() && unknown.is_empty()), "nothing done is no half");
        }
        Err(error) => assert_eq!(lasting, Vec::<String>::new(), "{error}"),
    }
    for node in &all {
        let node = world.node(node);
        assert!(node.sent <= 1, "sent once");
        assert_eq!(node.open, 0, "every session is given back");
    }
}

#[tokio::test]
async fn whatever_fails_at_whatever_step_what_is_told_is_what_there_is() {
    let kinds = [
        FaultKind::Connect,
        FaultKind::Busy,
        FaultKind::Lost,
        FaultKind::TimedOut,
        FaultKind::Statement,
        FaultKind::Overflow,
        FaultKind::Unsupported,
    ];
    let mishaps = kinds.map(Mishap::Fails).into_iter().chain([Mishap::DoneAndLost]);
    let mishaps: Vec<Mishap> = mishaps.collect();
    let mut tried = 0;
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        for count in [Count::Sum, Count::Same] {
            for shards in 1..=4 {
                for node in 0..shards {
                    for at in [At::Open, At::Begin, At::Execute, At::Commit, At::Rollback] {
                        for mishap in &mishaps {
                            let world = World::of(shards);
                            world.mishap(node, at, mishap.clone());
                            let result = execute(&change(dialect, count, shards), &world, soon(), FAR).await;
                            agrees(&world, shards, &result);
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(tried, 3 * 2 * 10 * 5 * 8);
}

#[tokio::test]
async fn two_mishaps_are_told_as_well_as_one() {
    let steps = [At::Begin, At::Execute, At::Commit, At::Rollback];
    let mishaps = [Mishap::Fails(FaultKind::Statement), Mishap::Fails(FaultKind::Lost), Mishap::DoneAndLost];
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        for first in steps {
            for second in steps {
                for (mishap, next) in mishaps.iter().flat_map(|one| mishaps.iter().map(move |other| (one, other))) {
                    let world = World::of(3);
                    world.mishap(one, first, mishap.clone());
                    world.mishap(other, second, next.clone());
                    let result = execute(&change(Dialect::Postgres, Count::Sum, 3), &world, soon(), FAR).await;
                    agrees(&world, 3, &result);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_first_commit_that_is_refused_takes_everything_back() {
    let world = World::of(3);
    world.mishap(0, At::Commit, Mishap::Fails(FaultKind::Statement));
    let result = execute(&change(Dialect::Postgres, Count::Sum, 3), &world, soon(), FAR).await;
    assert!(matches!(result, Err(Error::Statement(failed)) if failed.len() == 1 && failed[0].0 == "n0"));
    assert!(world.lasting().is_empty());
}

#[tokio::test]
async fn after_the_first_commit_all_others_are_told_to() {
    let world = World::of(4);
    world.mishap(1, At::Commit, Mishap::Fails(FaultKind::Statement));
    world.mishap(2, At::Commit, Mishap::DoneAndLost);
    let result = execute(&change(Dialect::Postgres, Count::Sum, 4), &world, soon(), FAR).await;
    let Err(Error::HalfCommitted { committed, missing, unknown }) = result else { panic!("{result:?}") };
    assert_eq!(committed, ["n0", "n3"]);
    assert_eq!((missing[0].0.as_str(), unknown[0].0.as_str()), ("n1", "n2"));
    assert_eq!(world.lasting(), ["n0", "n2", "n3"]);
}

#[tokio::test]
async fn where_the_first_is_in_doubt_the_others_are_taken_back() {
    let world = World::of(3);
    world.mishap(0, At::Commit, Mishap::DoneAndLost);
    let result = execute(&change(Dialect::Postgres, Count::Sum, 3), &world, soon(), FAR).await;
    let Err(Error::HalfCommitted { committed, missing, unknown }) = result else { panic!("{result:?}") };
    assert_eq!((committed.len(), missing.len(), unknown[0].0.as_str()), (0, 2, "n0"));
    assert_eq!(world.lasting(), ["n0"]);
}

#[tokio::test]
async fn one_statement_on_one_shard_is_sent_without_a_transaction() {
    let world = World::of(2);
    world.mishap(1, At::Begin, Mishap::Fails(FaultKind::Statement));
    let mut one = change(Dialect::Sqlite, Count::Sum, 2);
    one.statements.remove(0);
    let written = execute(&one, &world, soon(), FAR).await.unwrap();
    assert_eq!((written.affected, world.lasting()), (1, vec!["n1".to_owned()]));
}

#[tokio::test]
async fn copies_that_were_touched_unequally_are_taken_back() {
    let world = World::of(3);
    world.change("n2", |node| node.affected = 5);
    let result = execute(&change(Dialect::Sqlite, Count::Same, 3), &world, soon(), FAR).await;
    let Err(Error::Unlike(unlike)) = result else { panic!("{result:?}") };
    assert_eq!((unlike.one.as_str(), unlike.this.as_str()), ("n0", "1"));
    assert_eq!((unlike.other.as_str(), unlike.that.as_str()), ("n2", "5"));
    assert!(world.lasting().is_empty());
    let world = World::of(3);
    let written = execute(&change(Dialect::Sqlite, Count::Same, 3), &world, soon(), FAR).await.unwrap();
    assert_eq!((written.affected, written.nodes.len()), (1, 3));
}

#[tokio::test]
async fn rows_that_come_back_are_those_of_all_or_of_one_copy() {
    for (count, rows) in [(Count::Sum, 6), (Count::Same, 2)] {
        let world = World::of(3);
        (0..3).for_each(|node| world.change(&name(Shard(node)), |node| node.affected = 2));
        let returning = Change { returns: true, ..change(Dialect::Postgres, count, 3) };
        let written = execute(&returning, &world, soon(), FAR).await.unwrap();
        let returned = written.returned.unwrap();
        assert_eq!((written.affected, returned.rows.len(), returned.columns.len()), (rows, rows as usize, 1));
    }
}

#[tokio::test]
async fn more_rows_than_may_come_back_take_everything_back() {
    let world = World::of(2);
    world.change("n1", |node| node.affected = 1000);
    let returning = Change { returns: true, ..change(Dialect::Postgres, Count::Sum, 2) };
    let result = execute(&returning, &world, soon(), 2000).await;
    assert_eq!(result, Err(Error::Cap(crate::sql::error::Cap::AnswerBytes(2000))));
    assert!(world.lasting().is_empty());
}

#[tokio::test]
async fn at_the_deadline_nothing_is_done_and_who_was_late_is_named() {
    for at in [At::Begin, At::Execute] {
        let world = World::of(3);
        world.mishap(1, at, Mishap::Waits(Arc::new(Semaphore::new(0))));
        let due = Instant::now() + Duration::from_millis(50);
        let result = execute(&change(Dialect::Postgres, Count::Sum, 3), &world, due, FAR).await;
        assert_eq!(result, Err(Error::Deadline { late: vec!["n1".into()] }));
        agrees(&world, 3, &result);
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_commit_leaves_nothing() {
    for at in [At::Open, At::Begin, At::Execute] {
        let world = World::of(3);
        world.mishap(2, at, Mishap::Waits(Arc::new(Semaphore::new(0))));
        let change = change(Dialect::Postgres, Count::Sum, 3);
        let left = tokio::time::timeout(Duration::from_millis(30), execute(&change, &world, soon(), FAR)).await;
        assert!(left.is_err());
        assert!(world.lasting().is_empty());
        assert!((0..3).all(|node| world.node(&name(Shard(node))).open == 0));
    }
}

#[tokio::test]
async fn a_client_that_leaves_after_the_first_commit_leaves_it_complete() {
    let world = World::of(3);
    let gate = Arc::new(Semaphore::new(0));
    world.mishap(1, At::Commit, Mishap::Waits(Arc::clone(&gate)));
    is_completed(&world, &gate, &change(Dialect::Postgres, Count::Sum, 3)).await;
}

/// That a change of three nodes is carried through after its client has left, at a gate that the second does not pass yet.
async fn is_completed(world: &World, gate: &Semaphore, change: &Change) {
    let left = tokio::time::timeout(Duration::from_millis(30), execute(change, world, soon(), FAR)).await;
    assert!(left.is_err());
    assert_eq!(world.lasting(), ["n0"]);
    let done = world.under_way.done();
    assert!(tokio::time::timeout(Duration::from_millis(30), done).await.is_err(), "it is known to be under way");
    gate.add_permits(1);
    world.under_way.done().await;
    assert_eq!(world.lasting().len(), 3);
}

#[tokio::test]
async fn a_commit_that_panics_leaves_all_in_doubt() {
    let world = World::of(2);
    world.mishap(1, At::Commit, Mishap::Panics);
    let result = execute(&change(Dialect::Postgres, Count::Sum, 2), &world, soon(), FAR).await;
    let Err(Error::HalfCommitted { unknown, .. }) = result else { panic!("{result:?}") };
    assert_eq!(unknown.len(), 2);
    world.under_way.done().await;
}

#[tokio::test]
async fn a_question_that_is_answered_refuses_before_anything_is_written() {
    let refusal = Refusal::new("INSERT", "it counts");
    let question = Question { sql: "does it count?".into(), params: Vec::new(), refusal: refusal.clone() };
    let asked = Change { questions: vec![question], ..change(Dialect::MySql, Count::Same, 2) };
    let world = World::of(2);
    assert_eq!(execute(&asked, &world, soon(), FAR).await, Err(Error::Refused(refusal)));
    // Each that writes is asked.
    let world = World::of(2);
    world.change("n0", |node| node.affected = 0);
    assert!(matches!(execute(&asked, &world, soon(), FAR).await, Err(Error::Refused(_))));
    // It answers no row.
    let world = World::of(2);
    world.change("n0", |node| node.affected = 0);
    world.change("n1", |node| node.affected = 0);
    assert!(execute(&asked, &world, soon(), FAR).await.is_ok());
}

fn made(dialect: Dialect, shards: u16, exist: Option<bool>) -> Change {
    let verify = Verify { tables: vec!["t".into()], exist };
    Change { verify: Some(verify), ..change(dialect, Count::Same, shards) }
}

#[tokio::test]
async fn tables_that_differ_afterwards_are_taken_back() {
    let world = World::of(3);
    world.change("n0", |node| node.shape = vec![column("INTEGER")]);
    world.change("n1", |node| node.shape = vec![column("INTEGER")]);
    world.change("n2", |node| node.shape = vec![column("BIGINT")]);
    let result = execute(&made(Dialect::Postgres, 3, Some(true)), &world, soon(), FAR).await;
    let Err(Error::Unlike(unlike)) = &result else { panic!("{result:?}") };
    assert_eq!((unlike.one.as_str(), unlike.other.as_str()), ("n0", "n2"));
    agrees(&world, 3, &result);
    world.change("n2", |node| node.shape = vec![column("INTEGER")]);
    assert!(execute(&made(Dialect::Postgres, 3, Some(true)), &world, soon(), FAR).await.is_ok());
}

#[tokio::test]
async fn a_table_that_is_there_after_it_was_dropped_is_told() {
    let world = World::of(1);
    world.change("n0", |node| node.shape = vec![column("INTEGER")]);
    let result = execute(&made(Dialect::Sqlite, 1, Some(false)), &world, soon(), FAR).await;
    assert!(matches!(result, Err(Error::Unlike(_))), "{result:?}");
    assert!(world.lasting().is_empty());
}

#[tokio::test]
async fn mysql_changes_tables_one_node_after_the_other_and_tells_how_far_it_came() {
    for node in 0..3 {
        for mishap in [Mishap::Fails(FaultKind::Statement), Mishap::Fails(FaultKind::Lost), Mishap::DoneAndLost] {
            let world = World::of(3);
            world.mishap(node, At::Execute, mishap);
            let result = execute(&made(Dialect::MySql, 3, None), &world, soon(), FAR).await;
            agrees(&world, 3, &result);
            assert!(result.is_err());
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_mysql_changes_tables_leaves_them_alike() {
    let (world, gate) = (World::of(3), Arc::new(Semaphore::new(0)));
    world.mishap(1, At::Execute, Mishap::Waits(Arc::clone(&gate)));
    is_completed(&world, &gate, &made(Dialect::MySql, 3, None)).await;
}

#[tokio::test]
async fn what_mysql_has_done_stays_done_where_it_cannot_be_looked_at() {
    let world = World::of(2);
    world.mishap(1, At::Shape, Mishap::Fails(FaultKind::Lost));
    let result = execute(&made(Dialect::MySql, 2, None), &world, soon(), FAR).await;
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn what_mysql_has_done_everywhere_and_not_alike_is_told_as_done() {
    for (exist, last) in [(Some(true), vec![column("BIGINT")]), (Some(true), Vec::new()), (None, Vec::new())] {
        let world = World::of(3);
        world.change("n0", |node| node.shape = vec![column("INTEGER")]);
        world.change("n1", |node| node.shape = vec![column("INTEGER")]);
        world.change("n2", |node| node.shape = last);
        let result = execute(&made(Dialect::MySql, 3, exist), &world, soon(), FAR).await;
        assert_eq!(world.lasting().len(), 3);
        agrees(&world, 3, &result);
        let Err(Error::HalfCommitted { committed, unknown, .. }) = result else { panic!("{result:?}") };
        assert_eq!(committed, ["n0", "n1"]);
        assert!(unknown[0].1.message.contains("carried out") && unknown[0].1.message.contains("n2 has"), "{unknown:?}");
    }
}

#[tokio::test]
async fn all_nodes_that_cannot_be_opened_are_named() {
    for change in [change(Dialect::Postgres, Count::Sum, 4), made(Dialect::MySql, 4, None)] {
        let world = World::of(4);
        world.mishap(1, At::Open, Mishap::Fails(FaultKind::Connect));
        world.mishap(2, At::Open, Mishap::Waits(Arc::new(Semaphore::new(0))));
        world.mishap(3, At::Open, Mishap::Fails(FaultKind::Connect));
        let result = execute(&change, &world, soon(), FAR).await;
        let Err(Error::Nodes(failed)) = &result else { panic!("{result:?}") };
        assert_eq!(failed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["n1", "n3"]);
        agrees(&world, 4, &result);
    }
}
