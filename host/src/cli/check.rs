//! `check`: tells whether a configuration would serve, without serving. Loads the plugins that it uses as `run` would, and
//! tries to reach each endpoint.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::say;
use crate::config::{Cluster, Config, Overrides, load};
use crate::model::EndpointSpec;
use crate::plugin::{Folder, PluginEngine, Supervisor};
use crate::routing::Seats;

pub(super) async fn run(path: &Path, overrides: &Overrides) -> anyhow::Result<()> {
    let config = load(path, overrides)?;
    say(&format!("{}: {} listeners, {} clusters", path.display(), config.listeners.len(), config.clusters.len()));
    let wrong = check_plugins(&config).await? + check_endpoints(&config).await;
    match wrong {
        0 => Ok(()),
        1 => bail!("1 thing is wrong"),
        many => bail!("{many} things are wrong"),
    }
}

/// Tells of each cluster whether its strategy can be seated; returns how many cannot.
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
    for (name, Cluster { strategy, .. }) in &config.clusters {
        match supervisor.begin().await.prepare(name, strategy).await {
            Ok(_) => say(&format!("  cluster {name}: strategy {} is sound", strategy.plugin)),
            Err(error) => {
                wrong += 1;
                say(&format!("  cluster {name}: {error}"));
            }
        }
    }
    Ok(wrong)
}

/// Tells of each endpoint whether it accepts a connection; returns how many do not.
async fn check_endpoints(config: &Config) -> usize {
    let mut wrong = 0;
    for (name, cluster) in &config.clusters {
        for endpoint in &cluster.endpoints {
            match reach(endpoint, cluster.timeouts.connect).await {
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
    let address = (endpoint.address.host(), endpoint.address.port());
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}
