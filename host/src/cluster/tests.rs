//! Clusters over time: who joins, leaves and comes back, and what operators, checks and circuits do to them meanwhile.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::*;
use crate::model::{
    Address, AdminState, Change, CircuitState, ClusterName, EndpointId, EndpointName, EndpointSpec, EndpointState,
    Events, Failure, HealthState, Outcome, PanicChoice, PanicRule, Reported, Verdict, Weight,
};

const DRAIN: Duration = Duration::from_secs(30);

/// A cluster, its clock, and what it told.
struct World {
    live: LiveCluster,
    now: Instant,
    told: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(rules: Rules) -> Self {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let events = Events::to({
            let told = Arc::clone(&told);
            move |event| {
                let name = event.endpoint.map_or("-".to_owned(), |name| name.to_string());
                let change = match event.change {
                    Change::State { from, to } => format!("{from}->{to}"),
                    change => format!("{change:?}"),
                };
                told.lock().unwrap().push(format!("{name} {change}: {}", event.cause));
            }
        });
        let live = LiveCluster::new(ClusterName::new("web").unwrap(), events);
        live.configure(rules);
        Self { live, now: Instant::now(), told }
    }

    fn of(names: &[&str]) -> Self {
        let world = Self::new(Rules { drain_timeout: DRAIN, ..Rules::default() });
        world.catalog(names);
        world.told();
        world
    }

    fn catalog(&self, names: &[&str]) -> bool {
        self.live.update(&names.iter().map(|name| spec(name, 1)).collect::<Vec<_>>(), self.now)
    }

    fn judge(&self, judged: &[(u32, Judged)]) {
        let judged: Vec<_> = judged.iter().map(|(id, judged)| (EndpointId(*id), judged.clone())).collect();
        self.live.judge(self.now, &judged);
    }

    fn command(&self, name: &str, admin: AdminState) -> bool {
        let id = self.live.roster().named(&EndpointName::new(name).unwrap()).map(|member| member.id());
        id.is_some_and(|id| self.live.command(id, admin))
    }

    fn ready(&self) -> Vec<u32> {
        self.live.roster().ready().iter().map(|member| member.id().0).collect()
    }

    fn states(&self) -> Vec<(u32, EndpointState)> {
        self.live.roster().members().iter().map(|member| (member.id().0, member.standing().state())).collect()
    }

    fn member(&self, id: u32) -> Arc<Member> {
        Arc::clone(self.live.roster().get(EndpointId(id)).unwrap())
    }

    fn generation(&self) -> u64 {
        self.live.roster().generation()
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

fn spec(name: &str, weight: u16) -> EndpointSpec {
    EndpointSpec {
        weight: Weight::new(weight).unwrap(),
        ..EndpointSpec::new(EndpointName::new(name).unwrap(), Address::parse(&format!("{name}:80")).unwrap())
    }
}

fn healthy() -> Judged {
    Judged { verdict: Verdict::default(), circuit: CircuitState::Closed, checked: true }
}

fn failed() -> Judged {
    let verdict = Verdict { state: HealthState::Failed, score: 0.0, reason: "it is dead".into(), ..Verdict::default() };
    Judged { verdict, ..healthy() }
}

#[test]
fn who_stays_keeps_id_and_figures_and_ids_are_not_used_again() {
    let mut world = World::of(&["a", "b"]);
    let under_way = world.member(1).begin();
    world.live.update(&[spec("c", 1), spec("b", 9)], world.now);
    world.live.reap(world.now);
    assert_eq!(world.ready(), [1, 2], "c is new, a is gone");
    assert_eq!(world.member(1).load(world.now).in_flight, 1);
    assert_eq!(world.member(1).weight(), 9);
    drop(under_way);
    world.now += DRAIN;
    world.catalog(&["a", "b"]);
    assert_eq!(world.ready(), [1, 3], "another a");
}

#[test]
fn the_order_of_the_catalog_is_no_change() {
    let world = World::of(&["a", "b"]);
    assert!(!world.catalog(&["b", "a"]));
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn who_leaves_is_no_candidate_and_goes_when_it_is_done() {
    let world = World::of(&["a", "b"]);
    let under_way = world.member(0).begin();
    world.catalog(&["b"]);
    assert_eq!(world.ready(), [1]);
    assert_eq!(world.states(), [(0, EndpointState::Draining), (1, EndpointState::Healthy)]);
    world.live.reap(world.now + DRAIN / 2);
    assert_eq!(world.states().len(), 2);
    drop(under_way);
    world.live.reap(world.now + DRAIN / 2);
    assert_eq!(world.states().len(), 1);
    assert_eq!(
        world.told(),
        [
            "a Leaving: no source names it any more",
            "a HEALTHY->DRAINING: no source names it any more",
            "a Left { is_last: true }: nothing was under way at it any more",
        ]
    );
}

#[test]
fn who_leaves_and_does_not_finish_goes_when_its_time_is_over() {
    let world = World::of(&["a", "b"]);
    let _under_way = world.member(0).begin();
    world.catalog(&["b"]);
    world.told();
    world.live.reap(world.now + DRAIN - Duration::from_millis(1));
    assert_eq!(world.states().len(), 2);
    world.live.reap(world.now + DRAIN);
    assert_eq!(world.told(), ["a Left { is_last: true }: its time to finish was over, with 1 requests under way"]);
}

#[test]
fn the_time_to_finish_begins_once() {
    let mut world = World::of(&["a", "b"]);
    let _under_way = world.member(0).begin();
    world.catalog(&["b"]);
    world.now += DRAIN / 2;
    world.catalog(&["b", "c"]);
    world.live.reap(world.now + DRAIN / 2);
    assert_eq!(world.ready(), [1, 2]);
    assert_eq!(world.states().len(), 2);
}

#[test]
fn who_comes_back_meanwhile_is_who_it_was() {
    let world = World::of(&["a", "b"]);
    world.judge(&[(0, failed())]);
    world.command("a", AdminState::Draining);
    let under_way = world.member(0).begin();
    world.catalog(&["b"]);
    world.told();
    world.catalog(&["a", "b"]);
    world.live.reap(world.now + DRAIN);
    let member = world.member(0);
    assert_eq!(member.standing().verdict, failed().verdict);
    assert_eq!(member.standing().admin, AdminState::Draining);
    assert_eq!(member.load(world.now).in_flight, 1);
    assert_eq!(world.told(), ["a Joined: a source names it again"]);
    drop(under_way);
}

#[test]
fn what_an_operator_said_survives_a_leave() {
    let world = World::of(&["a", "b"]);
    assert!(world.command("a", AdminState::Disabled));
    assert!(!world.live.command(EndpointId(9), AdminState::Disabled));
    world.catalog(&["b"]);
    world.live.reap(world.now);
    world.catalog(&["a", "b"]);
    assert_eq!(world.states(), [(1, EndpointState::Healthy), (2, EndpointState::Disabled)]);
    assert_eq!(world.ready(), [1]);
    world.told();
    assert!(world.command("a", AdminState::Enabled));
    assert_eq!(world.ready(), [1, 2]);
    assert_eq!(
        world.told(),
        ["a Admin(Enabled): an operator asked for it", "a DISABLED->HEALTHY: an operator asked for it"]
    );
    world.catalog(&["b"]);
    world.live.reap(world.now);
    world.catalog(&["a", "b"]);
    assert_eq!(world.ready(), [1, 3], "it was taken back");
}

#[test]
fn a_name_at_another_address_is_another_endpoint_and_each_can_be_commanded() {
    let world = World::of(&["a"]);
    let _under_way = world.member(0).begin();
    let moved = EndpointSpec { address: Address::parse("elsewhere:80").unwrap(), ..spec("a", 1) };
    world.live.update(&[moved], world.now);
    world.command("a", AdminState::Disabled);
    assert_eq!(
        world.states(),
        [(0, EndpointState::Draining), (1, EndpointState::Disabled)],
        "a name is the one to stay"
    );
    assert!(world.live.command(EndpointId(0), AdminState::Disabled));
    assert!(world.live.command(EndpointId(1), AdminState::Enabled));
    assert_eq!(world.states(), [(0, EndpointState::Disabled), (1, EndpointState::Healthy)]);
}

#[test]
fn growing_by_endpoints_that_fail_their_checks_is_no_panic() {
    let panic = PanicRule { below_percent: 30, choose: PanicChoice::All };
    let world = World::new(Rules { panic, wait_for_check: true, ..Rules::default() });
    world.catalog(&["a", "b"]);
    world.judge(&[(0, healthy()), (1, healthy())]);
    world.told();
    world.catalog(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    let unsound = Judged { checked: false, ..failed() };
    world.judge(&(2..8).map(|id| (id, unsound.clone())).collect::<Vec<_>>());
    assert_eq!((world.ready(), world.live.roster().panics()), (vec![0, 1], false));
    assert!(!world.told().iter().any(|told| told.contains("Panic")));
}

#[test]
fn who_is_let_go_is_told_of() {
    let world = World::of(&["a", "b"]);
    assert!(!world.live.reap(world.now));
    let under_way = world.member(0).begin();
    world.catalog(&["b"]);
    assert!(!world.live.reap(world.now), "it is not done yet");
    drop(under_way);
    assert!(world.live.reap(world.now));
}

#[test]
fn a_new_endpoint_waits_for_its_check_unless_nobody_is_ready() {
    let world = World::new(Rules { wait_for_check: true, ..Rules::default() });
    world.catalog(&["a", "b"]);
    assert_eq!(world.ready(), [0, 1], "a cold start serves");
    assert!(world.live.roster().panics());
    world.told();
    world.judge(&[(0, healthy()), (1, Judged { checked: false, ..healthy() })]);
    assert_eq!(world.ready(), [0]);
    world.judge(&[(1, healthy())]);
    assert_eq!(world.ready(), [0, 1]);
    assert_eq!(
        world.told(),
        [
            "a RECOVERING->HEALTHY: it passed its first check",
            "- Panic(false): 1 of 1 endpoints in service are ready, those not checked yet left out",
            "b RECOVERING->HEALTHY: it passed its first check",
        ]
    );
    world.judge(&[(1, Judged { checked: false, ..healthy() })]);
    assert_eq!(world.ready(), [0, 1], "once is enough");
}

#[test]
fn checks_that_begin_later_throw_nobody_out_and_when_they_end_nobody_waits() {
    let world = World::of(&["a"]);
    world.live.configure(Rules { wait_for_check: true, ..Rules::default() });
    assert_eq!(world.ready(), [0]);
    world.catalog(&["a", "b"]);
    assert_eq!(world.ready(), [0]);
    world.live.configure(Rules::default());
    assert_eq!(world.ready(), [0, 1]);
}

#[test]
fn in_a_panic_the_last_good_serve_if_they_still_may() {
    let rule = PanicRule { below_percent: 50, choose: PanicChoice::LastGood };
    let world = World::new(Rules { panic: rule, ..Rules::default() });
    world.catalog(&["a", "b", "c", "d", "e"]);
    world.judge(&[(4, failed())]);
    assert_eq!(world.ready(), [0, 1, 2, 3]);
    world.judge(&[(0, failed()), (1, failed()), (2, failed())]);
    assert_eq!(world.ready(), [0, 1, 2, 3], "e was out before");
    world.judge(&[(0, Judged { circuit: CircuitState::Open, ..healthy() }), (3, failed())]);
    world.command("b", AdminState::Draining);
    world.catalog(&["a", "b", "d", "e"]);
    assert_eq!(world.ready(), [3]);
    world.judge(&[(4, healthy())]);
    assert_eq!(world.ready(), [3, 4], "who came back meanwhile may serve as well");
}

#[test]
fn the_generation_moves_only_with_what_can_be_seen() {
    let world = World::of(&["a", "b"]);
    let before = world.generation();
    let scored = |score: f32, effective_weight: f32, reason: &str| {
        let verdict = Verdict { score, effective_weight, reason: reason.into(), ..Verdict::default() };
        Judged { verdict, ..healthy() }
    };
    world.judge(&[(0, healthy()), (1, healthy())]);
    world.judge(&[(0, scored(0.7, 1.0, "a little slow")), (9, failed())]);
    world.live.reap(world.now);
    assert_eq!(world.generation(), before);
    assert_eq!(world.member(0).load(world.now).health_score, 0.7);
    assert_eq!(&*world.member(0).standing().verdict.reason, "a little slow", "but it is there to be seen");
    world.judge(&[(0, failed())]);
    assert_eq!(world.generation(), before + 1);
    let ramp = world.generation();
    (1..=1000).for_each(|step| world.judge(&[(0, scored(1.0, step as f32 / 1000.0, ""))]));
    assert!(world.generation() - ramp <= 21, "{}", world.generation() - ramp);
    assert_eq!([0, 1].map(|id| world.member(id).weight()), [1, 1]);
}

#[test]
fn a_change_of_state_is_told_with_its_cause() {
    let world = World::of(&["a", "b"]);
    world.judge(&[(0, failed())]);
    world.judge(&[(0, Judged { circuit: CircuitState::Open, ..failed() })]);
    world.judge(&[(0, Judged { circuit: CircuitState::HalfOpen, ..healthy() })]);
    world.judge(&[(0, healthy())]);
    assert_eq!(
        world.told(),
        [
            "a HEALTHY->FAILED: it is dead",
            "a FAILED->RECOVERING: its circuit is half-open",
            "a RECOVERING->HEALTHY: its circuit is closed",
        ]
    );
}

#[test]
fn a_verdict_is_as_old_as_its_state() {
    let mut world = World::of(&["a"]);
    let joined = world.now;
    world.now += Duration::from_secs(1);
    world.judge(&[(0, healthy())]);
    assert_eq!(world.member(0).standing().since, joined);
    world.judge(&[(0, failed())]);
    assert_eq!(world.member(0).standing().since, world.now);
}

#[test]
fn what_says_nothing_of_an_endpoint_does_not_count() {
    let world = World::of(&["a"]);
    let member = world.member(0);
    let outcome = |result| Outcome { endpoint: member.id(), latency: Duration::from_millis(1), result };
    member.observe(&outcome(Err(Failure::Cancelled)), None, world.now);
    member.observe(&outcome(Err(Failure::Connect)), Some(true), world.now);
    member.observe(&outcome(Err(Failure::Timeout)), Some(false), world.now);
    member.observe(&outcome(Ok(StatusCode::BAD_GATEWAY)), Some(true), world.now);
    let traffic = member.figures().traffic();
    assert_eq!((traffic.ok, traffic.failed, traffic.latencies.count()), (1, 2, 2));
}

#[test]
fn what_its_source_says_of_an_endpoint_holds_at_once_whatever_checks_say() {
    let world = World::of(&["a", "b"]);
    let said = |reported| {
        world.live.update(&[EndpointSpec { reported, ..spec("a", 1) }, spec("b", 1)], world.now);
        (world.states()[0].1, world.ready(), world.told())
    };
    let stopping = "a HEALTHY->DRAINING: its source says that it was told to stop".to_owned();
    assert_eq!(said(Reported::Stopping), (EndpointState::Draining, vec![1], vec![stopping]));
    let down = "a DRAINING->FAILED: its source says that it is down".to_owned();
    assert_eq!(said(Reported::Down), (EndpointState::Failed, vec![1], vec![down]));
    world.judge(&[(0, healthy())]);
    assert_eq!(world.ready(), [1]);
    let up = "a FAILED->HEALTHY: its source says that it serves again".to_owned();
    assert_eq!(said(Reported::Up), (EndpointState::Healthy, vec![0, 1], vec![up]));
}

#[test]
fn a_weight_given_by_hand_survives_edits_and_rediscovery_until_it_is_taken_back() {
    let mut world = World::of(&["a", "b"]);
    assert!(world.live.weigh(EndpointId(0), Weight::new(7)));
    assert!(!world.live.weigh(EndpointId(9), None));
    world.live.update(&[spec("a", 3), spec("b", 1)], world.now);
    assert_eq!(world.member(0).weight(), 7);
    world.catalog(&["b"]);
    world.now += DRAIN;
    world.live.reap(world.now);
    world.live.update(&[spec("a", 3), spec("b", 1)], world.now);
    assert_eq!(world.member(2).weight(), 7, "it came back as another member");
    world.live.weigh(EndpointId(2), None);
    assert_eq!(world.member(2).weight(), 3);
}
