//! Writes that wait at the same time: they share a transaction of each node, and each comes out as it would by itself.

use std::sync::Arc;
use std::time::Duration;

use super::super::ack::Acknowledgement;
use super::super::log::Position;
use super::super::{State, WriteError};
use super::steps::{ADD, ADD_TOLD, SCHEMA, Trial};
use super::world::{At, Mishap, World};
use crate::sql::backend::FaultKind;

const WRITES: usize = 12;

/// Writes all at once, behind one that takes its time; `meanwhile` happens when the nodes have that one.
async fn burst(trial: &Trial, texts: &[&str], meanwhile: impl FnOnce()) -> Vec<Result<Vec<u64>, WriteError>> {
    for node in &trial.world.nodes {
        node.lock().slow = 2;
    }
    let first = trial.write(ADD);
    let others = async {
        tokio::time::sleep(Duration::from_millis(3)).await;
        futures_util::future::join_all(texts.iter().map(|text| trial.write(text))).await
    };
    let before: Vec<usize> = (0..trial.world.nodes.len()).map(|node| commits(trial, node)).collect();
    let happening = async {
        while before.iter().enumerate().any(|(node, before)| commits(trial, node) == *before) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        meanwhile();
    };
    let (first, others, ()) = tokio::join!(first, others, happening);
    assert_eq!(first, Ok(vec![1]));
    others
}

async fn trial(seed: u64) -> Trial {
    Trial::of(&World::new(3, SCHEMA, seed), Acknowledgement::AllUp, u64::MAX).await
}

fn commits(trial: &Trial, node: usize) -> usize {
    trial.world.nodes[node].lock().commits
}

#[tokio::test(start_paused = true)]
async fn writes_that_wait_share_a_transaction() {
    let trial = trial(1).await;
    let before = commits(&trial, 0);
    let done = burst(&trial, &[ADD; WRITES], || ()).await;
    assert!(done.iter().all(|done| *done == Ok(vec![1])), "{done:?}");
    let used = commits(&trial, 0) - before;
    assert!(used <= 1 + WRITES / 3, "{used} transactions for {} writes", WRITES + 1);
    assert_eq!(trial.count(0), WRITES as i64 + 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_among_others_is_refused_alone() {
    let trial = trial(1).await;
    let mut texts = [ADD; WRITES];
    texts[5] = "INSERT INTO t VALUES (1, 1)";
    let done = burst(&trial, &texts, || ()).await;
    for (at, done) in done.iter().enumerate() {
        match at {
            5 => assert!(matches!(done, Err(WriteError::Refused { .. })), "{done:?}"),
            _ => assert_eq!(*done, Ok(vec![1])),
        }
    }
    assert!((0..3).all(|node| trial.count(node) == WRITES as i64 && trial.state(node) == State::Up));
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_out_otherwise_among_others_has_its_node_taken_out_at_its_place() {
    let trial = trial(1).await;
    let done = burst(&trial, &[ADD; WRITES], || {
        trial.world.nodes[2].lock().planned.push((At::Execute, Mishap::Miscounts));
    })
    .await;
    assert!(done.iter().all(|done| *done == Ok(vec![1])), "{done:?}");
    let State::Inconsistent { position, statement, .. } = trial.state(2) else { panic!("{:?}", trial.state(2)) };
    assert!(position > Position(1) && statement == ADD_TOLD, "{position} {statement}");
    assert_eq!((trial.count(0), trial.count(1)), (WRITES as i64 + 1, WRITES as i64 + 1));
}

#[tokio::test(start_paused = true)]
async fn a_mishap_at_any_step_of_what_is_shared_does_nothing_twice_and_loses_nothing() {
    let kinds = [FaultKind::Lost, FaultKind::Failed, FaultKind::TimedOut, FaultKind::Conflict, FaultKind::Connect];
    let mishaps = kinds.map(Mishap::Fails).into_iter().chain([Mishap::DoneAndLost, Mishap::Late, Mishap::Hangs]);
    for (seed, mishap) in (0..8).flat_map(|seed| mishaps.clone().map(move |mishap| (seed, mishap))) {
        for at in [At::Begin, At::Execute, At::Advance, At::Commit] {
            if mishap == Mishap::Late && at != At::Commit {
                continue;
            }
            let trial = trial(seed).await;
            let done = burst(&trial, &[ADD; WRITES], || trial.world.nodes[1].lock().planned.push((at, mishap))).await;
            assert!(done.iter().all(|done| *done == Ok(vec![1])), "seed {seed}, {mishap:?} at {at:?}: {done:?}");
            tokio::time::sleep(Duration::from_secs(30)).await;
            for node in 0..3 {
                let is_met = trial.world.nodes[1].lock().planned.is_empty();
                assert!(is_met, "{mishap:?} at {at:?} happened");
                assert_eq!(trial.count(node), WRITES as i64 + 1, "seed {seed}, {mishap:?} at {at:?}, node {node}");
                assert_eq!(trial.state(node), State::Up, "seed {seed}, {mishap:?} at {at:?}, node {node}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_each_did_is_known_after_the_process_and_the_answer_are_gone() {
    let before = trial(1).await;
    let done = burst(&before, &[ADD; WRITES], || {
        let mut node = before.world.nodes[2].lock();
        // Not the last of those that are done together. It cannot be asked before the process has ended.
        node.planned.extend([(At::Execute, Mishap::Miscounts), (At::Commit, Mishap::DoneAndLost)]);
        node.planned.extend([(At::Open, Mishap::Fails(FaultKind::Connect)); 100]);
    })
    .await;
    assert!(done.iter().all(|done| *done == Ok(vec![1])), "{done:?}");
    assert!(matches!(before.state(2), State::Down { .. }), "{:?}", before.state(2));
    let world = Arc::clone(&before.world);
    drop(before);
    world.crash();
    world.nodes[2].lock().planned.clear();
    let after = Trial::of(&world, Acknowledgement::AllUp, u64::MAX).await;
    let State::Inconsistent { position, .. } = after.state(2) else { panic!("{:?}", after.state(2)) };
    assert!(position > Position(1) && position < after.replicas.status().last, "{position}");
}

#[tokio::test(start_paused = true)]
async fn what_only_fails_together_is_done_one_by_one() {
    let trial = trial(1).await;
    let done = burst(&trial, &[ADD; WRITES], || {
        // The node takes the end of what is shared for too much, each time.
        trial.world.nodes[1].lock().planned.push((At::Advance, Mishap::Fails(FaultKind::Failed)));
    })
    .await;
    assert!(done.iter().all(|done| *done == Ok(vec![1])), "{done:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((trial.count(1), trial.state(1)), (WRITES as i64 + 1, State::Up));
    let commits = commits(&trial, 1);
    assert!(commits > WRITES, "{commits} transactions");
}
