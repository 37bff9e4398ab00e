//! `[pool]`: expands it to what could have been written by hand, a cluster of demo nodes and the listeners before it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::settings::{Cluster, Listener};
use super::super::units::{Period, Whole};
use super::{Surroundings, cluster, listener, route};

/// The name of its cluster.
pub(super) const NAME: &str = "pool";

/// What a pool is made of.
pub(super) struct Parts {
    /// Its cluster.
    pub(super) cluster: Result<Cluster, Reported>,
    /// Its balancers.
    pub(super) listeners: Result<Vec<Listener>, Reported>,
}

/// Compiles `[pool]`. `is_first` says that there is no listener before its balancers, so that the environment moves them.
pub(super) fn compile(
    file: file::WorkerPool,
    is_first: bool,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Parts {
    let at = At::root().key("pool");
    let listeners = first_address(&file, &at, is_first.then_some(around), problems)
        .and_then(|first| balancers(&file, first, &at, problems));
    Parts { cluster: workers(file, &at, around, problems), listeners }
}

/// Where the first balancer listens.
fn first_address(
    file: &file::WorkerPool,
    at: &At,
    around: Option<Surroundings<'_>>,
    problems: &mut Problems<'_>,
) -> Result<SocketAddr, Reported> {
    let port = file.balancer_port.map_or(defaults::POOL_BALANCER_PORT, |port| port.short());
    let written = |problems: &mut Problems<'_>| {
        let Some(text) = &file.address else { return Ok(SocketAddr::new(defaults::POOL_ADDRESS, port)) };
        text.parse::<IpAddr>().map(|address| SocketAddr::new(address, port)).map_err(|_| {
            let advice = "an IP address without a port, as in `127.0.0.1` or `0.0.0.0`; the port is `balancer_port`";
            problems.advise(&at.key("address"), format!("`{text}` is no address to listen on"), advice)
        })
    };
    match around {
        Some(around) => listener::moved(around.overrides, written, problems),
        None => written(problems),
    }
}

fn balancers(
    file: &file::WorkerPool,
    first: SocketAddr,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Vec<Listener>, Reported> {
    let count = file.balancers.map_or(defaults::POOL_BALANCERS, |balancers| balancers.get());
    let (clusters, sql) = (BTreeSet::from([NAME.to_owned()]), BTreeSet::new());
    let targets = route::Targets { clusters: &clusters, sql: &sql };
    let mut listeners = Vec::new();
    for nth in 0..count {
        let port = match (first.port(), u16::try_from(u32::from(first.port()) + nth)) {
            // Each takes one that is free.
            (0, _) => 0,
            (_, Ok(port)) => port,
            (base, Err(_)) => {
                let message = format!("{count} ports from {base} on go past 65535");
                return Err(problems.advise(&at.key("balancer_port"), message, "a lower port, or fewer balancers"));
            }
        };
        let route = file::Route { cluster: Some(NAME.to_owned()), ..file::Route::default() };
        let file = file::Listener {
            name: Some(format!("balancer-{}", nth + 1)),
            address: Some(SocketAddr::new(first.ip(), port).to_string()),
            route: vec![route],
            ..file::Listener::default()
        };
        listeners.push(listener::one(file, at, (targets, None), problems)?);
    }
    Ok(listeners)
}

fn workers(
    file: file::WorkerPool,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Cluster, Reported> {
    let count = file.workers.map_or(defaults::POOL_WORKERS, |workers| workers.get());
    let first = file.worker_port.map_or(defaults::POOL_WORKER_PORT, |port| port.short());
    let ports = u32::from(u16::MAX) - u32::from(first) + 1;
    if first > 0 && count > ports {
        let message = format!("{count} ports from {first} on go past 65535");
        return Err(problems.advise(&at.key("worker_port"), message, "a lower port, or fewer workers"));
    }
    let most = if first > 0 { defaults::MOST_NODES.max(count).min(ports) } else { defaults::MOST_NODES.max(count) };
    let delay = file.average_delay_ms.map(|delay| Duration::from_millis(delay.get().into()));
    let process = file::Process {
        base_port: Whole::new(first.into()),
        average_delay: delay.filter(|delay| !delay.is_zero()).map(Period),
        failure_percent: file.failure_percent,
        statistics: file.statistics,
    };
    let scaling = file::Scaling {
        count: Whole::new(count),
        most: Whole::new(most),
        process: Some(process),
        ..file::Scaling::default()
    };
    let check = file::Check {
        path: Some(defaults::NODE_CHECK_PATH.to_owned()),
        interval: Some(Period(defaults::POOL_CHECK_INTERVAL)),
        timeout: Some(Period(defaults::POOL_CHECK_INTERVAL)),
        ..file::Check::default()
    };
    let cluster = file::Cluster {
        strategy: file.strategy,
        scaling: Some(scaling),
        health: file::Health { check: Some(check), ..file::Health::default() },
        ..file::Cluster::default()
    };
    cluster::one((NAME, cluster), at, around, problems)
}
