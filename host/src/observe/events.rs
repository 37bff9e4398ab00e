//! The events: the last thousand, numbered, for whoever asks and for whoever listens; counted by kind for the metrics, and
//! written to the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::model::{AdminState, Change, CircuitState, ClusterName, EndpointName, EndpointState, Event, Events};

/// The events that are kept: those of a bad hour in a small cluster.
const KEPT: usize = 1_000;

/// A listener that is behind by more than this misses some, and is told so.
const BEHIND: usize = 256;

/// An event with its number: 1 for the first of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub id: u64,
    /// The event.
    pub event: Event,
}

/// How often an endpoint changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    /// It was taken out of the traffic.
    pub ejections: u64,
    /// Its circuit opened.
    pub opened: u64,
    /// Its circuit became half-open.
    pub half_opened: u64,
    /// Its circuit closed.
    pub closed: u64,
}

/// Keeps the events.
#[derive(Debug)]
pub struct EventLog {
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Recorded>>,
}

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    events: VecDeque<Arc<Recorded>>,
    transitions: BTreeMap<(ClusterName, EndpointName), Transitions>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { kept: Mutex::default(), live: broadcast::Sender::new(BEHIND) }
    }
}

impl EventLog {
    /// The way in.
    pub fn events(self: &Arc<Self>) -> Events {
        let log = Arc::clone(self);
        Events::to(move |event| log.record(event))
    }

    /// The events after a number, oldest first, at most so many: the newest of them.
    pub fn after(&self, id: u64, most: usize) -> Vec<Arc<Recorded>> {
        let kept = self.kept();
        let newer = kept.events.iter().rev().take_while(|recorded| recorded.id > id).take(most);
        let mut newer: Vec<_> = newer.cloned().collect();
        newer.reverse();
        newer
    }

    /// The events after a number, and then every one that comes: none is missed in between, and none comes twice.
    pub fn follow(&self, id: u64) -> (Vec<Arc<Recorded>>, broadcast::Receiver<Arc<Recorded>>) {
        // Under one lock with `record`.
        let kept = self.kept();
        let before = kept.events.iter().filter(|recorded| recorded.id > id).cloned().collect();
        (before, self.live.subscribe())
    }

    /// How often each endpoint changed.
    pub fn transitions(&self) -> BTreeMap<(ClusterName, EndpointName), Transitions> {
        self.kept().transitions.clone()
    }

    fn record(&self, event: Event) {
        write(&event);
        let mut kept = self.kept();
        kept.count(&event);
        kept.last_id += 1;
        let recorded = Arc::new(Recorded { id: kept.last_id, event });
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&recorded));
        // Nobody has to listen.
        let _ = self.live.send(recorded);
    }

    /// A poisoned lock is taken all the same: every operation leaves what it guards whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn count(&mut self, event: &Event) {
        let Some(endpoint) = &event.endpoint else { return };
        let key = (event.cluster.clone(), endpoint.clone());
        if event.change == Change::Left {
            self.transitions.remove(&key);
            return;
        }
        let counts = self.transitions.entry(key).or_default();
        match event.change {
            Change::State { to: EndpointState::Failed, .. } => counts.ejections += 1,
            Change::Circuit { to: CircuitState::Open, .. } => counts.opened += 1,
            Change::Circuit { to: CircuitState::HalfOpen, .. } => counts.half_opened += 1,
            Change::Circuit { to: CircuitState::Closed, .. } => counts.closed += 1,
            _ => {}
        }
    }
}

/// What changed, as operators read it.
pub fn describe(change: &Change) -> (&'static str, Option<(&'static str, &'static str)>) {
    match change {
        Change::Joined => ("joined", None),
        Change::Leaving => ("leaving", None),
        Change::Left => ("left", None),
        Change::State { from, to } => ("state", Some((from.as_str(), to.as_str()))),
        Change::Circuit { from, to } => ("circuit", Some((from.as_str(), to.as_str()))),
        Change::Admin(AdminState::Enabled) => ("enabled", None),
        Change::Admin(AdminState::Draining) => ("draining", None),
        Change::Admin(AdminState::Disabled) => ("disabled", None),
        Change::Panic(true) => ("panic", None),
        Change::Panic(false) => ("panic-over", None),
        Change::Policy { judges: true, .. } => ("policy-back", None),
        Change::Policy { judges: false, .. } => ("policy-failed", None),
    }
}

fn write(event: &Event) {
    let (kind, between) = describe(&event.change);
    let (from, to) = between.unzip();
    let (cluster, endpoint) = (event.cluster.as_str(), event.endpoint.as_ref().map(EndpointName::as_str));
    tracing::info!(cluster, endpoint, kind, from, to, cause = event.cause, "event");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(log: &Arc<EventLog>, count: usize) {
        let (cluster, endpoint) = (ClusterName::new("web").unwrap(), EndpointName::new("a").unwrap());
        let change = Change::State { from: EndpointState::Healthy, to: EndpointState::Failed };
        (0..count).for_each(|_| log.events().tell(&cluster, Some(&endpoint), change.clone(), "it is gone"));
    }

    fn ids(events: &[Arc<Recorded>]) -> Vec<u64> {
        events.iter().map(|recorded| recorded.id).collect()
    }

    #[test]
    fn the_newest_are_kept_and_numbered() {
        let log = Arc::new(EventLog::default());
        record(&log, KEPT + 2);
        assert_eq!(ids(&log.after(0, KEPT + 2)).len(), KEPT);
        assert_eq!(ids(&log.after(0, 2)), [KEPT as u64 + 1, KEPT as u64 + 2]);
        assert_eq!(ids(&log.after(KEPT as u64 + 1, 10)), [KEPT as u64 + 2]);
        assert_eq!(log.transitions().values().map(|counts| counts.ejections).collect::<Vec<_>>(), [KEPT as u64 + 2]);
    }

    #[test]
    fn a_listener_gets_what_was_and_what_comes_without_a_gap() {
        let log = Arc::new(EventLog::default());
        record(&log, 3);
        let (before, mut live) = log.follow(1);
        record(&log, 1);
        assert_eq!((ids(&before), live.try_recv().unwrap().id), (vec![2, 3], 4));
    }

    #[test]
    fn an_endpoint_that_left_is_counted_no_more() {
        let log = Arc::new(EventLog::default());
        record(&log, 1);
        let (cluster, endpoint) = (ClusterName::new("web").unwrap(), EndpointName::new("a").unwrap());
        log.events().tell(&cluster, Some(&endpoint), Change::Left, "it was removed");
        assert!(log.transitions().is_empty());
    }
}
