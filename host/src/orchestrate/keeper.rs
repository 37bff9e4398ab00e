//! The one that checks and writes, as long as it has the lease: only one does at a time, however many run. What was written
//! by one whose lease has passed on meanwhile is refused by Redis itself, so a process that was stopped for a while cannot
//! do harm when it goes on.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::plan::{Plan, Thresholds};
use super::round::Checks;
use crate::discovery::SourceError;
use crate::discovery::redis::{Backend, Checked, Hold, Registry, RegistryAt};
use crate::health::CheckError;
use crate::model::Backoff;

/// How long nobody checks after the holder was killed. Long enough for a holder to miss one extension.
const TERM: Duration = Duration::from_secs(6);

/// How often the lease is extended, and how often another one looks whether it is free.
const EXTEND: Duration = Duration::from_secs(2);

/// How soon another one looks at the earliest, when the lease is about to be free or has no end that is known.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// What this process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It checks and writes.
    Leader,
    /// Another one does.
    Standby,
    /// It cannot tell: Redis is away.
    Lost(SourceError),
}

/// Holds the lease, or tries to.
pub(super) struct Keeper {
    pub(super) at: RegistryAt,
    pub(super) checks: Checks,
    pub(super) interval: Duration,
    pub(super) thresholds: Thresholds,
    pub(super) role: watch::Sender<Role>,
    /// Stands for this process in the lease.
    pub(super) token: String,
}

impl Keeper {
    /// Works until it is dropped. Whatever happens to Redis, it goes on when that is back.
    pub(super) async fn run(&self) -> Infallible {
        let mut backoff = Backoff::default();
        loop {
            let start = Instant::now();
            let Err(error) = self.serve().await;
            if !matches!(*self.role.borrow(), Role::Lost(_)) {
                tracing::warn!(%error, "the registry is lost; nothing is checked until it is back");
            }
            self.role.send_replace(Role::Lost(error));
            sleep(backoff.pause(start.elapsed(), fastrand::f64())).await;
        }
    }

    /// Gives the lease back, so that another one need not wait for its end.
    pub(super) async fn release(&self) -> Result<(), SourceError> {
        self.at.connect().await?.release(&self.token).await
    }

    /// Stands by, and leads whenever it can, until Redis is lost.
    async fn serve(&self) -> Result<Infallible, SourceError> {
        let registry = self.at.connect().await?;
        loop {
            match registry.hold(&self.token, TERM).await? {
                Hold::Mine => {
                    self.becomes(Role::Leader);
                    tokio::select! {
                        rounds = self.rounds(&registry) => rounds?,
                        held = self.extend(&registry) => held?,
                    }
                }
                Hold::Other(left) => {
                    self.becomes(Role::Standby);
                    // Not before it can be free, and not too often should it have no end.
                    sleep(left.clamp(LEAST_WAIT, EXTEND)).await;
                }
            }
        }
    }

    fn becomes(&self, role: Role) {
        let changed = self.role.send_if_modified(|is| std::mem::replace(is, role.clone()) != role);
        if changed {
            tracing::info!(role = role.as_str(), "role in the control plane");
        }
    }

    /// Extends the lease until another one has it.
    async fn extend(&self, registry: &Registry) -> Result<(), SourceError> {
        loop {
            sleep(EXTEND).await;
            if registry.hold(&self.token, TERM).await? != Hold::Mine {
                return Ok(());
            }
        }
    }

    /// Checks all, and writes what changed, again and again, until another one has the lease.
    async fn rounds(&self, registry: &Registry) -> Result<(), SourceError> {
        let mut plan = Plan::new(self.thresholds);
        let mut rounds = interval(self.interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let backends = registry.read_all().await?.into_values().filter_map(Result::ok).collect();
            let asked = self.checks.ask_all(backends).await;
            let round: Vec<_> = asked.iter().map(|(backend, result)| (backend, result.is_ok())).collect();
            let checked = plan.after(&round, Timestamp::now());
            if checked.is_empty() {
                continue;
            }
            match registry.write(&self.token, &checked).await? {
                Some(written) => tell(&asked, checked.iter().filter(|flip| written.contains(flip.id.as_str()))),
                None => return Ok(()),
            }
        }
    }
}

impl Role {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Lost(_) => "lost",
        }
    }
}

/// Says which statuses changed, and why.
fn tell<'a>(asked: &[(Backend, Result<(), CheckError>)], written: impl Iterator<Item = &'a Checked>) {
    for flip in written.filter(|flip| flip.status != flip.before) {
        let result = asked.iter().find(|(backend, _)| backend.id == flip.id).map(|(_, result)| result);
        let why = match result {
            Some(Err(error)) => error.to_string(),
            _ => "it answers".to_owned(),
        };
        tracing::info!(backend = %flip.id, from = flip.before, to = flip.status, why, "status");
    }
}
