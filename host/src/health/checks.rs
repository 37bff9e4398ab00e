//! The checks of one cluster: starts those that are due, a few at a time, and keeps what came of them. Lives on one task;
//! each check under way is a task of its own, which is stopped when this is dropped.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant as Clock, sleep_until, timeout};

use super::check::{CheckError, Checker};
use super::results::{CheckReading, Probes};
use super::round::is_judged;
use super::schedule::{Rhythm, Schedule};
use crate::cluster::Roster;
use crate::config::{Check, CheckKind};
use crate::model::{Address, EndpointId};

/// Checks that may be under way at a time however few endpoints there are: so many answer at once without harm.
const FEWEST_PLACES: usize = 64;

/// However many there are: each holds a descriptor, which the traffic needs as well.
const MOST_PLACES: usize = 1024;

/// Makes the checker of a kind.
pub(super) type MakeChecker = Box<dyn Fn(&CheckKind) -> Arc<dyn Checker> + Send + Sync>;

/// What operators are shown, by endpoint.
pub(super) type Readings = Arc<Mutex<BTreeMap<EndpointId, CheckReading>>>;

/// The checks of one cluster.
pub(super) struct Checks {
    make: MakeChecker,
    asks: Option<Asks>,
    /// Counts the questions that were asked, so that an answer to an earlier one is known as such.
    question: u64,
    running: JoinSet<Finished>,
    probes: BTreeMap<EndpointId, Probes>,
    readings: Readings,
}

/// What is asked, and when.
struct Asks {
    check: Check,
    checker: Arc<dyn Checker>,
    schedule: Schedule,
}

impl Asks {
    /// How many checks may be under way at a time: what it takes when nobody answers, so that those who do not are never
    /// in the way of those who do.
    fn places(&self) -> usize {
        let (timeout, interval) = (self.check.timeout.as_secs_f64(), self.check.interval.as_secs_f64());
        let need = (self.schedule.len() as f64 * timeout / interval.max(0.001)).ceil() as usize;
        need.clamp(FEWEST_PLACES, MOST_PLACES)
    }
}

/// A check that is over.
struct Finished {
    id: EndpointId,
    question: u64,
    took: Duration,
    result: Result<(), CheckError>,
}

impl Checks {
    pub(super) fn new(make: MakeChecker, readings: Readings) -> Self {
        Self { make, asks: None, question: 0, running: JoinSet::new(), probes: BTreeMap::new(), readings }
    }

    /// Goes by other settings. Where another question is asked, or none any more, what was found out by the last one does
    /// not count.
    pub(super) fn configure(&mut self, check: Option<&Check>, now: Instant) {
        let Some(check) = check else {
            self.asks = None;
            self.begin_anew();
            return;
        };
        let rhythm = Rhythm { interval: check.interval, jitter_percent: check.jitter_percent };
        match &mut self.asks {
            Some(asks) if asks.check.kind == check.kind && asks.check.port == check.port => {
                asks.schedule.configure(rhythm, now);
                asks.check = check.clone();
            }
            _ => {
                let schedule = Schedule::new(rhythm, now, fastrand::Rng::new());
                self.asks = Some(Asks { check: check.clone(), checker: (self.make)(&check.kind), schedule });
                self.begin_anew();
            }
        }
    }

    fn begin_anew(&mut self) {
        self.question += 1;
        self.probes.clear();
        self.running.abort_all();
    }

    /// Takes over who there is.
    pub(super) fn follow(&mut self, roster: &Roster, now: Instant) {
        self.readings().retain(|id, _| roster.get(*id).is_some());
        let checked: Vec<_> =
            roster.members().iter().filter(|member| is_judged(member)).map(|member| member.id()).collect();
        // Who is not checked for a while is asked anew afterwards.
        self.probes.retain(|id, _| checked.binary_search(id).is_ok());
        if let Some(asks) = &mut self.asks {
            asks.schedule.follow(&checked, now);
        }
    }

    /// Starts the checks that are due.
    pub(super) fn start(&mut self, roster: &Roster, now: Instant) {
        let Some(asks) = &mut self.asks else { return };
        while self.running.len() < asks.places() {
            let Some(id) = asks.schedule.take(now) else { return };
            let Some(member) = roster.get(id) else { continue };
            let at = asks.check.target(&member.endpoint().spec.address);
            let check = run(Arc::clone(&asks.checker), at, asks.check.timeout);
            let question = self.question;
            self.running.spawn(async move {
                let began = Clock::now();
                // A checker that panics must not leave its endpoint for ever under way.
                let result = AssertUnwindSafe(check).catch_unwind().await.unwrap_or(Err(CheckError::BrokeDown));
                Finished { id, question, took: began.elapsed(), result }
            });
        }
    }

    /// Waits until a check is over, and takes it in, or until one is due. Tells whether one came out otherwise than the
    /// last one of its endpoint: the others can wait to be judged. May be given up at any time.
    pub(super) async fn progress(&mut self, roster: impl Fn() -> Arc<Roster>) -> bool {
        // With as many as may be under way, the next one waits for one of them to end.
        let due = match &self.asks {
            Some(asks) if self.running.len() < asks.places() => asks.schedule.next(),
            _ => None,
        };
        let due_at = due.map_or_else(Clock::now, Clock::from_std);
        tokio::select! {
            Some(finished) = self.running.join_next() => match finished {
                Ok(finished) => self.take(finished, &roster()),
                // Stopped, since it was no longer wanted.
                Err(_) => false,
            },
            () = sleep_until(due_at), if due.is_some() => false,
            else => std::future::pending().await,
        }
    }

    fn take(&mut self, finished: Finished, roster: &Roster) -> bool {
        let Finished { id, question, took, result } = finished;
        let Some(asks) = self.asks.as_mut().filter(|_| question == self.question) else { return false };
        asks.schedule.done(id, Clock::now().into_std());
        let Some(member) = roster.get(id).filter(|member| is_judged(member)) else { return false };
        let is_news = self.probes.entry(id).or_default().count(result.is_ok());
        let name = &member.endpoint().spec.name;
        if let Err(error) = &result {
            tracing::debug!(endpoint = name.as_str(), %error, "a check failed");
        }
        self.readings().entry(id).or_insert_with(|| CheckReading::of(name.clone())).count(result, took);
        is_news
    }

    /// What came of the checks so far.
    pub(super) fn probes(&self) -> &BTreeMap<EndpointId, Probes> {
        &self.probes
    }

    fn readings(&self) -> MutexGuard<'_, BTreeMap<EndpointId, CheckReading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(checker: Arc<dyn Checker>, at: Address, within: Duration) -> Result<(), CheckError> {
    timeout(within, checker.check(&at)).await.unwrap_or(Err(CheckError::Timeout(within)))
}
