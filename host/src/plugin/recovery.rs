//! Recovery: what follows when an instance failed. It is started again after a while, or its version is taken back when
//! that one keeps failing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::error::LoadError;
use super::supervisor::{State, Supervisor};
use super::version::Version;
use super::workshop::blocking;
use crate::health::PolicyLost;
use crate::model::{ClusterName, Fault, SeatHolder};
use crate::routing::SeatLost;

/// Where an instance of a cluster sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A strategy: on this worker.
    Worker(usize),
    /// A policy: at this position of the panel.
    Position(usize),
}

/// An instance that failed and was dropped.
#[derive(Debug)]
pub struct Lost {
    /// In which cluster.
    pub cluster: ClusterName,
    /// Where.
    pub place: Place,
    /// Who sat there.
    pub holder: SeatHolder,
    /// Why.
    pub fault: Fault,
}

impl From<SeatLost> for Lost {
    fn from(SeatLost { worker, cluster, holder, fault }: SeatLost) -> Self {
        Self { cluster, place: Place::Worker(worker), holder, fault }
    }
}

impl From<PolicyLost> for Lost {
    fn from(PolicyLost { cluster, position, holder, fault }: PolicyLost) -> Self {
        Self { cluster, place: Place::Position(position), holder, fault }
    }
}

impl Supervisor {
    /// Handles what the workers, or the panels, report until they are gone.
    pub async fn run<L: Into<Lost>>(self: Arc<Self>, mut lost: mpsc::UnboundedReceiver<L>) {
        while let Some(lost) = lost.recv().await {
            let lost: Lost = lost.into();
            let mut wait = self.on_lost(&lost).await;
            let supervisor = Arc::clone(&self);
            tokio::spawn(async move {
                while let Some(time) = wait {
                    tokio::time::sleep(time).await;
                    wait = supervisor.restart(&lost).await;
                }
            });
        }
    }

    /// Notes a failure; tells how long to wait before the instance is started again, if it is to be.
    async fn on_lost(&self, lost: &Lost) -> Option<Duration> {
        let mut state = self.state.lock().await;
        let (plugin, revision) = (&lost.holder.plugin, lost.holder.revision);
        let entry = self.registry.read().get(plugin).cloned()?;
        let known = [entry.current.as_ref(), entry.previous.as_ref()].into_iter().flatten();
        known.filter(|version| version.revision == revision).for_each(|version| version.failed(lost.fault.to_string()));
        let (cluster, place, fault) = (lost.cluster.as_str(), lost.place, &lost.fault);
        tracing::warn!(plugin = plugin.as_str(), cluster, ?place, %fault, "plugin failed");
        let current = entry.current.filter(|current| current.revision == revision)?;
        if state.plugin_at(&lost.cluster, lost.place) != Some(plugin) {
            return None;
        }
        self.consequence(&mut state, lost, &current, fault.to_string()).await
    }

    /// What follows from a failure of the version that serves: it is taken back, or the seat is filled again after the
    /// time that this tells.
    async fn consequence(
        &self,
        state: &mut State,
        lost: &Lost,
        current: &Arc<Version>,
        fault: String,
    ) -> Option<Duration> {
        let now = Instant::now();
        state.troubles.retain(|_, trouble| !trouble.is_over(now));
        let keeps_failing = state.troubles.entry(current.revision).or_default().failed(now);
        let previous = self.registry.read().get(&current.plugin).and_then(|entry| entry.previous.clone());
        if let Some(previous) = previous.filter(|_| keeps_failing)
            && self.take_back(state, current, &previous, fault).await
        {
            return None;
        }
        Some(state.backoffs.entry((lost.cluster.clone(), lost.place)).or_default().failed(now))
    }

    /// Seats the version before. Tells whether that worked.
    async fn take_back(
        &self,
        state: &mut State,
        current: &Arc<Version>,
        previous: &Arc<Version>,
        fault: String,
    ) -> bool {
        if let Err(error) = self.swap(state, previous).await {
            tracing::error!(plugin = current.plugin.as_str(), %error, "the version before cannot be seated again");
            return false;
        }
        let reason = format!("kept failing, so the version before serves again: {fault}");
        state.taken_back.insert(current.plugin.clone(), (current.artifact.hash(), reason.clone()));
        state.troubles.remove(&current.revision);
        self.refuse(&current.plugin, Some(current.artifact.hash()), current.origin.clone(), reason);
        self.registry.change(&current.plugin, |entry| {
            entry.current = Some(Arc::clone(previous));
            entry.previous = None;
        });
        true
    }

    /// Starts a failed instance again, unless something else sits there by now. Tells how long to wait for the next try
    /// when this one failed.
    async fn restart(&self, lost: &Lost) -> Option<Duration> {
        let mut state = self.state.lock().await;
        let plugin = state.plugin_at(&lost.cluster, lost.place)?;
        let current = self.registry.current(plugin)?;
        if current.revision != lost.holder.revision {
            return None;
        }
        match self.refill(&mut state, &current, lost).await {
            Ok(()) => {
                current.figures.restarted();
                None
            }
            Err(error) => {
                current.failed(error.to_string());
                let plugin = current.plugin.as_str();
                tracing::warn!(plugin, %error, "a failed plugin cannot be started again yet");
                self.consequence(&mut state, lost, &current, error.to_string()).await
            }
        }
    }

    /// Seats another instance where one was lost.
    async fn refill(&self, state: &mut State, current: &Arc<Version>, lost: &Lost) -> Result<(), LoadError> {
        let workshop = self.workshop(state, current);
        match lost.place {
            Place::Worker(worker) => {
                let Some(spec) = state.assignments.get(&lost.cluster) else { return Ok(()) };
                let seats = workshop.seats(worker..worker + 1, &lost.cluster, &spec.config).await?;
                seats.into_iter().for_each(|seat| self.seats.refill(worker, &lost.cluster, seat));
                Ok(())
            }
            Place::Position(position) => {
                let Some(judging) = state.judging.get(&lost.cluster) else { return Ok(()) };
                let Some(spec) = judging.policies.get(position) else { return Ok(()) };
                let seat = workshop.policy(&lost.cluster, position, spec).await?;
                let panel = Arc::clone(&judging.panel);
                // Off the runtime: the panel may be judging.
                blocking(move || {
                    panel.refill(position, seat);
                    Ok(())
                })
                .await
            }
        }
    }
}
