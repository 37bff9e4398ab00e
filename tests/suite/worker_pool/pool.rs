//! `[pool]`: one table starts the workers and the balancers before them; each worker, asked through either balancer, knows
//! what became of all requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::programs::tell;
use crate::world::{Client, Process, Setup, eventually};

const WORKERS: [&str; 3] = ["pool-1", "pool-2", "pool-3"];
/// Through each balancer. Even a worker that has a few more or fewer of them than the others fails a fifth.
const REQUESTS: u64 = 150;
/// What the settings say.
const FAILURE_PERCENT: u64 = 20;
const AVERAGE_DELAY_MS: f64 = 5.0;

const POOL: &str = r#"
[pool]
workers = 3
worker_port = 0
balancers = 2
balancer_port = 0
average_delay_ms = 5
failure_percent = 20
statistics = "stats.sqlite"
"#;

async fn start() -> (Process, [SocketAddr; 2]) {
    let process = Setup::new().workers(2).origins(1).more(POOL).spawn(&[]).await;
    let listeners = process.api("/health").await["listeners"].clone();
    let at = |name: &str| listeners[name].as_str().and_then(|at| at.parse().ok()).expect("a balancer's address");
    let balancers = [at("balancer-1"), at("balancer-2")];
    eventually("all workers are ready", || async {
        let clusters = process.api("/api/clusters").await["clusters"].clone();
        let pool = clusters.as_array()?.iter().find(|cluster| cluster["name"] == "pool")?.clone();
        (pool["ready"] == WORKERS.len()).then_some(())
    })
    .await;
    (process, balancers)
}

/// One figure of `/worker/stats`: the total, and that of each worker.
fn figure(stats: &Value, name: &str) -> (f64, BTreeMap<String, f64>) {
    let mut entries = stats[name].as_array().unwrap_or_else(|| panic!("no {name}: {stats}")).iter().map(|entry| {
        let entry = entry.as_object().expect("an object");
        assert_eq!(entry.len(), 1, "{stats}");
        let (id, value) = entry.iter().next().expect("a member");
        (id.clone(), value.as_f64().expect("a number"))
    });
    let (id, total) = entries.next().expect("the total");
    assert_eq!(id, "total");
    (total, entries.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_balancers_reach_all_workers_and_each_worker_knows_all_figures() {
    let (process, balancers) = start().await;
    let (mut answered, mut failed) = (BTreeMap::<String, u64>::new(), 0);
    for balancer in balancers {
        let mut client = Client::connect(balancer).await;
        let mut greeted = BTreeSet::new();
        for _ in 0..REQUESTS {
            let reply = client.get("/api/v1/hello").await;
            if reply.status == 500 {
                failed += 1;
                continue;
            }
            assert_eq!(reply.status, 200, "{}", reply.text());
            let body = reply.json();
            let id = body["message"].as_str().and_then(|message| message.strip_prefix("hello from container: "));
            let id = id.unwrap_or_else(|| panic!("{body}")).to_owned();
            assert_eq!(body, json!({ "message": format!("hello from container: {id}") }));
            *answered.entry(id.clone()).or_default() += 1;
            greeted.insert(id);
        }
        assert_eq!(greeted.into_iter().collect::<Vec<_>>(), WORKERS, "by {balancer}");
    }

    let sent = REQUESTS * 2;
    let stats = everywhere(&balancers, sent).await;
    assert_eq!(stats.as_object().expect("an object").len(), 4, "{stats}");
    let (total, totals) = figure(&stats, "TotalRequests");
    let (good, goods) = figure(&stats, "SuccessfulRequests");
    let (bad, bads) = figure(&stats, "FailedRequests");
    let (average, averages) = figure(&stats, "AverageResponseTime");
    assert_eq!((total, good, bad), (sent as f64, (sent - failed) as f64, failed as f64), "{stats}");
    assert_eq!(answered.iter().map(|(id, count)| (id.clone(), *count as f64)).collect::<BTreeMap<_, _>>(), goods);
    for figures in [&totals, &goods, &bads, &averages] {
        assert_eq!(figures.keys().collect::<Vec<_>>(), WORKERS, "{stats}");
    }
    for (sum, of_each) in [(total, &totals), (good, &goods), (bad, &bads)] {
        assert_eq!(of_each.values().sum::<f64>(), sum, "{stats}");
    }
    // Each worker fails its share to the request.
    for (id, total) in &totals {
        assert_eq!(bads[id], (total * FAILURE_PERCENT as f64 / 100.0).floor(), "{id}: {stats}");
    }
    // Work takes the asked time on average. Timers are late, on a busy machine even very late, but never early.
    let plausible = AVERAGE_DELAY_MS * 0.7..AVERAGE_DELAY_MS * 20.0;
    assert!(plausible.contains(&average) && averages.values().all(|each| plausible.contains(each)), "{stats}");
    let weighted: f64 = averages.iter().map(|(id, each)| each * totals[id]).sum::<f64>() / total;
    assert!((weighted - average).abs() < 0.01, "{weighted} is not {average}");
    assert!(process.path("stats.sqlite").exists(), "the file is next to the configuration");
    tell(&format!("pool: {sent} requests by 2 balancers to 3 workers: {bad} failed, {average} ms on average"));
}

/// The figures, once every worker knows of all requests, whichever balancer leads to it.
async fn everywhere(balancers: &[SocketAddr], sent: u64) -> Value {
    eventually("every worker knows all figures", || async {
        let mut seen = Vec::new();
        for balancer in balancers {
            let mut client = Client::connect(*balancer).await;
            for _ in 0..WORKERS.len() * 2 {
                let reply = client.get("/worker/stats").await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                seen.push(reply.json());
            }
        }
        seen.iter().all(|stats| figure(stats, "TotalRequests").0 == sent as f64).then_some(())?;
        assert!(seen.iter().all(|stats| *stats == seen[0]), "{seen:#?}");
        seen.pop()
    })
    .await
}
