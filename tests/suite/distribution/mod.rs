//! How `consistent-hash` spreads 10,000 requests over 2 to 6 servers, and how many keys move when one leaves. Real requests
//! with real answers, counted by who answered, beside what is ideal: the same load for everyone, and 1/N of the keys moved.
//! `tests/distribution` runs it and has the pictures drawn.
//!
//! With the polynomial hash, what is asserted is that requests go where the ring's formulas send them, each single one.
//! How even that is is measured and not asserted: the formulas are given, and are no even spread over few servers. All
//! virtual nodes of a server lie within 80 of the 512 slots, and the request's hash, a square, meets only 87 of them.
//!
//! With the mixed hash, what is asserted is what the other one lacks: the spread is as even as its virtual nodes promise,
//! and a server that leaves moves no key but its own.

mod chart;
mod figures;
mod ring;
mod run;

use std::path::{Path, PathBuf};

use figures::{Figures, Moved, Spread};
use run::{Hash, REQUESTS, Scene};

use crate::programs::tell;

/// How many the mixed hash puts on the ring for each server, by default.
const VIRTUAL_NODES: f64 = 150.0;

/// What was measured with one of the hashes, by the number of servers.
struct Measured {
    hash: Hash,
    all: Vec<Figures>,
}

impl Measured {
    fn with(&self, servers: usize) -> &Figures {
        self.all.iter().find(|figures| figures.servers() == servers).expect("so many servers were measured")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_spread_and_moved_as_the_hash_promises() {
    let mut both = Vec::new();
    for hash in [Hash::Polynomial, Hash::Mixed] {
        let mut all = Vec::new();
        for servers in 2..=6 {
            all.push(measure(hash, servers).await);
        }
        both.push(Measured { hash, all });
    }
    both.iter().for_each(print);
    for figures in &both[1].all {
        assert_even(figures);
    }
    if let Some(folder) = std::env::var_os("LEVERFRAME_FIGURES").filter(|folder| !folder.is_empty()) {
        draw(&PathBuf::from(folder), &both);
    }
}

async fn measure(hash: Hash, servers: usize) -> Figures {
    let scene = Scene::start(hash, servers).await;
    let everyone: Vec<_> = (0..servers).collect();
    let before = scene.ask().await;
    assert!(before == scene.ask().await, "{hash:?}, {servers} servers: a key stays where it is while nothing changes");

    let spread = Spread::of(&before, servers);
    // The worst case: the ideal is the same for each, and this one takes the most keys with it.
    let gone = spread.most_loaded();
    let rest: Vec<_> = everyone.iter().copied().filter(|server| *server != gone).collect();
    scene.take_out(gone).await;
    let after = scene.ask().await;
    if hash == Hash::Polynomial {
        assert_eq!(before, scene.expected(&everyone), "{servers} servers: where the formulas say");
        assert_eq!(after, scene.expected(&rest), "{servers} servers without number {gone}: where the formulas say");
    }

    let moved = Moved::between(&before, &after, gone);
    assert_eq!(moved.of_the_gone, spread.load(gone), "{servers} servers: all that the one had must go elsewhere");
    // With the polynomial hash, a virtual node that had met an occupied slot goes back to its own when that becomes free,
    // and takes keys with it. Up to four servers this touches no slot that a request starts at; with five and six it does.
    if hash == Hash::Mixed || servers <= 4 {
        assert_eq!(moved.without_need, 0, "{hash:?}, {servers} servers: a key of one that stays must stay");
    }
    Figures { spread, moved }
}

/// With v virtual nodes for each server, as if drawn by lot, loads vary by about 1/√v of the mean; the plugin's unit tests
/// have the derivation, and show it for many clusters. What one cluster comes to depends on the names of its servers and on
/// the keys, which are the same each time.
fn assert_even(Figures { spread, moved }: &Figures) {
    let (servers, promised) = (spread.servers(), VIRTUAL_NODES.sqrt().recip());
    assert!(spread.variation() <= promised, "{servers} servers vary by {:.3} of the mean", spread.variation());
    // The most loaded one has 1/N at least, and is above it by not much more than all are on average.
    let ideal = 1.0 / servers as f64;
    let bounds = ideal..=ideal * (1.0 + 2.0 * promised);
    assert!(bounds.contains(&moved.share()), "{servers} servers: a share of {:.3} moved", moved.share());
}

fn print(Measured { hash, all }: &Measured) {
    let name = hash.as_str();
    tell(&format!(
        "consistent-hash, {name}: {REQUESTS} requests with different paths; then the most loaded server leaves"
    ));
    tell("servers    mean  deviation  variation   most  least  moved  its own  needless  moved %  ideal 1/N %");
    for Figures { spread, moved } in all {
        tell(&format!(
            "{:>7} {:>7.0} {:>10.0} {:>9.0}% {:>6} {:>6} {:>6} {:>8} {:>9} {:>8.1} {:>12.1}",
            spread.servers(),
            spread.mean(),
            spread.deviation(),
            100.0 * spread.variation(),
            spread.most(),
            spread.least(),
            moved.total(),
            moved.of_the_gone,
            moved.without_need,
            100.0 * moved.share(),
            100.0 / spread.servers() as f64,
        ));
    }
}

fn draw(folder: &Path, both: &[Measured]) {
    std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    chart::loads(&folder.join("distribution-3.svg"), both, 3).expect("a picture");
    chart::spreads(&folder.join("distribution-2-to-6.svg"), both).expect("a picture");
    chart::moved(&folder.join("moved-keys.svg"), both).expect("a picture");
}
