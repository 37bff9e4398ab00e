//! `[cluster.NAME.discovery]`: where endpoints come from besides the file.

use serde::Deserialize;

use super::super::units::Period;
use super::Port;

/// `discovery` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Discovery {
    pub(in crate::config) docker: Option<Docker>,
    pub(in crate::config) redis: Option<Redis>,
    pub(in crate::config) dns: Option<Dns>,
}

/// `docker` of `discovery`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Docker {
    pub(in crate::config) engine: Option<String>,
    pub(in crate::config) label: Option<String>,
    pub(in crate::config) network: Option<String>,
    pub(in crate::config) port: Option<Port>,
    pub(in crate::config) resync: Option<Period>,
}

/// `redis` of `discovery`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Redis {
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) resync: Option<Period>,
}

/// `dns` of `discovery`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Dns {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) port: Option<Port>,
    pub(in crate::config) service: Option<String>,
    pub(in crate::config) server: Option<String>,
    pub(in crate::config) least_interval: Option<Period>,
    pub(in crate::config) most_interval: Option<Period>,
}
