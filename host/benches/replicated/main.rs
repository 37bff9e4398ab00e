//! What writing to every node costs: `cargo bench -p leverframe --bench replicated`. The topology `replicated` beside
//! Pgpool-II in native replication (Debian's `pgpool2`), each over three PostgreSQL servers of its own, with the settings that
//! PostgreSQL has by default: what is committed is flushed to the disk.
//!
//! Both are asked in turn, in slices of some seconds, by the same number of clients over connections that are open already:
//! Leverframe over HTTP, as it is used, with JSON in both directions; Pgpool-II over the PostgreSQL protocol, by simple queries,
//! which cost it less than prepared statements do (seen with pgbench: 23 us of CPU time each in the place of 38). All share the
//! cores of one machine, the clients with them. CPU time is that of the proxy, from /proc: of Pgpool-II, of all its processes.
//! How Pgpool-II is set up, and why so, is in `pgpool.rs`.
//!
//! An insert is acknowledged when all three servers have it, by both. Leverframe has it in its log before, flushed to the
//! disk, which Pgpool-II does not do: the price of getting a server back that was away. The ids are the clients', so that
//! Pgpool-II need not lock the table for them. In the end all servers must have equal rows, as many as were acknowledged.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench speaks to whoever runs it, and one that cannot go on stops"
)]

mod caller;
mod cpu;
mod measure;
#[path = "../../../tests/suite/programs.rs"]
#[allow(dead_code, reason = "the suite's; a bench needs less of it")]
mod programs;
mod proxy;
mod report;
mod scene;
mod servers;
mod world;

use std::time::Duration;

use measure::Kind;
use report::Report;
use scene::{Product, Scene};

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    /// Rows that are there before.
    rows: u32,
    rounds: usize,
    /// How long each product is asked at a time.
    slice: Duration,
}

/// 3 counts of clients × 2 kinds × 2 products × 3 rounds × 2.5 s: a minute and a half, and some seconds for the servers.
const WHOLE: Extent = Extent { rows: 50_000, rounds: 3, slice: Duration::from_millis(2_500) };
/// That it runs is the question then.
const SHORT: Extent = Extent { rows: 500, rounds: 1, slice: Duration::from_millis(100) };

const CLIENTS: [usize; 3] = [1, 8, 32];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo bench` says `--bench`; a test run of the benches only looks whether they work.
    let says = |word: &str| std::env::args().any(|argument| argument == word);
    let extent = if says("--bench") && !says("--test") { WHOLE } else { SHORT };
    let mut scene = Scene::set(extent.rows).await;
    println!(
        "{} rows on each of three PostgreSQL servers, once for each product; {} rounds",
        extent.rows, extent.rounds
    );
    println!("clients of Leverframe speak HTTP (JSON), those of Pgpool-II the PostgreSQL protocol (simple queries)");
    for kind in [Kind::Select, Kind::Insert] {
        println!("\n{}:", kind.words());
        for clients in CLIENTS {
            let mut report = Report::new(clients);
            scene.open(clients).await;
            for round in 0..extent.rounds {
                // Whoever goes first goes second in the next round.
                let mut products = [Product::Leverframe, Product::Pgpool];
                products.rotate_left(round % 2);
                for product in products {
                    scene.run(product, kind, extent.slice / 10).await;
                    report.add(product, scene.run(product, kind, extent.slice).await);
                }
            }
            report.print();
        }
    }
    for (product, inserts) in scene.compare().await {
        println!("\n{}: {inserts} rows inserted, and all three servers have equal rows", product.name());
    }
    scene.end().await;
}
