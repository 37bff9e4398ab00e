//! The policy as the host calls it.

use super::*;
use leverframe_sdk::EndpointId;
use leverframe_sdk::HealthState::{Failed, Healthy};
use leverframe_sdk::hash::mix;
use leverframe_sdk::testing::{PolicyTrial, any_window, endpoint};

/// A cluster of that many endpoints, all with 1,000 good requests of 10 ms.
fn cluster(config: &str, count: u32) -> PolicyTrial<Outlier> {
    let endpoints = (1..=count).map(|id| endpoint(id, &format!("e{id}"), 1)).collect();
    let mut trial = PolicyTrial::new(config, endpoints).expect("the configuration is sound");
    (1..=count).for_each(|id| serve(&mut trial, id, 0, 10));
    trial
}

fn serve(trial: &mut PolicyTrial<Outlier>, id: EndpointId, failed: u32, mean_ms: u32) {
    let window = trial.window(id);
    (window.requests_ok, window.requests_failed) = (1_000 - failed, failed);
    window.latency_mean_us = mean_ms * 1_000;
}

/// Judges all and says who is out.
fn round(trial: &mut PolicyTrial<Outlier>) -> Vec<EndpointId> {
    let ids: Vec<EndpointId> = trial.host.peers.iter().map(|(id, _)| *id).collect();
    ids.into_iter().filter(|id| trial.judge(*id).state == Failed).collect()
}

#[test]
fn the_one_that_fails_more_goes_and_comes_back() {
    let mut trial = cluster("{}", 5);
    assert!(round(&mut trial).is_empty());
    serve(&mut trial, 3, 500, 10);
    let verdict = trial.judge(3);
    assert_eq!((verdict.state, verdict.score), (Failed, 0.0));
    assert_eq!(verdict.reason, "ejected: success rate 50.0 %, below the cluster's limit of 52.0 %");
    trial.pass_ms(18_000);
    assert_eq!(trial.judge(3).reason, "ejected for its success rate, for 12 s more, 1 in a row");
    trial.pass_ms(11_999);
    assert_eq!(round(&mut trial), [3]);
    trial.pass_ms(1);
    assert!(round(&mut trial).is_empty());
    assert_eq!(trial.host.counted("ejections"), 1);
    assert_eq!(round(&mut trial), [3], "it is as bad as before");
    trial.pass_ms(59_999);
    assert_eq!(round(&mut trial), [3], "and now it takes longer");
    trial.pass_ms(1);
    assert!(round(&mut trial).is_empty());
}

#[test]
fn the_slow_one_goes_in_a_small_cluster_too() {
    let mut trial = cluster("{}", 3);
    serve(&mut trial, 1, 0, 31);
    let verdict = trial.judge(1);
    assert_eq!(verdict.reason, "ejected: mean response time 31.0 ms, above the cluster's limit of 30.0 ms");
    assert_eq!(round(&mut trial), [1]);
}

#[test]
fn few_requests_and_those_who_are_out_do_not_count() {
    let mut trial = cluster("{}", 5);
    (trial.window(5).requests_ok, trial.window(5).requests_failed) = (0, 99);
    assert!(round(&mut trial).is_empty());
    trial.window(5).requests_failed = 1_000;
    trial.window(1).state = Failed;
    assert_eq!(trial.judge(5).state, Healthy, "four are left to compare");
    trial.window(1).state = Healthy;
    assert_eq!(trial.judge(5).state, Failed);
}

#[test]
fn no_more_than_the_share_goes_and_a_smaller_cluster_gets_some_back() {
    let mut trial = cluster(r#"{"max_ejected_share": 0.2}"#, 20);
    (1..=6).for_each(|id| serve(&mut trial, id, 900, 1_000));
    let out = round(&mut trial);
    assert_eq!(out.len(), 4, "{out:?}");
    trial.host.peers.retain(|(id, _)| *id <= 4 || *id > 9);
    assert_eq!(trial.host.peers.len(), 15);
    assert_eq!(round(&mut trial).len(), 3);
    assert_eq!(round(&mut trial).len(), 3);
}

#[test]
fn the_share_is_kept_whatever_is_seen() {
    for (share, count, most) in [(0.1, 9, 1), (0.29, 100, 29), (0.5, 7, 3), (1.0, 4, 4), (0.001, 2, 1)] {
        let config = format!(r#"{{"max_ejected_share": {share}, "latency_minimum_hosts": 2, "minimum_requests": 1}}"#);
        let mut trial = cluster(&config, count);
        let mut seen = 0;
        for turn in 0..200_u64 {
            for id in 1..=count {
                let (random, window) = (mix(turn << 16 | u64::from(id)), trial.window(id));
                window.requests_failed = (random % 1_000) as u32;
                window.latency_mean_us = (random >> 32) as u32 >> (random % 32);
            }
            let out = round(&mut trial).len();
            assert!(out <= most, "{out} of {count}");
            seen = seen.max(out);
            trial.pass_ms(mix(turn) % 20_000);
        }
        assert!(seen > 0, "nobody went with {config}");
    }
}

#[test]
fn the_next_version_keeps_it_out() {
    let mut old = cluster("{}", 5);
    assert!(old.export_state().is_empty());
    serve(&mut old, 2, 500, 10);
    assert_eq!(round(&mut old), [2]);
    let endpoints = (1..=5).map(|id| endpoint(id, "e", 1)).collect();
    let mut new = PolicyTrial::<Outlier>::resumed("{}", &old.export_state(), endpoints).expect("its own state");
    new.host.peers = old.host.peers.clone();
    new.pass_ms(29_999);
    assert_eq!(round(&mut new), [2]);
    new.pass_ms(1);
    assert!(round(&mut new).is_empty());
}

#[test]
fn windows_of_every_kind_stay_in_range() {
    let mut trial = cluster(r#"{"minimum_requests": 1, "max_ejected_share": 1}"#, 6);
    for seed in 0..5_000 {
        let id = 1 + (seed % 6) as u32;
        *trial.window(id) = any_window(seed);
        let before = Verdict { score: 0.5, effective_weight: 0.25, ..Verdict::healthy() };
        let verdict = trial.judge_after(id, before);
        assert!(verdict.score == 0.0 || verdict.score == 0.5, "{verdict:?}");
        assert_eq!(verdict.effective_weight, 0.25);
    }
}

#[test]
fn mistakes_are_told() {
    let error = |config: &str| PolicyTrial::<Outlier>::new(config, Vec::new()).err().unwrap_or_default();
    assert!(error(r#"{"minimum_requests": 0}"#).contains("such as 100"));
    assert_eq!(
        error(r#"{"latency_minimum_hosts": 1}"#),
        "latency_minimum_hosts is 1; write 2 or more endpoints, such as 3"
    );
    assert_eq!(error(r#"{"max_ejected_share": 10}"#), "max_ejected_share is 10; write a number from 0.001 to 1");
    assert!(error(r#"{"base_ejection_ms": 400000}"#).contains("not below base_ejection_ms"));
    assert!(error(r#"{"max_ejection": 1}"#).contains("unknown field"));
}
