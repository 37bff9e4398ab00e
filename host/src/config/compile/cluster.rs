//! Clusters: endpoints, and how one is chosen and spoken to. Where more endpoints come from, and how they keep serving, is
//! in files of its own.

use std::collections::BTreeMap;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::overrides::DOCKER_DISCOVERY_VARIABLE;
use super::super::problems::{Problems, Reported, Unique};
use super::super::resilience::Capacity;
use super::super::settings::{Cluster, Pool, StrategySpec, Timeouts};
use super::sources::DockerDiscovery;
use super::{Surroundings, chosen, circuit, failures, health, name, retry, scaling, sources};
use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, Weight};

/// Compiles all clusters.
pub(super) fn all(
    files: BTreeMap<String, file::Cluster>,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<BTreeMap<ClusterName, Cluster>, Reported> {
    let at = At::root().key("cluster");
    let docker = DockerDiscovery::of(around.overrides, problems);
    if let Some(reported) = problems.spoiled(&at) {
        return Err(reported);
    }
    let mut clusters = Vec::new();
    for (name, mut file) in files {
        let at = at.key(&name);
        // Where it is not known, no cluster is said to have nothing.
        let served = follow(&mut file, (&name, &at), docker.unwrap_or(DockerDiscovery::Offered), problems);
        let cluster = one((&name, file), &at, around, problems);
        clusters.push(served.and(cluster).map(|cluster| (cluster.name.clone(), cluster)));
    }
    docker.and(clusters.into_iter().collect())
}

/// Has a cluster follow Docker, or not, as the environment says, and refuses one that has no endpoints at all.
fn follow(
    file: &mut file::Cluster,
    (name, at): (&str, &At),
    docker: DockerDiscovery,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    let had_docker = file.discovery.docker.is_some();
    if docker == DockerDiscovery::Forbidden {
        file.discovery.docker = None;
    }
    let sources = &file.discovery;
    let has_source = sources.docker.is_some() || sources.redis.is_some() || sources.dns.is_some();
    if !file.endpoints.is_empty() || has_source || file.scaling.is_some() {
        return Ok(());
    }
    if docker == DockerDiscovery::Offered {
        file.discovery.docker = Some(file::Docker::default());
        return Ok(());
    }
    let discovery = at.key("discovery");
    let places =
        [at.key("endpoints"), discovery.key("docker"), discovery.key("redis"), discovery.key("dns"), at.key("scaling")];
    if let Some(reported) = places.iter().find_map(|at| problems.spoiled(at)) {
        return Err(reported);
    }
    if had_docker {
        let message = format!("without Docker the cluster `{name}` has no endpoints: every request would be refused");
        let advice = "name some in the file, or leave the variable out";
        return Err(problems.variable(DOCKER_DISCOVERY_VARIABLE, message, advice));
    }
    let advice = format!(
        "name at least one: endpoints = [\"127.0.0.1:9001\"]; or have them found, as with [{discovery}.docker], or \
         started, with [{at}.scaling]"
    );
    Err(problems.advise(&at.key("endpoints"), "there is none: every request would be refused", advice))
}

/// Compiles one cluster.
pub(super) fn one(
    (name, file): (&str, file::Cluster),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Cluster, Reported> {
    let health = health::compile((name, file.health), &at.key("health"), around, problems);
    let name = ClusterName::new(name).map_err(|wrong| problems.report(at, wrong));
    let strategy = strategy(file.strategy, &at.key("strategy"), problems);
    let endpoints = endpoints(file.endpoints, &at.key("endpoints"), around, problems);
    let sources = sources::compile(&file.discovery, &at.key("discovery"), around.overrides, problems);
    let scaling_at = at.key("scaling");
    let scaling = file.scaling.map(|file| scaling::compile(file, &scaling_at, around, problems)).transpose();
    let failures = failures::compile(file.failures.as_ref(), &at.key("failures"), problems);
    let circuit = circuit::compile(&file.circuit, &at.key("circuit"), problems);
    let retry = retry::compile(&file.retry, &at.key("retry"), problems);
    let capacity = capacity(&file.capacity, &at.key("capacity"), problems);
    Ok(Cluster {
        name: name?,
        strategy: strategy?,
        endpoints: endpoints?,
        sources: sources?,
        scaling: scaling?,
        pool: pool(&file.pool),
        timeouts: timeouts(&file.timeouts),
        health: health?,
        failures: failures?,
        circuit: circuit?,
        retry: retry?,
        capacity: capacity?,
    })
}

fn strategy(file: Option<file::Plugin>, at: &At, problems: &mut Problems<'_>) -> Result<StrategySpec, Reported> {
    let file = file.unwrap_or_else(|| file::Plugin::from(defaults::STRATEGY.to_owned()));
    let (plugin, config) = chosen::compile(file, at, problems)?;
    Ok(StrategySpec { plugin, config })
}

fn endpoints(
    files: Vec<file::EndpointEntry>,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Vec<EndpointSpec>, Reported> {
    let mut names = Unique::new("name");
    let mut addresses = Unique::new("address");
    let mut endpoints = Vec::new();
    for (nth, file::EndpointEntry(file)) in files.into_iter().enumerate() {
        let at = at.index(nth);
        let endpoint = match problems.spoiled(&at) {
            Some(reported) => Err(reported),
            None => endpoint(file, &at, around, problems).and_then(|endpoint| {
                addresses.claim(endpoint.address.to_string(), &at, problems)?;
                names.claim(endpoint.name.clone(), &at, problems)?;
                Ok(endpoint)
            }),
        };
        endpoints.push(endpoint);
    }
    endpoints.into_iter().collect()
}

fn endpoint(
    file: file::Endpoint,
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<EndpointSpec, Reported> {
    let text = problems.required(file.address, &at.key("address"), "say where it listens: address = \"HOST:PORT\"")?;
    let address = address(&text, at, around, problems)?;
    let usual = match address.file_path() {
        Some(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        None => address.to_string(),
    };
    let name = name(file.name.as_deref(), &usual, (EndpointName::new, at), problems)?;
    // The file's type holds 1 to 65535, so the default never comes of it.
    let weight = file.weight.and_then(|weight| u16::try_from(weight.get()).ok()).and_then(Weight::new);
    let weight = weight.unwrap_or(Weight::ONE);
    Ok(EndpointSpec { weight, labels: file.labels, ..EndpointSpec::new(name, address) })
}

/// Reads an address: `host:port`, or `file:path`, which is what nodes of SQLite have.
fn address(text: &str, at: &At, around: Surroundings<'_>, problems: &mut Problems<'_>) -> Result<Address, Reported> {
    let wrong = match Address::parse(text) {
        // Also `file:9001`, on a host of that name.
        Ok(address) => return Ok(address),
        Err(wrong) => wrong,
    };
    match (text.strip_prefix("file:"), text.split_once("://")) {
        (Some(""), _) => Err(problems.advise(at, "the path is missing", "as in `file:shards/a.db`")),
        (Some(path), _) if path.starts_with("//") => {
            let message = format!("`{text}` is a URL");
            Err(problems.advise(at, message, format!("only the path: `file:{}`", path.trim_start_matches("//"))))
        }
        (Some(path), _) => Ok(Address::file(around.folder.join(path))),
        (None, Some((_, rest))) => {
            let bare = rest.split('/').next().unwrap_or(rest);
            Err(problems.advise(at, wrong, format!("without scheme and path: `{bare}`")))
        }
        (None, None) => Err(problems.report(at, wrong)),
    }
}

fn pool(file: &file::Pool) -> Pool {
    let default = Pool::default();
    Pool {
        max_idle: file.max_idle.map_or(default.max_idle, |idle| idle.count()),
        idle_timeout: file.idle_timeout.map_or(default.idle_timeout, |period| period.0),
        max_connections: file.max_connections.map(|connections| connections.count()),
    }
}

fn timeouts(file: &file::Timeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: file.connect.map_or(default.connect, |period| period.0),
        response_header: file.response_header.map_or(default.response_header, |period| period.0),
        idle_stream: file.idle_stream.map_or(default.idle_stream, |period| period.0),
    }
}

fn capacity(file: &file::Capacity, at: &At, problems: &mut Problems<'_>) -> Result<Capacity, Reported> {
    let default = Capacity::default();
    let limits = [("in_flight", file.in_flight), ("endpoint_in_flight", file.endpoint_in_flight)];
    let limited = limits.iter().any(|(key, limit)| limit.is_some() || problems.spoiled(&at.key(key)).is_some());
    let waits = [("queue", file.queue.is_some()), ("queue_timeout", file.queue_timeout.is_some())];
    if let Some((key, _)) = waits.iter().find(|(_, given)| *given).filter(|_| !limited) {
        let message = "nothing is limited, so no request ever waits";
        return Err(problems.advise(&at.key(key), message, "say how many there may be at a time: in_flight = 1000"));
    }
    Ok(Capacity {
        in_flight: file.in_flight.map(|requests| requests.get()),
        endpoint_in_flight: file.endpoint_in_flight.map(|requests| requests.get()),
        queue: file.queue.map_or(default.queue, |requests| requests.get()),
        queue_timeout: file.queue_timeout.map_or(default.queue_timeout, |period| period.0),
    })
}
