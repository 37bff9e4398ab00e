//! The laws: a pick is always a candidate and never one that was tried, over random clusters, weights from end to end,
//! changes, loads and retries; and both forms tell the same story from the same seed.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use leverframe::model::{Attempt, EndpointId, Fault};
use leverframe::routing::{Choice, Strategy};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::cluster::{TestCluster, request};
use super::subjects::{Form, Subject, subjects};

/// Stories for each subject and form: enough to find a wrong index, few enough to be told in a second.
const STORIES: u32 = 64;

/// What a cluster goes through between two changes.
#[derive(Clone, Debug)]
struct Chapter {
    /// Names and weights.
    members: BTreeMap<u8, u16>,
    requests: Vec<Asked>,
}

/// A request, and what becomes of it.
#[derive(Clone, Debug)]
struct Asked {
    user: u64,
    client: u8,
    /// Which of the members were tried: one bit for each, in their order.
    tried: u8,
    latency_us: u32,
    served: bool,
}

fn chapters() -> impl Generator<Value = Vec<Chapter>> {
    let weight = prop_oneof![Just(1_u16), Just(65_535), 1..=65_535_u16];
    let asked = (any::<u64>(), any::<u8>(), any::<u8>(), 0..3_000_000_u32, any::<bool>());
    let asked =
        asked.prop_map(|(user, client, tried, latency_us, served)| Asked { user, client, tried, latency_us, served });
    let chapter = (prop::collection::btree_map(0..12_u8, weight, 1..=8), prop::collection::vec(asked, 1..=12));
    let chapter = chapter.prop_map(|(members, requests)| Chapter { members, requests });
    prop::collection::vec(chapter, 1..=3)
}

#[test]
fn a_pick_is_a_candidate_that_was_not_tried_and_both_forms_pick_it() {
    for subject in subjects() {
        let mut runner = TestRunner::new(Config { cases: STORIES, failure_persistence: None, ..Config::default() });
        let told = runner.run(&(chapters(), any::<u64>()), |(chapters, seed)| {
            let [native, wasm] = Form::BOTH.map(|form| tell(&subject, form, &chapters, seed));
            prop_assert_eq!(native?, wasm?, "native on the left, Wasm on the right");
            Ok(())
        });
        told.unwrap_or_else(|failure| panic!("{subject}: {failure}"));
    }
}

/// Lets a strategy go through a story and returns what it chose.
fn tell(subject: &Subject, form: Form, chapters: &[Chapter], seed: u64) -> Result<Vec<Choice>, TestCaseError> {
    let mut strategy = subject.start(form);
    let mut cluster = TestCluster::of(&[]);
    let mut choices = Vec::new();
    fastrand::seed(seed);
    for chapter in chapters {
        let names: Vec<_> = chapter.members.iter().map(|(name, weight)| (format!("e{name}"), *weight)).collect();
        cluster.change(&names.iter().map(|(name, weight)| (name.as_str(), *weight)).collect::<Vec<_>>());
        strategy.candidates_changed(cluster.candidates()).map_err(failed)?;
        for asked in &chapter.requests {
            let tried = tried(&cluster.ids(), asked.tried);
            let user = asked.user.to_string();
            let target = format!("/{user}?user={user}");
            let request = request(&target, &[("x-user", &user), ("cookie", "leverframe=made-up")], asked.client);
            let choice =
                strategy.pick(&request, Attempt { number: tried.len() as u32, excluded: &tried }).map_err(failed)?;
            let id = endpoint(&choice)?;
            prop_assert!(cluster.ids().contains(&id), "{form:?} chose {id}, which is no candidate");
            prop_assert!(!tried.contains(&id), "{form:?} chose {id}, which was tried");
            cluster.send(id);
            cluster.finish_down_to(usize::from(asked.client % 8));
            let status = if asked.served { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            let outcome = cluster.answered(id, Duration::from_micros(asked.latency_us.into()), status);
            strategy.on_outcome(&outcome).map_err(failed)?;
            choices.push(choice);
        }
    }
    Ok(choices)
}

/// The members whose bit is set; one is always left.
fn tried(ids: &[EndpointId], bits: u8) -> Vec<EndpointId> {
    let mut tried: Vec<_> = (0..).zip(ids).filter(|(at, _)| bits >> at & 1 == 1).map(|(_, id)| *id).collect();
    if tried.len() == ids.len() {
        tried.pop();
    }
    tried
}

fn endpoint(choice: &Choice) -> Result<EndpointId, TestCaseError> {
    match choice {
        Choice::Endpoint(id) | Choice::Routed(id, _) => Ok(*id),
        other => Err(TestCaseError::fail(format!("{other:?}, though there are candidates"))),
    }
}

fn failed(fault: Fault) -> TestCaseError {
    TestCaseError::fail(fault.to_string())
}

#[test]
fn the_only_candidate_is_always_chosen() {
    each(|strategy, subject| {
        let cluster = TestCluster::of(&[("only", 7)]);
        strategy.candidates_changed(cluster.candidates()).unwrap();
        for number in 0..50 {
            assert_eq!(picked(strategy, number, &[]), EndpointId(0), "{subject}");
        }
    });
}

#[test]
fn the_one_that_was_not_tried_is_found() {
    each(|strategy, subject| {
        let cluster = TestCluster::of(&[("a", 65_535), ("b", 1), ("c", 300), ("d", 65_535), ("e", 2)]);
        strategy.candidates_changed(cluster.candidates()).unwrap();
        for left in cluster.ids() {
            let tried: Vec<_> = cluster.ids().into_iter().filter(|id| *id != left).collect();
            for number in 0..10 {
                assert_eq!(picked(strategy, number, &tried), left, "{subject}: all but {left} were tried");
            }
        }
    });
}

#[test]
fn who_left_is_chosen_no_more() {
    each(|strategy, subject| {
        let mut cluster = TestCluster::of(&[("a", 1), ("b", 1), ("c", 1)]);
        strategy.candidates_changed(cluster.candidates()).unwrap();
        (0..20).for_each(|number| assert!(cluster.ids().contains(&picked(strategy, number, &[])), "{subject}"));
        // Ids are not used again, so these are 3 and 4.
        cluster.change(&[("d", 1), ("e", 65_535)]);
        strategy.candidates_changed(cluster.candidates()).unwrap();
        for number in 0..50 {
            assert!(cluster.ids().contains(&picked(strategy, number, &[])), "{subject}");
            assert_eq!(picked(strategy, number, &[EndpointId(4)]), EndpointId(3), "{subject}");
        }
    });
}

/// Runs a check on every strategy, in both forms.
fn each(check: impl Fn(&mut dyn Strategy, &str)) {
    for subject in subjects() {
        for form in Form::BOTH {
            check(&mut *subject.start(form), &format!("{form:?} {subject}"));
        }
    }
}

/// The endpoint of a request with this number, wherever a strategy may look for it.
fn picked(strategy: &mut dyn Strategy, number: u64, tried: &[EndpointId]) -> EndpointId {
    let text = number.to_string();
    let request = request(&format!("/{text}?user={text}"), &[("x-user", &text)], number as u8);
    let choice = strategy.pick(&request, Attempt { number: tried.len() as u32, excluded: tried });
    endpoint(&choice.unwrap()).unwrap()
}
