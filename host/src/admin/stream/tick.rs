//! What is sent each second: the point of history, and the figures of each endpoint and node. Endpoints are rows without
//! names of members, since there may be a thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::admin::replication::{self, Comparison, Replication, Told};
use crate::cluster::{LiveCluster, Member};
use crate::model::{ClusterName, EndpointState, SqlName};
use crate::observe::{Flow, Point, ServedEntry, SqlFlow};
use crate::scaling::Scaler;
use crate::sql::figures::Reading;

/// Of one endpoint: id, requests, failures, in flight, latency in microseconds, health score.
type EndpointRow = (u32, u64, u64, u32, u32, f32);

/// Of one endpoint that is not as it should be: id, why, effective weight.
type TroubleRow = (u32, String, f32);

/// Of one node: name, statements, failures, rows, average time in milliseconds.
type NodeRow<'t> = (&'t str, u64, u64, u64, f64);

/// The endpoints of a cluster whose trouble is told each second, since it says for how long still. Where there are more,
/// nobody reads them all.
const MOST_IN_TROUBLE: usize = 50;

#[derive(Serialize)]
pub(super) struct Tick<'t> {
    at_ms: u64,
    total: Flow,
    clusters: BTreeMap<&'t str, Cluster>,
    sql: BTreeMap<&'t str, Entry<'t>>,
    scale: BTreeMap<String, Scale>,
}

#[derive(Serialize)]
struct Cluster {
    #[serde(flatten)]
    flow: Flow,
    endpoints: Vec<EndpointRow>,
    trouble: Vec<TroubleRow>,
}

#[derive(Serialize)]
struct Entry<'t> {
    #[serde(flatten)]
    flow: SqlFlow,
    nodes: Vec<NodeRow<'t>>,
    /// Where every node holds everything: as the overview has it, without a comparison that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    replication: Option<Replication>,
}

#[derive(Serialize)]
struct Scale {
    cooldown_s: f64,
}

impl<'t> Tick<'t> {
    /// Of the second that a point is of.
    pub(super) fn of(
        clusters: &BTreeMap<ClusterName, Arc<LiveCluster>>,
        entries: &BTreeMap<SqlName, ServedEntry>,
        scalers: &BTreeMap<ClusterName, Arc<Scaler>>,
        point: &'t Point,
        readings: &'t BTreeMap<SqlName, Reading>,
    ) -> Self {
        let now = Instant::now();
        let cluster = |(name, flow): &'t (ClusterName, Flow)| {
            let (endpoints, trouble) = clusters.get(name).map(|live| endpoints(live, now)).unwrap_or_default();
            (name.as_str(), Cluster { flow: *flow, endpoints, trouble })
        };
        let entry = |(name, flow): &'t (SqlName, SqlFlow)| {
            let entry = entries.get(name);
            let live = entry.and_then(|entry| clusters.get(&entry.spec.cluster));
            let nodes = readings.get(name).map(|reading| nodes(reading, live)).unwrap_or_default();
            let replication = entry.and_then(|entry| Some(running(replication::read(entry.entry.seat()?))));
            (name.as_str(), Entry { flow: *flow, nodes, replication })
        };
        let scale = scalers.iter().map(|(name, scaler)| {
            let left = scaler.status().cooldown_left.unwrap_or_default();
            (name.to_string(), Scale { cooldown_s: (left.as_secs_f64() * 10.0).round() / 10.0 })
        });
        Self {
            at_ms: point.at_ms,
            total: point.total,
            clusters: point.clusters.iter().map(cluster).collect(),
            sql: point.sql.iter().map(entry).collect(),
            scale: scale.collect(),
        }
    }
}

fn endpoints(live: &LiveCluster, now: Instant) -> (Vec<EndpointRow>, Vec<TroubleRow>) {
    let (roster, mut trouble) = (live.roster(), Vec::new());
    let row = |member: &Arc<Member>| {
        let (load, standing) = (member.load(now), member.standing());
        let (verdict, id) = (&standing.verdict, member.id().0);
        let is_well = standing.state() == EndpointState::Healthy && verdict.effective_weight >= 1.0;
        if !is_well && trouble.len() < MOST_IN_TROUBLE {
            trouble.push((id, verdict.reason.to_string(), verdict.effective_weight));
        }
        let failures = member.figures().failures();
        (id, load.requests, failures, load.in_flight, load.latency_ewma_us, verdict.score)
    };
    (roster.members().iter().map(row).collect(), trouble)
}

/// The nodes of an entry that are in its cluster now.
fn nodes<'t>(reading: &'t Reading, live: Option<&Arc<LiveCluster>>) -> Vec<NodeRow<'t>> {
    let roster = live.map(|live| live.roster());
    let members = roster.iter().flat_map(|roster| roster.members());
    let present: BTreeSet<&str> = members.map(|member| member.endpoint().spec.name.as_str()).collect();
    let rows = reading.nodes.iter().filter(|(name, _)| present.contains(name.as_str())).map(|(name, node)| {
        // To the last place: what they took in a while is read from it.
        let average_ms = node.time_us as f64 / node.statements.max(1) as f64 / 1000.0;
        (name.as_str(), node.statements, node.failures, node.rows, average_ms)
    });
    rows.collect()
}

/// What runs of a replication.
fn running(mut replication: Replication) -> Replication {
    if let Told::Log(log) = &mut replication.told {
        log.verify.take_if(|check| !matches!(check, Comparison::Running { .. }));
    }
    replication
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cpu_time::ThreadTime;

    use super::*;
    use crate::admin::stream::live::frame;
    use crate::model::{Address, EndpointName, EndpointSpec, Events};

    /// A cluster of so many endpoints.
    fn cluster(count: u16) -> (ClusterName, Arc<LiveCluster>) {
        let name = ClusterName::new("web").unwrap();
        let live = LiveCluster::new(name.clone(), Events::nowhere());
        let spec = |number: u16| {
            let address = format!("10.0.{}.{}:8080", number / 256, number % 256);
            let name = EndpointName::new(&format!("endpoint-{number}")).unwrap();
            EndpointSpec::new(name, Address::parse(&address).unwrap())
        };
        live.update(&(0..count).map(spec).collect::<Vec<_>>(), Instant::now());
        (name, Arc::new(live))
    }

    #[test]
    fn a_thousand_endpoints_are_short_and_soon_made() {
        let (name, live) = cluster(1_000);
        for member in live.roster().members() {
            std::mem::forget(member.begin());
        }
        let point =
            Point { at_ms: 1_785_000_000_000, clusters: vec![(name.clone(), Flow::default())], ..Point::default() };
        let clusters = BTreeMap::from([(name, live)]);
        let (entries, scalers, readings) = Default::default();
        let make = || frame("tick", None, &Tick::of(&clusters, &entries, &scalers, &point, &readings));
        let text = make();
        let began = ThreadTime::now();
        (0..20).for_each(|_| assert_eq!(make().len(), text.len()));
        let took = began.elapsed() / 20;
        println!("{} bytes, {took:?} of CPU each without optimisation", text.len());
        assert!(text.len() < 40_000 && took < Duration::from_millis(20), "{} bytes, {took:?}", text.len());
        let json: serde_json::Value =
            serde_json::from_slice(text.strip_prefix(b"event: tick\ndata: ").unwrap()).unwrap();
        assert_eq!(json["clusters"]["web"]["in_flight"], 0);
        assert_eq!(json["clusters"]["web"]["endpoints"][999], serde_json::json!([999, 1, 0, 1, 0, 1.0]));
    }
}
