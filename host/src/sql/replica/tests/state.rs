//! How nodes come, go, catch up and are given up.

use std::time::{Duration, Instant};

use super::super::log::Position;
use super::super::state::{Filling, Notice, Standing, State};
use crate::model::ReplicaChange;

fn kinds(notices: &[Notice]) -> Vec<ReplicaChange> {
    notices.iter().map(|notice| notice.change).collect()
}

#[test]
fn a_node_goes_from_down_over_recovering_to_up_and_tells_how_far_it_is() {
    let now = Instant::now();
    let mut node = Standing::new(Position(2));
    assert_eq!(kinds(&node.failed("refused", now)), [ReplicaChange::Down]);
    assert_eq!(kinds(&node.failed("refused again", now)), []);
    assert_eq!(node.state(), &State::Down { why: "refused again".into() });
    assert_eq!(kinds(&node.connected(Position(2), Position(10), now)), [ReplicaChange::Recovering]);
    assert_eq!(kinds(&node.moved(Position(4), Position(10), now + Duration::from_secs(2))), []);
    assert_eq!(node.state(), &State::Recovering { left: 6, rate: 1.0 });
    assert_eq!(kinds(&node.moved(Position(10), Position(10), now)), [ReplicaChange::Up]);
    assert!(node.is_readable(now));
    // What is appended later does not make it less up.
    assert_eq!(kinds(&node.moved(Position(10), Position(12), now)), []);
    assert_eq!(node.state(), &State::Up);
    assert_eq!(kinds(&node.failed("lost", now)), [ReplicaChange::Down]);
}

#[test]
fn a_node_with_older_data_than_it_had_is_told() {
    let now = Instant::now();
    let mut node = Standing::new(Position(9));
    let told = node.connected(Position(5), Position(10), now);
    assert_eq!(kinds(&told), [ReplicaChange::OlderData, ReplicaChange::Recovering]);
    assert_eq!(node.mark(), Position(5));
}

#[test]
fn one_that_comes_and_goes_is_not_read_from_until_it_was_up_for_a_while() {
    let mut now = Instant::now();
    let mut node = Standing::new(Position(0));
    let mut told = Vec::new();
    for _ in 0..3 {
        told.extend(kinds(&node.connected(Position(0), Position(0), now)));
        now += Duration::from_secs(1);
        told.extend(kinds(&node.failed("lost", now)));
    }
    assert_eq!(told.iter().filter(|change| **change == ReplicaChange::Flapping(true)).count(), 1);
    node.connected(Position(0), Position(0), now);
    assert!(!node.is_readable(now + Duration::from_secs(9)));
    assert_eq!(kinds(&node.tick(now + Duration::from_secs(9))), []);
    assert!(node.is_readable(now + Duration::from_secs(10)));
    assert_eq!(kinds(&node.tick(now + Duration::from_secs(10))), [ReplicaChange::Flapping(false)]);
    assert!(!node.is_flapping());
    // Slowly enough, that is no flapping.
    for _ in 0..5 {
        now += Duration::from_secs(61);
        assert_eq!(kinds(&node.failed("lost", now)), [ReplicaChange::Down]);
        assert_eq!(kinds(&node.connected(Position(0), Position(0), now)), [ReplicaChange::Up]);
    }
}

#[test]
fn who_is_quarantined_stays_so_until_it_is_filled_anew() {
    let now = Instant::now();
    let mut node = Standing::new(Position(0));
    node.connected(Position(0), Position(0), now);
    assert_eq!(kinds(&node.differs(Position(1), "UPDATE t", "why")), [ReplicaChange::Inconsistent]);
    assert_eq!(kinds(&node.connected(Position(1), Position(1), now)), []);
    assert_eq!(kinds(&node.failed("lost", now)), []);
    assert!(!node.is_readable(now) && node.state().name() == "INCONSISTENT");
    assert_eq!(kinds(&node.rebuilding(Filling::default())), [ReplicaChange::Rebuilding]);
    assert_eq!(kinds(&node.rebuilding(Filling::default())), []);
    node.rebuilt(Position(7));
    assert_eq!(kinds(&node.connected(Position(7), Position(7), now)), [ReplicaChange::Up]);
}
