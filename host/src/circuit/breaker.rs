//! The state machine of one circuit: outcomes and `now` go in, transitions come out. Locks, tells and times nothing.
//!
//! Every transition begins another epoch, and whoever is let through carries the epoch that it was in: what belongs to
//! an earlier one changes nothing.

use std::fmt;
use std::time::{Duration, Instant};

use super::window::Tally;
use crate::config::Circuit;
use crate::model::CircuitState;

/// The time between two transitions: how many there were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(pub(super) u64);

/// A change of state that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transition<'a> {
    pub(super) from: CircuitState,
    pub(super) to: CircuitState,
    pub(super) cause: Cause<'a>,
}

/// Why the state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause<'a> {
    /// Closed to open: so many failures in a row.
    InARow { failures: u32, last: &'a str },
    /// Closed to open: too large a share of failures.
    Share { percent: u64, requests: u64, window: Duration },
    /// Open to half-open: it was open for so long.
    WaitOver(Duration),
    /// Half-open to open.
    TrialFailed(&'a str),
    /// Half-open to closed: so many, which were all that it takes.
    TrialsPassed(u32),
    /// To closed, whatever it was.
    TurnedOff,
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow { failures: 1, last } => write!(f, "a failure: {last}"),
            Self::InARow { failures, last } => write!(f, "{failures} failures in a row, the last: {last}"),
            Self::Share { percent, requests, window } => {
                write!(f, "{percent} % of {requests} requests failed within {}", Spoken(*window))
            }
            Self::WaitOver(wait) => write!(f, "its {} are over", Spoken(*wait)),
            Self::TrialFailed(cause) => write!(f, "a trial request failed: {cause}"),
            Self::TrialsPassed(1) => f.write_str("a trial request passed"),
            Self::TrialsPassed(trials) => write!(f, "{trials} trial requests passed"),
            Self::TurnedOff => f.write_str("circuit breaking was turned off"),
        }
    }
}

/// A duration as a whole number of the largest unit that loses nothing of it.
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.subsec_nanos();
        match (nanos, nanos % 1_000_000) {
            (0, _) => write!(f, "{} s", self.0.as_secs()),
            (_, 0) => write!(f, "{} ms", self.0.as_millis()),
            _ => write!(f, "{} µs", self.0.as_micros()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Closed(Tally),
    Open {
        since: Instant,
        /// How many times in a row its trials have failed.
        relapses: u32,
    },
    HalfOpen {
        /// Trials that are neither decided nor abandoned.
        under_way: u32,
        passed: u32,
        relapses: u32,
    },
}

/// A circuit. Without settings it is off: closed, whatever happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Breaker {
    settings: Option<Circuit>,
    epoch: Epoch,
    phase: Phase,
}

impl Breaker {
    /// A closed circuit that has seen nothing.
    pub(super) fn new(settings: Option<Circuit>) -> Self {
        let phase = Phase::Closed(Tally::new(window(settings.as_ref())));
        Self { settings, epoch: Epoch(0), phase }
    }

    /// Whether it has no settings.
    pub(super) fn is_off(&self) -> bool {
        self.settings.is_none()
    }

    /// The epoch of this moment.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The state of this moment.
    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed(_) => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// When it becomes half-open, while it is open.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        match (&self.phase, &self.settings) {
            (Phase::Open { since, relapses }, Some(settings)) => since.checked_add(wait(settings, *relapses)),
            _ => None,
        }
    }

    /// Goes by other numbers from here on, in the state that it is in. Turned off, it closes.
    pub(super) fn configure(&mut self, settings: Option<Circuit>) -> Option<Transition<'static>> {
        self.settings = settings;
        match (&self.settings, &mut self.phase) {
            (None, Phase::Closed(tally)) => {
                *tally = Tally::default();
                None
            }
            (None, _) => Some(self.close(Cause::TurnedOff)),
            (Some(_), Phase::Closed(tally)) => {
                tally.fit(window(self.settings.as_ref()));
                None
            }
            (Some(settings), Phase::HalfOpen { passed, .. }) if *passed >= settings.trials => {
                let passed = *passed;
                Some(self.close(Cause::TrialsPassed(passed)))
            }
            (Some(_), _) => None,
        }
    }

    /// Becomes half-open when it was open for long enough.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Transition<'static>> {
        let (Phase::Open { since, relapses }, Some(settings)) = (&self.phase, &self.settings) else { return None };
        let (wait, relapses) = (wait(settings, *relapses), *relapses);
        if now.saturating_duration_since(*since) < wait {
            return None;
        }
        Some(self.enter(Phase::HalfOpen { under_way: 0, passed: 0, relapses }, Cause::WaitOver(wait)))
    }

    /// Lets a request through, or not. An open circuit whose time is over becomes half-open first.
    pub(super) fn admit(&mut self, now: Instant) -> (Option<Epoch>, Option<Transition<'static>>) {
        let transition = self.tick(now);
        let trials = self.settings.as_ref().map_or(0, |settings| settings.trials);
        let admitted = match &mut self.phase {
            Phase::Closed(_) => true,
            Phase::Open { .. } => false,
            Phase::HalfOpen { under_way, passed, .. } => {
                let free = under_way.saturating_add(*passed) < trials;
                *under_way += u32::from(free);
                free
            }
        };
        (admitted.then_some(self.epoch), transition)
    }

    /// Takes in how many requests succeeded since it was last told of anything, all let through in this epoch, which
    /// matters while it is closed.
    pub(super) fn catch_up(&mut self, succeeded: u64, now: Instant) {
        if let (Phase::Closed(tally), Some(_)) = (&mut self.phase, &self.settings) {
            tally.succeeded(succeeded, now);
        }
    }

    /// A request that was let through in that epoch succeeded.
    pub(super) fn succeeded(&mut self, epoch: Epoch, now: Instant) -> Option<Transition<'static>> {
        let settings = self.settings.as_ref().filter(|_| epoch == self.epoch)?;
        match &mut self.phase {
            Phase::Closed(tally) => tally.succeeded(1, now),
            Phase::Open { .. } => {}
            Phase::HalfOpen { under_way, passed, .. } => {
                *under_way = under_way.saturating_sub(1);
                *passed += 1;
                if *passed >= settings.trials {
                    let passed = *passed;
                    return Some(self.close(Cause::TrialsPassed(passed)));
                }
            }
        }
        None
    }

    /// A request that was let through in that epoch failed, for that cause.
    pub(super) fn failed<'a>(&mut self, epoch: Epoch, now: Instant, cause: &'a str) -> Option<Transition<'a>> {
        let settings = self.settings.as_ref().filter(|_| epoch == self.epoch)?;
        let (relapses, cause) = match &mut self.phase {
            Phase::Closed(tally) => {
                tally.failed(now);
                (0, too_much(settings, tally, cause)?)
            }
            Phase::Open { .. } => return None,
            Phase::HalfOpen { relapses, .. } => (relapses.saturating_add(1), Cause::TrialFailed(cause)),
        };
        Some(self.enter(Phase::Open { since: now, relapses }, cause))
    }

    /// A request that was let through in that epoch ended without saying anything of the endpoint.
    pub(super) fn abandoned(&mut self, epoch: Epoch) {
        if let Phase::HalfOpen { under_way, .. } = &mut self.phase
            && epoch == self.epoch
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    fn close<'a>(&mut self, cause: Cause<'a>) -> Transition<'a> {
        self.enter(Phase::Closed(Tally::new(window(self.settings.as_ref()))), cause)
    }

    fn enter<'a>(&mut self, phase: Phase, cause: Cause<'a>) -> Transition<'a> {
        let from = self.state();
        self.phase = phase;
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
        Transition { from, to: self.state(), cause }
    }
}

/// How long a circuit stays open: twice as long each time that its trials have failed, up to the longest.
fn wait(settings: &Circuit, relapses: u32) -> Duration {
    let factor = 1_u32.checked_shl(relapses).unwrap_or(u32::MAX);
    settings.open_for.saturating_mul(factor).min(settings.open_at_most)
}

fn window(settings: Option<&Circuit>) -> Option<Duration> {
    settings?.failure_ratio.map(|ratio| ratio.window)
}

/// Whether that is too much for a closed circuit, after a failure.
fn too_much<'a>(settings: &Circuit, tally: &Tally, last: &'a str) -> Option<Cause<'a>> {
    let failures = tally.in_a_row();
    if settings.consecutive_failures.is_some_and(|most| failures >= most) {
        return Some(Cause::InARow { failures, last });
    }
    let ratio = settings.failure_ratio?;
    let sums = tally.sums();
    let requests = sums.passed + sums.failed;
    let percent = (sums.failed * 100).checked_div(requests)?;
    let too_many = requests >= u64::from(ratio.least_requests) && percent >= u64::from(ratio.percent);
    too_many.then_some(Cause::Share { percent, requests, window: ratio.window })
}
