//! What is being served at this moment: published whole by whoever puts a configuration to work.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::cluster::LiveCluster;
use crate::config::{Config, SqlEntry};
use crate::health::Keeper;
use crate::model::{ClusterName, ListenerName, SqlName};
use crate::sql::figures::Figures;
use crate::sql::http::Service;
use crate::sql::run::Entry;

/// A configuration at work, and the live clusters that belong to it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its clusters.
    pub clusters: BTreeMap<ClusterName, Arc<LiveCluster>>,
    /// Who looks after their health.
    pub keepers: BTreeMap<ClusterName, Arc<Keeper>>,
    /// Its SQL entries.
    pub sql: BTreeMap<SqlName, ServedEntry>,
    /// Where its listeners are open: differs from the configuration where that says port 0.
    pub listeners: BTreeMap<ListenerName, SocketAddr>,
    /// Where the admin API is open.
    pub admin: Option<SocketAddr>,
}

/// A SQL entry that is served.
#[derive(Clone)]
pub struct ServedEntry {
    /// Its configuration.
    pub spec: Arc<SqlEntry>,
    /// The entry.
    pub entry: Arc<Entry>,
    /// What it counts, and what others of its name have counted before it.
    pub figures: Arc<Figures>,
    /// The same as clients ask it.
    pub service: Arc<Service>,
}

impl fmt::Debug for ServedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedEntry").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Served {
    /// What is served before a configuration is put to work.
    pub fn nothing(config: Arc<Config>) -> Self {
        let (clusters, keepers, sql, listeners) = Default::default();
        Self { config, clusters, keepers, sql, listeners, admin: None }
    }
}
