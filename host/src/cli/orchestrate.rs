//! `orchestrate`: one process of the control plane, until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::run::Stop;
use super::say;
use crate::config::duration;
use crate::orchestrate::{Orchestrator, Settings};

/// What it is told on the command line, or by the environment.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The Redis that has the registry.
    #[arg(
        long,
        value_name = "URL",
        default_value = "redis://127.0.0.1:6379",
        env = "REDIS_URL",
        hide_env_values = true
    )]
    redis: String,
    /// What stands before the names of all its keys and of its channel.
    #[arg(long, default_value = "", env = "LEVERFRAME_REDIS_PREFIX")]
    prefix: String,
    /// Where the API is; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901", env = "LEVERFRAME_ORCHESTRATE_ADDRESS")]
    address: SocketAddr,
    /// From one check of all backends to the next.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, env = "LEVERFRAME_ORCHESTRATE_INTERVAL")]
    interval: Duration,
    /// How long a backend may take to answer one.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, env = "LEVERFRAME_ORCHESTRATE_TIMEOUT")]
    timeout: Duration,
    /// What a backend is asked for; a status of 200 to 299 is well.
    #[arg(long, default_value = "/health", value_parser = path, env = "LEVERFRAME_ORCHESTRATE_PATH")]
    path: PathAndQuery,
    /// Bad checks in a row that take a backend out.
    #[arg(long, value_name = "COUNT", default_value = "2", env = "LEVERFRAME_ORCHESTRATE_FALL")]
    fall: NonZeroU32,
    /// Good checks in a row that put it back.
    #[arg(long, value_name = "COUNT", default_value = "1", env = "LEVERFRAME_ORCHESTRATE_RISE")]
    rise: NonZeroU32,
}

pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let Options { redis, prefix, address, interval, timeout, path, fall, rise } = options;
    let settings = Settings { redis, prefix, address, interval, timeout, path, fall, rise };
    let orchestrator = Orchestrator::start(settings).await?;
    say(&format!("orchestrator listening on {}", orchestrator.address()));
    stop.requested().await;
    tokio::select! {
        () = orchestrator.stop() => {}
        () = stop.requested() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// A path begins with `/`; what has none would be taken for one otherwise.
fn path(text: &str) -> Result<PathAndQuery, String> {
    let read = text.parse().ok().filter(|_| text.starts_with('/'));
    read.ok_or_else(|| "a path begins with `/`, as in /health".to_owned())
}
