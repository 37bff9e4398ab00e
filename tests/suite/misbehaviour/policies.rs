//! Health policies that misbehave. Every endpoint has a verdict throughout: the built-in threshold judges in the place of a
//! policy that failed, the fault is counted against the plugin, and the supervisor starts it again or takes it back.
//!
//! No proxy: a supervisor, one panel and the endpoints that it judges.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leverframe::cluster::LiveCluster;
use leverframe::config::{PluginLimits, Plugins, PolicySpec};
use leverframe::health::{Panel, PolicyLost, PolicyReading};
use leverframe::model::{
    Address, Change, ClusterName, EndpointName, EndpointSpec, Event, Events, HealthState, Observations, PluginName,
    Verdict,
};
use leverframe::plugin::{Judging, LoadError, Origin, Refusal, Supervisor, Swap};
use leverframe::routing::Seats;
use tokio::sync::mpsc;

use crate::conformance::engine;
use crate::world::{cynic, embedded, eventually, guest, salted};

/// The longest that judging one endpoint may take when its policy fails. The deadline is 100 ms; the rest is what a busy
/// machine may add.
const BOUND: Duration = Duration::from_secs(1);

/// A panel, who looks after it, and what it judges.
struct Court {
    supervisor: Arc<Supervisor>,
    panel: Arc<Panel>,
    live: LiveCluster,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Court {
    /// A court without policies, over a cluster of two endpoints.
    fn new() -> Self {
        let limits = PluginLimits::default();
        let plugins = Plugins { folder: None, cache: None, limits, overrides: Default::default() };
        let supervisor = Arc::new(Supervisor::new(engine(), Seats::new(Vec::new()), plugins));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let heard = Arc::clone(&events);
        let (tell, lost) = mpsc::unbounded_channel::<PolicyLost>();
        let cluster = ClusterName::new("web").unwrap();
        let listener = Events::to(move |event| heard.lock().unwrap().push(event));
        let panel = Arc::new(Panel::new(cluster.clone(), tell, listener));
        tokio::spawn(Arc::clone(&supervisor).run(lost));
        let live = LiveCluster::new(cluster, Events::nowhere());
        live.update(&["a", "b"].map(endpoint), Instant::now());
        Self { supervisor, panel, live, events }
    }

    /// A court whose only policy is the cynic under a configuration.
    async fn with_cynic(config: &str) -> Self {
        let court = Self::new();
        court.offer("cynic", guest("cynic")).await.unwrap();
        court.seat(&[("cynic", config)]).await.unwrap();
        court
    }

    async fn offer(&self, name: &str, bytes: Vec<u8>) -> Result<Swap, LoadError> {
        let origin = Origin::File(format!("{name}.wasm").into());
        self.supervisor.offer(&plugin(name), bytes, origin).await
    }

    /// Seats policies as a configuration does, by name and configuration.
    async fn seat(&self, policies: &[(&str, &str)]) -> Result<(), String> {
        let spec = |(name, config): &(&str, &str)| PolicySpec { plugin: plugin(name), config: (*config).to_owned() };
        let policies: Vec<_> = policies.iter().map(spec).collect();
        let cluster = self.live.name().clone();
        let mut change = self.supervisor.begin().await;
        let seats = change.prepare_policies(&cluster, &policies).await.map_err(|error| error.to_string())?;
        self.panel.replace(seats);
        let judging = Judging { policies, panel: Arc::clone(&self.panel) };
        change.commit(Default::default(), [(cluster, judging)].into());
        Ok(())
    }

    /// Judges both endpoints: the first is sound, the second one is out and its probes fail.
    fn judge(&self) -> [Verdict; 2] {
        let sound = Observations { consecutive_probes_ok: 9, ..Observations::default() };
        let endpoints: Vec<_> = self.live.roster().members().iter().cloned().zip([sound, down()]).collect();
        let start = Instant::now();
        let verdicts = self.panel.judge(&endpoints);
        assert!(start.elapsed() < BOUND, "took {:?}", start.elapsed());
        verdicts.try_into().expect("a verdict for each")
    }

    fn states(&self) -> [HealthState; 2] {
        self.judge().map(|verdict| verdict.state)
    }

    fn reading(&self, name: &str) -> PolicyReading {
        self.supervisor.registry().current(&plugin(name)).expect("a version").figures.read_policies()
    }

    fn refusal(&self, name: &str) -> Option<Refusal> {
        self.supervisor.registry().read().get(name).and_then(|entry| entry.refused.clone())
    }

    /// The times that the policy went and came back, as the events tell: `true` for back.
    fn told(&self) -> Vec<bool> {
        let events = self.events.lock().unwrap();
        let told = events.iter().filter_map(|event| match event.change {
            Change::Policy { judges, .. } => Some(judges),
            _ => None,
        });
        told.collect()
    }
}

fn endpoint(name: &str) -> EndpointSpec {
    EndpointSpec::new(EndpointName::new(name).unwrap(), Address::parse("192.0.2.1:80").unwrap())
}

fn down() -> Observations {
    Observations { consecutive_probes_failed: 9, state: HealthState::Failed, ..Observations::default() }
}

fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

/// What the built-in threshold says of the two.
const BUILT_IN: [HealthState; 2] = [HealthState::Healthy, HealthState::Failed];
/// What the cynic says.
const CYNIC: [HealthState; 2] = [HealthState::Degraded, HealthState::Degraded];

/// The cynic judges one endpoint, fails over the other, and is back after a while.
async fn strike(fault: &str, kind: fn(&PolicyReading) -> u64, words: &str) {
    let court = Court::with_cynic(&format!(r#"{{"fault": "{fault}", "after": 3}}"#)).await;
    assert_eq!(court.states(), CYNIC, "{fault}");
    // While this is held, no other instance is seated.
    let change = court.supervisor.begin().await;
    let struck = court.states();
    assert_eq!(struck, [HealthState::Degraded, HealthState::Failed], "{fault}: the built-in one takes over at once");
    assert_eq!(court.states(), BUILT_IN, "{fault}");
    let reading = court.reading("cynic");
    assert_eq!((kind(&reading), reading.faults(), reading.judged, reading.fallbacks), (1, 1, 4, 3), "{reading:?}");
    assert!(reading.judged_ns > 0);
    drop(change);

    eventually("the policy judges again", || async { (court.told() == [false, true]).then_some(()) }).await;
    assert_eq!(court.states(), CYNIC, "{fault}: a new instance");
    let version = court.supervisor.registry().current(&plugin("cynic")).unwrap();
    let (_, error) = version.last_error().expect("an error");
    assert!(error.contains(words), "`{words}` is not in: {error}");
    let cause = court.events.lock().unwrap()[0].cause.clone();
    assert!(cause.contains("the built-in threshold judges") && cause.contains(words), "{cause}");
    assert!(court.refusal("cynic").is_none(), "it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_judge() {
    strike("panic", |reading| reading.traps, "sabotage on purpose").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_in_judge() {
    strike("loop", |reading| reading.deadlines, "no answer within 100000 µs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_growth_in_judge() {
    strike("grow", |reading| reading.traps, "memory allocation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_score_that_is_no_number() {
    strike("nan-score", |reading| reading.bad_answers, "gave the score NaN").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_whole_weight() {
    strike("heavy-weight", |reading| reading.bad_answers, "gave the effective weight 1.5").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak() {
    // A mebibyte a call, and 16 of them are the limit.
    let court = Court::with_cynic(r#"{"fault": "leak"}"#).await;
    (0..10).for_each(|_| drop(court.judge()));
    let reading = court.reading("cynic");
    assert!(reading.traps >= 1 && reading.judged > 10, "{reading:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowness_just_under_the_deadline() {
    let court = Court::with_cynic(r#"{"fault": "slow"}"#).await;
    let names: Vec<_> = (0..60).map(|nth| format!("e{nth}")).collect();
    court.live.update(&names.iter().map(|name| endpoint(name)).collect::<Vec<_>>(), Instant::now());
    let roster = Arc::clone(&court.live.roster());
    let joined = roster.members().iter().filter(|member| !member.standing().leaving);
    let endpoints: Vec<_> = joined.map(|member| (Arc::clone(member), down())).collect();
    let (panel, start) = (Arc::clone(&court.panel), Instant::now());
    let round = tokio::task::spawn_blocking(move || (panel.judge(&endpoints), start.elapsed()));
    // An edit that removes the policy does not wait for 60 times 60 ms, and nobody waits for the edit.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let change = court.supervisor.begin().await;
    let panel = Arc::clone(&court.panel);
    let edit = tokio::task::spawn_blocking(move || (panel.replace(Vec::new()), start.elapsed()));
    let (policies, shared) = (court.supervisor.policies(), court.supervisor.shared());
    assert_eq!((policies.len(), shared.len(), court.supervisor.assignments().len()), (1, 1, 0));
    let ((verdicts, judged_in), ((), edited_in)) = (round.await.unwrap(), edit.await.unwrap());
    assert!(judged_in < 2 * BOUND && edited_in < 2 * BOUND, "{judged_in:?}, {edited_in:?}");
    drop(change);
    let states: Vec<_> = verdicts.iter().map(|verdict| verdict.state).collect();
    assert_eq!((states.len(), states[0], states[59]), (60, HealthState::Degraded, HealthState::Failed));
    let reading = court.reading("cynic");
    assert_eq!((reading.deadlines, reading.judged + reading.fallbacks), (1, 60), "{reading:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_leaves_the_policies_that_it_does_not_touch_what_they_know() {
    let court = Court::with_cynic("{}").await;
    court.judge();
    court.seat(&[("cynic", "{}"), ("slow-start", "{}")]).await.unwrap();
    assert_eq!(&*court.judge()[0].reason, "judged 3 times");
    court.seat(&[("slow-start", "{}"), ("cynic", "{}")]).await.unwrap();
    assert_eq!(&*court.judge()[0].reason, "judged 5 times");
    court.seat(&[("slow-start", "{}"), ("cynic", r#"{"after": 7}"#)]).await.unwrap();
    assert_eq!(&*court.judge()[0].reason, "judged 1 times", "another configuration begins anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_ends_the_back_off_of_a_place() {
    let list = [("cynic", r#"{"fault": "panic"}"#)];
    let court = Court::with_cynic(list[0].1).await;
    // Waits of 100 to 800 ms; the next one would be twice as long.
    for nth in 1..=4 {
        court.judge();
        eventually("it is back", || async { (court.told().len() == 2 * nth).then_some(()) }).await;
    }
    court.seat(&[("threshold", "{}")]).await.unwrap();
    court.seat(&list).await.unwrap();
    court.judge();
    let start = Instant::now();
    eventually("it is back", || async { (court.told().len() == 10).then_some(()) }).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_is_cut_to_one_short_line() {
    let court = Court::with_cynic(r#"{"fault": "long-reason"}"#).await;
    let [verdict, _] = court.judge();
    assert_eq!(&*verdict.reason, "x".repeat(200));
    assert_eq!(court.reading("cynic").faults(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_behind_one_that_failed_hears_the_built_in_verdict() {
    let court = Court::new();
    court.offer("cynic", guest("cynic")).await.unwrap();
    let list = [("cynic", r#"{"fault": "panic"}"#), ("cynic", "{}")];
    court.seat(&list).await.unwrap();
    let verdicts = court.judge();
    assert_eq!(verdicts.each_ref().map(|verdict| verdict.state), [HealthState::Degraded, HealthState::Failed]);
    assert!(verdicts[1].reason.starts_with("taken out for failed probes"), "{}", verdicts[1].reason);
    assert_eq!(verdicts.map(|verdict| verdict.score), [0.5, 0.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_configuration_leaves_the_panel_as_it_was() {
    let court = Court::with_cynic("{}").await;
    court.judge();
    let refused = court.seat(&[("cynic", r#"{"fault": "refuse-config"}"#)]).await.unwrap_err();
    assert_eq!(refused, "plugin `cynic`: refused its configuration: this configuration is not to my liking");
    let [verdict, _] = court.judge();
    assert_eq!(&*verdict.reason, "judged 3 times", "the same instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_in_the_dry_run_keeps_a_version_out() {
    let court = Court::with_cynic(r#"{"fault": "none", "after": 1}"#).await;
    let error = court.offer("cynic", salted(&guest("reader"), "x")).await.unwrap_err();
    assert_eq!(error, LoadError::NotAPolicy);
    let court = Court::new();
    let error = court.offer("cynic", cynic(r#"{"fault": "nan-score", "in_trial": true}"#)).await.unwrap_err();
    assert_eq!(error.to_string(), "failed in `judge`: gave the score NaN; 0 to 1 can be");
    let error = court.offer("cynic", cynic(r#"{"fault": "loop", "in_trial": true}"#)).await.unwrap_err();
    assert_eq!(error.to_string(), "failed in `judge`: no answer within 100000 µs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_of_the_other_kind_and_unknown_names_are_refused_in_words() {
    let court = Court::new();
    let refused = court.seat(&[("threshold", "{}"), ("round-robin", "{}")]).await.unwrap_err();
    assert_eq!(refused, "plugin `round-robin`: a routing strategy, where a health policy is needed");
    let unknown = court.seat(&[("treshold", "{}")]).await.unwrap_err();
    assert!(unknown.starts_with("no plugin is named `treshold`; there are: "), "{unknown}");
    assert!(unknown.contains("threshold"), "{unknown}");
    let strategy = leverframe::config::StrategySpec { plugin: plugin("threshold"), config: "{}".to_owned() };
    let refused = court.supervisor.begin().await.prepare(court.live.name(), &strategy).await.unwrap_err();
    assert_eq!(refused.to_string(), "plugin `threshold`: a health policy, where a routing strategy is needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_goes_on_from_the_old_ones_state_on_all_panels() {
    let court = Court::with_cynic("{}").await;
    court.judge();
    let swap = court.offer("cynic", salted(&guest("cynic"), "second")).await;
    assert_eq!(swap, Ok(Swap::Seated { clusters: 1, carried: 1 }));
    let [verdict, _] = court.judge();
    assert_eq!(&*verdict.reason, "judged 3 times");
    // The same bytes again are no change.
    assert_eq!(court.offer("cynic", salted(&guest("cynic"), "second")).await, Ok(Swap::Unchanged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_take_the_state_is_seated_nowhere() {
    for (fault, words) in [
        ("refuse-state", "refused the state of the version before: cannot go on from 4 bytes"),
        ("panic-over-state", "failed to take over the state of the version before: trap: "),
    ] {
        let court = Court::new();
        court.offer("cynic", guest("cynic")).await.unwrap();
        // Two positions: the second is the old version's as well until both have agreed.
        court.seat(&[("cynic", "{}"), ("cynic", "{}")]).await.unwrap();
        court.judge();
        let error = court.offer("cynic", cynic(&format!(r#"{{"fault": "{fault}"}}"#))).await.unwrap_err();
        assert!(error.to_string().starts_with(words), "{error}");
        let [verdict, _] = court.judge();
        assert_eq!(
            (&*verdict.reason, court.reading("cynic").judged),
            ("judged 3 times", 8),
            "the old version judges on"
        );
        assert!(court.refusal("cynic").unwrap().reason.starts_with(words));
        assert!(court.told().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_keeps_failing_is_taken_back_until_its_bytes_change() {
    let court = Court::new();
    court.seat(&[("threshold", "{}")]).await.unwrap();
    let good = court.supervisor.registry().current(&plugin("threshold")).unwrap().artifact.hash();
    let bad = cynic(r#"{"fault": "panic"}"#);
    let swap = court.offer("threshold", bad.clone()).await;
    assert_eq!(swap, Ok(Swap::Seated { clusters: 1, carried: 0 }));
    eventually("the version is taken back", || async {
        assert_eq!(court.states(), BUILT_IN, "whoever judges");
        let current = court.supervisor.registry().current(&plugin("threshold"));
        current.filter(|current| current.artifact.hash() == good)
    })
    .await;
    let reason = court.refusal("threshold").unwrap().reason;
    assert!(reason.contains("kept failing") && reason.contains("sabotage on purpose"), "{reason}");
    assert_eq!(court.told().last(), Some(&true), "the version before judges");
    assert!(matches!(court.offer("threshold", bad).await, Err(LoadError::TakenBack(_))));
    let swap = court.offer("threshold", salted(&embedded("threshold"), "put right")).await;
    assert!(matches!(swap, Ok(Swap::Seated { clusters: 1, .. })), "{swap:?}");
}
