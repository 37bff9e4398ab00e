//! Two hundred plugin versions and twenty edits of the configuration, one after the other, while every connection of wrk
//! always has a request under way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use leverframe::plugin::ContentHash;
use serde_json::Value;

use super::nginx::Nginx;
use super::wrk::Wrk;
use crate::programs::{is_nightly, tell};
use crate::world::{Process, Setup, embedded, eventually, fetch, plugin_entry, salted};

const PLUGIN: &str = "mine";
/// How many versions are dropped in, and after how many of them the configuration is edited, twice.
const SWAPS: usize = 200;
const SWAPS_PER_EDIT: usize = 20;
const CONNECTIONS: usize = 32;
/// Every version is compiled, and none is at fault for a core that somebody else had for a while.
const PLUGINS: &str = "[plugins]\ncache = false\nlimits = { pick_deadline = \"1s\", call_deadline = \"1s\" }\n";
/// Origins that are always there; one more comes and goes.
const ORIGINS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_hundred_swaps_and_twenty_edits_lose_no_request() {
    let swaps = if is_nightly() { 5 * SWAPS } else { SWAPS };
    let mut scene = Scene::start().await;
    let wrk = Wrk::start(scene.process.address(), CONNECTIONS, None);
    let start = Instant::now();
    let (mut seated, mut edits) = (Vec::new(), 0);
    for number in 1..=swaps {
        seated.push(scene.swap(number).await);
        if number % SWAPS_PER_EDIT == 0 {
            scene.edit_twice(number / SWAPS_PER_EDIT).await;
            edits += 2;
        }
    }
    let took = start.elapsed();
    let report = wrk.finish().await;
    tell(&format!("{swaps} swaps and {edits} edits in {took:.1?}; wrk: {report:?}"));
    tell(&format!("all versions together: {:?}; each endpoint: {:?}", scene.replaced, scene.endpoint_requests().await));

    assert_eq!((report.bad_answers, &report.socket_errors), (0, &None), "{report:?}");
    assert!(report.requests > swaps as u64, "{report:?}");
    assert!(seated.is_sorted_by(|earlier, later| earlier < later), "a version was not seated: {seated:?}");
    assert_eq!(seated.len(), swaps);
    assert_eq!(scene.generation().await, 1 + edits);
    for trouble in ["traps", "bad_answers", "deadlines", "fallbacks", "rejections"] {
        assert_eq!(scene.replaced[trouble], 0, "{trouble}: {:?}", scene.replaced);
    }
    let requests = scene.endpoint_requests().await;
    assert!(requests.values().all(|requests| *requests > 0), "an endpoint had no request: {requests:?}");
    let metrics = scene.process.api("/metrics?format=json").await;
    let refused = metrics["leverframe_refused_requests"]["samples"].as_array().expect("the metric is there");
    assert!(refused.iter().all(|sample| sample["value"] == 0), "requests were refused: {refused:?}");
}

struct Scene {
    process: Process,
    origins: Vec<Nginx>,
    /// Two strategies that take turns under one name.
    strategies: [Vec<u8>; 2],
    /// What the versions that are replaced by now came to, together.
    replaced: BTreeMap<&'static str, u64>,
}

impl Scene {
    async fn start() -> Self {
        let mut origins = Vec::new();
        for number in 1..=ORIGINS + 1 {
            origins.push(Nginx::start(&format!("origin-{number}")).await);
        }
        let strategies = [embedded("round-robin"), embedded("random")];
        let addresses = origins.iter().map(Nginx::address).take(ORIGINS).collect();
        let setup = Setup::new().workers(2).endpoints(addresses).strategy(PLUGIN).more(PLUGINS);
        let process = setup.plugin(PLUGIN, salted(&strategies[0], "0")).spawn(&[]).await;
        Self { process, origins, strategies, replaced: BTreeMap::new() }
    }

    /// Drops in a version that never was, and waits until it serves and has decided something. Returns its revision.
    async fn swap(&mut self, number: usize) -> u64 {
        let bytes = salted(&self.strategies[number % 2], &number.to_string());
        let hash = ContentHash::of(&bytes).to_string();
        drop_in(&self.process.path("plugins"), &bytes, number);
        let process = &self.process;
        let entry = eventually(&format!("version {number} serves and decides"), || {
            let hash = &hash;
            async move {
                let entry = plugin_entry(&process.api("/api/plugins").await, PLUGIN);
                let current = &entry["versions"][0];
                // On a machine that stalls the copy for long, the half of it is refused first, and the whole then taken.
                let is_in = current["hash"] == **hash && entry["refused"].is_null();
                (is_in && current["picks"].as_u64() > Some(0)).then_some(entry)
            }
        })
        .await;
        for counter in ["picks", "fallbacks", "rejections", "traps", "deadlines", "bad_answers"] {
            *self.replaced.entry(counter).or_default() += entry["versions"][1][counter].as_u64().expect("a number");
        }
        entry["versions"][0]["revision"].as_u64().expect("a number")
    }

    /// An edit that brings another strategy, and one that takes it back; each changes more than that.
    async fn edit_twice(&self, round: usize) {
        let other = ["least-connections", "p2c-ewma", "weighted-round-robin"][round % 3];
        let weights = [1 + round % 5, 1, 2];
        self.edit(Shape {
            strategy: other,
            weights: &weights,
            origins: ORIGINS,
            second_listener: round.is_multiple_of(2),
        })
        .await;
        if round.is_multiple_of(2) {
            let second = self.listener("second").await.expect("the listener of the edit");
            let reply = fetch(second, "/").await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let weights = [1, 1, 1, 1];
        self.edit(Shape { strategy: PLUGIN, weights: &weights, origins: ORIGINS + 1, second_listener: false }).await;
        assert_eq!(self.listener("second").await, None);
    }

    async fn edit(&self, shape: Shape<'_>) {
        let before = self.generation().await;
        std::fs::write(self.process.path("leverframe.toml"), shape.toml(&self.origins)).expect("the configuration");
        let look = || async {
            let status = self.process.api("/api/config").await;
            assert!(status["last_error"].is_null(), "{status}");
            (status["generation"].as_u64() > Some(before)).then_some(())
        };
        eventually("the edited configuration is at work", look).await;
    }

    async fn generation(&self) -> u64 {
        self.process.api("/api/config").await["generation"].as_u64().expect("a number")
    }

    async fn listener(&self, name: &str) -> Option<SocketAddr> {
        self.process.api("/health").await["listeners"][name].as_str().map(|at| at.parse().expect("an address"))
    }

    async fn endpoint_requests(&self) -> BTreeMap<String, u64> {
        let clusters = self.process.api("/api/clusters").await;
        let endpoints = clusters["clusters"][0]["endpoints"].as_array().expect("endpoints").iter();
        let requests = |endpoint: &Value| Some((endpoint["name"].as_str()?.to_owned(), endpoint["requests"].as_u64()?));
        endpoints.filter_map(requests).collect()
    }
}

/// As people do it: by turns copied over the old file, and moved in its place.
fn drop_in(folder: &Path, bytes: &[u8], number: usize) {
    let file = folder.join(format!("{PLUGIN}.wasm"));
    if number.is_multiple_of(2) {
        std::fs::write(file, bytes).expect("a file in the plugin folder");
    } else {
        let beside = folder.join("incoming");
        std::fs::write(&beside, bytes).expect("a file in the plugin folder");
        std::fs::rename(beside, file).expect("a file in the plugin folder");
    }
}

/// What the configuration says.
struct Shape<'a> {
    strategy: &'a str,
    weights: &'a [usize],
    origins: usize,
    second_listener: bool,
}

impl Shape<'_> {
    /// The file. What must stay open, the first listener and the admin API, has the same words as at the start.
    fn toml(&self, origins: &[Nginx]) -> String {
        let mut endpoints = String::new();
        for (nth, (origin, weight)) in origins.iter().zip(self.weights).take(self.origins).enumerate() {
            let (name, address) = (nth + 1, origin.address());
            let _ =
                writeln!(endpoints, "    {{ name = \"node-{name}\", address = \"{address}\", weight = {weight} }},");
        }
        let listener = |name: &str| {
            format!(
                "[[listener]]\nname = \"{name}\"\naddress = \"127.0.0.1:0\"\n\n[[listener.route]]\ncluster = \"web\"\n\n"
            )
        };
        let second = if self.second_listener { listener("second") } else { String::new() };
        format!(
            "workers = 2\nshutdown_timeout = \"2s\"\n\n[admin]\naddress = \"127.0.0.1:0\"\n\n{}{second}\
             [cluster.web]\nstrategy = \"{}\"\nendpoints = [\n{endpoints}]\n\n{PLUGINS}",
            listener("main"),
            self.strategy
        )
    }
}
