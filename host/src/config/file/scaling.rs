//! `[cluster.NAME.scaling]`: how many endpoints there are to be, and what makes them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::units::Period;
use super::resilience::Percent;
use super::{MostNodes, Nodes, Port};

/// `scaling` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Scaling {
    pub(in crate::config) count: Option<Nodes>,
    pub(in crate::config) least: Option<Nodes>,
    pub(in crate::config) most: Option<MostNodes>,
    pub(in crate::config) cooldown: Option<Period>,
    pub(in crate::config) check: NodeCheck,
    pub(in crate::config) replace_after: Option<Period>,
    pub(in crate::config) driver: Option<String>,
    pub(in crate::config) process: Option<Process>,
    pub(in crate::config) docker: Option<Container>,
}

/// `check` of `scaling`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct NodeCheck {
    pub(in crate::config) path: Option<String>,
    pub(in crate::config) interval: Option<Period>,
    pub(in crate::config) timeout: Option<Period>,
}

/// `process` of `scaling`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Process {
    pub(in crate::config) base_port: Option<Port>,
    pub(in crate::config) average_delay: Option<Period>,
    pub(in crate::config) failure_percent: Option<Percent>,
    pub(in crate::config) statistics: Option<String>,
}

/// `docker` of `scaling`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Container {
    pub(in crate::config) engine: Option<String>,
    pub(in crate::config) image: Option<String>,
    pub(in crate::config) command: Vec<String>,
    pub(in crate::config) network: Option<String>,
    pub(in crate::config) port: Option<Port>,
    pub(in crate::config) environment: BTreeMap<String, String>,
    pub(in crate::config) labels: BTreeMap<String, String>,
    pub(in crate::config) publish: BTreeMap<String, Port>,
}
