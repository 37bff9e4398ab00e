//! What is known of the endpoints: their load, how they stand, what changed, and their checks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::events::{EventLog, Transitions};
use super::super::families::{Family, Kind, Value};
use super::super::served::Served;
use super::{Labels, MICROSECONDS};
use crate::cluster::{LiveCluster, Member, Roster};
use crate::health::{CHECK_TIME_BOUNDS_US, CheckReading};
use crate::model::{ClusterName, EndpointName};

/// The clusters that serve.
type Clusters = BTreeMap<ClusterName, Arc<LiveCluster>>;

/// The members by name. One that moved to another address comes first, and behind it who has its name and still finishes what
/// it has: told apart by no label, they are told together. What the latter has counted goes with it, which Prometheus takes
/// for a counter that began anew: for one scrape the rate is too high.
fn by_name(roster: &Roster) -> BTreeMap<&EndpointName, Vec<&Member>> {
    let mut named: BTreeMap<_, Vec<&Member>> = BTreeMap::new();
    for member in roster.members() {
        named.entry(&member.endpoint().spec.name).or_default().push(member);
    }
    for of_a_name in named.values_mut() {
        of_a_name.sort_by_key(|member| (member.standing().leaving, Reverse(member.id())));
    }
    named
}

pub(super) fn load(clusters: &Clusters) -> Vec<Family> {
    let mut requests = Family::new(Kind::Counter, "leverframe_endpoint_requests", "Requests sent to an endpoint.");
    let mut failures = Family::new(Kind::Counter, "leverframe_endpoint_failures", "Requests that an endpoint failed.");
    let mut in_flight = Family::new(Kind::Gauge, "leverframe_endpoint_in_flight", "Requests under way at an endpoint.");
    let mut latency = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_latency_ewma_seconds",
        "Moving average of an endpoint's response time.",
    );
    let now = Instant::now();
    for (cluster, live) in clusters {
        for (name, members) in by_name(&live.roster()) {
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", name)];
            let loads: Vec<_> = members.iter().map(|member| member.load(now)).collect();
            requests.push(labels, Value::Count(loads.iter().map(|load| load.requests).sum()));
            failures.push(labels, Value::Count(members.iter().map(|member| member.figures().failures()).sum()));
            in_flight.push(labels, Value::Level(loads.iter().map(|load| f64::from(load.in_flight)).sum()));
            if let Some(load) = loads.first() {
                latency.push(labels, Value::Level(f64::from(load.latency_ewma_us) / MICROSECONDS));
            }
        }
    }
    vec![requests, failures, in_flight, latency]
}

/// How each stands, and how many of a cluster may be chosen.
pub(super) fn health(clusters: &Clusters) -> Vec<Family> {
    let mut state = Family::new(Kind::Gauge, "leverframe_endpoint_state", "1 for the state that an endpoint is in.");
    let mut circuit =
        Family::new(Kind::Gauge, "leverframe_circuit_state", "1 for the state that an endpoint's circuit is in.");
    let mut weight = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_weight",
        "The weight that an endpoint has been given, by its source or an operator.",
    );
    let mut score = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_health_score",
        "What an endpoint's health policies think of it: 0 dead, 1 sound.",
    );
    let mut ready = Family::new(Kind::Gauge, "leverframe_cluster_ready", "Endpoints that may be chosen.");
    let mut panic =
        Family::new(Kind::Gauge, "leverframe_cluster_panic", "1 while the panic rule chooses who is ready.");
    for (cluster, live) in clusters {
        let roster = live.roster();
        for (name, members) in by_name(&roster) {
            let Some(member) = members.first() else { continue };
            let standing = member.standing();
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", name), ("state", &standing.state())];
            state.push(labels, Value::Level(1.0));
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", name), ("state", &standing.circuit.as_str())];
            circuit.push(labels, Value::Level(1.0));
            let given = member.given_weight().get();
            weight.push(&[("cluster", cluster), ("endpoint", name)], Value::Level(given.into()));
            score.push(&[("cluster", cluster), ("endpoint", name)], Value::Level(standing.verdict.score.into()));
        }
        ready.push(&[("cluster", cluster)], Value::Level(roster.ready().len() as f64));
        panic.push(&[("cluster", cluster)], Value::flag(roster.panics()));
    }
    vec![state, circuit, weight, score, ready, panic]
}

/// How often each was taken out, and how often its circuit changed.
pub(super) fn transitions(events: &EventLog) -> Vec<Family> {
    let mut ejections =
        Family::new(Kind::Counter, "leverframe_endpoint_ejections", "Times that an endpoint was taken out as failed.");
    let mut circuits = Family::new(
        Kind::Counter,
        "leverframe_circuit_transitions",
        "Changes of an endpoint's circuit, by its new state.",
    );
    for ((cluster, endpoint), counts) in events.transitions() {
        let Transitions { ejections: count, opened, half_opened, closed } = counts;
        ejections.push(&[("cluster", &cluster), ("endpoint", &endpoint)], Value::Count(count));
        for (state, count) in [("open", opened), ("half-open", half_opened), ("closed", closed)] {
            let labels: Labels<'_> = &[("cluster", &cluster), ("endpoint", &endpoint), ("state", &state)];
            circuits.push(labels, Value::Count(count));
        }
    }
    vec![ejections, circuits]
}

/// What came of the checks.
pub(super) fn checks(served: &Served) -> Vec<Family> {
    let mut checks = Family::new(Kind::Counter, "leverframe_checks", "Checks of an endpoint, by result.");
    let mut times = Family::new(Kind::Histogram, "leverframe_check_time_seconds", "Time that the checks took.");
    for (cluster, keeper) in &served.keepers {
        for (endpoint, reading) in checked(keeper.readings()) {
            for (result, count) in [("ok", reading.ok), ("failed", reading.failed)] {
                let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", &endpoint), ("result", &result)];
                checks.push(labels, Value::Count(count));
            }
            let value = Value::histogram(&CHECK_TIME_BOUNDS_US, &reading.times, reading.time_us, MICROSECONDS);
            times.push(&[("cluster", cluster), ("endpoint", &endpoint)], value);
        }
    }
    vec![checks, times]
}

/// The checks by name.
fn checked(readings: Vec<CheckReading>) -> BTreeMap<EndpointName, CheckReading> {
    let mut named: BTreeMap<EndpointName, CheckReading> = BTreeMap::new();
    for reading in readings {
        match named.get_mut(&reading.endpoint) {
            Some(sum) => *sum += &reading,
            None => drop(named.insert(reading.endpoint.clone(), reading)),
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{Address, EndpointSpec, Events};

    #[test]
    fn an_endpoint_that_moved_is_told_once_with_what_is_left_where_it_was() {
        let web = ClusterName::new("web").unwrap();
        let live = Arc::new(LiveCluster::new(web.clone(), Events::nowhere()));
        let at = |port| {
            EndpointSpec::new(EndpointName::new("a").unwrap(), Address::parse(&format!("127.0.0.1:{port}")).unwrap())
        };
        live.update(&[at(1)], Instant::now());
        let _under_way = live.roster().members()[0].begin();
        live.update(&[at(2)], Instant::now());
        let _another = live.roster().members()[1].begin();
        assert_eq!(live.roster().members().len(), 2, "one is leaving");
        let clusters = Clusters::from([(web, live)]);
        let families = [load(&clusters), health(&clusters)].concat();
        for family in &families {
            let told: BTreeSet<_> = family.samples.iter().map(|sample| format!("{:?}", sample.labels)).collect();
            assert_eq!(told.len(), family.samples.len(), "{}", family.name);
        }
        let read = |name: &str| families.iter().find(|family| family.name == name).unwrap().samples[0].clone();
        assert_eq!(read("leverframe_endpoint_requests").value, Value::Count(2));
        assert_eq!(read("leverframe_endpoint_in_flight").value, Value::Level(2.0));
        assert_ne!(read("leverframe_endpoint_state").labels[2].1, "DRAINING");
    }
}
