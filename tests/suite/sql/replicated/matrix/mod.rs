//! The fault matrix: clients write what must not be done twice, while what can fail fails, several things at a time; when all is
//! back, every write that was acknowledged is on every node, none twice, in the same order everywhere, and the log is empty.
//!
//! What happens in a run follows from its seed; the moments at which it meets the load are those of the machine. A usual test
//! has 30 runs, and in them every fault; with `LEVERFRAME_NIGHTLY=1` there are 500, with another number so many.
//! `LEVERFRAME_SEED=7` runs that one, `LEVERFRAME_SEEDS=30..60` those.

mod check;
mod disk;
mod load;
mod nodes;
mod plan;
mod proxy;
mod relay;
mod strike;
mod tear;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::Value;

use self::check::{QUESTIONS, Tables, lies};
use self::load::Load;
use self::nodes::{Node, Servers};
use self::plan::{Fault, Kind, Plan};
use self::proxy::Proxy;
use self::strike::World;
use crate::programs::tell;

/// Runs of a usual test.
const USUAL: u64 = 30;
/// Runs of a long one.
const LONG: u64 = 500;
/// Clients go on so long when the last fault is over.
const AFTER: Duration = Duration::from_millis(500);
/// Writes that are done before the first fault.
const WARM: usize = 10;
/// Far above what it takes until all is back: pauses before a node is tried again grow up to 5 s, patience with it doubles.
const SETTLES: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

/// What came of a run.
struct Outcome {
    /// The faults that came about.
    faults: BTreeSet<Fault>,
    /// How often each answer was given.
    reasons: BTreeMap<String, usize>,
    /// How many acknowledged writes were seen by who asked for their position.
    seen: usize,
    wrong: Vec<String>,
}

/// What came of all runs.
#[derive(Default)]
struct Came {
    /// How often each fault came about.
    faults: BTreeMap<Fault, usize>,
    seen: usize,
}

/// The seeds to run, and whether they are all that a test has.
fn seeds() -> (std::ops::Range<u64>, bool) {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    if let Some(seed) = variable("LEVERFRAME_SEED") {
        let seed: u64 = seed.split('.').next().and_then(|seed| seed.parse().ok()).expect("LEVERFRAME_SEED is a number");
        return (seed..seed + 1, false);
    }
    if let Some(said) = std::env::var_os("LEVERFRAME_SEEDS") {
        let said = said.to_string_lossy();
        let range = said.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
        let range = range.filter(|range: &std::ops::Range<u64>| !range.is_empty());
        return (range.unwrap_or_else(|| panic!("LEVERFRAME_SEEDS is like 30..60, and not `{said}`")), false);
    }
    let runs = match variable("LEVERFRAME_NIGHTLY").map(|number| number.parse()) {
        None => USUAL,
        Some(Ok(number)) if number > 1 => number,
        Some(_) => LONG,
    };
    (0..runs, true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_no_acknowledged_write_is_lost_none_is_done_twice_and_all_nodes_end_equal() {
    let (seeds, is_all) = seeds();
    let mut lanes: Vec<(Kind, Vec<Plan>)> = Vec::new();
    for kind in Kind::ALL {
        let plans: Vec<Plan> = seeds.clone().map(Plan::of).filter(|plan| plan.kind == kind).collect();
        // Servers are shared by the runs of a lane; the others have two lanes each.
        let lanes_of_kind = if matches!(kind, Kind::Http | Kind::Sqlite) { 2 } else { 1 };
        for lane in 0..lanes_of_kind {
            lanes.push((kind, plans.iter().skip(lane).step_by(lanes_of_kind).cloned().collect()));
        }
    }
    let came = Arc::new(Mutex::new(Came::default()));
    let lane = |(kind, plans): (Kind, Vec<Plan>)| tokio::spawn(lane(kind, plans, Arc::clone(&came)));
    let failed: Vec<String> =
        join_all(lanes.into_iter().map(lane)).await.into_iter().flat_map(|lane| lane.expect("a lane")).collect();
    let Came { faults, seen } = &*came.lock().unwrap_or_else(PoisonError::into_inner);
    tell(&format!("faults that came about: {faults:?}; writes that were seen at once: {seen}"));
    assert!(failed.is_empty(), "{} runs failed:\n{}", failed.len(), failed.join("\n"));
    for fault in Fault::ALL.iter().filter(|_| is_all) {
        assert!(faults.contains_key(fault), "{fault:?} has not come about");
    }
    assert!(!is_all || *seen > 0, "nobody has looked for what was acknowledged");
}

/// The runs of one lane, one after the other; what failed.
async fn lane(kind: Kind, plans: Vec<Plan>, came: Arc<Mutex<Came>>) -> Vec<String> {
    if plans.is_empty() {
        return Vec::new();
    }
    let mut servers = Arc::new(Servers::start(kind).await);
    let mut failed = Vec::new();
    for plan in plans {
        let (began, seed) = (Instant::now(), plan.seed);
        let faults: Vec<Fault> = plan.strikes.iter().map(|strike| strike.fault).collect();
        let about = format!(
            "LEVERFRAME_SEED={seed} {kind:?} \u{d7}{} {} {} {faults:?}",
            plan.nodes, plan.acknowledge, plan.apply_timeout
        );
        match tokio::spawn(run(plan, Arc::clone(&servers))).await {
            Ok(Outcome { faults, reasons, seen, wrong }) => {
                let took = began.elapsed().as_secs_f64();
                tell(&format!("{about}: {took:.1} s, came about {faults:?}, {reasons:?}, seen {seen}"));
                let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
                came.seen += seen;
                for fault in faults {
                    *came.faults.entry(fault).or_default() += 1;
                }
                if !wrong.is_empty() {
                    tell(&format!("FAILED {about}:\n  {}", wrong.join("\n  ")));
                    failed.push(format!("{about}:\n  {}", wrong.join("\n  ")));
                }
            }
            Err(error) => {
                failed.push(format!("{about}: {error}"));
                // Whatever state they are in now.
                servers = Arc::new(Servers::start(kind).await);
            }
        }
    }
    failed
}

async fn run(plan: Plan, servers: Arc<Servers>) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = join_all((0..plan.nodes).map(|nth| Node::new(&plan, nth, &servers, folder.path()))).await;
    let tables = load::tables(plan.kind);
    join_all(nodes.iter().map(|node| node.run(&tables))).await;
    let proxy = Proxy::start(&plan, &nodes).await;
    let world = Arc::new(World { nodes, proxy, load: Load::default(), odd: Mutex::default() });
    let mut wrong = settled(&world, None).await;

    let mut chance = Rng::with_seed(plan.seed);
    let client = |client: i64| {
        let (world, kind, chance) = (Arc::clone(&world), plan.kind, chance.fork());
        tokio::spawn(async move { world.load.client(client, kind, &world.proxy, chance).await })
    };
    let clients: Vec<_> = (0..plan.clients).map(client).collect();
    under_way(&world.load).await;
    let strikes = join_all(plan.strikes.iter().map(|strike| world.strike(strike))).await;
    let faults = plan.strikes.iter().zip(strikes).filter(|(_, came)| *came).map(|(strike, _)| strike.fault).collect();
    tokio::time::sleep(AFTER).await;
    world.load.end();
    for client in clients {
        client.await.expect("a client");
    }

    let odd = *world.odd.lock().unwrap_or_else(PoisonError::into_inner);
    wrong.extend(settled(&world, odd).await);
    wrong.extend(world.load.wrong());
    wrong.extend(compared(&world, odd).await);
    if !wrong.is_empty() {
        wrong.push(world.proxy.said().await);
    }
    world.proxy.hold().await.kill().await;
    join_all(world.nodes.iter().map(Node::clear)).await;
    Outcome { faults, reasons: world.load.reasons(), seen: world.load.seen(), wrong }
}

/// Waits until clients are at work: on a busy machine the first writes, for which tables are looked at, take their time.
async fn under_way(load: &Load) {
    let began = Instant::now();
    while load.heard(&["done"]) < WARM && began.elapsed() < SETTLES {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until all nodes are up and the log is empty; what is not so in the end. A node that is `odd` is INCONSISTENT, with the
/// statement and its position.
async fn settled(world: &World, odd: Option<usize>) -> Vec<String> {
    let began = Instant::now();
    loop {
        let standing = world.proxy.standing().await;
        let wrong = unsettled(&standing, world.nodes.len(), odd);
        if wrong.is_empty() || began.elapsed() > SETTLES {
            return wrong.into_iter().map(|what| format!("{what} after {:?}: {standing}", began.elapsed())).collect();
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn unsettled(standing: &Value, nodes: usize, odd: Option<usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    for node in 0..nodes {
        let told = &standing["nodes"][node];
        let is_right = match odd == Some(node) {
            true => told["state"] == "INCONSISTENT" && told["differed_at"].is_u64() && told["statement"] != "",
            false => told["state"] == "UP",
        };
        if !is_right {
            wrong.push(format!("node {node} is {}", told["state"]));
        }
    }
    if standing["position"] != standing["trimmed"] {
        wrong.push(format!("the log is not empty: {} of {}", standing["trimmed"], standing["position"]));
    }
    wrong
}

/// All nodes have the same, and it is what clients were told.
async fn compared(world: &World, odd: Option<usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut first: Option<Tables> = None;
    for (nth, node) in world.nodes.iter().enumerate().filter(|(nth, _)| Some(*nth) != odd) {
        let [counters, purse, chain, history] = QUESTIONS;
        let tables = Tables {
            counters: node.rows(counters).await,
            purse: node.rows(purse).await,
            chain: node.rows(chain).await,
            history: node.rows(history).await,
            made: node.made().await,
        };
        match &first {
            None => {
                wrong.extend(lies(&world.load.writes(), &tables));
                first = Some(tables);
            }
            Some(first) if *first != tables => wrong.push(format!("node {nth} is not equal to the first")),
            Some(_) => {}
        }
    }
    wrong
}
