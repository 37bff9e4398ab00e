//! The file as it is written: one type for each table, with the keys by their names in TOML. Everything is optional and
//! nothing but the form of each value is checked, so that one mistake does not hide the next; what is missing or does not
//! fit together, `compile` says.

mod admin;
mod cluster;
mod pool;
mod resilience;
mod scaling;
mod sources;
mod sql;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use self::admin::Admin;
pub(super) use self::cluster::{Cluster, Endpoint, EndpointEntry, Plugin, Pool, Timeouts};
pub(super) use self::pool::WorkerPool;
pub(super) use self::resilience::{
    Capacity, Check, Circuit, FailureRatio, Failures, Health, Hedge, Panic, PolicyEntry, Retry,
};
pub(super) use self::scaling::{Container, Process, Scaling};
pub(super) use self::sources::{Discovery, Dns, Docker, Redis};
pub(super) use self::sql::{KeyEntry, OneOrMore, Sql, SqlLease, SqlLimits, SqlSplit, SqlTable, Word};
use super::units::{Period, Size, Switch, Toggle, Whole};

/// A count where none makes no sense. The bound is far above any use; a number over it is a typing mistake.
pub(super) type Count = Whole<1, 10_000_000>;

/// A count where none is a choice.
pub(super) type CountOrNone = Whole<0, 10_000_000>;

/// A port.
pub(super) type Port = Whole<1, { u16::MAX as u32 }>;

/// A port, where 0 stands for any that is free.
pub(super) type PortOrAny = Whole<0, { u16::MAX as u32 }>;

/// Nodes that are kept up, where none is a choice. One machine runs no more; a number over it is a typing mistake.
pub(super) type Nodes = Whole<0, 1000>;

/// The same, where none makes no sense.
pub(super) type MostNodes = Whole<1, 1000>;

/// Threads. No machine that this runs on has more.
pub(super) type WorkerCount = Whole<1, 1024>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct File {
    pub(super) workers: Option<WorkerCount>,
    pub(super) shutdown_timeout: Option<Period>,
    pub(super) state: Switch,
    pub(super) listener: Vec<Listener>,
    pub(super) cluster: BTreeMap<String, Cluster>,
    pub(super) pool: Option<WorkerPool>,
    pub(super) sql: BTreeMap<String, Sql>,
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
    pub(super) connections_per_client: Option<Count>,
    pub(super) requests_per_client: Option<RequestRate>,
    pub(super) body_rate: Toggle<BodyRate>,
}

/// `requests_per_client` of the limits.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RequestRate {
    pub(super) per_second: Option<Count>,
    pub(super) burst: Option<Count>,
}

/// `body_rate` of the limits, or `false`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct BodyRate {
    pub(super) bytes_per_second: Option<Count>,
    pub(super) grace: Option<Period>,
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
    pub(super) sql: Option<String>,
    pub(super) handler: Option<String>,
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
