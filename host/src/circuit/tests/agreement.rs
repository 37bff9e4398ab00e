//! The same story told to the gate, to the breaker, and to an account of the rules that keeps every outcome: they agree
//! on every answer, state and event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::Notify;

use super::super::breaker::{Breaker, Epoch, Transition};
use super::super::gate::{Gate, Herald, Permit};
use super::{Log, MILLI, seeded, settings, with_ratio};
use crate::config::Circuit;
use crate::model::{CircuitState, ClusterName, EndpointName};

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Succeed(prop::sample::Index),
    Fail(prop::sample::Index),
    Abandon(prop::sample::Index),
    Tick,
    Wait(u32),
    Configure(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Admit),
        5 => any::<prop::sample::Index>().prop_map(Step::Succeed),
        7 => any::<prop::sample::Index>().prop_map(Step::Fail),
        2 => any::<prop::sample::Index>().prop_map(Step::Abandon),
        1 => Just(Step::Tick),
        4 => (1_u32..250).prop_map(Step::Wait),
        1 => any::<prop::sample::Index>().prop_map(Step::Configure),
    ]
}

/// The rules, written down without any economy.
struct Account {
    settings: Option<Circuit>,
    state: CircuitState,
    epoch: u64,
    /// Outcomes of the closed epoch, and from which on the window holds them.
    outcomes: Vec<(Instant, bool)>,
    window_from: usize,
    opened: Option<Instant>,
    relapses: u32,
    under_way: u32,
    passed: u32,
    transitions: Vec<(CircuitState, CircuitState)>,
}

impl Account {
    fn go(&mut self, to: CircuitState) {
        self.transitions.push((self.state, to));
        self.state = to;
        self.epoch += 1;
        (self.outcomes, self.window_from, self.under_way, self.passed) = (Vec::new(), 0, 0, 0);
    }

    fn opens_at(&self) -> Option<Instant> {
        let (settings, opened) = (self.settings.as_ref()?, self.opened?);
        let mut wait = settings.open_for;
        for _ in 0..self.relapses {
            wait = (wait * 2).min(settings.open_at_most);
        }
        (self.state == CircuitState::Open).then_some(opened + wait)
    }

    fn tick(&mut self, now: Instant) {
        if self.opens_at().is_some_and(|at| now >= at) {
            self.go(CircuitState::HalfOpen);
        }
    }

    fn admit(&mut self, now: Instant) -> Option<u64> {
        self.tick(now);
        let trials = self.settings.as_ref().map_or(0, |settings| settings.trials);
        let admitted = match self.state {
            CircuitState::Closed => true,
            CircuitState::Open => false,
            CircuitState::HalfOpen => self.under_way + self.passed < trials,
        };
        self.under_way += u32::from(admitted);
        admitted.then_some(self.epoch)
    }

    fn settle(&mut self, epoch: u64, result: Option<bool>, now: Instant) {
        let Some(settings) = self.settings.clone().filter(|_| epoch == self.epoch) else { return };
        self.under_way -= 1;
        match (self.state, result) {
            (_, None) => {}
            (CircuitState::Closed, Some(passed)) => {
                self.outcomes.push((now, passed));
                if !passed && (self.row_is_full(&settings) || self.share_is_full(&settings, now)) {
                    (self.opened, self.relapses) = (Some(now), 0);
                    self.go(CircuitState::Open);
                }
            }
            (_, Some(true)) => {
                self.passed += 1;
                if self.passed == settings.trials {
                    self.go(CircuitState::Closed);
                }
            }
            (_, Some(false)) => {
                (self.opened, self.relapses) = (Some(now), self.relapses + 1);
                self.go(CircuitState::Open);
            }
        }
    }

    fn row_is_full(&self, settings: &Circuit) -> bool {
        let row = self.outcomes.iter().rev().take_while(|(_, passed)| !passed).count();
        settings.consecutive_failures.is_some_and(|most| row >= most as usize)
    }

    /// Tenths of the window are counted from the first outcome that it holds.
    fn share_is_full(&self, settings: &Circuit, now: Instant) -> bool {
        let Some(ratio) = settings.failure_ratio else { return false };
        let held = &self.outcomes[self.window_from..];
        let slice = |at: Instant| (at - held[0].0).as_nanos() / (ratio.window / 10).as_nanos();
        let recent: Vec<bool> =
            held.iter().filter(|(at, _)| slice(*at) + 10 > slice(now)).map(|(_, passed)| *passed).collect();
        let failed = recent.iter().filter(|passed| !**passed).count();
        recent.len() >= ratio.least_requests as usize && failed * 100 >= recent.len() * usize::from(ratio.percent)
    }

    fn configure(&mut self, settings: Option<Circuit>) {
        let window = |settings: &Option<Circuit>| settings.as_ref().and_then(|s| s.failure_ratio).map(|r| r.window);
        if window(&self.settings) != window(&settings) {
            self.window_from = self.outcomes.len();
        }
        self.settings = settings;
        match (&self.settings, self.state) {
            (None, CircuitState::Closed) => (self.outcomes, self.window_from) = (Vec::new(), 0),
            (None, _) => self.go(CircuitState::Closed),
            (Some(settings), CircuitState::HalfOpen) if self.passed >= settings.trials => self.go(CircuitState::Closed),
            (Some(_), _) => {}
        }
    }
}

/// The three of them, and the requests under way.
struct Story {
    gate: Arc<Gate>,
    log: Log,
    breaker: Breaker,
    told: Vec<(CircuitState, CircuitState, String)>,
    account: Account,
    under_way: Vec<(Permit, Epoch, u64)>,
    choices: Vec<Option<Circuit>>,
    now: Instant,
}

impl Story {
    fn new(choices: Vec<Option<Circuit>>) -> Self {
        let (log, settings) = (Log::default(), choices[0].clone());
        let herald = Herald {
            cluster: ClusterName::new("shop").unwrap(),
            endpoint: EndpointName::new("one").unwrap(),
            events: log.events(),
            changed: Arc::new(Notify::new()),
        };
        let account = Account {
            settings: settings.clone(),
            state: CircuitState::Closed,
            epoch: 0,
            outcomes: Vec::new(),
            window_from: 0,
            opened: None,
            relapses: 0,
            under_way: 0,
            passed: 0,
            transitions: Vec::new(),
        };
        Self {
            gate: Arc::new(Gate::new(settings.clone(), herald)),
            log,
            breaker: Breaker::new(settings),
            told: Vec::new(),
            account,
            under_way: Vec::new(),
            choices,
            now: Instant::now(),
        }
    }

    fn hear(&mut self, transition: Option<Transition<'_>>) {
        self.told.extend(transition.map(|t| (t.from, t.to, t.cause.to_string())));
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Admit => self.admit(),
            Step::Succeed(which) => self.settle(which, Some(true)),
            Step::Fail(which) => self.settle(which, Some(false)),
            Step::Abandon(which) => self.settle(which, None),
            Step::Tick => self.tick(),
            Step::Wait(millis) => {
                // A gate that is ticked whenever time passes knows as exactly as the others when its requests
                // succeeded. Without a window it need not know.
                let ticks = self.account.settings.as_ref().is_some_and(|settings| settings.failure_ratio.is_some());
                if ticks {
                    self.tick();
                }
                self.now += MILLI * *millis;
                if ticks {
                    self.tick();
                }
            }
            Step::Configure(which) => {
                self.tick();
                let settings = which.get(&self.choices).clone();
                self.gate.configure(settings.clone());
                let transition = self.breaker.configure(settings.clone());
                self.hear(transition);
                self.account.configure(settings);
            }
        }
    }

    fn tick(&mut self) {
        self.gate.tick(self.now);
        let transition = self.breaker.tick(self.now);
        self.hear(transition);
        self.account.tick(self.now);
    }

    fn admit(&mut self) {
        let permit = self.gate.admit(self.now);
        let (epoch, transition) = self.breaker.admit(self.now);
        self.hear(transition);
        let expected = self.account.admit(self.now);
        assert_eq!((permit.is_some(), epoch.is_some()), (expected.is_some(), expected.is_some()));
        self.under_way
            .extend(permit.zip(epoch).zip(expected).map(|((permit, epoch), expected)| (permit, epoch, expected)));
    }

    fn settle(&mut self, which: &prop::sample::Index, result: Option<bool>) {
        if self.under_way.is_empty() {
            return;
        }
        let (permit, epoch, expected) = self.under_way.swap_remove(which.index(self.under_way.len()));
        let (before, stale) = (self.breaker.clone(), epoch != self.breaker.epoch());
        let transition = match result {
            None => {
                drop(permit);
                self.breaker.abandoned(epoch);
                None
            }
            Some(true) => {
                permit.succeeded(self.now);
                self.breaker.succeeded(epoch, self.now)
            }
            Some(false) => {
                permit.failed(self.now, "reset");
                self.breaker.failed(epoch, self.now, "reset")
            }
        };
        self.hear(transition);
        self.account.settle(expected, result, self.now);
        if stale {
            assert_eq!(self.breaker, before, "a permit of an earlier epoch changes nothing");
        }
    }

    fn agree(&self) {
        assert_eq!(self.breaker.state(), self.account.state);
        assert_eq!(self.gate.state(), self.account.state);
        assert_eq!(self.breaker.opens_at(), self.account.opens_at());
        assert_eq!(self.gate.opens_at(), self.account.opens_at());
        assert_eq!(self.breaker.epoch(), Epoch(self.account.epoch));
        let told: Vec<_> = self.told.iter().map(|(from, to, _)| (*from, *to)).collect();
        assert_eq!(told, self.account.transitions);
        assert_eq!(self.log.told(), self.told);
    }
}

fn play(choices: Vec<Option<Circuit>>, steps: &[Step]) {
    let mut story = Story::new(choices);
    for step in steps {
        story.take(step);
        story.agree();
    }
}

proptest! {
    #![proptest_config(seeded(500))]

    #[test]
    fn on_failures_in_a_row(row in 1_u32..5, trials in 1_u32..4, steps in prop::collection::vec(step(), 1..150)) {
        play(vec![Some(settings(row, trials))], &steps);
    }

    #[test]
    fn on_a_share_of_failures(
        row in prop::option::of(2_u32..6),
        trials in 1_u32..4,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        play(vec![Some(with_ratio(row, trials))], &steps);
    }

    #[test]
    fn while_the_settings_change(steps in prop::collection::vec(step(), 1..150)) {
        let longer = Circuit { open_for: MILLI * 300, ..with_ratio(None, 4) };
        play(vec![Some(settings(3, 2)), None, Some(with_ratio(Some(5), 1)), Some(longer)], &steps);
    }
}

#[test]
fn a_gate_that_is_never_ticked_counts_failures_in_a_row_all_the_same() {
    let mut story = Story::new(vec![Some(settings(2, 1))]);
    for (result, state) in [
        (false, CircuitState::Closed),
        (true, CircuitState::Closed),
        (false, CircuitState::Closed),
        (false, CircuitState::Open),
    ] {
        let permit = story.gate.admit(story.now).unwrap();
        story.now += Duration::from_secs(5);
        if result {
            permit.succeeded(story.now)
        } else {
            permit.failed(story.now, "reset")
        }
        assert_eq!(story.gate.state(), state);
    }
}
