//! What is to be done so that there are the nodes that there are to be. Pure: what is desired, what the driver lists, how
//! checks went and what the driver came to go in, with the time; what to do, and when to look again, comes out.
//!
//! What must not break: of one node there is at most one action of the driver at a time; a node that is desired and sound
//! is never stopped; what happens to one node delays no other. The one exception is meant: of the nodes that run but fail
//! their checks, a third is replaced at a time, and the next only once those have passed a check. A check that is wrong, or
//! an image that is broken, so never ends a whole cluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::driver::{DriverError, Node};
use super::record::{Going, Phase, Record, Soundness, Timing, Up};
use super::status::NodeStatus;
use crate::model::{Address, EndpointName};

/// Of so many nodes one may be replaced at a time because it fails its checks.
const ONE_IN: usize = 3;
/// How soon it is looked again whether a node that goes has finished what it had.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// What a drain may take longer than its timeout: that begins only once the catalog has taken the node out, and whoever
/// looks after the cluster comes by once a second.
const DRAIN_SLACK: Duration = Duration::from_secs(3);

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Have the driver start a node.
    Start(EndpointName),
    /// A node is wanted no more; it takes nothing new from now on.
    Drain(EndpointName),
    /// A node fails its checks and will make way for another; it takes nothing new from now on.
    Replace(EndpointName, String),
    /// Have the driver stop a node: it has finished what it had.
    Stop(EndpointName),
    /// Check a node.
    Probe(EndpointName, Address, Life),
}

/// Which life of a node a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(u64);

/// What is to be done now, and when to ask again if nothing happens before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What to do, all at once.
    pub(super) actions: Vec<Action>,
    /// When to ask again.
    pub(super) again: Option<Instant>,
}

/// Everything that is known of the nodes of one cluster.
#[derive(Debug)]
pub(super) struct Reconciler {
    timing: Timing,
    records: BTreeMap<EndpointName, Record>,
    lives: u64,
}

impl Reconciler {
    /// Knows of no node.
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, records: BTreeMap::new(), lives: 0 }
    }

    /// Goes by other times from now on.
    pub(super) fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Takes in what the driver lists; none of its actions may have ended since it was asked. Tells who has ended.
    pub(super) fn listed(&mut self, nodes: &[Node], now: Instant) -> Vec<EndpointName> {
        let replace_after = self.timing.replace_after;
        let mut ended = Vec::new();
        for node in nodes {
            if !self.records.contains_key(&node.name) {
                // One that is found dead has the same time as one that is seen to die.
                let not_before = if node.is_running { now } else { now + replace_after };
                self.records.insert(node.name.clone(), Record::down(true, not_before));
            }
        }
        for (name, record) in &mut self.records {
            let node = nodes.iter().find(|node| node.name == *name);
            let runs = node.filter(|node| node.is_running);
            match (&mut record.phase, runs) {
                (Phase::Starting | Phase::Stopping, _) => {}
                (Phase::Up(up), Some(node)) if up.address == node.address || node.address.is_none() => {}
                (Phase::Up(_) | Phase::Down { .. }, Some(node)) => {
                    self.lives += 1;
                    record.phase = Phase::Up(Up::new(self.lives, node.address.clone(), now));
                }
                (Phase::Up(up), None) => {
                    let (is_new, is_going) = (up.soundness == Soundness::New, up.going.is_some());
                    record.phase = Phase::Down { is_listed: node.is_some() };
                    match is_new && !is_going {
                        true => record.fails(ENDED.to_owned()),
                        false => record.trouble = Some(ENDED.to_owned()),
                    }
                    record.not_before = if is_going { now } else { now + replace_after.max(record.pause()) };
                    ended.push(name.clone());
                }
                (Phase::Down { is_listed }, None) => *is_listed = node.is_some(),
            }
        }
        ended
    }

    /// Takes in how a check went.
    pub(super) fn probed(&mut self, name: &EndpointName, life: Life, result: Result<(), String>, now: Instant) {
        if let Some(record) = self.records.get_mut(name)
            && record.up().is_some_and(|up| up.life == life.0)
        {
            record.probed(result, &self.timing, now);
        }
    }

    /// Takes in what became of a start.
    pub(super) fn started(&mut self, name: &EndpointName, result: Result<Node, DriverError>, now: Instant) {
        let Some(record) = self.records.get_mut(name) else { return };
        match result {
            Ok(node) => {
                self.lives += 1;
                record.phase = Phase::Up(Up::new(self.lives, node.address, now));
            }
            Err(error) => {
                record.fails(error.to_string());
                record.phase = Phase::Down { is_listed: true };
                record.not_before = now + record.pause();
            }
        }
    }

    /// Takes in what became of a stop. One that failed may still run: the next list says.
    pub(super) fn stopped(&mut self, name: &EndpointName, result: Result<(), DriverError>, now: Instant) {
        let Some(record) = self.records.get_mut(name) else { return };
        record.phase = Phase::Down { is_listed: result.is_err() };
        record.not_before = now;
        if let Err(error) = result {
            record.fails(error.to_string());
            record.not_before += record.pause();
        }
    }

    /// What is to be done now. `is_gone` says whether who listens at an address has left the traffic.
    pub(super) fn plan(&mut self, desired: &[EndpointName], is_gone: impl Fn(&Address) -> bool, now: Instant) -> Plan {
        for name in desired.iter().filter(|name| !self.records.contains_key(*name)).collect::<Vec<_>>() {
            self.records.insert(name.clone(), Record::down(false, now));
        }
        let is_desired = |name: &EndpointName| desired.contains(name);
        self.records
            .retain(|name, record| is_desired(name) || !matches!(record.phase, Phase::Down { is_listed: false }));
        self.admit(is_desired, now);
        let renewed = self.records.iter().filter(|(name, record)| record.is_renewed && is_desired(name)).count();
        let mut free = (desired.len() / ONE_IN).max(1).saturating_sub(renewed);
        let mut plan = Plan::default();
        for (name, record) in &mut self.records {
            let mut step = Step { name, record, is_gone: &is_gone, timing: self.timing, now, plan: &mut plan };
            match is_desired(name) {
                true => step.keep(&mut free),
                false => step.retire(),
            }
        }
        plan
    }

    /// Who is to have traffic, in the order of the desired names.
    pub(super) fn serving<'a>(
        &'a self,
        desired: &'a [EndpointName],
    ) -> impl Iterator<Item = (&'a EndpointName, &'a Address)> + 'a {
        desired.iter().filter_map(|name| {
            let up = self.records.get(name)?.up().filter(|up| up.is_admitted && up.going.is_none())?;
            Some((name, up.address.as_ref()?))
        })
    }

    /// Whether nothing is known yet of a node that runs: no check of it has ended.
    pub(super) fn is_in_the_dark(&self) -> bool {
        let mut running = self.records.values().filter_map(Record::up);
        running.any(|up| up.soundness == Soundness::New && up.failed_at.is_none())
    }

    /// As operators see it.
    pub(super) fn statuses(&self, desired: &[EndpointName]) -> Vec<NodeStatus> {
        let status = |name: &EndpointName, record: &Record, is_desired| NodeStatus {
            name: name.clone(),
            address: record.up().and_then(|up| up.address.clone()),
            state: record.state(is_desired),
            trouble: record.trouble.clone(),
        };
        let wanted = desired.iter().filter_map(|name| Some(status(name, self.records.get(name)?, true)));
        let others = self.records.iter().filter(|(name, _)| !desired.contains(name));
        wanted.chain(others.map(|(name, record)| status(name, record, false))).collect()
    }

    /// A node is given traffic with its first good check. Where none passes any, it is given traffic after a while all
    /// the same: better a node that may serve than none.
    fn admit(&mut self, is_desired: impl Fn(&EndpointName) -> bool, now: Instant) {
        let mut desired = self.records.iter().filter(|(name, _)| is_desired(name));
        if desired.any(|(_, record)| record.up().is_some_and(|up| up.soundness == Soundness::Sound)) {
            return;
        }
        for up in self.records.values_mut().filter_map(Record::up_mut) {
            up.is_admitted |= now >= up.since + self.timing.replace_after;
        }
    }
}

/// The trouble of a node that was not told to end.
const ENDED: &str = "it ended by itself";

/// One node's part of a plan.
struct Step<'a, G> {
    name: &'a EndpointName,
    record: &'a mut Record,
    is_gone: &'a G,
    timing: Timing,
    now: Instant,
    plan: &'a mut Plan,
}

impl<G: Fn(&Address) -> bool> Step<'_, G> {
    /// A node that there is to be.
    fn keep(&mut self, free: &mut usize) {
        match self.record.phase {
            Phase::Starting | Phase::Stopping => {}
            Phase::Down { .. } => {
                if !self.waits() {
                    self.record.phase = Phase::Starting;
                    self.plan.actions.push(Action::Start(self.name.clone()));
                }
            }
            Phase::Up(Up { going: Some(Going::Unsound(since)), soundness, .. }) if soundness != Soundness::Sound => {
                // What it has under way is as stuck as a check that takes this long.
                self.stop_once_gone(since, self.timing.check_timeout.min(self.timing.drain_timeout));
            }
            Phase::Up(_) => self.keep_up(free),
        }
    }

    /// A node that runs and is not on its way out, or no more.
    fn keep_up(&mut self, free: &mut usize) {
        let has_slot = self.record.is_renewed || *free > 0;
        let is_unsound = self.record.is_to_be_replaced(&self.timing);
        let Some(up) = self.record.up_mut() else { return };
        up.going = None;
        if !is_unsound || !has_slot {
            self.probe();
            return;
        }
        up.going = Some(Going::Unsound(self.now));
        let is_new = up.soundness == Soundness::New;
        let why = self.record.trouble.clone().unwrap_or_default();
        if !self.record.is_renewed {
            self.record.is_renewed = true;
            *free -= 1;
        }
        if is_new {
            self.record.fails(why.clone());
        }
        self.plan.actions.push(Action::Replace(self.name.clone(), why));
        self.wake(self.now);
    }

    /// A node that there is not to be.
    fn retire(&mut self) {
        match &mut self.record.phase {
            Phase::Starting | Phase::Stopping => {}
            Phase::Down { .. } => self.stop(),
            Phase::Up(up) => match up.going {
                Some(Going::Unwanted(since)) => {
                    self.stop_once_gone(since, self.timing.drain_timeout + DRAIN_SLACK);
                }
                None | Some(Going::Unsound(_)) => {
                    up.going = Some(Going::Unwanted(self.now));
                    self.plan.actions.push(Action::Drain(self.name.clone()));
                    self.wake(self.now);
                }
            },
        }
    }

    fn stop_once_gone(&mut self, since: Instant, most: Duration) {
        let address = self.record.up().and_then(|up| up.address.as_ref());
        let is_gone = address.is_none_or(self.is_gone);
        match is_gone || self.now >= since + most {
            true => self.stop(),
            false => self.wake(self.now + DRAIN_LOOK),
        }
    }

    fn stop(&mut self) {
        if !self.waits() {
            self.record.phase = Phase::Stopping;
            self.plan.actions.push(Action::Stop(self.name.clone()));
        }
    }

    fn probe(&mut self) {
        let (now, timing) = (self.now, self.timing);
        let Some(up) = self.record.up_mut() else { return };
        let (is_probed, next_probe) = (up.is_probed, up.next_probe);
        if !up.is_admitted && now < up.since + timing.replace_after {
            let admission = up.since + timing.replace_after;
            self.wake(admission);
        }
        match self.record.up_mut() {
            _ if is_probed => {}
            _ if now < next_probe => self.wake(next_probe),
            Some(Up { address: Some(address), is_probed, life, .. }) => {
                *is_probed = true;
                self.plan.actions.push(Action::Probe(self.name.clone(), address.clone(), Life(*life)));
            }
            _ => {
                self.record.probed(Err("its address is not known".to_owned()), &timing, now);
                self.wake(now);
            }
        }
    }

    /// Whether it is too early to tell the driver anything of it.
    fn waits(&mut self) -> bool {
        let waits = self.now < self.record.not_before;
        if waits {
            self.wake(self.record.not_before);
        }
        waits
    }

    fn wake(&mut self, at: Instant) {
        self.plan.again = Some(self.plan.again.map_or(at, |again| again.min(at)));
    }
}
