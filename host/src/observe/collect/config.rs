//! What became of the configuration file, and how many nodes the scaled clusters have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::families::{Family, Kind, Value};
use crate::config::ReloadStatus;
use crate::model::ClusterName;

/// A cluster whose nodes are kept up.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// Which.
    pub cluster: ClusterName,
    /// Nodes that there are to be.
    pub desired: usize,
    /// The nodes by state.
    pub nodes: BTreeMap<&'static str, usize>,
    /// How long the next change of the count is refused.
    pub cooldown_left: Option<Duration>,
}

pub(super) fn reload(status: &ReloadStatus) -> Vec<Family> {
    let mut successful = Family::new(
        Kind::Gauge,
        "leverframe_config_last_reload_successful",
        "1 while the configuration file as it is now serves, 0 while an older one does.",
    );
    successful.push(&[], Value::flag(status.last_error.is_none()));
    let mut at = Family::new(
        Kind::Gauge,
        "leverframe_config_last_reload_success_timestamp_seconds",
        "When the configuration that serves was put to work, in seconds since 1970.",
    );
    at.push(&[], Value::Level(status.loaded_at.as_microsecond() as f64 / super::MICROSECONDS));
    let mut applied = Family::new(Kind::Counter, "leverframe_config_applied", "Configurations that were put to work.");
    applied.push(&[], Value::Count(status.generation));
    vec![successful, at, applied]
}

pub(super) fn scaled(clusters: &[Scaled]) -> Vec<Family> {
    let mut desired = Family::new(Kind::Gauge, "leverframe_scale_desired", "Nodes that there are to be.");
    let mut nodes = Family::new(Kind::Gauge, "leverframe_scale_nodes", "Nodes that are kept up, by state.");
    let mut cooldown = Family::new(
        Kind::Gauge,
        "leverframe_scale_cooldown_seconds",
        "How long another count is refused, since the last is too fresh.",
    );
    for scaled in clusters {
        desired.push(&[("cluster", &scaled.cluster)], Value::Level(scaled.desired as f64));
        for (state, count) in &scaled.nodes {
            nodes.push(&[("cluster", &scaled.cluster), ("state", state)], Value::Level(*count as f64));
        }
        let left = scaled.cooldown_left.unwrap_or_default();
        cooldown.push(&[("cluster", &scaled.cluster)], Value::Level(left.as_secs_f64()));
    }
    vec![desired, nodes, cooldown]
}
