//! What each worker is to serve: a configuration and all that was built for it, dealt out worker by worker. Opens nothing and
//! sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fleet::{Bound, Sockets};
use super::ward::Ward;
use crate::config::Config;
use crate::model::{ClusterName, ListenerName};
use crate::proxy::{ClusterUpdate, ListenerUpdate, WorldUpdate};
use crate::routing::{RouteTable, Seat};

/// The world of each worker.
pub(super) fn updates(
    workers: usize,
    config: &Config,
    wards: &BTreeMap<ClusterName, Ward>,
    (listeners, mut sockets): (&BTreeMap<ListenerName, Bound>, Sockets),
    mut seats: BTreeMap<ClusterName, Vec<Seat>>,
) -> Vec<WorldUpdate> {
    let cluster_configs: Vec<_> = config.clusters.values().cloned().map(Arc::new).collect();
    let listener_configs: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| (Arc::new(listener.clone()), Arc::new(RouteTable::new(&listener.routes))))
        .collect();
    // From the back, since that is where a vector gives its sockets and seats away.
    let mut updates: Vec<_> = (0..workers)
        .map(|_| WorldUpdate {
            clusters: cluster_configs
                .iter()
                .filter_map(|config| {
                    let seat = seats.get_mut(&config.name).and_then(Vec::pop);
                    let ward = wards.get(&config.name)?;
                    Some(ClusterUpdate {
                        config: Arc::clone(config),
                        live: Arc::clone(&ward.live),
                        circuits: Arc::clone(&ward.circuits),
                        shared: Arc::clone(&ward.shared),
                        seat,
                    })
                })
                .collect(),
            listeners: listener_configs
                .iter()
                .filter_map(|(config, routes)| {
                    let open = listeners.get(&config.name)?.open.clone();
                    let sockets = sockets.get_mut(&config.name).and_then(Vec::pop).unwrap_or_default();
                    Some(ListenerUpdate { config: Arc::clone(config), routes: Arc::clone(routes), open, sockets })
                })
                .collect(),
            ..WorldUpdate::default()
        })
        .collect();
    updates.reverse();
    updates
}
