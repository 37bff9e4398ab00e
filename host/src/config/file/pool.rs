//! `[pool]`: a cluster of demo nodes and the listeners before it, in one table.

use serde::Deserialize;

use super::super::units::Whole;
use super::cluster::{Plugin, strategy};
use super::resilience::Percent;
use super::{Nodes, PortOrAny};

/// `[pool]`. Its workers are nodes; `workers` beside it are the threads of the data path.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct WorkerPool {
    pub(in crate::config) workers: Option<Nodes>,
    pub(in crate::config) worker_port: Option<PortOrAny>,
    pub(in crate::config) balancers: Option<Nodes>,
    pub(in crate::config) balancer_port: Option<PortOrAny>,
    pub(in crate::config) address: Option<String>,
    /// Up to an hour.
    pub(in crate::config) average_delay_ms: Option<Whole<0, 3_600_000>>,
    pub(in crate::config) failure_percent: Option<Percent>,
    pub(in crate::config) statistics: Option<String>,
    #[serde(deserialize_with = "strategy")]
    pub(in crate::config) strategy: Option<Plugin>,
}
