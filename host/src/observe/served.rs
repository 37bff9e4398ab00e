//! What is being served at this moment: published whole by whoever puts a configuration to work.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::cluster::LiveCluster;
use crate::config::Config;
use crate::health::Keeper;
use crate::model::{ClusterName, ListenerName};

/// A configuration at work, and the live clusters that belong to it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its clusters.
    pub clusters: BTreeMap<ClusterName, Arc<LiveCluster>>,
    /// Who looks after their health.
    pub keepers: BTreeMap<ClusterName, Arc<Keeper>>,
    /// Where its listeners are open: differs from the configuration where that says port 0.
    pub listeners: BTreeMap<ListenerName, SocketAddr>,
    /// Where the admin API is open.
    pub admin: Option<SocketAddr>,
}

impl Served {
    /// What is served before a configuration is put to work.
    pub fn nothing(config: Arc<Config>) -> Self {
        Self { config, clusters: BTreeMap::new(), keepers: BTreeMap::new(), listeners: BTreeMap::new(), admin: None }
    }
}
