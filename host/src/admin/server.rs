//! The admin server: a socket, the routes, and what the handlers share.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::{oneshot, watch};

use super::{clusters, health, metrics, plugins, problem, strategy};
use crate::config::ReloadStatus;
use crate::observe::Served;
use crate::plugin::Supervisor;
use crate::proxy::{Snapshot, WorkerMetrics};

/// What the handlers read and command.
#[derive(Clone)]
pub struct Shared {
    /// The plugins.
    pub supervisor: Arc<Supervisor>,
    /// The counters of each worker.
    pub metrics: Vec<Arc<WorkerMetrics>>,
    /// What is being served.
    pub served: watch::Receiver<Arc<Served>>,
    /// What became of the configuration file.
    pub reload: watch::Receiver<ReloadStatus>,
}

impl Shared {
    /// What is being served at this moment.
    pub(super) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.borrow())
    }

    /// The counters of all workers together.
    pub(super) fn traffic(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        self.metrics.iter().for_each(|worker| sum += worker.snapshot());
        sum
    }
}

/// A running admin server. Ends when it is stopped or dropped; answers under way are finished.
pub struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Opens an address and serves there; without an address there is no server.
    ///
    /// # Errors
    /// When the address cannot be opened, as a line for the operator.
    pub fn start(address: Option<SocketAddr>, shared: Shared) -> Result<Option<Self>, String> {
        let Some(wanted) = address else { return Ok(None) };
        let failed = |error: std::io::Error| format!("admin.address: {wanted} cannot be opened: {error}");
        let socket = std::net::TcpListener::bind(wanted).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, routes(shared)).with_graceful_shutdown(async {
            // Dropping the sender is the signal.
            let _ = stopped.await;
        });
        tokio::spawn(server.into_future());
        tracing::info!(%address, "admin API listening");
        Ok(Some(Self { address, _stop: stop }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests.
    pub fn stop(self) {}
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/metrics", get(metrics::metrics))
        .route("/api/clusters", get(clusters::clusters))
        .route("/api/config", get(health::config))
        .route("/api/plugins", get(plugins::plugins))
        .route("/strategy", post(strategy::switch))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(shared)
}
