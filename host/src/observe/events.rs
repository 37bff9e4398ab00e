//! The events: the last thousand, numbered, for whoever asks and for whoever listens; counted by kind for the metrics, and
//! written to the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::model::{
    AdminState, Change, CircuitState, ClusterName, EndpointName, EndpointState, Event, Events, NodeChange, PluginName,
    ReplicaChange,
};

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

/// What a listener gets.
#[derive(Debug)]
pub struct Following {
    /// What came before.
    pub before: Vec<Arc<Recorded>>,
    /// Some of what it asked for is not kept any more.
    pub lost_some: bool,
    /// What comes.
    pub live: broadcast::Receiver<Arc<Recorded>>,
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

    /// Everything that comes from now on, after what came since a number, if one is given: none is missed in between, and
    /// none comes twice.
    pub fn follow(&self, since: Option<u64>) -> Following {
        // Under one lock with `record`.
        let kept = self.kept();
        let live = self.live.subscribe();
        let Some(since) = since else { return Following { before: Vec::new(), lost_some: false, live } };
        // A number that was not given yet is one of an earlier process: nothing of that is known here.
        let foreign = since > kept.last_id;
        let first = kept.events.front().map_or(kept.last_id + 1, |recorded| recorded.id);
        let before = kept.events.iter().filter(|recorded| foreign || recorded.id > since).cloned().collect();
        Following { before, lost_some: foreign || since + 1 < first, live }
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
        match event.change {
            Change::Joined => drop(self.transitions.entry(key.clone()).or_default()),
            Change::Left { is_last: true } => drop(self.transitions.remove(&key)),
            _ => {}
        }
        // One that has left is counted no more, whatever comes late.
        let Some(counts) = self.transitions.get_mut(&key) else { return };
        match event.change {
            Change::State { to: EndpointState::Failed, .. } => counts.ejections += 1,
            Change::Circuit { to: CircuitState::Open, .. } => counts.opened += 1,
            Change::Circuit { to: CircuitState::HalfOpen, .. } => counts.half_opened += 1,
            Change::Circuit { to: CircuitState::Closed, .. } => counts.closed += 1,
            _ => {}
        }
    }
}

/// The plugin that a change is about.
pub fn plugin_of(change: &Change) -> Option<&PluginName> {
    match change {
        Change::Policy { plugin, .. } => Some(plugin),
        _ => None,
    }
}

/// What changed, as operators read it.
pub fn describe(change: &Change) -> (&'static str, Option<(&'static str, &'static str)>) {
    match change {
        Change::Joined => ("joined", None),
        Change::Leaving => ("leaving", None),
        Change::Left { .. } => ("left", None),
        Change::State { from, to } => ("state", Some((from.as_str(), to.as_str()))),
        Change::Circuit { from, to } => ("circuit", Some((from.as_str(), to.as_str()))),
        Change::Admin(AdminState::Enabled) => ("enabled", None),
        Change::Admin(AdminState::Draining) => ("draining", None),
        Change::Admin(AdminState::Disabled) => ("disabled", None),
        Change::Weight(_) => ("weight", None),
        Change::Panic(true) => ("panic", None),
        Change::Panic(false) => ("panic-over", None),
        Change::Policy { judges: true, .. } => ("policy-back", None),
        Change::Policy { judges: false, .. } => ("policy-failed", None),
        Change::Node(NodeChange::Started) => ("node-started", None),
        Change::Node(NodeChange::StartFailed) => ("node-start-failed", None),
        Change::Node(NodeChange::Ended) => ("node-ended", None),
        Change::Node(NodeChange::Replaced) => ("node-replaced", None),
        Change::Node(NodeChange::Removed) => ("node-removed", None),
        Change::Node(NodeChange::Stopped) => ("node-stopped", None),
        Change::Replica(change) => (replica(*change), None),
    }
}

fn replica(change: ReplicaChange) -> &'static str {
    match change {
        ReplicaChange::Up => "replica-up",
        ReplicaChange::Down => "replica-down",
        ReplicaChange::Recovering => "replica-recovering",
        ReplicaChange::Inconsistent => "replica-inconsistent",
        ReplicaChange::RebuildNeeded => "replica-rebuild-needed",
        ReplicaChange::Rebuilding => "replica-rebuilding",
        ReplicaChange::OlderData => "replica-older-data",
        ReplicaChange::Flapping(true) => "replica-flapping",
        ReplicaChange::Flapping(false) => "replica-steady",
        ReplicaChange::Fenced => "replica-fenced",
    }
}

fn write(event: &Event) {
    let (kind, between) = describe(&event.change);
    let (from, to) = between.unzip();
    let (cluster, endpoint) = (event.cluster.as_str(), event.endpoint.as_ref().map(EndpointName::as_str));
    let plugin = plugin_of(&event.change).map(PluginName::as_str);
    tracing::info!(cluster, endpoint, plugin, kind, from, to, cause = event.cause, "event");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(log: &Arc<EventLog>, change: Change) {
        let (cluster, endpoint) = (ClusterName::new("web").unwrap(), EndpointName::new("a").unwrap());
        log.events().tell(&cluster, Some(&endpoint), change, "because");
    }

    /// An endpoint that joined and then failed again and again.
    fn failing(failures: usize) -> Arc<EventLog> {
        let log = Arc::new(EventLog::default());
        tell(&log, Change::Joined);
        let change = Change::State { from: EndpointState::Healthy, to: EndpointState::Failed };
        (0..failures).for_each(|_| tell(&log, change.clone()));
        log
    }

    fn ids(events: &[Arc<Recorded>]) -> Vec<u64> {
        events.iter().map(|recorded| recorded.id).collect()
    }

    #[test]
    fn the_newest_are_kept_and_numbered() {
        let log = failing(KEPT + 1);
        let last = KEPT as u64 + 2;
        assert_eq!(ids(&log.after(0, KEPT + 2)).len(), KEPT);
        assert_eq!(ids(&log.after(0, 2)), [last - 1, last]);
        assert_eq!(ids(&log.after(last - 1, 10)), [last]);
        assert_eq!(log.transitions().values().map(|counts| counts.ejections).collect::<Vec<_>>(), [KEPT as u64 + 1]);
    }

    #[test]
    fn a_listener_gets_what_was_and_what_comes_without_a_gap() {
        let log = failing(2);
        let Following { before, lost_some, mut live } = log.follow(Some(1));
        tell(&log, Change::Leaving);
        assert_eq!((ids(&before), lost_some, live.try_recv().unwrap().id), (vec![2, 3], false, 4));
        assert_eq!(log.follow(None).before, []);
    }

    #[test]
    fn a_listener_is_told_when_something_is_lost_to_it() {
        let log = failing(KEPT);
        assert!(log.follow(Some(0)).lost_some, "the first is not kept any more");
        assert!(!log.follow(Some(1)).lost_some);
        let of_another_process = log.follow(Some(1_000_000));
        assert!(of_another_process.lost_some);
        assert_eq!(of_another_process.before.len(), KEPT);
    }

    #[test]
    fn an_endpoint_that_left_is_counted_no_more() {
        let log = failing(1);
        tell(&log, Change::Left { is_last: true });
        tell(&log, Change::Circuit { from: CircuitState::Open, to: CircuitState::HalfOpen });
        assert!(log.transitions().is_empty());
    }

    #[test]
    fn an_endpoint_that_moved_is_counted_on() {
        let log = failing(1);
        tell(&log, Change::Leaving);
        tell(&log, Change::Joined);
        tell(&log, Change::Left { is_last: false });
        tell(&log, Change::State { from: EndpointState::Healthy, to: EndpointState::Failed });
        assert_eq!(log.transitions().values().map(|counts| counts.ejections).collect::<Vec<_>>(), [2]);
    }
}
