//! The keeper of one cluster: one task of the control side that runs the checks, has everything judged and carries the
//! verdicts to the live cluster; a reconciler, on a period and on hints that carry no data. It never waits for a policy:
//! a round of judgement runs on a thread of its own, one at a time, and one that panics costs itself only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant as Clock, MissedTickBehavior, interval, sleep_until};

use super::check::{SqlCheckers, checker};
use super::checks::{Checks, MakeChecker, Readings};
use super::panel::Panel;
use super::results::CheckReading;
use super::round::{Breakers, judge};
use super::window::Windows;
use crate::cluster::{LiveCluster, Roster, Rules};
use crate::config::Health;

/// From one round to the next. A tenth of a second is below what an endpoint needs to fail a few requests in a row. A round
/// over 1,000 endpoints takes 0.7 ms without policies (measured, optimised), which is less than a hundredth of a core.
const PERIOD: Duration = Duration::from_millis(100);

/// From a hint to its round, so that a burst of hints makes one round.
const GATHER: Duration = Duration::from_millis(5);

/// The pause after a round is at least so many times what the round took, so that judging costs a fifth of a core at
/// most, however many endpoints there are and however slow their policies.
const REST: u32 = 4;

/// What a keeper looks after.
#[derive(Clone)]
pub struct Watched {
    /// Whose endpoints.
    pub live: Arc<LiveCluster>,
    /// Who judges them.
    pub panel: Arc<Panel>,
    /// Their circuits.
    pub breakers: Arc<dyn Breakers>,
}

/// Looks after the health of a cluster for as long as it is kept.
pub struct Keeper {
    live: Arc<LiveCluster>,
    health: watch::Sender<Health>,
    hint: Arc<Notify>,
    readings: Readings,
    task: JoinHandle<()>,
}

/// How a cluster treats its members under these settings.
pub fn rules(health: &Health) -> Rules {
    Rules {
        panic: health.panic,
        wait_for_check: health.check.as_ref().is_some_and(|check| check.before_traffic),
        drain_timeout: health.drain_timeout,
    }
}

impl Keeper {
    /// Looks after a cluster from now on, on the runtime that this is called on. Gives the cluster its rules, so it comes
    /// before the first endpoints do. `sql` makes the checkers of checks by a statement.
    pub fn start(watched: Watched, sql: SqlCheckers, health: &Health) -> Self {
        Self::start_with(Box::new(move |kind| checker(kind, &sql)), watched, health)
    }

    pub(super) fn start_with(make: MakeChecker, watched: Watched, health: &Health) -> Self {
        watched.live.configure(rules(health));
        let (live, hint, readings) = (Arc::clone(&watched.live), Arc::default(), Readings::default());
        let (sender, receiver) = watch::channel(health.clone());
        let round = Round {
            watched: Arc::new(watched),
            windows: Arc::new(Mutex::new(Windows::new(health.window))),
            running: None,
            began: Clock::now(),
        };
        let checks = Checks::new(make, Arc::clone(&readings));
        let task = tokio::spawn(keep(round, checks, receiver, Arc::clone(&hint)));
        Self { live, health: sender, hint, readings, task }
    }

    /// Goes by other settings from here on.
    pub fn configure(&self, health: &Health) {
        self.live.configure(rules(health));
        self.health.send_if_modified(|current| {
            let changed = current != health;
            current.clone_from(health);
            changed
        });
    }

    /// Has a look soon, after a change that should not wait for the next one: other endpoints, an operator's command.
    pub fn look(&self) {
        self.hint.notify_one();
    }

    /// The checks of each endpoint so far.
    pub fn readings(&self) -> Vec<CheckReading> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("cluster", self.live.name()).finish_non_exhaustive()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The rounds of judgement, one at a time.
struct Round {
    watched: Arc<Watched>,
    windows: Arc<Mutex<Windows>>,
    running: Option<JoinHandle<()>>,
    began: Clock,
}

impl Round {
    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.watched.live.roster())
    }

    fn start(&mut self, checks: &Checks) {
        self.began = Clock::now();
        let (watched, windows) = (Arc::clone(&self.watched), Arc::clone(&self.windows));
        let (probes, now) = (checks.probes().clone(), self.began.into_std());
        self.running = Some(spawn_blocking(move || {
            // A round that panicked left sums that are at worst too old.
            judge(&watched, &mut windows.lock().unwrap_or_else(PoisonError::into_inner), &probes, now);
        }));
    }

    /// Waits for the end of the round under way; tells how long it took.
    async fn end(&mut self) -> Duration {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        if let Err(error) = running.await {
            let cluster = self.watched.live.name().as_str();
            tracing::error!(cluster, %error, "a round of judgement broke down; the verdicts stay as they are");
        }
        self.running = None;
        self.began.elapsed()
    }

    /// Another length of the window. Not while a round is under way, which may take long.
    fn configure(&self, health: &Health) {
        let windows = Arc::clone(&self.windows);
        let length = health.window;
        spawn_blocking(move || windows.lock().unwrap_or_else(PoisonError::into_inner).configure(length));
    }
}

/// When the next round is.
struct Rounds {
    due: Clock,
    /// Hints do not bring it forward beyond this.
    rests_until: Clock,
}

impl Rounds {
    fn new(now: Clock) -> Self {
        Self { due: now, rests_until: now }
    }

    fn began(&mut self, now: Clock) {
        self.due = now + PERIOD;
    }

    fn ended(&mut self, took: Duration, now: Clock) {
        self.rests_until = now + took * REST;
        self.due = self.due.max(self.rests_until);
    }

    /// Brings the next round forward; the second hint before it changes nothing, so that it does come.
    fn hint(&mut self, now: Clock) {
        self.due = self.due.min((now + GATHER).max(self.rests_until));
    }
}

/// What needs no policy, and so does not wait for one: circuits, and those that have left.
fn tend(watched: &Watched) {
    let now = Clock::now().into_std();
    watched.breakers.tick(now);
    // On the task that ticks, so that a circuit is never heard of after its endpoint is gone.
    if watched.live.reap(now) {
        watched.breakers.follow(&watched.live);
    }
}

async fn keep(mut round: Round, mut checks: Checks, mut health: watch::Receiver<Health>, hint: Arc<Notify>) {
    let watched = Arc::clone(&round.watched);
    let mut rounds = Rounds::new(Clock::now());
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut followed = None;
    checks.configure(health.borrow_and_update().check.as_ref(), Clock::now().into_std());
    loop {
        let (roster, now) = (round.roster(), Clock::now().into_std());
        if followed != Some(roster.generation()) {
            followed = Some(roster.generation());
            checks.follow(&roster, now);
        }
        checks.start(&roster, now);
        tokio::select! {
            _ = ticks.tick() => tend(&watched),
            () = sleep_until(rounds.due), if round.running.is_none() => {
                round.start(&checks);
                rounds.began(Clock::now());
            }
            took = round.end(), if round.running.is_some() => rounds.ended(took, Clock::now()),
            is_news = checks.progress(|| Arc::clone(&watched.live.roster())) => if is_news { rounds.hint(Clock::now()) },
            () = hint.notified() => rounds.hint(Clock::now()),
            () = watched.breakers.changed().notified() => rounds.hint(Clock::now()),
            changed = health.changed() => {
                // Whoever kept the keeper is gone.
                if changed.is_err() {
                    return;
                }
                let health = health.borrow_and_update().clone();
                checks.configure(health.check.as_ref(), Clock::now().into_std());
                round.configure(&health);
                followed = None;
                rounds.hint(Clock::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rounds_that_take_long_are_seldom_and_hints_do_not_change_that() {
        let start = Clock::now();
        let mut rounds = Rounds::new(start);
        rounds.began(start);
        rounds.ended(2 * MS, start + 2 * MS);
        assert_eq!(rounds.due, start + PERIOD);
        rounds.hint(start + 3 * MS);
        rounds.hint(start + 9 * MS);
        assert_eq!(rounds.due, start + 10 * MS, "it rests for 8 ms");
        rounds.began(start + 10 * MS);
        rounds.ended(100 * MS, start + 110 * MS);
        rounds.hint(start + 200 * MS);
        assert_eq!(rounds.due, start + 510 * MS);
        rounds.hint(start + 600 * MS);
        assert_eq!(rounds.due, start + 510 * MS, "it is due already");
        rounds.began(start + 600 * MS);
        rounds.hint(start + 601 * MS);
        rounds.ended(MS, start + 601 * MS);
        assert_eq!(rounds.due, start + 606 * MS, "what came during a round is judged by another");
    }
}
