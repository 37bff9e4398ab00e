//! One endpoint's circuit as requests meet it: a `Breaker` behind a lock, and in front of it what spares the lock while
//! the circuit is closed. Decides nothing itself.
//!
//! In a closed circuit, letting a request through costs one load and an `Arc`, its success one load and one add.
//! Successes are only counted; the breaker hears of them when a request fails, and on every tick. All else (a failure,
//! an open or half-open circuit) takes the lock, briefly and never across an await.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::breaker::{Breaker, Epoch, Transition};
use crate::config::Circuit;
use crate::model::{Change, CircuitState, ClusterName, EndpointName, Events};

/// Who hears of the transitions of one circuit.
#[derive(Debug)]
pub(super) struct Herald {
    pub(super) cluster: ClusterName,
    pub(super) endpoint: EndpointName,
    pub(super) events: Events,
    pub(super) changed: Arc<Notify>,
}

impl Herald {
    fn tell(&self, transition: &Transition<'_>) {
        let change = Change::Circuit { from: transition.from, to: transition.to };
        self.events.tell(&self.cluster, Some(&self.endpoint), change, transition.cause.to_string());
        self.changed.notify_one();
    }
}

/// What the fast paths go by, one value so that it never contradicts itself: the breaker's epoch, and in the two lowest
/// bits its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Closed,
    HalfOpen,
    Open,
}

impl Word {
    fn of(breaker: &Breaker) -> Self {
        let mode = match breaker.state() {
            CircuitState::Closed if breaker.is_off() => 0,
            CircuitState::Closed => 1,
            CircuitState::HalfOpen => 2,
            CircuitState::Open => 3,
        };
        Self(breaker.epoch().0 << 2 | mode)
    }

    fn mode(self) -> Mode {
        match self.0 & 3 {
            0 => Mode::Off,
            1 => Mode::Closed,
            2 => Mode::HalfOpen,
            _ => Mode::Open,
        }
    }

    fn epoch(self) -> Epoch {
        Epoch(self.0 >> 2)
    }
}

/// The circuit of one endpoint, shared by all that send to it. Aligned so that two endpoints never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Gate {
    /// Follows the breaker; written under its lock only.
    word: AtomicU64,
    /// Requests that succeeded in this closed epoch and that the breaker has not heard of.
    succeeded: AtomicU64,
    breaker: Mutex<Breaker>,
    herald: Herald,
}

impl Gate {
    pub(super) fn new(settings: Option<Circuit>, herald: Herald) -> Self {
        let breaker = Breaker::new(settings);
        let word = AtomicU64::new(Word::of(&breaker).0);
        Self { word, succeeded: AtomicU64::new(0), breaker: Mutex::new(breaker), herald }
    }

    /// Lets a request through, or not. An open circuit whose time is over becomes half-open here, unless a tick came
    /// first.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        let word = self.word();
        let epoch = match word.mode() {
            Mode::Off | Mode::Closed => word.epoch(),
            Mode::HalfOpen | Mode::Open => self.step(|breaker| breaker.admit(now))?,
        };
        Some(Permit { gate: Arc::clone(self), epoch, settled: false })
    }

    /// The state of this moment.
    pub fn state(&self) -> CircuitState {
        match self.word().mode() {
            Mode::Off | Mode::Closed => CircuitState::Closed,
            Mode::HalfOpen => CircuitState::HalfOpen,
            Mode::Open => CircuitState::Open,
        }
    }

    /// When an open circuit lets trial requests pass; none when it is not open.
    pub fn opens_at(&self) -> Option<Instant> {
        match self.word().mode() {
            Mode::Open => self.lock().opens_at(),
            Mode::Off | Mode::Closed | Mode::HalfOpen => None,
        }
    }

    pub(super) fn configure(&self, settings: Option<Circuit>) {
        self.step(|breaker| ((), breaker.configure(settings)));
    }

    pub(super) fn tick(&self, now: Instant) {
        match self.word().mode() {
            Mode::Open => self.step(|breaker| ((), breaker.tick(now))),
            Mode::Closed => self.step(|breaker| {
                breaker.catch_up(self.succeeded.swap(0, Ordering::Relaxed), now);
                ((), None)
            }),
            Mode::Off | Mode::HalfOpen => {}
        }
    }

    fn succeeded(&self, epoch: Epoch, now: Instant) {
        let word = self.word();
        match word.mode() {
            _ if word.epoch() != epoch => {}
            // Between the load and the add the circuit may go through all its states, if the thread sleeps for so long.
            // Then one success counts that should not: it cannot open the circuit, nor let a trial through.
            Mode::Closed => drop(self.succeeded.fetch_add(1, Ordering::Relaxed)),
            Mode::HalfOpen => self.step(|breaker| ((), breaker.succeeded(epoch, now))),
            Mode::Off | Mode::Open => {}
        }
    }

    fn failed(&self, epoch: Epoch, now: Instant, cause: &str) {
        let word = self.word();
        if word.epoch() == epoch && word.mode() != Mode::Off {
            self.step(|breaker| {
                breaker.catch_up(self.succeeded.swap(0, Ordering::Relaxed), now);
                ((), breaker.failed(epoch, now, cause))
            });
        }
    }

    fn abandoned(&self, epoch: Epoch) {
        let word = self.word();
        if word.epoch() == epoch && word.mode() == Mode::HalfOpen {
            self.lock().abandoned(epoch);
        }
    }

    /// Lets the breaker do something and makes its transition known, all under the lock: so events come in the order of
    /// the transitions, and whoever hears of one sees the state that it led to. Their listener must not come back here.
    fn step<'a, T>(&self, act: impl FnOnce(&mut Breaker) -> (T, Option<Transition<'a>>)) -> T {
        let mut breaker = self.lock();
        let (answer, transition) = act(&mut breaker);
        // What the last epoch counted too late for the breaker to hear of it, or from before it was turned off.
        if transition.is_some() || breaker.is_off() {
            self.succeeded.store(0, Ordering::Relaxed);
        }
        // Who sees the new epoch also sees the count at zero, and adds to that.
        self.word.store(Word::of(&breaker).0, Ordering::Release);
        if let Some(transition) = transition {
            self.herald.tell(&transition);
        }
        answer
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// A thread that panicked with the lock did so in the listener of the events, when the breaker was whole again.
    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that a circuit let through. Whoever holds it says how the request ended; dropped without a word it was
/// abandoned, which says nothing of the endpoint and gives the place of a trial back.
#[derive(Debug)]
#[must_use = "a permit that is dropped is an abandoned request"]
pub struct Permit {
    gate: Arc<Gate>,
    pub(super) epoch: Epoch,
    settled: bool,
}

impl Permit {
    /// Whether it is that of a trial, for which others wait.
    pub fn is_trial(&self) -> bool {
        let word = self.gate.word();
        word.epoch() == self.epoch && word.mode() == Mode::HalfOpen
    }

    /// The request succeeded.
    pub fn succeeded(mut self, now: Instant) {
        self.settled = true;
        self.gate.succeeded(self.epoch, now);
    }

    /// The request failed: one line of why, for the operator.
    pub fn failed(mut self, now: Instant, cause: &str) {
        self.settled = true;
        self.gate.failed(self.epoch, now, cause);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.gate.abandoned(self.epoch);
        }
    }
}
