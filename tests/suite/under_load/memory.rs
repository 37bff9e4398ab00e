//! What a thousand swaps leave behind: nothing. The resident memory of the real process, read from `/proc` again and
//! again meanwhile.
//!
//! Ten plugins change at the same time, since it is the wait for a file to be whole that takes the time, not the swap.

use std::net::SocketAddr;
use std::time::Instant;

use leverframe::demo::Node;
use leverframe::model::EndpointName;
use leverframe::plugin::ContentHash;
use serde_json::Value;

use crate::programs::{is_nightly, tell};
use crate::world::{Process, Setup, embedded, eventually, fetch, salted};

/// Plugins, each with a cluster of its own.
const PLUGINS: usize = 10;
/// Contents that come round again: what is compiled is found in the cache.
const CONTENTS: usize = 8;
const SWAPS: usize = 1_000;
const SWAPS_NIGHTLY: usize = 5_000;
/// Swaps to contents that never were before: each is compiled, which takes most of the time.
const NEW_SWAPS: usize = 80;
const NEW_SWAPS_NIGHTLY: usize = 1_000;
/// How often memory is read in a series, if there are as many rounds.
const READINGS: usize = 20;
/// What the last quarter may have over the second one; the first is left out, since caches fill in it. The allocator
/// keeps what compiling has freed and gives it back when it sees fit, so the resident part wanders by a tenth or so
/// without a trend. One version that stayed with each swap would be many times that.
const GROWTH: f64 = 1.2;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_thousand_swaps_leave_memory_flat() {
    let bases = [embedded("round-robin"), embedded("random")];
    let content = |number: usize| salted(&bases[number % 2], &format!("known {number}"));
    let contents: Vec<_> = (0..CONTENTS).map(content).collect();
    let scene = Scene::start(&contents, "").await;
    let swaps = if is_nightly() { SWAPS_NIGHTLY } else { SWAPS };
    let series = scene.swap(swaps, |round, plugin| contents[(round + plugin) % CONTENTS].clone()).await;
    assert_flat("known contents", &series);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn swaps_to_contents_never_seen_leave_memory_flat() {
    let bases = [embedded("round-robin"), embedded("random")];
    let swaps = if is_nightly() { NEW_SWAPS_NIGHTLY } else { NEW_SWAPS };
    let scene =
        Scene::start(&[salted(&bases[0], "first"), salted(&bases[1], "first")], "[plugins]\ncache = false\n").await;
    let new = |round: usize, plugin: usize| salted(&bases[(round + plugin) % 2], &format!("{round} {plugin}"));
    let series = scene.swap(swaps, new).await;
    assert_flat("contents never seen", &series);
}

fn assert_flat(what: &str, series: &[u64]) {
    let quarter = series.len() / 4;
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    let (second, last) = (mean(&series[quarter..2 * quarter]), mean(&series[series.len() - quarter..]));
    tell(&format!("{what}: second quarter {second:.0} KiB, last quarter {last:.0} KiB, {:.3} times", last / second));
    assert!(last <= GROWTH * second, "{what}: memory grows: {series:?} KiB");
}

struct Scene {
    process: Process,
    listener: SocketAddr,
    _origin: Node,
    _cache: tempfile::TempDir,
}

impl Scene {
    async fn start(contents: &[Vec<u8>], more: &str) -> Self {
        let mut more = format!("{more}\n[[listener]]\nname = \"many\"\naddress = \"127.0.0.1:0\"\n\n");
        for plugin in 0..PLUGINS {
            more += &format!("[[listener.route]]\npath_prefix = \"/{plugin}\"\ncluster = \"c{plugin}\"\n\n");
        }
        let name = EndpointName::new("origin").expect("a name");
        let origin = Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), name).await.expect("a free port");
        for plugin in 0..PLUGINS {
            let address = origin.address();
            more += &format!("[cluster.c{plugin}]\nstrategy = \"p{plugin}\"\nendpoints = [\"{address}\"]\n\n");
        }
        let plugin = |setup: Setup, plugin: usize| {
            setup.plugin(&format!("p{plugin}"), contents[plugin % contents.len()].clone())
        };
        let setup = (0..PLUGINS).fold(Setup::new().workers(2).origins(1).more(&more), plugin);
        let cache = tempfile::tempdir().expect("a temporary folder");
        let process = setup.spawn(&[("XDG_CACHE_HOME", &cache.path().to_string_lossy())]).await;
        let listener = process.api("/health").await["listeners"]["many"].as_str().map(str::parse::<SocketAddr>);
        let listener = listener.expect("the listener").expect("an address");
        Self { process, listener, _origin: origin, _cache: cache }
    }

    /// Swaps all plugins, round after round, to what `content` says for a round and a plugin. Returns the resident memory
    /// after every few rounds, in KiB.
    async fn swap(&self, swaps: usize, content: impl Fn(usize, usize) -> Vec<u8>) -> Vec<u64> {
        let start = Instant::now();
        let mut series = Vec::new();
        let rounds = swaps / PLUGINS;
        let each = (rounds / READINGS).max(1);
        for round in 1..=rounds {
            let mut hashes = Vec::new();
            for plugin in 0..PLUGINS {
                let bytes = content(round, plugin);
                std::fs::write(self.process.path(&format!("plugins/p{plugin}.wasm")), &bytes).expect("a plugin");
                hashes.push(ContentHash::of(&bytes).to_string());
            }
            eventually("all plugins have their new versions", || self.serve(&hashes)).await;
            for plugin in 0..PLUGINS {
                let reply = fetch(self.listener, &format!("/{plugin}/")).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
            }
            if round.is_multiple_of(each) {
                series.push(resident_kib(self.process.id()));
            }
        }
        tell(&format!(
            "{swaps} swaps in {:.1?}; KiB resident after each {}: {series:?}",
            start.elapsed(),
            each * PLUGINS
        ));
        series
    }

    async fn serve(&self, hashes: &[String]) -> Option<()> {
        let answer = self.process.api("/api/plugins").await;
        let plugins = answer["plugins"].as_array().expect("a list of plugins");
        let serves = |(plugin, hash): (usize, &String)| {
            let is_it = |entry: &&Value| entry["name"] == format!("p{plugin}");
            plugins.iter().find(is_it).is_some_and(|entry| entry["versions"][0]["hash"] == **hash)
        };
        hashes.iter().enumerate().all(serves).then_some(())
    }
}

/// What `/proc` says a process has in memory.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
