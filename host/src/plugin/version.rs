//! One version of a plugin: a compiled component, where it came from, and what its work came to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::artifact::Artifact;
use super::instance::About;
use crate::health::{PolicyFigures, PolicyReading};
use crate::model::{ClusterName, PluginName, SeatHolder};
use crate::routing::{SeatFigures, SeatReading};

/// Where the bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They are part of this binary.
    Embedded,
    /// A file in the drop-in folder.
    File(PathBuf),
    /// An operator sent them, and there is no drop-in folder to keep them in.
    Sent,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::File(path) => path.display().fmt(f),
            Self::Sent => f.write_str("sent"),
        }
    }
}

/// What a version's work came to, over all its seats.
#[derive(Debug, Default)]
pub struct VersionFigures {
    /// Of a strategy: by worker and cluster.
    seats: Mutex<BTreeMap<(usize, ClusterName), Arc<SeatFigures>>>,
    /// Of a policy: by cluster and position.
    policies: Mutex<BTreeMap<(ClusterName, usize), Arc<PolicyFigures>>>,
}

impl VersionFigures {
    /// The figures of a strategy on one seat; the same ones when a seat is taken again after a restart.
    pub fn seat(&self, worker: usize, cluster: &ClusterName) -> Arc<SeatFigures> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(seats.entry((worker, cluster.clone())).or_default())
    }

    /// The figures of a policy at one position; the same ones when it is seated again after a restart.
    pub fn policy(&self, cluster: &ClusterName, position: usize) -> Arc<PolicyFigures> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(policies.entry((cluster.clone(), position)).or_default())
    }

    /// All seats of a strategy together; nothing for a policy.
    pub fn read(&self) -> SeatReading {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = SeatReading::default();
        seats.values().for_each(|seat| sum += seat.read());
        sum
    }

    /// All positions of a policy together; nothing for a strategy.
    pub fn read_policies(&self) -> PolicyReading {
        let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = PolicyReading::default();
        policies.values().for_each(|position| sum += position.read());
        sum
    }
}

/// A version that was tried out.
pub struct Version {
    /// The plugin.
    pub plugin: PluginName,
    /// Counts the versions that this process loaded, over all plugins.
    pub revision: u64,
    /// The component.
    pub artifact: Artifact,
    /// Who it says it is.
    pub about: About,
    /// Where it came from.
    pub origin: Origin,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// How long checking and compiling took.
    pub compile_time: Duration,
    /// What its work came to.
    pub figures: VersionFigures,
    last_error: Mutex<Option<(Timestamp, String)>>,
}

impl Version {
    /// A version without a past.
    pub(super) fn new(plugin: PluginName, revision: u64, compiled: Compiled, origin: Origin) -> Self {
        Self {
            plugin,
            revision,
            artifact: compiled.artifact,
            about: compiled.about,
            origin,
            loaded_at: Timestamp::now(),
            compile_time: compiled.time,
            figures: VersionFigures::default(),
            last_error: Mutex::default(),
        }
    }

    /// What its instances are called by.
    pub fn holder(&self) -> SeatHolder {
        SeatHolder { plugin: self.plugin.clone(), revision: self.revision, version: self.about.version.clone() }
    }

    /// The last failure, and when it was.
    pub fn last_error(&self) -> Option<(Timestamp, String)> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn failed(&self, reason: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some((Timestamp::now(), reason));
    }
}

/// What compiling and trying out gave.
pub(super) struct Compiled {
    pub(super) artifact: Artifact,
    pub(super) about: About,
    pub(super) time: Duration,
}
