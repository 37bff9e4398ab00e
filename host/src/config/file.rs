//! The file as it is written: one type for each table, with the keys by their names in TOML. Everything is optional and
//! nothing but the form of each value is checked, so that one mistake does not hide the next; what is missing or does not
//! fit together, `compile` says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::units::{Period, Size, StringOr, Switch, Whole};

/// A count where none makes no sense. The bound is far above any use; a number over it is a typing mistake.
pub(super) type Count = Whole<1, 10_000_000>;

/// A count where none is a choice.
pub(super) type CountOrNone = Whole<0, 10_000_000>;

/// Threads. No machine that this runs on has more.
pub(super) type WorkerCount = Whole<1, 1024>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct File {
    pub(super) workers: Option<WorkerCount>,
    pub(super) shutdown_timeout: Option<Period>,
    pub(super) listener: Vec<Listener>,
    pub(super) cluster: BTreeMap<String, Cluster>,
    pub(super) plugins: Plugins,
    pub(super) admin: Admin,
}

/// `[[listener]]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Listener {
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) header_timeout: Option<Period>,
    pub(super) keep_alive_timeout: Option<Period>,
    pub(super) limits: Limits,
    pub(super) route: Vec<Route>,
}

/// `limits` of a listener.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Limits {
    pub(super) headers: Option<Whole<1, 32_768>>,
    pub(super) header_bytes: Option<Size>,
    pub(super) body_bytes: Option<Size>,
    pub(super) connections: Option<Count>,
}

/// `[[listener.route]]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Route {
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    pub(super) path_prefix: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) cluster: Option<String>,
}

/// `[cluster.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Cluster {
    #[serde(deserialize_with = "strategy")]
    pub(super) strategy: Option<Strategy>,
    pub(super) endpoints: Vec<EndpointEntry>,
    pub(super) pool: Pool,
    pub(super) timeouts: Timeouts,
    pub(super) attempts: Option<Whole<1, 100>>,
}

/// `strategy = "NAME"` or `strategy = { plugin = "NAME", config = { ... } }`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Strategy {
    pub(super) plugin: Option<String>,
    pub(super) config: toml::Table,
}

impl From<String> for Strategy {
    fn from(plugin: String) -> Self {
        Self { plugin: Some(plugin), ..Self::default() }
    }
}

fn strategy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Strategy>, D::Error> {
    const FORMS: &str = "the name of a strategy, or a table with `plugin` and `config`";
    deserializer.deserialize_any(StringOr::new(FORMS)).map(Some)
}

/// One of `endpoints`: `"127.0.0.1:9001"` or `{ address = "127.0.0.1:9001", ... }`.
#[derive(Debug)]
pub(super) struct EndpointEntry(pub(super) Endpoint);

impl<'de> Deserialize<'de> for EndpointEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr::new("an address, or a table with `address`")).map(Self)
    }
}

/// An endpoint in its long form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Endpoint {
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) weight: Option<Whole<1, { u16::MAX as u32 }>>,
    pub(super) labels: BTreeMap<String, String>,
}

impl From<String> for Endpoint {
    fn from(address: String) -> Self {
        Self { address: Some(address), ..Self::default() }
    }
}

/// `pool` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Pool {
    pub(super) max_idle: Option<CountOrNone>,
    pub(super) idle_timeout: Option<Period>,
    pub(super) max_connections: Option<Count>,
}

/// `timeouts` of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Timeouts {
    pub(super) connect: Option<Period>,
    pub(super) response_header: Option<Period>,
    pub(super) idle_stream: Option<Period>,
}

/// `[plugins]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Plugins {
    pub(super) folder: Switch,
    pub(super) cache: Switch,
    pub(super) limits: PluginLimits,
    #[serde(rename = "override")]
    pub(super) overrides: BTreeMap<String, PluginLimits>,
}

/// `limits` of all plugins, and `[plugins.override.NAME]` of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct PluginLimits {
    pub(super) pick_deadline: Option<Period>,
    pub(super) call_deadline: Option<Period>,
    pub(super) memory_bytes: Option<Size>,
    pub(super) table_elements: Option<Count>,
    pub(super) state_bytes: Option<Size>,
    pub(super) file_bytes: Option<Size>,
}

/// `[admin]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Admin {
    pub(super) address: Switch,
}
