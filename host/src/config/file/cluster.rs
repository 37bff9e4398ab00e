//! `[cluster.NAME]`: endpoints, who chooses, and how they are spoken to. Where more endpoints come from is in `sources`
//! and `scaling`, how it keeps serving in `resilience`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::super::units::{Period, StringOr, Toggle, Whole};
use super::resilience::{Capacity, Circuit, Failures, Health, Retry};
use super::scaling::Scaling;
use super::sources::Discovery;
use super::{Count, CountOrNone};

/// `[cluster.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Cluster {
    #[serde(deserialize_with = "strategy")]
    pub(in crate::config) strategy: Option<Plugin>,
    pub(in crate::config) endpoints: Vec<EndpointEntry>,
    pub(in crate::config) discovery: Discovery,
    pub(in crate::config) scaling: Option<Scaling>,
    pub(in crate::config) pool: Pool,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) health: Health,
    pub(in crate::config) failures: Option<Failures>,
    pub(in crate::config) circuit: Toggle<Circuit>,
    pub(in crate::config) retry: Retry,
    pub(in crate::config) capacity: Capacity,
}

/// A plugin and its configuration: `"NAME"` or `{ plugin = "NAME", config = { ... } }`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Plugin {
    pub(in crate::config) plugin: Option<String>,
    pub(in crate::config) config: toml::Table,
}

impl From<String> for Plugin {
    fn from(plugin: String) -> Self {
        Self { plugin: Some(plugin), ..Self::default() }
    }
}

pub(super) fn strategy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Plugin>, D::Error> {
    const FORMS: &str = "the name of a strategy, or a table with `plugin` and `config`";
    deserializer.deserialize_any(StringOr::new(FORMS)).map(Some)
}

/// One of `endpoints`: `"127.0.0.1:9001"` or `{ address = "127.0.0.1:9001", ... }`.
#[derive(Debug)]
pub(in crate::config) struct EndpointEntry(pub(in crate::config) Endpoint);

impl<'de> Deserialize<'de> for EndpointEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr::new("an address, or a table with `address`")).map(Self)
    }
}

/// An endpoint in its long form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Endpoint {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) address: Option<String>,
    pub(in crate::config) weight: Option<Whole<1, { u16::MAX as u32 }>>,
    pub(in crate::config) labels: BTreeMap<String, String>,
}

impl From<String> for Endpoint {
    fn from(address: String) -> Self {
        Self { address: Some(address), ..Self::default() }
    }
}

/// `pool` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Pool {
    pub(in crate::config) max_idle: Option<CountOrNone>,
    pub(in crate::config) idle_timeout: Option<Period>,
    pub(in crate::config) max_connections: Option<Count>,
}

/// `timeouts` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(in crate::config) struct Timeouts {
    pub(in crate::config) connect: Option<Period>,
    pub(in crate::config) response_header: Option<Period>,
    pub(in crate::config) idle_stream: Option<Period>,
}
