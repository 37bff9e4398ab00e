//! Writes on their way through an entry; what they do to nodes is tested where they are carried out.

use std::sync::Arc;
use std::time::Duration;

use super::fake::{World, query};
use crate::sql::error::Error;
use crate::sql::run::{Answer, Query};

#[tokio::test(start_paused = true)]
async fn a_write_over_several_nodes_waits_for_its_turn_among_all_that_hold_connections() {
    let mut world = World::new();
    world.limits.connections = 1;
    let entry = world.entry();
    let turn = Arc::clone(&entry.spread().spread).acquire_owned().await.unwrap();
    let both = "INSERT INTO t (id, name) VALUES (1, 'x'), (1001, 'y')";
    let soon = || Query { timeout: Some(Duration::from_secs(1)), ..query(both) };
    assert_eq!(entry.answer(soon()).await.err(), Some(Error::Deadline { late: Vec::new() }));
    let one = entry.answer(query("INSERT INTO t (id, name) VALUES (1, 'x')")).await;
    assert!(matches!(one, Ok(Answer::Written(_))), "{one:?}");
    drop(turn);
    let two = entry.answer(soon()).await;
    assert!(matches!(two, Ok(Answer::Written(_))), "{two:?}");
    assert_eq!(world.open(), 0);
}
