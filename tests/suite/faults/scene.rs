//! Three origins behind a Leverframe, all of them processes, under a constant load.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::origin::Origin;
use super::report::{Expected, Report};
use crate::world::{Load, Plan, Process, Setup, eventually};

const CLIENTS: usize = 8;
/// From one request of a client to its next: 320 requests a second in all.
const EVERY: Duration = Duration::from_millis(25);
/// How long the load runs before anything happens, so that everybody knows everybody.
const CALM: Duration = Duration::from_secs(1);

/// Short times, so that a run is short. Half of the requests may fail without five in a row: hence the ratio.
const CLUSTER: &str = r#"
failures = ["connect", "timeout", "reset", "500-599"]

[cluster.web.circuit]
failure_ratio = { percent = 40, window = "2s", least_requests = 20 }
open_for = "1s"
open_at_most = "2s"

[cluster.web.retry]
per_try_timeout = "400ms"

[cluster.web.health.check]
path = "/health"
interval = "300ms"
timeout = "200ms"
"#;

/// A run in the making.
pub(super) struct Scene {
    pub(super) origins: Vec<Origin>,
    pub(super) path: &'static str,
    process: Process,
    running: Option<Running>,
}

struct Running {
    fault: String,
    load: Load,
    began_at: Timestamp,
    requests_before: u64,
}

impl Scene {
    /// `health` is written into the cluster's health table.
    pub(super) async fn start(health: &str) -> Self {
        let mut origins = Vec::new();
        for number in 1..=3 {
            origins.push(Origin::start(&format!("node-{number}")).await);
        }
        let endpoints = origins.iter().map(Origin::address).collect();
        let lines = format!("{CLUSTER}\n[cluster.web.health]\n{health}\n");
        let process = Setup::new().workers(2).endpoints(endpoints).cluster_lines(&lines).spawn(&[]).await;
        let scene = Self { origins, path: "/", process, running: None };
        let ready = || async { (scene.cluster().await["ready"] == 3).then_some(()) };
        eventually("all origins are ready", ready).await;
        scene
    }

    /// Starts the load; the fault follows at once.
    pub(super) async fn begin(&mut self, fault: &str) {
        let plan = Plan { clients: CLIENTS, every: EVERY, path: self.path };
        let requests_before = self.endpoint_requests().await;
        let load = Load::start(self.process.address(), plan);
        tokio::time::sleep(CALM).await;
        self.running = Some(Running { fault: fault.to_owned(), load, began_at: Timestamp::now(), requests_before });
    }

    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The fault is over: waits until all origins have their share of the traffic again, and reports.
    pub(super) async fn end(mut self, expected: Expected) -> Report {
        let Running { fault, load, began_at, requests_before } = self.running.take().expect("it has begun");
        let (over, over_at) = (Instant::now(), Timestamp::now());
        let all_well = || async {
            let cluster = self.cluster().await;
            let endpoints = cluster["endpoints"].as_array().expect("endpoints");
            endpoints.iter().all(|endpoint| endpoint["state"] == "HEALTHY").then_some(())
        };
        eventually("all origins are healthy again", all_well).await;
        let returned = over.elapsed();
        tokio::time::sleep(CALM / 2).await;
        let samples = load.finish().await;
        let sent = self.endpoint_requests().await - requests_before;
        let ejected = self.ejected(began_at, over_at).await;
        let report = Report { fault, expected, samples, sent, ejected, returned };
        report.print();
        report
    }

    /// How long it took from the fault until the first origin was out of the traffic.
    async fn ejected(&self, began: Timestamp, over: Timestamp) -> Option<Duration> {
        let events = self.process.api("/api/events?limit=1000").await;
        let failed = |event: &Value| event["kind"] == "state" && event["to"] == "FAILED";
        let at = |event: &Value| event["at"].as_str()?.parse::<Timestamp>().ok();
        let mut times = events["events"].as_array()?.iter().filter(|event| failed(event)).filter_map(at);
        let first = times.find(|at| *at >= began && *at <= over)?;
        (first - began).try_into().ok()
    }

    async fn cluster(&self) -> Value {
        self.process.api("/api/clusters").await["clusters"][0].clone()
    }

    async fn endpoint_requests(&self) -> u64 {
        let cluster = self.cluster().await;
        let endpoints = cluster["endpoints"].as_array().expect("endpoints").iter();
        endpoints.filter_map(|endpoint| endpoint["requests"].as_u64()).sum()
    }
}
