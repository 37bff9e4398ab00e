//! The sockets of this machine that the configuration takes, for itself and for the nodes that it starts: no two can share
//! one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::document::At;
use super::super::problems::{Problems, Reported};
use super::super::settings::{Admin, Cluster, Listener};
use super::super::sources::DriverSpec;
use super::pool;
use crate::model::ClusterName;

/// Operators and clients cannot share a socket.
pub(super) fn admin_apart(listeners: &[Listener], admin: &Admin, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let taken = |address: &SocketAddr| listeners.iter().find(|listener| listener.address == *address);
    match admin.address.filter(|address| address.port() != 0).as_ref().and_then(taken) {
        None => Ok(()),
        Some(listener) => Err(problems.advise(
            &At::root().key("admin").key("address"),
            format!("the address `{}` is taken by the listener `{}`", listener.address, listener.name),
            "give the admin API a port of its own",
        )),
    }
}

/// Refuses nodes whose ports others have. `has_pool` says that the cluster `pool` is that of `[pool]`.
pub(super) fn nodes_apart(
    clusters: &BTreeMap<ClusterName, Cluster>,
    has_pool: bool,
    (listeners, admin): (&[Listener], &Admin),
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let mut apart = Ok(());
    let mut taken: Vec<(u32, u32, &ClusterName)> = Vec::new();
    for (first, last, cluster) in clusters.values().filter_map(node_ports) {
        let owner = taken
            .iter()
            .find(|(start, end, _)| *start <= last && first <= *end)
            .map(|(.., other)| format!("the cluster `{other}`"));
        let owner = owner.or_else(|| {
            let is_theirs =
                |address: &SocketAddr| (first..=last).contains(&address.port().into()) && meets_nodes(address);
            let listener = listeners.iter().find(|listener| is_theirs(&listener.address));
            let listener = listener.map(|listener| format!("the listener `{}`", listener.name));
            listener.or_else(|| admin.address.filter(is_theirs).map(|_| "the admin API".to_owned()))
        });
        if let Some(owner) = owner {
            let root = At::root();
            let at = if has_pool && cluster.as_str() == pool::NAME {
                root.key("pool").key("worker_port")
            } else {
                root.key("cluster").key(cluster.as_str()).key("scaling").key("process").key("base_port")
            };
            let message = format!("the nodes take the ports {first} to {last}, and so does {owner}");
            apart = Err(problems.advise(&at, message, "give the nodes ports that are free"));
        }
        taken.push((first, last, cluster));
    }
    apart
}

/// The first and the last port of the nodes that a cluster starts with, where they are not just any.
fn node_ports(cluster: &Cluster) -> Option<(u32, u32, &ClusterName)> {
    let scaling = cluster.scaling.as_ref()?;
    let DriverSpec::Process(template) = &scaling.driver else { return None };
    let first = u32::from(template.base_port?.get());
    Some((first, first + scaling.count.checked_sub(1)?, &cluster.name))
}

/// Whether a socket is open where nodes listen, which is this machine's own address.
fn meets_nodes(address: &SocketAddr) -> bool {
    address.ip().is_unspecified() || address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)
}
