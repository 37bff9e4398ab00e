//! The small API, as its clients have it: `GET /rep`, `POST /add`, `DELETE /rm`, and paths that belong to servers.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::crew::{Crew, patiently, scaled, signal};
use crate::programs::tell;
use crate::world::{Client, Reply, Setup, send};

/// Enough paths that the share of those that move tells something.
const PATHS: usize = 300;

fn hashed(count: u32, hash: &str) -> Setup {
    let config = format!("{{ key = \"path\", hash = {hash:?} }}");
    scaled(count, "most = 6\ncooldown = \"30s\"").configured("consistent-hash", &config)
}

async fn command(crew: &Crew, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
    send(crew.0.admin(), method, path, body).await
}

/// The names that `GET /rep` tells.
async fn replicas(crew: &Crew) -> Vec<String> {
    let rep = crew.0.api("/rep").await;
    assert_eq!(rep["status"], "successful", "{rep}");
    let names: Vec<String> = serde_json::from_value(rep["message"]["replicas"].clone()).expect("names");
    assert_eq!(rep["message"]["N"], names.len(), "{rep}");
    names
}

/// Who answers each path.
async fn owners(crew: &Crew) -> BTreeMap<String, String> {
    let mut client = Client::connect(crew.0.address()).await;
    let mut owners = BTreeMap::new();
    for number in 0..PATHS {
        let path = format!("/path/{number}");
        let owner = client.get(&path).await.node();
        owners.insert(path, owner);
    }
    owners
}

#[tokio::test]
async fn servers_come_and_go_by_name_and_paths_stay_where_they_were() {
    let crew = Crew::start(hashed(3, "mixed"), 3).await;
    let rep = crew.0.api("/rep").await;
    let servers = rep["servers"].as_array().expect("servers");
    assert!(servers.iter().all(|server| server["state"] == "running" && server["address"].is_string()), "{rep}");
    assert_eq!(replicas(&crew).await, ["web-1", "web-2", "web-3"]);
    let three = owners(&crew).await;
    // The same from each connection, so from each worker.
    for _ in 0..3 {
        assert_eq!(owners(&crew).await, three);
    }

    // No pause is asked for between these.
    let added = command(&crew, Method::POST, "/add", r#"{"n": 2, "hostnames": ["S5"]}"#).await.json();
    assert_eq!(added["message"], json!({ "N": 5, "replicas": ["web-1", "web-2", "web-3", "S5", "web-4"] }));
    assert_eq!(added["status"], "successful");
    crew.settles(5).await;
    let five = owners(&crew).await;
    let moved: Vec<_> = five.iter().filter(|(path, owner)| three[*path] != **owner).collect();
    tell(&format!(
        "consistent-hash, 3 to 5 servers: {} of {PATHS} paths moved; the ideal is {}",
        moved.len(),
        PATHS * 2 / 5
    ));
    // Far from both none and all, for a spread that is even within about 8%.
    assert!((PATHS / 4..PATHS * 11 / 20).contains(&moved.len()), "{}", moved.len());
    assert!(moved.iter().all(|(_, owner)| ["S5", "web-4"].contains(&owner.as_str())), "{moved:?}");

    let removed = command(&crew, Method::DELETE, "/rm", r#"{"n": 2, "hostnames": ["S5"]}"#).await.json();
    assert_eq!(removed["message"], json!({ "N": 3, "replicas": ["web-1", "web-2", "web-3"] }));
    crew.settles(3).await;
    assert_eq!(owners(&crew).await, three);
}

/// By the mixed hash, that is, which goes by names. The polynomial one goes by numbers, and who is replaced has another.
#[tokio::test]
async fn a_server_that_is_replaced_has_its_paths_again() {
    let crew = Crew::start(hashed(3, "mixed"), 3).await;
    let (before, nodes, newest) = (owners(&crew).await, crew.nodes(), crew.newest().await);
    signal(nodes["web-2"], "KILL");
    let started = || async { (!crew.events("node-started", newest).await.is_empty()).then_some(()) };
    patiently("another web-2", started).await;
    crew.settles(3).await;
    assert_ne!(crew.nodes()["web-2"], nodes["web-2"]);
    assert_eq!(owners(&crew).await, before);
}

#[tokio::test]
async fn each_mistake_is_told_clearly_and_changes_nothing() {
    let crew = Crew::start(hashed(2, "polynomial"), 2).await;
    let (add, rm) = ((Method::POST, "/add"), (Method::DELETE, "/rm"));
    let long = json!({ "n": 1, "hostnames": ["x".repeat(64)] }).to_string();
    for ((method, path), body, reason) in [
        (&add, r#"{"n": 1, "hostnames": ["a", "b"]}"#, "2 names are given for 1"),
        (&add, r#"{"n": 2, "hostnames": ["a", "a"]}"#, "`a` is named twice"),
        (&add, r#"{"n": 1, "hostnames": ["web-1"]}"#, "there is a node `web-1` already"),
        (&add, r#"{"n": 1, "hostnames": ["a/b"]}"#, "a/b"),
        (&add, r#"{"n": 1, "hostnames": [""]}"#, "empty"),
        (&add, r#"{"n": 1, "hostnames": ["-x"]}"#, "begins with a letter"),
        (&add, r#"{"n": 1, "hostnames": ["a:1"]}"#, "no `:`"),
        (&add, &long, "63"),
        (&add, r#"{"n": 0}"#, "`n` is 0"),
        (&add, r#"{"n": -1}"#, "-1"),
        (&add, r#"{"n": "2"}"#, "\"2\""),
        (&add, r#"{"n": 5}"#, "at most 6"),
        (&add, r#"{"hostnames": ["a"]}"#, "`n`"),
        (&add, r#"{"n": 1, "hostname": ["a"]}"#, "`hostname`"),
        (&add, "", "the body cannot be read"),
        (&add, "n=1", "the body cannot be read"),
        (&rm, r#"{"n": 1, "hostnames": ["S9"]}"#, "no node is named `S9`"),
        (&rm, r#"{"n": 1, "hostnames": ["web-1", "web-2"]}"#, "2 names are given for 1"),
        (&rm, r#"{"n": 2, "hostnames": ["web-1", "web-1"]}"#, "at least 1"),
        (&rm, r#"{"n": 3}"#, "only 2"),
        (&rm, r#"{"n": 2}"#, "at least 1"),
        (&rm, r#"{"n": 0}"#, "`n` is 0"),
        (&rm, "", "the body cannot be read"),
    ] {
        let reply = command(&crew, method.clone(), path, body.to_owned()).await;
        let told = reply.json();
        assert_eq!((reply.status.as_u16(), &told["status"]), (400, &json!("failure")), "{path} {body}: {told}");
        assert!(told["message"].as_str().is_some_and(|message| message.contains(reason)), "{path} {body}: {told}");
    }
    let elsewhere = command(&crew, Method::POST, "/add?cluster=other", r#"{"n": 1}"#).await;
    assert_eq!((elsewhere.status.as_u16(), &elsewhere.json()["status"]), (404, &json!("failure")));
    assert_eq!(replicas(&crew).await, ["web-1", "web-2"]);
    assert_eq!(crew.nodes().len(), 2);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let crew = Crew::start(scaled(2, ""), 2).await;
    let mut client = Client::connect(crew.0.admin()).await;
    for (method, path, body) in [
        (Method::POST, "/add", r#"{"n": 1}"#),
        (Method::DELETE, "/rm", r#"{"n": 1}"#),
        (Method::POST, "/api/scale", r#"{"count": 1}"#),
    ] {
        for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            let reply = client.send(method.clone(), path, &[foreign], Bytes::from(body)).await;
            assert_eq!(reply.status, 403, "{path} {foreign:?}: {}", reply.text());
        }
    }
    let names = |status: &Value| status["names"].clone();
    assert_eq!(names(&crew.status().await), json!(["web-1", "web-2"]));
    // A page of its own may.
    let own = format!("http://{}", crew.0.admin());
    let reply = client.send(Method::POST, "/add", &[("origin", &own)], Bytes::from(r#"{"n": 1}"#)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
