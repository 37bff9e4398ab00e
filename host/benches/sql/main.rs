//! What the SQL entry costs: `cargo bench -p leverframe --bench sql`. Three PostgreSQL servers with a third of the rows
//! each, behind a Leverframe; beside it one server with all rows, and `postgres_fdw` with partitions over the same three.
//!
//! Wall time is what a client waits: the medians of rounds in which all are asked in turn, over connections that are open
//! already. All share the cores of one machine, the client with them. CPU time of the proxy is read from /proc.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench speaks to whoever runs it, and one that cannot go on stops"
)]

#[path = "../replicated/cpu.rs"]
mod cpu;
mod figures;
mod merge;
mod point;
#[path = "../../../tests/suite/programs.rs"]
#[allow(dead_code, reason = "the suite's; a bench needs less of it")]
mod programs;
mod queries;
mod scene;
mod world;
#[path = "../../../tests/suite/under_load/wrk.rs"]
mod wrk;

use std::time::Duration;

use scene::Scene;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rows: u32,
    rounds: usize,
    points: Duration,
}

const WHOLE: Extent = Extent { rows: 300_000, rounds: 15, points: Duration::from_secs(8) };
/// That it runs is the question then.
const SHORT: Extent = Extent { rows: 3_000, rounds: 1, points: Duration::from_millis(400) };

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let extent = if std::env::args().any(|argument| argument == "--test") { SHORT } else { WHOLE };
    println!("{} rows on three servers, {} rounds, medians", extent.rows, extent.rounds);
    let scene = Scene::set(extent.rows).await;
    queries::compare(&scene, extent.rounds).await;
    merge::compare(&scene, extent.rounds).await;
    point::measure(&scene, extent).await;
    scene.end().await;
}
