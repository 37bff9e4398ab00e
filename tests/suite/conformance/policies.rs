//! Both forms of every policy side by side, over a cluster of which all kinds of things are seen: they judge alike, know
//! alike, and each can go on from what the other knew. Whatever is seen, the laws hold: a verdict keeps within its ranges
//! and never improves on the one in front, and an outlier leaves the cluster most of its endpoints.

use std::sync::Arc;

use fastrand::Rng;
use leverframe::health::{Panel, Policy, PolicyFigures, PolicySeat};
use leverframe::model::{
    CircuitState, Endpoint, EndpointId, Events, Fault, HealthState, ImportError, Observations, Peers, SeatHolder,
    Verdict,
};
use tokio::sync::mpsc;

use super::cluster::TestCluster;
use super::judges::{Judge, judges};
use super::subjects::Form;

/// How often all endpoints are judged.
const PASSES: u32 = 400;
/// The cluster changes after so many.
const CHANGE_EVERY: u32 = 60;
/// Each form hands over to the other after so many.
const HAND_OVER_EVERY: u32 = 50;
/// Milliseconds from one pass to the next.
const STEP_MS: u64 = 250;
/// Every run is the same run.
const SEED: u64 = 20_260_611;

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

const STATES: [HealthState; 4] =
    [HealthState::Healthy, HealthState::Degraded, HealthState::Recovering, HealthState::Failed];

/// A cluster as its policies see it.
struct Scene {
    chance: Rng,
    cluster: TestCluster,
    seen: Vec<(EndpointId, Observations)>,
}

impl Scene {
    fn begin() -> Self {
        Self { chance: Rng::with_seed(SEED), cluster: TestCluster::of(&[]), seen: Vec::new() }
    }

    /// Other endpoints: some stay, some leave, some join.
    fn change(&mut self) {
        let count = self.chance.usize(1..=NAMES.len());
        self.change_to(count);
    }

    fn change_to(&mut self, count: usize) {
        let mut members = NAMES.map(|name| (name, 1)).to_vec();
        self.chance.shuffle(&mut members);
        members.truncate(count);
        self.cluster.change(&members);
        let ids = self.cluster.ids();
        let seen = |id| self.seen.iter().find(|(one, _)| *one == id).copied().unwrap_or((id, Observations::default()));
        self.seen = ids.into_iter().map(seen).collect();
    }

    /// A while later: probes and requests that went well or not, now and then anything at all.
    fn go_on(&mut self) {
        let chance = &mut self.chance;
        for (_, seen) in &mut self.seen {
            let well = chance.u8(..10) > 2;
            let (ok, failed) = match well {
                true => (seen.consecutive_probes_ok.saturating_add(1), 0),
                false => (0, seen.consecutive_probes_failed.saturating_add(1)),
            };
            let requests_ok = [0, 3, 90, 200][chance.usize(..4)];
            let requests_failed = if chance.u8(..4) == 0 { chance.u32(..200) } else { 0 };
            let probed = chance.u8(..5) > 0;
            *seen = Observations {
                window_ms: 10_000,
                probes_ok: ok.min(2),
                probes_failed: failed.min(2),
                consecutive_probes_ok: if probed { ok } else { seen.consecutive_probes_ok },
                consecutive_probes_failed: if probed { failed } else { seen.consecutive_probes_failed },
                requests_ok,
                requests_failed,
                consecutive_requests_failed: chance.u32(..requests_failed.clamp(1, 9)),
                latency_mean_us: [0, 900, 20_000, 3_000_000][chance.usize(..4)],
                latency_p99_us: chance.u32(..5_000_000),
                circuit: [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open][chance.usize(..9) / 4],
                age_ms: seen.age_ms + STEP_MS,
                state_age_ms: seen.state_age_ms + STEP_MS,
                state: seen.state,
            };
            if chance.u8(..40) == 0 {
                let most = Observations { requests_failed: u32::MAX, requests_ok: u32::MAX, ..*seen };
                *seen = Observations { latency_mean_us: u32::MAX, consecutive_requests_failed: u32::MAX, ..most };
            }
        }
    }

    /// Takes a verdict for the endpoint's state, as the host does.
    fn take(&mut self, at: usize, state: HealthState) {
        let (_, seen) = &mut self.seen[at];
        if seen.state != state {
            (seen.state, seen.state_age_ms) = (state, 0);
        }
    }

    /// The verdict of a policy in front, if there is one.
    fn before(&mut self) -> Verdict {
        if self.chance.bool() {
            return Verdict::default();
        }
        let (score, effective_weight) = (self.chance.f32(), self.chance.f32());
        Verdict { state: STATES[self.chance.usize(..4)], score, effective_weight, reason: "in front".into() }
    }
}

#[test]
fn both_forms_judge_alike_within_the_ranges_and_never_better_than_before() {
    for judge in judges() {
        let mut scene = Scene::begin();
        let [mut native, mut wasm] = Form::BOTH.map(|form| judge.start(form));
        for pass in 0..PASSES {
            if pass % CHANGE_EVERY == 0 {
                scene.change();
            }
            if pass % HAND_OVER_EVERY == HAND_OVER_EVERY - 1 {
                [native, wasm] = handed_over(&judge, native, wasm);
            }
            scene.go_on();
            let peers: Arc<Peers> = scene.seen.clone().into();
            for (at, member) in scene.cluster.candidates().members().to_vec().iter().enumerate() {
                let (before, window) = (scene.before(), peers[at].1);
                let verdict = native.judge(member.endpoint(), &window, &peers, &before).unwrap();
                let other = wasm.judge(member.endpoint(), &window, &peers, &before).unwrap();
                let what = || format!("{judge}, pass {pass}, {window:?} after {before:?}: {verdict:?}");
                assert_eq!(verdict, other, "native on the left, Wasm on the right: {}", what());
                for (value, most) in
                    [(verdict.score, before.score), (verdict.effective_weight, before.effective_weight)]
                {
                    assert!((0.0..=most).contains(&value), "{}", what());
                }
                assert!(verdict.state >= before.state, "{}", what());
                scene.take(at, verdict.state);
            }
        }
    }
}

/// A new native instance goes on from what the component knew, and a new component from what the native one knew.
fn handed_over(judge: &Judge, mut native: Box<dyn Policy>, mut wasm: Box<dyn Policy>) -> [Box<dyn Policy>; 2] {
    let (known, told) = (native.export_state().unwrap(), wasm.export_state().unwrap());
    assert_eq!(known, told, "{judge}: both know the same");
    [(Form::Native, told), (Form::Wasm, known)].map(|(form, state)| {
        let mut next = judge.start(form);
        if !state.is_empty() {
            next.import_state("0.1.0", &state).unwrap();
        }
        next
    })
}

#[test]
fn an_outlier_leaves_the_cluster_most_of_its_endpoints() {
    for judge in judges().into_iter().filter(|judge| judge.name.as_str() == "outlier") {
        let config: serde_json::Value = serde_json::from_str(judge.config).unwrap();
        let share = config["max_ejected_share"].as_f64().unwrap_or(0.1);
        for form in Form::BOTH {
            let mut scene = Scene::begin();
            let mut policy = judge.start(form);
            let mut ejections = 0;
            for pass in 0..PASSES {
                if pass % CHANGE_EVERY == 0 {
                    // All of them, then few, then all.
                    scene.change_to(if (pass / CHANGE_EVERY).is_multiple_of(2) { NAMES.len() } else { 3 });
                }
                scene.go_on();
                let peers: Arc<Peers> = scene.seen.clone().into();
                let members = scene.cluster.candidates().members().to_vec();
                let mut out = 0;
                for (at, member) in members.iter().enumerate() {
                    let verdict = policy.judge(member.endpoint(), &peers[at].1, &peers, &Verdict::default()).unwrap();
                    out += usize::from(verdict.state == HealthState::Failed);
                    scene.take(at, verdict.state);
                }
                let most = ((members.len() as f64 * share) as usize).max(1);
                assert!(out <= most, "{form:?} {judge}, pass {pass}: {out} of {} are out", members.len());
                ejections += out;
            }
            assert!(ejections > 0, "{form:?} {judge}: nothing was ever ejected");
        }
    }
}

#[test]
fn the_built_in_fallback_judges_as_the_threshold_plugin_does() {
    let threshold = judges().into_iter().find(|judge| judge.name.as_str() == "threshold" && judge.config == "{}");
    let threshold = threshold.expect("it is built in");
    let mut scene = Scene::begin();
    scene.change();
    let [plugin, fallback] = [threshold.start(Form::Native), Box::new(Broken)].map(|policy| panel(&scene, policy));
    for pass in 0..PASSES {
        let members = scene.cluster.candidates().members().to_vec();
        let windows = scene.seen.iter().map(|(_, window)| *window);
        let endpoints: Vec<_> = members.into_iter().zip(windows).collect();
        let [verdicts, others] = [&plugin, &fallback].map(|panel| panel.judge(&endpoints));
        assert_eq!(verdicts, others, "pass {pass}: {endpoints:#?}");
        verdicts.iter().enumerate().for_each(|(at, verdict)| scene.take(at, verdict.state));
        // Not before the first pass: the fallback does not count what was there when it took over.
        scene.go_on();
    }
}

/// A panel with one policy, and nobody who would seat another.
fn panel(scene: &Scene, policy: Box<dyn Policy>) -> Panel {
    let (lost, _) = mpsc::unbounded_channel();
    let panel = Panel::new(scene.cluster.live.name().clone(), lost, Events::nowhere());
    let plugin = leverframe::model::PluginName::new("tested").unwrap();
    let holder = SeatHolder { plugin, revision: 1, version: "1.0.0".to_owned() };
    panel.replace(vec![PolicySeat { holder, policy, figures: Arc::new(PolicyFigures::default()) }]);
    panel
}

/// A policy that never works.
struct Broken;

impl Policy for Broken {
    fn judge(&mut self, _: &Endpoint, _: &Observations, _: &Arc<Peers>, _: &Verdict) -> Result<Verdict, Fault> {
        Err(Fault::Trap("broken".to_owned()))
    }

    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }

    fn import_state(&mut self, _: &str, _: &[u8]) -> Result<(), ImportError> {
        Ok(())
    }
}
