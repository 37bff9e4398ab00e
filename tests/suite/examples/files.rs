//! The files in `config/`: each is loaded as it is, and then run, with its ports replaced by free ones, an origin behind
//! every endpoint and a Redis of its own where it follows one; every route of it is asked, and answers from the cluster
//! that it names, or as one database would that has all rows. Nodes that it has started are the real ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, StatusCode};
use leverframe::config::{Cluster, Config, Overrides, load};
use leverframe::demo::{DatabaseSettings, Node, NodeSettings, Part, Users};
use leverframe::model::EndpointName;
use toml::{Table, Value};

use crate::programs::{Program, leverframe};
use crate::world::{Client, Redis, Reply, fetch, send};

/// Files that need more around them, and where that is: they are started there as they are.
const STARTED_ELSEWHERE: [(&str, &str); 1] = [("docker.toml", "containers, as docker-compose.yml runs it")];

#[tokio::test]
async fn every_file_is_sound_as_it_is() {
    for file in files() {
        if let Err(errors) = load(&file, &Overrides::default()) {
            panic!("{}: {errors}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_file_serves_as_it_says() {
    for file in files() {
        if let Some((_, elsewhere)) = STARTED_ELSEWHERE.iter().find(|(name, _)| file.ends_with(name)) {
            println!("{}: in {elsewhere}", file.display());
            continue;
        }
        println!("{}", file.display());
        let example = Example::lay_out(&file).await;
        let checked = leverframe().args(["check", "--config"]).arg(&example.file).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{}: {said}", file.display());
        for cluster in example.config.clusters.values() {
            let policies = cluster.health.policies.iter().map(|policy| format!("policy {}", policy.plugin));
            for plugin in policies.chain([format!("strategy {}", cluster.strategy.plugin)]) {
                let sound = format!("cluster {}: {plugin} is sound", cluster.name);
                assert!(said.contains(&sound), "no `{sound}` in: {said}");
            }
        }
        assert_eq!(said.matches("is reachable").count(), example.endpoints(), "{said}");
        example.serve().await;
    }
}

/// An example that can run here.
struct Example {
    folder: tempfile::TempDir,
    /// The file as it is, with what it tells in comments.
    text: String,
    file: PathBuf,
    config: Config,
    /// By the address that the example gives them, or by the cluster whose registry they are in.
    origins: BTreeMap<String, Node>,
    /// Lives as long as the example.
    _redis: Option<Redis>,
}

impl Example {
    async fn lay_out(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("an example");
        let mut table: Table = text.parse().expect("TOML");
        let (mut origins, mut redis) = (BTreeMap::new(), None);
        let is_everywhere = |entry: &Value| entry.get("topology").and_then(Value::as_str) == Some("replicated");
        let named = |entry: &Value| (entry["cluster"].as_str().expect("a name").to_owned(), is_everywhere(entry));
        let databases: BTreeMap<String, bool> = tables(&mut table, "sql").map(|(_, entry)| named(entry)).collect();
        for (name, cluster) in tables(&mut table, "cluster") {
            if let Some(followed) = cluster.get_mut("discovery").and_then(|discovery| discovery.get_mut("redis")) {
                let node = origin(name, None).await;
                followed["url"] = registry(redis.insert(Redis::start().await), &node).into();
                origins.insert(name.clone(), node);
            }
            if let Some(process) = cluster.get_mut("scaling").and_then(|scaling| scaling.get_mut("process")) {
                process.as_table_mut().expect("a table").remove("base_port");
            }
            let mut endpoints = cluster.get_mut("endpoints").and_then(Value::as_array_mut);
            let count = endpoints.as_ref().map_or(0, |endpoints| endpoints.len());
            for (number, endpoint) in (1..).zip(endpoints.iter_mut().flat_map(|endpoints| endpoints.iter_mut())) {
                let address = if endpoint.is_table() { &mut endpoint["address"] } else { endpoint };
                let said = address.as_str().expect("an address").to_owned();
                if !origins.contains_key(&said) {
                    let part = match databases.get(name) {
                        Some(true) => Some(Part::WHOLE),
                        Some(false) => Part::new(number, count as u64),
                        None => None,
                    };
                    origins.insert(said.clone(), origin(&said, part).await);
                }
                *address = origins[&said].address().to_string().into();
            }
        }
        for listener in table.get_mut("listener").and_then(Value::as_array_mut).into_iter().flatten() {
            listener["address"] = "127.0.0.1:0".into();
        }
        if let Some(pool) = table.get_mut("pool") {
            pool["worker_port"] = 0.into();
            pool["balancer_port"] = 0.into();
        }
        if let Some(traces) = table.get_mut("traces") {
            // There is no collector, of which the log would tell; `traces` has one.
            traces["sample"] = 0.into();
        }
        let admin = table.entry("admin").or_insert_with(|| Table::new().into());
        admin.as_table_mut().expect("a table").insert("address".into(), "127.0.0.1:0".into());
        let folder = tempfile::Builder::new().prefix("leverframe-example-").tempdir().expect("a temporary folder");
        let here = folder.path().join("leverframe.toml");
        std::fs::write(&here, table.to_string()).expect("a file");
        let config = load(&here, &Overrides::default()).unwrap_or_else(|errors| panic!("{}: {errors}", file.display()));
        Self { folder, text, file: here, config, origins, _redis: redis }
    }

    /// How many there are before anything is started.
    fn endpoints(&self) -> usize {
        let of = |cluster: &Cluster| cluster.endpoints.len() + cluster.sources.len();
        self.config.clusters.values().map(of).sum()
    }

    /// Runs it, asks every route, and ends it.
    async fn serve(&self) {
        let mut command = leverframe();
        command.args(["run", "--log-format", "json", "--config"]).arg(&self.file).current_dir(self.folder.path());
        let mut program = Program::start(&mut command);
        let admin: SocketAddr =
            program.says("where its admin API is", |output| logged(output, "admin API listening")).await;
        let health = fetch(admin, "/health").await.json();
        for listener in &self.config.listeners {
            let address = health["listeners"][listener.name.as_str()].as_str().map(str::parse);
            let address: SocketAddr = address.unwrap_or_else(|| panic!("{health}")).expect("an address");
            for route in self.routes(listener.name.as_str()) {
                match &route.target {
                    Target::Cluster(cluster) => {
                        let node = route.ask(address).await.node();
                        assert!(self.is_of(&node, cluster), "{route:?} was answered by {node}");
                    }
                    Target::Entry => self.query(address, &route.path).await,
                    Target::Admin => {
                        let reply = route.ask(address).await;
                        assert!(reply.headers["content-type"].to_str().expect("text").contains("json"), "{route:?}");
                    }
                }
            }
        }
        let (status, output) = program.end("TERM").await;
        assert!(status.success(), "{status}:\n{output}");
        let complaints = ["\"WARN\"", "\"ERROR\""].map(|level| output.matches(level).count());
        // Who has the admin API beside a cluster is told once what that means.
        let warned = usize::from(self.text.contains("handler = \"admin\""));
        assert_eq!(complaints, [warned, 0], "{output}");
    }

    /// Asks an entry what the file itself shows, and one node that has everybody the same.
    async fn query(&self, at: SocketAddr, path: &str) {
        let shown = self.text.split_once("-d '").and_then(|(_, rest)| rest.split_once('\''));
        let (question, _) = shown.unwrap_or_else(|| panic!("no question in the comments of {}", self.file.display()));
        let everybody = origin("everybody", Some(Part::WHOLE)).await;
        for question in [question, r#"{"sql": "SELECT count(*), min(id), max(id) FROM users"}"#] {
            let json = [("content-type", "application/json")];
            let answer = Client::connect(at).await.send(Method::POST, path, &json, question.to_owned().into()).await;
            assert_eq!(answer.status, StatusCode::OK, "{question}: {}", answer.text());
            let wanted = send(everybody.address(), Method::POST, "/query", question.to_owned()).await.json();
            assert!(wanted["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{question}: {wanted}");
            assert_eq!(answer.json()["rows"], wanted["rows"], "{question}");
        }
    }

    /// Whether a node of this name belongs to a cluster.
    fn is_of(&self, node: &str, cluster: &str) -> bool {
        let Cluster { endpoints, scaling, .. } = &self.config.clusters[cluster];
        let named = |name: &EndpointName| name.as_str() == node;
        let behind = |origin: &Node| endpoints.iter().any(|it| it.address.to_string() == origin.address().to_string());
        let registered = self.origins.get(cluster).is_some_and(|origin| named(origin.name()));
        let kept_up = scaling.is_some() && node.starts_with(&format!("{cluster}-"));
        registered || kept_up || self.origins.values().any(|origin| named(origin.name()) && behind(origin))
    }

    /// The routes of a listener, read from the file itself: what the program made of them is under test. Those that `[pool]`
    /// has made stand nowhere else than in its words.
    fn routes(&self, listener: &str) -> Vec<Route> {
        let table: Table = std::fs::read_to_string(&self.file).expect("a file").parse().expect("TOML");
        if listener.starts_with("balancer-") {
            let target = Target::Cluster("pool".to_owned());
            return vec![Route { target, path: "/some/thing".to_owned(), headers: Vec::new() }];
        }
        let listeners = table["listener"].as_array().expect("listeners").clone();
        // A listener without a name is called by its address, which is the same for all here.
        let found = listeners.iter().find(|entry| entry.get("name").is_none_or(|name| name.as_str() == Some(listener)));
        let routes = found.expect("the listener")["route"].as_array().expect("routes");
        routes.iter().map(Route::new).collect()
    }
}

/// Where a route leads.
#[derive(Debug)]
enum Target {
    Admin,
    Cluster(String),
    Entry,
}

/// A request that a route should take.
#[derive(Debug)]
struct Route {
    target: Target,
    path: String,
    headers: Vec<(String, String)>,
}

impl Route {
    fn new(route: &Value) -> Self {
        let text = |key: &str| route.get(key).map(|value| value.as_str().expect("text").to_owned());
        let below = |prefix: String| format!("{}/some/thing", prefix.trim_end_matches('/'));
        let mut headers: Vec<(String, String)> = Vec::new();
        if let Some(wanted) = route.get("headers").and_then(Value::as_table) {
            headers.extend(wanted.iter().map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())));
        }
        headers.extend(text("host").map(|host| ("host".to_owned(), host.replace('*', "any"))));
        let path = text("path").or_else(|| text("path_prefix").map(below)).unwrap_or_else(|| "/".to_owned());
        let target = match (text("sql"), text("handler")) {
            (Some(_), _) => Target::Entry,
            (None, Some(_)) => Target::Admin,
            (None, None) => Target::Cluster(text("cluster").expect("a cluster")),
        };
        Self { target, path, headers }
    }

    async fn ask(&self, at: SocketAddr) -> Reply {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Client::connect(at).await.send(Method::GET, &self.path, &headers, Bytes::new()).await
    }
}

/// The tables of a table.
fn tables<'t>(table: &'t mut Table, name: &str) -> impl Iterator<Item = (&'t String, &'t mut Value)> {
    table.get_mut(name).and_then(Value::as_table_mut).into_iter().flat_map(|tables| tables.iter_mut())
}

/// Has a node registered, and says where.
fn registry(redis: &Redis, node: &Node) -> String {
    let key = format!("backend:{}", node.name());
    redis.cli(&["hset", &key, "url", &format!("http://{}", node.address()), "status", "UP"]);
    redis.cli(&["sadd", "backends", node.name().as_str()]);
    redis.url()
}

/// A demo node named after the address that it stands for, with a part of the people where it is to answer SQL.
async fn origin(said: &str, people: Option<Part>) -> Node {
    let name = EndpointName::new(&said.replace([':', '.'], "-")).expect("a name");
    let users = |part| Users { total: Users::USUAL_TOTAL, part };
    let database = people.map(|part| DatabaseSettings { file: None, users: Some(users(part)) });
    let settings = NodeSettings::new(SocketAddr::from(([127, 0, 0, 1], 0)), name);
    Node::start_with(NodeSettings { database, ..settings }).await.expect("a free port")
}

/// The address in a line of the log.
pub(super) fn logged(output: &str, message: &str) -> Option<SocketAddr> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["message"] == message).find_map(|line| line["address"].as_str()?.parse().ok())
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("config");
    let files = std::fs::read_dir(folder).expect("config/").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}
