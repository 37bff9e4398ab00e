//! `check`: tells whether a configuration would serve, without serving. Loads the plugins that it uses as `run` would, asks
//! each source of endpoints, tries to reach each endpoint, and looks at the tables of each SQL entry.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures_util::{StreamExt, stream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::say;
use crate::admin::Tokens;
use crate::app::checking::backend;
use crate::circuit::Circuits;
use crate::cluster::LiveCluster;
use crate::config::{self, Cluster, Config, Overrides, SourceSpec, load};
use crate::discovery::{Directory, SourceKey, Wanted, Wish, source_of};
use crate::model::{Catalog, ClusterName, EndpointSpec, Events};
use crate::plugin::{Folder, PluginEngine, SeatError, Supervisor};
use crate::routing::Seats;
use crate::sql::inspect::inspect;
use crate::sql::layout::layout;

/// Endpoints that are tried at a time: a registry may have thousands, and each that is away takes the whole timeout.
const AT_ONCE: usize = 64;

pub(super) async fn run(path: &Path, overrides: &Overrides) -> anyhow::Result<()> {
    let config = load(path, overrides)?;
    let (listeners, clusters) =
        (counted(config.listeners.len(), "listener"), counted(config.clusters.len(), "cluster"));
    say(&format!("{}: {listeners}, {clusters}", path.display()));
    config::warnings(&config).iter().for_each(|warning| say(&format!("  {warning}")));
    let (blind, catalog) = check_sources(&config).await;
    let wrong = check_tokens(&config)
        + check_plugins(&config).await?
        + blind
        + check_endpoints(&config, &catalog).await
        + check_sql(&config, &catalog).await;
    match wrong {
        0 => Ok(()),
        1 => bail!("1 thing is wrong"),
        many => bail!("{many} things are wrong"),
    }
}

/// Tells whether the tokens of the admin API can be had, and by whom else; returns how many things are wrong.
fn check_tokens(config: &Config) -> usize {
    match Tokens::read(&config.admin) {
        Err(why) => {
            say(&format!("  {why}"));
            1
        }
        Ok(tokens) => {
            let exposed = tokens.exposed();
            for file in &exposed {
                say(&format!("  admin: {}: everybody on this machine may read it: chmod o-r", file.display()));
            }
            exposed.len()
        }
    }
}

/// Tells of each cluster whether its strategy and its policies can be seated; returns how many cannot.
async fn check_plugins(config: &Config) -> anyhow::Result<usize> {
    let engine = PluginEngine::new(config.plugins.cache.as_deref())?;
    let supervisor = Arc::new(Supervisor::new(Arc::new(engine), Seats::new(Vec::new()), config.plugins.clone()));
    if let Some(folder) = &config.plugins.folder {
        Folder::new(folder.clone(), Arc::clone(&supervisor)).load().await;
    }
    let mut wrong = 0;
    for (name, entry) in supervisor.registry().read().iter() {
        if let Some(refusal) = &entry.refused {
            wrong += 1;
            say(&format!("  plugin {name}: {}: {}", refusal.origin, refusal.reason));
        }
    }
    for (name, Cluster { strategy, health, .. }) in &config.clusters {
        let prepared = supervisor.begin().await.prepare(name, strategy).await;
        wrong += told(name, &format!("strategy {}", strategy.plugin), prepared);
        for policy in &health.policies {
            let prepared = supervisor.begin().await.prepare_policies(name, std::slice::from_ref(policy)).await;
            wrong += told(name, &format!("policy {}", policy.plugin), prepared);
        }
    }
    Ok(wrong)
}

/// Tells what came of preparing a plugin; returns how many things are wrong with it.
fn told<T>(cluster: &ClusterName, what: &str, prepared: Result<T, SeatError>) -> usize {
    match prepared {
        Ok(_) => say(&format!("  cluster {cluster}: {what} is sound")),
        Err(error) => {
            say(&format!("  cluster {cluster}: {what}: {error}"));
            return 1;
        }
    }
    0
}

/// `1 cluster`, `2 clusters`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Tells of each source what it sees; returns how many see nothing, and all endpoints that there are.
async fn check_sources(config: &Config) -> (usize, Arc<Catalog>) {
    let directory = Directory::new();
    let wish = |spec: &SourceSpec| Wish { key: SourceKey::Spec(spec.clone()), source: source_of(spec) };
    let wanted = config.clusters.iter().map(|(name, cluster)| Wanted {
        cluster: name.clone(),
        fixed: cluster.endpoints.clone(),
        sources: cluster.sources.iter().map(wish).collect(),
    });
    let prepared = directory.prepare(wanted.collect()).await;
    directory.commit(prepared);
    let mut wrong = 0;
    for (name, sightings) in directory.sightings() {
        for (kind, sighting) in sightings {
            let kind = kind.as_str();
            let Some(seen) = sighting.seen else {
                wrong += 1;
                let why =
                    sighting.lost.map_or_else(|| "did not answer in time".to_owned(), |lost| lost.why.to_string());
                say(&format!("  cluster {name}: {kind} {why}"));
                continue;
            };
            say(&format!("  cluster {name}: {kind} has {}", counted(seen.endpoints.len(), "endpoint")));
            for skipped in seen.skipped {
                say(&format!("  cluster {name}: {kind} has {}, too: {}", skipped.what, skipped.why));
            }
        }
    }
    let catalog = Arc::clone(&directory.catalog().borrow());
    (wrong, catalog)
}

/// Tells of each endpoint whether it accepts a connection; returns how many do not.
async fn check_endpoints(config: &Config, catalog: &Catalog) -> usize {
    let mut wrong = 0;
    for (name, cluster) in &config.clusters {
        if let Some(scaling) = &cluster.scaling {
            say(&format!("  cluster {name}: {} would be kept up", counted(scaling.count as usize, "node")));
        }
        let endpoints = stream::iter(catalog.endpoints(name).unwrap_or_default());
        let within = cluster.timeouts.connect;
        let tried = endpoints.map(|endpoint| async move { (endpoint, reach(endpoint, within).await) });
        for (endpoint, reached) in tried.buffered(AT_ONCE).collect::<Vec<_>>().await {
            match reached {
                Ok(()) => {
                    say(&format!("  cluster {name}: endpoint {} ({}) is reachable", endpoint.name, endpoint.address))
                }
                Err(reason) => {
                    wrong += 1;
                    say(&format!("  cluster {name}: endpoint {} ({}): {reason}", endpoint.name, endpoint.address));
                }
            }
        }
    }
    wrong
}

async fn reach(endpoint: &EndpointSpec, within: Duration) -> Result<(), String> {
    if let Some(path) = endpoint.address.file_path() {
        let found = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?;
        return if found.is_file() { Ok(()) } else { Err("is no file".to_owned()) };
    }
    let address = (endpoint.address.host(), endpoint.address.port());
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}

/// Tells of each SQL entry where its rows are, and whether the nodes have the tables; returns how many things are wrong.
async fn check_sql(config: &Config, catalog: &Catalog) -> usize {
    let mut wrong = 0;
    for (name, entry) in &config.sql {
        let live = LiveCluster::new(entry.cluster.clone(), Events::nowhere());
        live.update(catalog.endpoints(&entry.cluster).unwrap_or_default(), Instant::now());
        let circuits = Circuits::new(entry.cluster.clone(), None, Events::nowhere());
        let laid_out = match layout(entry, &live.roster(), &circuits) {
            Ok(laid_out) => laid_out,
            Err(error) => {
                wrong += 1;
                say(&format!("  sql {name}: {error}"));
                continue;
            }
        };
        for table in &laid_out.tables {
            let key = table.key.as_ref().map(|key| format!(" of {key}")).unwrap_or_default();
            let held = table.shards.iter().map(|(shard, held)| format!("; {shard}: {held}")).collect::<String>();
            say(&format!("  sql {name}: {} by {}{key}{held}", table.table, table.way));
        }
        let connect = config.clusters.get(&entry.cluster).map_or(entry.limits.timeout, |it| it.timeouts.connect);
        let backend = backend(&entry.backend, 1, connect);
        let found = inspect(entry, &laid_out, backend.as_ref(), entry.limits.timeout).await;
        if found.is_empty() {
            say(&format!("  sql {name}: {} as it should be", counted(laid_out.shards.len(), "shard")));
        }
        for finding in &found {
            say(&format!("  sql {name}: {}: {}", finding.who, finding.what));
        }
        wrong += found.len();
    }
    wrong
}
