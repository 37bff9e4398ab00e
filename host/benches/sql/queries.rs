//! The questions that people ask of many rows, asked of all peers in turn.

use std::time::Duration;

use crate::figures::{median, millis, ratio};
use crate::scene::{Peer, Scene};

const PEERS: [Peer; 4] = [Peer::One, Peer::Fdw, Peer::TunedFdw, Peer::Leverframe];

/// Name, text, and whether it is an aggregate, for which there is a bar.
const QUERIES: [(&str, &str, bool); 5] = [
    ("count", "SELECT COUNT(*) FROM orders", true),
    ("group by, avg", "SELECT region, AVG(amount), COUNT(*) FROM orders GROUP BY region ORDER BY 2 DESC", true),
    (
        "having",
        "SELECT customer, SUM(amount) FROM orders GROUP BY customer HAVING SUM(amount) > 320000 ORDER BY 2 DESC, 1",
        true,
    ),
    ("top 10", "SELECT id, customer, amount FROM orders ORDER BY amount DESC, id LIMIT 10", false),
    ("range", "SELECT id, customer, amount, placed FROM orders WHERE id BETWEEN 99000 AND 101000 ORDER BY id", false),
];

/// Aggregates are to be so many times faster than `postgres_fdw`.
const BAR: f64 = 5.0;

pub(crate) async fn compare(scene: &Scene, rounds: usize) {
    println!(
        "\n{:<14} {:>10} {:>10} {:>10} {:>10}   {:>9} {:>9}",
        "ms", "one server", "fdw", "fdw tuned", "leverframe", "fdw/this", "tuned/this"
    );
    let mut client = scene.client().await;
    for (name, sql, is_aggregate) in QUERIES {
        let mut times = [const { Vec::<Duration>::new() }; PEERS.len()];
        // The first round warms up.
        for round in 0..=rounds {
            let mut counts = Vec::new();
            for (peer, times) in PEERS.iter().zip(&mut times) {
                let (took, rows) = scene.ask(*peer, sql, &mut client).await;
                counts.push(rows);
                if round > 0 {
                    times.push(took);
                }
            }
            assert!(counts.iter().all(|count| *count == counts[0]), "{name}: {counts:?} rows");
        }
        let [one, fdw, tuned, this] = times.map(|times| median(&times));
        let bar = match is_aggregate {
            true if ratio(fdw, this) < BAR => format!("  below the bar of {BAR}"),
            true => format!("  bar {BAR}"),
            false => String::new(),
        };
        println!(
            "{name:<14} {:>10.2} {:>10.2} {:>10.2} {:>10.2}   {:>9.2} {:>9.2}{bar}",
            millis(one),
            millis(fdw),
            millis(tuned),
            millis(this),
            ratio(fdw, this),
            ratio(tuned, this),
        );
    }
}
