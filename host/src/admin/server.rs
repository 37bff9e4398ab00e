//! The admin server: a socket, the routes, and what the handlers share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admission::BODY_BYTES;
use super::document::{self, Document};
use super::stream::{self, Live};
use super::tokens::Tokens;
use super::{
    access, clusters, config, connections, console, effective, endpoints, events, health, metrics, panics,
    plugin_commands, plugins, problem, repair, scaling, sql, strategy,
};
use crate::config::{Overrides, ReloadStatus};
use crate::discovery::Directory;
use crate::model::ClusterName;
use crate::observe::{EventLog, Served, WorkLog};
use crate::plugin::Supervisor;
use crate::proxy::{Snapshot, WorkerMetrics};
use crate::scaling::Scaler;
use crate::sql::recent::Recent;

/// What the handlers read and command.
#[derive(Clone)]
pub struct Shared {
    /// The plugins.
    pub supervisor: Arc<Supervisor>,
    /// The counters of each worker.
    pub metrics: Vec<Arc<WorkerMetrics>>,
    /// What is being served.
    pub served: watch::Receiver<Arc<Served>>,
    /// What changed and why.
    pub events: Arc<EventLog>,
    /// Where endpoints come from.
    pub directory: Arc<Directory>,
    /// Who keeps up the nodes of the clusters that are scaled.
    pub scalers: watch::Receiver<Arc<BTreeMap<ClusterName, Arc<Scaler>>>>,
    /// Whether it ends: what is under way is finished, and nothing new is taken.
    pub draining: Arc<AtomicBool>,
    /// The statements that have ended last.
    pub recent: Arc<Recent>,
    /// The work that is under way.
    pub works: Arc<WorkLog>,
    /// What goes on, for those who listen.
    pub live: Arc<Live>,
    /// What became of the configuration file.
    pub reload: watch::Receiver<ReloadStatus>,
    /// What the environment says over the file.
    pub overrides: Arc<Overrides>,
    /// The configuration file.
    pub file: Arc<Path>,
    /// What lets one in where this is shared.
    pub tokens: Arc<ArcSwap<Tokens>>,
    /// Whether the place where this is shared was given up.
    pub given_up: Arc<AtomicBool>,
}

impl Shared {
    /// The same for another place, with tokens of its own.
    #[must_use]
    pub fn behind(&self, tokens: Arc<Tokens>) -> Self {
        Self { tokens: Arc::new(ArcSwap::new(tokens)), given_up: Arc::default(), ..self.clone() }
    }

    /// Nobody is let in here any more: who listens is told nothing more.
    pub fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// Whether what goes on here is to end.
    pub(super) fn is_ending(&self) -> bool {
        self.draining.load(Relaxed) || self.given_up.load(Relaxed)
    }

    /// What is being served at this moment.
    pub(super) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.borrow())
    }

    /// What lets one in at this moment.
    pub(super) fn tokens(&self) -> Arc<Tokens> {
        self.tokens.load_full()
    }

    /// The counters of all workers together.
    pub(super) fn traffic(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        self.metrics.iter().for_each(|worker| sum += worker.snapshot());
        sum
    }
}

/// An address that is open and not served yet: who connects waits.
pub struct Bound {
    address: SocketAddr,
    listener: tokio::net::TcpListener,
}

impl Bound {
    /// Opens an address, unless its socket was taken over from another process.
    ///
    /// # Errors
    /// When it cannot be opened, as a line for the operator.
    pub fn open(wanted: SocketAddr, taken: Option<std::net::TcpListener>) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("admin.address: {wanted} cannot be opened: {error}");
        let socket = taken.map_or_else(|| std::net::TcpListener::bind(wanted), Ok).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
        Ok(Self { address, listener })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves there.
    pub fn serve(self, shared: Shared) -> Server {
        // Dropping the sender is the signal.
        let (stop, stopped) = watch::channel(());
        // What is next given up is this place, and not where the rest of it is shared.
        let shared = Shared { given_up: Arc::default(), ..shared };
        tokio::spawn(connections::serve(self.listener, router(shared.clone()), stopped));
        tracing::info!(address = %self.address, "admin API listening");
        Server { address: self.address, shared, _stop: stop }
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A running admin server. Ends when it is stopped or dropped; answers under way are finished.
pub struct Server {
    address: SocketAddr,
    shared: Shared,
    _stop: watch::Sender<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and tells those who listen nothing more.
    pub fn stop(self) {
        self.shared.give_up();
    }
}

/// The whole API and the console, to be served wherever it is.
pub fn router(shared: Shared) -> Router {
    let text = Document::default();
    let (router, api) = routes(&shared, &text).split_for_parts();
    text.set(document::finish(api));
    router
        .merge(console::routes())
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(shared.clone(), access::check))
        .layer(middleware::from_fn(panics::catch))
        .with_state(shared)
}

/// Every path, with what the document says of it.
fn routes(shared: &Shared, text: &Document) -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(document::begin())
        .routes(routes!(access::session))
        .routes(routes!(health::health))
        .routes(routes!(metrics::metrics))
        .routes(routes!(clusters::clusters))
        .routes(routes!(config::config))
        .routes(routes!(config::validate))
        .routes(routes!(effective::effective))
        .routes(routes!(endpoints::command))
        .routes(routes!(events::events))
        .routes(routes!(events::stream))
        .routes(routes!(plugins::plugins))
        .routes(routes!(plugin_commands::upload))
        .routes(routes!(plugin_commands::rollback))
        .routes(routes!(plugin_commands::disable))
        .routes(routes!(plugin_commands::enable))
        .routes(routes!(plugin_commands::logs))
        .routes(routes!(sql::entries))
        .routes(routes!(repair::rebuild))
        .routes(routes!(repair::trust))
        .routes(routes!(repair::verify))
        .routes(routes!(strategy::choose))
        .routes(routes!(strategy::policies))
        .routes(routes!(strategy::strategies))
        .routes(routes!(strategy::switch))
        .merge(scaling::routes(shared))
        .merge(stream::routes())
        .merge(document::routes(text))
}
