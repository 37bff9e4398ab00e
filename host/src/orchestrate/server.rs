//! One process of the control plane: opens its address, starts the keeper beside the API, and stops both.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::api;
use super::keeper::{Keeper, Role};
use super::plan::Thresholds;
use super::round::Checks;
use crate::discovery::SourceError;
use crate::discovery::redis::RegistryAt;

/// How long requests under way may take once it is to stop: longer than checking a new backend and writing it.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a control plane is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Redis.
    pub redis: String,
    /// What stands before the names of all keys.
    pub prefix: String,
    /// Where its API is.
    pub address: SocketAddr,
    /// From one check of all backends to the next.
    pub interval: Duration,
    /// How long a backend may take to answer one.
    pub timeout: Duration,
    /// What it is asked for.
    pub path: PathAndQuery,
    /// Bad checks in a row that take a backend out.
    pub fall: NonZeroU32,
    /// Good ones that put it back.
    pub rise: NonZeroU32,
}

/// Why a control plane does not start. That Redis is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The url of the Redis is none.
    #[error("the url of the registry: {0}")]
    Redis(SourceError),
    /// Its address cannot be opened.
    #[error("{0} cannot be opened: {1}")]
    Address(SocketAddr, std::io::Error),
}

/// A control plane at work.
pub struct Orchestrator {
    address: SocketAddr,
    keeper: Arc<Keeper>,
    keeping: JoinHandle<Infallible>,
    serving: JoinHandle<std::io::Result<()>>,
    /// Dropping it is the signal.
    stop_serving: oneshot::Sender<()>,
}

impl Orchestrator {
    /// Starts one.
    ///
    /// # Errors
    /// When its address cannot be opened, or the url of the Redis is none.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let at = RegistryAt::new(&settings.redis, &settings.prefix).map_err(StartError::Redis)?;
        let failed = |error| StartError::Address(settings.address, error);
        let listener = TcpListener::bind(settings.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let checks = Checks::new(settings.path, settings.timeout);
        let role = watch::Sender::new(Role::Standby);
        let shared = api::Shared { at: at.clone(), checks: checks.clone(), role: role.subscribe() };
        let thresholds = Thresholds { rise: settings.rise, fall: settings.fall };
        let token = format!("{address}-{:032x}", fastrand::u128(..));
        let keeper = Arc::new(Keeper { at, checks, interval: settings.interval, thresholds, role, token });
        let keeping = tokio::spawn({
            let keeper = Arc::clone(&keeper);
            async move { keeper.run().await }
        });
        let (stop_serving, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, api::routes(shared)).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(server.into_future());
        Ok(Self { address, keeper, keeping, serving, stop_serving })
    }

    /// Where its API is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes requests under way, and gives the lease back.
    pub async fn stop(self) {
        self.keeping.abort();
        let _ = self.keeping.await;
        if let Err(error) = self.keeper.release().await {
            tracing::warn!(%error, "the lease was not given back; it ends by itself");
        }
        drop(self.stop_serving);
        let _ = timeout(STOP_LIMIT, self.serving).await;
    }
}
