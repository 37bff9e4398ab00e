//! A Leverframe in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, StatusCode};
use leverframe::app::App;
use leverframe::demo::Node;
use leverframe::model::EndpointName;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::{Client, Reply, fetch, send};
use super::figures::{Metrics, plugin_entry};
use super::setup::{Setup, config_in, overrides};
use super::wait::eventually;

/// Worlds that run at a time in this process. The engine of each reserves terabytes of addresses, of which there are 128.
static PLACES: Semaphore = Semaphore::const_new(6);

/// A running world. Ends when it is dropped.
pub(crate) struct World {
    app: App,
    origins: Vec<Node>,
    folder: TempDir,
    _place: SemaphorePermit<'static>,
}

impl World {
    pub(super) async fn start(setup: Setup) -> anyhow::Result<Self> {
        let place = PLACES.acquire().await?;
        let origins = start_origins(setup.origins_wanted()).await;
        let addresses: Vec<_> = origins.iter().map(Node::address).collect();
        let folder = setup.lay_out(&addresses);
        let app = App::start(config_in(folder.path()), overrides()).await?;
        Ok(Self { app, origins, folder, _place: place })
    }

    /// The demo nodes.
    pub(crate) fn origins(&self) -> &[Node] {
        &self.origins
    }

    /// Where the first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener("main").expect("the listener of the setup")
    }

    /// Where a listener is, if there is one of that name.
    pub(crate) fn listener(&self, name: &str) -> Option<SocketAddr> {
        self.app.served().listeners.get(name).copied()
    }

    /// Where the admin API is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.app.served().admin.expect("the admin API of the setup")
    }

    /// One request through the proxy, on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        fetch(self.address(), path).await
    }

    /// A connection through the proxy that is kept.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// The nodes that answer so many requests, by their last digit: `"123"` for the three in turn. All must be answered
    /// with status 200.
    pub(crate) async fn nodes(&self, requests: usize) -> String {
        let mut client = self.connect().await;
        let mut nodes = String::new();
        for _ in 0..requests {
            nodes.extend(client.get("/").await.node().chars().last());
        }
        nodes
    }

    /// A path of the admin API, as JSON.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let reply = fetch(self.admin(), path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
        reply.json()
    }

    /// What `GET /api/plugins` says about one plugin; null when it does not know it.
    pub(crate) async fn plugin(&self, name: &str) -> Value {
        plugin_entry(&self.api("/api/plugins").await, name)
    }

    /// The figures of `GET /metrics`.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::read(self.admin()).await
    }

    /// `POST /strategy` with this query and body.
    pub(crate) async fn switch(&self, query: &str, body: impl Into<Bytes>) -> Reply {
        send(self.admin(), Method::POST, &format!("/strategy?{query}"), body).await
    }

    /// A path in the world's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of a plugin's file.
    pub(crate) fn plugin_file(&self, stem: &str) -> PathBuf {
        self.path("plugins").join(format!("{stem}.wasm"))
    }

    /// Drops a file into the plugin folder, under its name from the first byte on.
    pub(crate) fn drop_in(&self, stem: &str, bytes: &[u8]) {
        std::fs::write(self.plugin_file(stem), bytes).expect("a file in the plugin folder");
    }

    /// Waits until a plugin is as wanted, and returns what the API says about it then.
    pub(crate) async fn plugin_when(&self, name: &str, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let look = || async { Some(self.plugin(name).await).filter(&is_it) };
        eventually(&format!("plugin {name}: {what}"), look).await
    }

    /// Drops in a version and waits until it serves; returns what the API says about the plugin then.
    pub(crate) async fn swap_in(&self, stem: &str, bytes: &[u8]) -> Value {
        let before = self.plugin(&stem.replace('_', "-")).await["versions"][0]["hash"].clone();
        self.drop_in(stem, bytes);
        self.plugin_when(&stem.replace('_', "-"), "another version serves", |plugin| {
            let hash = &plugin["versions"][0]["hash"];
            hash.is_string() && *hash != before
        })
        .await
    }

    /// Drops in a file that is not wanted and waits until it is refused; returns what the API says about the plugin then.
    pub(crate) async fn refused(&self, stem: &str, bytes: &[u8]) -> Value {
        self.drop_in(stem, bytes);
        let is_it = |plugin: &Value| plugin["refused"].is_object();
        self.plugin_when(&stem.replace('_', "-"), "its file is refused", is_it).await
    }

    /// The configuration as it is written.
    pub(crate) fn config(&self) -> String {
        std::fs::read_to_string(config_in(self.folder.path())).expect("the configuration")
    }

    /// Writes another configuration in the place of this one.
    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(config_in(self.folder.path()), text).expect("the configuration");
    }

    /// Edits the configuration and waits until the edit is at work.
    pub(crate) async fn edit(&self, edit: impl FnOnce(String) -> String) {
        let before = self.generation().await;
        self.write_config(&edit(self.config()));
        let look = || async { (self.generation().await > before).then_some(()) };
        eventually("the edited configuration is at work", look).await;
    }

    /// Edits the configuration by a mistake, waits until that is noticed, and returns what `GET /api/config` says.
    pub(crate) async fn edit_badly(&self, edit: impl FnOnce(String) -> String) -> Value {
        self.write_config(&edit(self.config()));
        let look = || async { Some(self.api("/api/config").await).filter(|status| status["last_error"].is_object()) };
        eventually("the mistake is noticed", look).await
    }

    /// Counts the configurations that were put to work.
    pub(crate) async fn generation(&self) -> u64 {
        self.api("/api/config").await["generation"].as_u64().expect("a number")
    }
}

/// Demo nodes on free ports.
pub(super) async fn start_origins(count: usize) -> Vec<Node> {
    let mut origins = Vec::new();
    for number in 1..=count {
        let name = EndpointName::new(&format!("node-{number}")).expect("a name");
        origins.push(Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), name).await.expect("a free port"));
    }
    origins
}
