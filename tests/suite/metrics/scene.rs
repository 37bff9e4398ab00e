//! A Leverframe that has something of everything at work, so that every metric has values: an HTTP cluster with checks,
//! policies and a plugin that counts for itself, one whose strategy traps, entries over divided and over replicated
//! databases, and a cluster whose nodes are kept up.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, StatusCode};
use leverframe::demo::{DatabaseSettings, Node, NodeSettings, Part, Users};
use leverframe::model::EndpointName;

use super::page::Page;
use crate::world::{Client, Process, Reply, Setup, cynic, eventually, guest, saboteur};

/// The lines of the usual cluster.
const CLUSTER: &str = r#"
health.check = { path = "/health", interval = "100ms" }
health.policies = ["threshold", "cynic", "outlier"]
capacity = { in_flight = 8, queue = 8 }
[cluster.web.circuit]
[cluster.web.retry]
attempts = 2
"#;

/// What else there is; the places of the databases are filled in.
const MORE: &str = r#"
state = "state"

[[listener]]
name = "queries"
address = "127.0.0.1:0"
route = [
    { path = "/parts", sql = "parts" },
    { path = "/whole", sql = "whole" },
    { path_prefix = "/shaky", cluster = "shaky" },
    { path_prefix = "/crew", cluster = "crew" },
]

[cluster.shaky]
strategy = { plugin = "saboteur", config = { fault = "panic", after = 2 } }
endpoints = ["ORIGIN"]

[cluster.parts]
endpoints = [{ name = "p1", address = "P1" }, { name = "p2", address = "P2" }]
health.check = { path = "/health", interval = "100ms" }

[sql.parts]
cluster = "parts"
backend = "http"

[sql.parts.table.users]
key = "id"
ranges = { p1 = "..5001", p2 = "5001.." }

[cluster.whole]
endpoints = [{ name = "w1", address = "W1" }, { name = "w2", address = "W2" }]
health.check = { path = "/health", interval = "100ms" }

[sql.whole]
cluster = "whole"
backend = "http"
topology = "replicated"
log = "state/whole.log"

[cluster.crew]
health.check = { path = "/health", interval = "100ms" }

[cluster.crew.scaling]
count = 2
driver = "process"
"#;

/// The program at work, and the databases behind it.
pub(super) struct Scene {
    pub(super) process: Process,
    queries: SocketAddr,
    _databases: Vec<Node>,
}

impl Scene {
    /// Starts it, and waits until all of it serves.
    pub(super) async fn start() -> Self {
        let mut databases = Vec::new();
        let mut more = MORE.to_owned();
        let halves = [Part::new(1, 2), Part::new(2, 2), Some(Part::WHOLE), Some(Part::WHOLE)];
        for (name, part) in ["P1", "P2", "W1", "W2"].into_iter().zip(halves) {
            let users = Users { total: Users::USUAL_TOTAL, part: part.expect("a part") };
            let database = Some(DatabaseSettings { file: None, users: Some(users) });
            let settings =
                NodeSettings::new(SocketAddr::from(([127, 0, 0, 1], 0)), EndpointName::new(name).expect("a name"));
            let node = Node::start_with(NodeSettings { database, ..settings }).await.expect("a free port");
            more = more.replace(&format!("{name:?}"), &format!("\"{}\"", node.address()));
            databases.push(node);
        }
        let origin = Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), EndpointName::new("shaky").expect("a name"));
        let origin = origin.await.expect("a free port");
        more = more.replace("ORIGIN", &origin.address().to_string());
        databases.push(origin);
        // `state` stands above all tables.
        let (state, more) = more.trim_start().split_once('\n').expect("a line");
        let setup = Setup::new().strategy("bookkeeper").cluster_lines(CLUSTER).top(state).more(more);
        let setup = setup.plugin("bookkeeper", guest("bookkeeper")).plugin("saboteur", saboteur(""));
        let setup = setup.plugin("cynic", cynic(r#"{"fault": "panic", "after": 40}"#)).plugin("broken", "no component");
        let process = setup.spawn(&[]).await;
        let queries = process.listener("queries").await;
        Self { process, queries, _databases: databases }
    }

    /// Real traffic of every kind, until all of it has shown.
    pub(super) async fn traffic(&self) {
        let mut client = Client::connect(self.process.address()).await;
        for nth in 0..60 {
            assert_eq!(client.get(&format!("/some/{nth}")).await.status, StatusCode::OK);
        }
        let answers = |path: &'static str| async move { (self.get(path).await.status == StatusCode::OK).then_some(()) };
        eventually("the crew answers", || answers("/crew/")).await;
        assert_eq!(self.get("/nowhere").await.status, StatusCode::NOT_FOUND);
        for _ in 0..10 {
            assert_eq!(self.get("/shaky/").await.status, StatusCode::OK, "the host chooses in the strategy's place");
        }
        eventually("the databases answer", || async {
            let parts = self.query("/parts", "SELECT count(*), max(id) FROM users").await;
            let whole = self.query("/whole", "UPDATE users SET salary = salary + 1 WHERE id = 1").await;
            (parts.status == StatusCode::OK && whole.status == StatusCode::OK).then_some(())
        })
        .await;
        for sql in
            ["SELECT name FROM users WHERE id = 7", "SELECT department, avg(salary) FROM users GROUP BY department"]
        {
            for entry in ["/parts", "/whole"] {
                // A node may miss a check where the machine is busy.
                let answered = || async { (self.query(entry, sql).await.status == StatusCode::OK).then_some(()) };
                eventually(&format!("{entry} answers {sql}"), answered).await;
            }
        }
        let refused = self.query("/parts", "SELECT nothing FROM nowhere").await;
        assert!(refused.status.is_client_error(), "{}", refused.text());
        eventually("the policy that fails was replaced", || async {
            let page = self.page("*/*").await;
            let restarted = |plugin| page.sum("leverframe_plugin_restarts_total", &[("plugin", plugin)]) > 0.0;
            (restarted("cynic") && restarted("saboteur")).then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str) -> Reply {
        Client::connect(self.queries).await.get(path).await
    }

    async fn query(&self, entry: &str, sql: &str) -> Reply {
        let body = serde_json::json!({ "sql": sql }).to_string();
        let json = [("content-type", "application/json")];
        Client::connect(self.queries).await.send(Method::POST, entry, &json, body.into()).await
    }

    /// The metrics as whoever accepts these media types gets them.
    pub(super) async fn scrape(&self, accept: &str) -> Reply {
        let accept = [("accept", accept)];
        Client::connect(self.process.admin()).await.send(Method::GET, "/metrics", &accept, Bytes::new()).await
    }

    /// The same, read.
    pub(super) async fn page(&self, accept: &str) -> Page {
        Page::read(&self.scrape(accept).await.text())
    }
}
