//! What merging costs: an ORDER BY over a third of a table, against the slowest of the same three statements asked of the
//! three servers at once by a client that throws the rows away.

use std::time::Duration;

use futures_util::future::join_all;

use crate::figures::{median, millis, ratio};
use crate::scene::{Peer, Scene, direct};

/// The bar: so many times the slowest shard.
const BAR: f64 = 1.3;

pub(crate) async fn compare(scene: &Scene, rounds: usize) {
    let sql = "SELECT id, customer, amount FROM orders WHERE id % 3 = 0 ORDER BY customer, id";
    let mut client = scene.client().await;
    let (mut shards, mut merged, mut one) = (Vec::<Duration>::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let parts = join_all(scene.shards.iter().map(|shard| direct(shard, sql))).await;
        let slowest = parts.iter().map(|(took, _)| *took).max().unwrap_or_default();
        let (took, rows) = scene.ask(Peer::Leverframe, sql, &mut client).await;
        assert_eq!(rows, parts.iter().map(|(_, rows)| rows).sum::<usize>());
        let (alone, _) = scene.ask(Peer::One, sql, &mut client).await;
        if round > 0 {
            shards.push(slowest);
            merged.push(took);
            one.push(alone);
        }
    }
    let (shards, merged, one) = (median(&shards), median(&merged), median(&one));
    println!(
        "\norder by, {} rows: slowest of three shards {:.1} ms, merged by leverframe {:.1} ms, {:.2} times (bar {BAR}); \
         one server {:.1} ms",
        scene.rows / 3,
        millis(shards),
        millis(merged),
        ratio(merged, shards),
        millis(one),
    );
}
