//! What points are made of two readings.

use std::time::Duration;

use super::*;
use crate::model::{Events, ListenerName};
use crate::proxy::ListenerReading;
use crate::sql::figures::Times;

fn web() -> ClusterName {
    ClusterName::new("web").unwrap()
}

fn clusters() -> BTreeMap<ClusterName, Arc<LiveCluster>> {
    BTreeMap::from([(web(), Arc::new(LiveCluster::new(web(), Events::nowhere())))])
}

/// So many responses of 2xx and of 5xx, all between 500 and 1000 µs.
fn traffic(good: u64, bad: u64) -> Snapshot {
    let mut reading = ClusterReading { responses: [0, good, 0, 0, bad], ..ClusterReading::default() };
    reading.response_times[3] = good + bad;
    Snapshot { clusters: BTreeMap::from([(web(), reading)]), listeners: BTreeMap::new() }
}

#[test]
fn a_point_is_what_passed_between_two_readings() {
    let start = Instant::now();
    let mut sampler = Sampler::new(start, traffic(100, 5));
    let point = sampler.sample(start + Duration::from_secs(2), &clusters(), traffic(300, 25), &BTreeMap::new());
    let (name, flow) = &point.clusters[0];
    assert_eq!((name, flow.per_second, flow.errors_per_second), (&web(), 110.0, 10.0));
    assert_eq!((flow.p50_ms, flow.p95_ms, flow.p99_ms), (Some(0.75), Some(0.975), Some(0.995)));
    assert_eq!(point.total, *flow);
}

#[test]
fn a_quiet_second_has_no_percentiles_and_no_cluster_that_is_gone() {
    let start = Instant::now();
    let mut sampler = Sampler::new(start, traffic(7, 0));
    let point = sampler.sample(start + Duration::from_secs(1), &clusters(), traffic(7, 0), &BTreeMap::new());
    assert_eq!(point.clusters, [(web(), Flow::default())]);
    let point = sampler.sample(start + Duration::from_secs(2), &BTreeMap::new(), traffic(9, 0), &BTreeMap::new());
    assert_eq!((point.clusters, point.total), (Vec::new(), Flow::default()));
}

#[test]
fn what_no_cluster_answered_counts_in_the_total_only() {
    let start = Instant::now();
    let mut sampler = Sampler::new(start, traffic(0, 0));
    let mut after = traffic(10, 0);
    let mut listener = ListenerReading::default();
    listener.refused[Reason::NoRoute as usize] = 4;
    after.listeners.insert(ListenerName::new("main").unwrap(), listener);
    let point = sampler.sample(start + Duration::from_secs(1), &clusters(), after, &BTreeMap::new());
    assert_eq!((point.clusters[0].1.per_second, point.clusters[0].1.errors_per_second), (10.0, 0.0));
    assert_eq!((point.total.per_second, point.total.errors_per_second), (14.0, 4.0));
}

#[test]
fn statements_are_counted_by_entry() {
    let shop = SqlName::new("shop").unwrap();
    let reading = |answered, failed| {
        let mut times = Times::default();
        times.buckets[2] = answered;
        let reading = Reading {
            under_way: 3,
            answered: BTreeMap::from([(("merge", "full"), times)]),
            failed: BTreeMap::from([("timeout", failed)]),
            ..Reading::default()
        };
        BTreeMap::from([(shop.clone(), reading)])
    };
    let start = Instant::now();
    let mut sampler = Sampler::new(start, Snapshot::default());
    let none = BTreeMap::new();
    // Of what was counted before the first look nothing is known but that it was.
    let first = sampler.sample(start + Duration::from_secs(1), &none, Snapshot::default(), &reading(50, 2));
    assert_eq!(first.sql[0].1.per_second, 0.0);
    let second = sampler.sample(start + Duration::from_secs(2), &none, Snapshot::default(), &reading(90, 12));
    let (_, flow) = &second.sql[0];
    assert_eq!((flow.per_second, flow.failed_per_second, flow.under_way), (50.0, 10.0, 3));
    assert_eq!(flow.p50_ms, Some(0.75));
}

#[test]
fn a_point_names_clusters_and_entries() {
    let point = Point { at_ms: 7, clusters: vec![(web(), Flow::default())], ..Point::default() };
    let json = serde_json::to_value(point).unwrap();
    assert_eq!(json["clusters"]["web"]["p50_ms"], serde_json::Value::Null);
    assert_eq!(json["sql"], serde_json::json!({}));
}
