//! What SQL entries, their clusters and the routes must be to each other: nodes are where their backend can reach them,
//! nothing else is sent to a file, and every shard has somebody who holds it.

use std::collections::BTreeMap;

use super::super::super::document::At;
use super::super::super::problems::{Problems, Reported};
use super::super::super::read::closest;
use super::super::super::resilience::CheckKind;
use super::super::super::settings::{Cluster, Listener, RouteTarget};
use super::super::super::sql::{
    BackendSpec, HoldingSpec, KeySpec, PartitionedSpec, PlacementSpec, RangeSpec, SqlEntry, TopologySpec,
};
use super::replicated;
use crate::model::{ClusterName, EndpointSpec, SqlName};

/// Refuses what does not go together.
pub(in super::super) fn apart(
    entries: &BTreeMap<SqlName, SqlEntry>,
    clusters: &BTreeMap<ClusterName, Cluster>,
    listeners: &[Listener],
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let files = clusters.values().map(|cluster| files_are_left_alone(cluster, listeners, problems));
    let mut sound = files.collect::<Vec<_>>();
    for entry in entries.values() {
        let Some(cluster) = clusters.get(&entry.cluster) else { continue };
        sound.push(nodes_are_its_own(entry, cluster, problems));
        sound.push(alike(entry, entries, problems));
        sound.push(match &entry.topology {
            TopologySpec::Partitioned(topology) => shards_are_held(entry, topology, cluster, problems),
            TopologySpec::Replicated(spec) => replicated::alone((entry, spec), entries, cluster, problems),
            TopologySpec::Split(_) => Ok(()),
        });
    }
    sound.into_iter().collect()
}

/// The endpoints of the file, each with its place.
fn endpoints(cluster: &Cluster) -> impl Iterator<Item = (At, &EndpointSpec)> {
    let at = At::root().key("cluster").key(cluster.name.as_str()).key("endpoints");
    cluster.endpoints.iter().enumerate().map(move |(nth, endpoint)| (at.index(nth), endpoint))
}

/// A file answers neither requests nor connections.
fn files_are_left_alone(
    cluster: &Cluster,
    listeners: &[Listener],
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let Some((at, _)) = endpoints(cluster).find(|(_, endpoint)| endpoint.address.file_path().is_some()) else {
        return Ok(());
    };
    let mut routes = listeners.iter().flat_map(|listener| &listener.routes);
    if routes.any(|route| matches!(&route.target, RouteTarget::Cluster(name) if *name == cluster.name)) {
        let message = "a file answers no requests, and a route leads to this cluster";
        return Err(problems.advise(&at, message, "have the route lead to the entry: sql = \"NAME\""));
    }
    let kind = match cluster.health.check.as_ref().map(|check| &check.kind) {
        Some(CheckKind::Tcp) => "tcp",
        Some(CheckKind::Http(_)) => "http",
        Some(CheckKind::Sql(_)) | None => return Ok(()),
    };
    let message = format!("a file cannot be asked by `{kind}`, as the check of this cluster does");
    Err(problems.advise(&at, message, "health.check = { kind = \"sql\" }"))
}

/// SQLite opens files, the others connect.
fn nodes_are_its_own(entry: &SqlEntry, cluster: &Cluster, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let opens_files = entry.backend == BackendSpec::Sqlite;
    let mut sound = Ok(());
    for (at, endpoint) in endpoints(cluster) {
        let address = &endpoint.address;
        match (opens_files, address.file_path()) {
            (true, None) => {
                let message = format!("`{address}` is no file, which the nodes of sql.{} are", entry.name);
                sound =
                    Err(problems.advise(&at, message, "address = \"file:shards/a.db\", in the folder of this file"));
            }
            (false, Some(_)) => {
                let kind = entry.backend.as_str();
                let message = format!("a file is no node of sql.{}, whose backend is `{kind}`", entry.name);
                sound = Err(problems.advise(&at, message, "address = \"HOST:PORT\", or backend = \"sqlite\""));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    if opens_files && (!cluster.sources.is_empty() || cluster.scaling.is_some()) {
        let at = At::root().key("cluster").key(cluster.name.as_str());
        let message = format!("the nodes of sql.{} are files, which nobody finds or starts", entry.name);
        sound = Err(problems.advise(&at, message, "name each under `endpoints`, and take out discovery and scaling"));
    }
    sound
}

/// The nodes of one cluster are of one kind, whoever asks them.
fn alike(entry: &SqlEntry, entries: &BTreeMap<SqlName, SqlEntry>, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let (kind, at) = (entry.backend.as_str(), At::root().key("sql").key(entry.name.as_str()).key("backend"));
    let before = entries.values().take_while(|other| other.name != entry.name);
    let mut other = before.filter(|other| other.cluster == entry.cluster && other.backend.as_str() != kind);
    other.next().map_or(Ok(()), |other| {
        let message =
            format!("for sql.{} the nodes of `{}` are `{}`", other.name, entry.cluster, other.backend.as_str());
        Err(problems.advise(&at, message, "a cluster has nodes of one kind"))
    })
}

/// Where the file names all endpoints, every shard is held by one of them, and what their labels say can be read.
fn shards_are_held(
    entry: &SqlEntry,
    topology: &PartitionedSpec,
    cluster: &Cluster,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let mut sound = labels(entry, topology, cluster, problems);
    if !cluster.sources.is_empty() || cluster.scaling.is_some() {
        return sound;
    }
    let held: Vec<&str> = cluster.endpoints.iter().map(EndpointSpec::shard).collect();
    for shard in topology.shards.iter().filter(|shard| !held.contains(&shard.as_str())) {
        let message = format!("no endpoint of `{}` holds the shard `{shard}`", cluster.name);
        let advice = match closest(shard, held.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("give one the name `{shard}`, or the label: labels = {{ shard = \"{shard}\" }}"),
        };
        sound = Err(problems.advise(&At::root().key("sql").key(entry.name.as_str()), message, advice));
    }
    sound
}

/// Reads the ranges that labels hold, as far as they are known by now.
fn labels(
    entry: &SqlEntry,
    topology: &PartitionedSpec,
    cluster: &Cluster,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let mut sound = Ok(());
    for table in &topology.tables {
        let HoldingSpec::Partitioned(partition) = &table.holding else { continue };
        let PlacementSpec::RangesLabel(label) = &partition.placement else { continue };
        let mut known: Vec<(RangeSpec, &str)> = Vec::new();
        for (at, endpoint) in endpoints(cluster) {
            if !topology.shards.iter().any(|shard| shard == endpoint.shard()) {
                continue;
            }
            match ranges(endpoint, (label, partition.kind), &known) {
                Ok(ranges) => known.extend(ranges.into_iter().map(|range| (range, endpoint.shard()))),
                Err(message) => {
                    let advice = format!("it says which keys of `{}` are there, as in \"1..1000\"", table.name);
                    let advice = format!("{advice}: sql.{}.table asks for it", entry.name);
                    sound = Err(problems.advise(&at.key("labels").key(label), message, advice));
                }
            }
        }
    }
    sound
}

/// The ranges of an endpoint, which overlap with none of another shard.
fn ranges(
    endpoint: &EndpointSpec,
    (label, kind): (&str, KeySpec),
    known: &[(RangeSpec, &str)],
) -> Result<Vec<RangeSpec>, String> {
    let text = endpoint.labels.get(label).ok_or_else(|| format!("there is no label `{label}`"))?;
    let ranges = RangeSpec::parse_list(text, kind).map_err(|wrong| wrong.to_string())?;
    let others = known.iter().filter(|(_, shard)| *shard != endpoint.shard());
    for (other, shard) in others {
        if let Some(range) = ranges.iter().find(|range| range.overlaps(other)) {
            return Err(format!("`{range}` overlaps with `{other}` of {shard}: both would hold the same rows"));
        }
    }
    Ok(ranges)
}
