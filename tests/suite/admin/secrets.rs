//! No secret is told: one is put into every place of a configuration that takes one, and looked for in everything that is
//! said.

use std::net::SocketAddr;

use http::Method;

use super::ask;
use crate::world::{Redis, Setup};

/// How all of them begin; no other text does.
const MARK: &str = "hush-";

#[tokio::test]
async fn no_secret_of_the_configuration_is_told() {
    let redis = Redis::start().await;
    let tokens = tempfile::tempdir().expect("a folder");
    for name in ["write", "read"] {
        std::fs::write(tokens.path().join(name), format!("{MARK}{name}-0123456789")).expect("a file");
    }
    let admin = format!(
        "token_file = {:?}\nread_only_token_file = {:?}",
        tokens.path().join("write"),
        tokens.path().join("read")
    );
    let setup = Setup::new().origins(1).admin_lines(&admin).more(&clusters(&redis.url()));
    let setup = setup
        .listener_lines(&format!("[[listener.route]]\nheaders = {{ x-key = \"{MARK}header\" }}\ncluster = \"web\"\n"));
    let process = setup.spawn(&[]).await;
    nothing_that_is_asked_tells_one(process.admin()).await;
    let write = format!("{MARK}write-0123456789");
    // A mistake beside a secret does not tell it either.
    let text = std::fs::read_to_string(process.path("leverframe.toml")).expect("the file");
    let wrong = text.replace("url = \"redis://", "url = \"http://").replace("password =", "pasword =");
    let reply = ask(process.admin(), Method::POST, "/api/config/validate", Some(&write), wrong).await;
    assert!(!reply.text().contains(MARK) && reply.text().contains("\"valid\":false"), "{}", reply.text());
    for (key, from, to) in [
        (
            "traces.endpoint",
            "[traces]\nendpoint = \"http://127.0.0.1:4\"",
            "[traces]\nendpoint = \"http://a:hush-b@c?hush-d\"",
        ),
        ("engine", "engine = \"tcp://127.0.0.1:3\"", "engine = \"http://a:hush-b@c?hush-d\""),
    ] {
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text, "{from}");
        let reply = ask(process.admin(), Method::POST, "/api/config/validate", Some(&write), wrong).await;
        assert!(!reply.text().contains(MARK) && reply.text().contains(key), "{}", reply.text());
    }
    let log = format!("{:?}", process.log());
    assert!(!log.contains(MARK), "{log}");
    let config = leverframe::config::parse(&text, "x.toml".as_ref(), &leverframe::config::Overrides::default());
    // What a plugin is told, and the path of a check, are hidden where they are shown, and not before.
    let debug = format!("{:?}", config.expect("it serves"));
    let debug = debug.replace(&format!("{MARK}cookie"), "").replace(&format!("{MARK}query"), "");
    assert!(!debug.contains(MARK), "{debug}");
}

/// Asks every path that the document names, but for the streams, which tell what the others do.
async fn nothing_that_is_asked_tells_one(admin: SocketAddr) {
    let token = format!("{MARK}read-0123456789");
    let document = ask(admin, Method::GET, "/api/openapi.json", Some(&token), "").await.json();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item["get"].is_null() || path.contains("stream") {
            continue;
        }
        let path = path.replace("{name}", "random");
        let reply = ask(admin, Method::GET, &path, Some(&token), "").await;
        assert!(reply.status.is_success() || path == "/rep", "{path}: {}", reply.text());
        assert!(!reply.text().contains(MARK), "{path}: {}", reply.text());
        asked += 1;
    }
    assert!(asked >= 14, "only {asked} were asked");
}

/// Clusters and entries with a secret wherever one can be.
fn clusters(redis: &str) -> String {
    let guarded = redis.replace("redis://", &format!("redis://user:{MARK}redis@"));
    format!(
        r#"
[cluster.databases]
endpoints = ["127.0.0.1:1"]
[cluster.more]
endpoints = ["127.0.0.1:2"]
[sql.shop]
cluster = "databases"
backend = "postgres"
user = "shop"
database = "shop"
password = "{MARK}postgres"
[sql.shop.table.orders]
key = "id"
hash = ["127.0.0.1:1"]
[sql.copies]
cluster = "more"
backend = "mysql"
user = "shop"
database = "shop"
password = "{MARK}mysql"
topology = "replicated"
lease = {{ redis = "{guarded}" }}
[cluster.registered.discovery.redis]
url = "{guarded}"
[cluster.crew.scaling]
driver = "docker"
count = 0
least = 0
[cluster.crew.scaling.docker]
engine = "tcp://127.0.0.1:3"
image = "nobody"
port = 80
environment = {{ TOKEN = "{MARK}environment" }}
labels = {{ key = "{MARK}label" }}
[cluster.signed]
endpoints = ["127.0.0.1:5"]
strategy = {{ plugin = "sticky-session", config = {{ mode = "signed", secret = "{MARK}cookie-that-is-long-enough-to-sign" }} }}
health.check = {{ path = "/health?key={MARK}query", interval = "1h" }}
[traces]
endpoint = "http://127.0.0.1:4"
"#
    )
}
