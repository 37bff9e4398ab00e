//! Both APIs over scalers whose nodes are nothing but names.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::uri::PathAndQuery;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::cluster::LiveCluster;
use crate::config::{DriverSpec, ProcessTemplate, Scaling};
use crate::model::{Address, EndpointName, Events};
use crate::scaling::{Driver, DriverError, Driving, Node, Probe, Setup};

/// Starts every node, at one address.
#[derive(Default)]
struct Names {
    there: Mutex<Vec<Node>>,
    changed: Notify,
}

impl Driver for Names {
    fn list(&self) -> Driving<'_, Result<Vec<Node>, DriverError>> {
        Box::pin(std::future::ready(Ok(self.there.lock().unwrap().clone())))
    }

    fn start<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<Node, DriverError>> {
        let node = Node { name: name.clone(), address: Address::parse("127.0.0.1:80").ok(), is_running: true };
        self.there.lock().unwrap().push(node.clone());
        Box::pin(std::future::ready(Ok(node)))
    }

    fn stop<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<(), DriverError>> {
        self.there.lock().unwrap().retain(|node| node.name != *name);
        Box::pin(std::future::ready(Ok(())))
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }
}

impl Probe for Names {
    fn probe<'a>(&'a self, _: &'a Address, _: &'a PathAndQuery) -> Driving<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn scaler(cluster: &str, count: u32) -> Scaler {
    let settings = Scaling {
        count,
        least: 1,
        most: NonZeroU32::new(5).unwrap(),
        cooldown: Duration::from_secs(30),
        check_path: PathAndQuery::from_static("/health"),
        check_interval: Duration::from_secs(10),
        check_timeout: Duration::from_secs(5),
        replace_after: Duration::from_secs(2),
        driver: DriverSpec::Process(ProcessTemplate::default()),
    };
    let live = Arc::new(LiveCluster::new(ClusterName::new(cluster).unwrap(), Events::nowhere()));
    let (driver, probe, events) = (Arc::new(Names::default()), Arc::new(Names::default()), Events::nowhere());
    Scaler::start(Setup { settings, driver, live, probe, state_file: None, events })
}

fn scalers(clusters: &[&str]) -> Scalers {
    let scalers = clusters.iter().map(|name| (ClusterName::new(name).unwrap(), Arc::new(scaler(name, 3))));
    watch::channel(Arc::new(scalers.collect())).1
}

async fn read(response: Response) -> (u16, Value, Option<String>) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let retry = parts.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap(), retry)
}

async fn post_scale(scalers: &Scalers, body: &'static str) -> (u16, Value, Option<String>) {
    read(scale(State(scalers.clone()), Sent(Ok(Bytes::from_static(body.as_bytes())))).await.into_response()).await
}

fn which(cluster: Option<&str>) -> Result<Asked<Which>, Problem> {
    Ok(Asked(Which { cluster: cluster.map(str::to_owned) }))
}

#[tokio::test(start_paused = true)]
async fn the_count_changes_once_in_a_cooldown() {
    let scalers = scalers(&["web"]);
    let (status, body, _) = post_scale(&scalers, r#"{"cluster": "web", "count": 5}"#).await;
    assert_eq!((status, &body["desired"]), (200, &json!(5)));
    assert_eq!(body["names"], json!(["web-1", "web-2", "web-3", "web-4", "web-5"]));
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    let (status, body, retry) = post_scale(&scalers, r#"{"action": "remove"}"#).await;
    assert_eq!((status, &body["status"], retry.as_deref()), (429, &json!(429), Some("20")));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (status, body, _) = post_scale(&scalers, r#"{"action": "remove"}"#).await;
    assert_eq!((status, &body["desired"]), (200, &json!(4)));
    assert_eq!(body["nodes"][4]["state"], "draining");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let shown = show(State(scalers)).await.0;
    assert_eq!(shown.clusters[0].nodes.len(), 4);
    assert_eq!(shown.clusters[0].nodes[0].state, "running");
}

#[tokio::test(start_paused = true)]
async fn each_mistake_of_a_count_has_its_status() {
    let (one, two, none) = (scalers(&["web"]), scalers(&["api", "web"]), scalers(&[]));
    for (scalers, body, answer) in [
        (&one, "five", 400),
        (&one, "{}", 400),
        (&one, r#"{"count": 4, "action": "add"}"#, 400),
        (&one, r#"{"count": -1}"#, 400),
        (&one, r#"{"action": "double"}"#, 400),
        (&one, r#"{"number": 4}"#, 400),
        (&one, r#"{"count": 0}"#, 422),
        (&one, r#"{"count": 6}"#, 422),
        (&one, r#"{"cluster": "api", "count": 4}"#, 404),
        (&two, r#"{"count": 4}"#, 400),
        (&none, r#"{"count": 4}"#, 404),
        (&two, r#"{"cluster": "api", "count": 4}"#, 200),
    ] {
        assert_eq!(post_scale(scalers, body).await.0, answer, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_small_api_adds_and_removes_by_name() {
    let scalers = scalers(&["web"]);
    let state = || State(scalers.clone());
    let body = |text: &'static str| Sent(Ok(Bytes::from_static(text.as_bytes())));
    let (status, answer, _) =
        read(add(state(), which(None), body(r#"{"n": 2, "hostnames": ["S5"]}"#)).await.into_response()).await;
    assert_eq!((status, &answer["status"]), (200, &json!("successful")));
    assert_eq!(answer["message"], json!({ "N": 5, "replicas": ["web-1", "web-2", "web-3", "S5", "web-4"] }));
    let (_, answer, _) =
        read(rm(state(), which(Some("web")), body(r#"{"n": 1, "hostnames": ["web-1"]}"#)).await.into_response()).await;
    assert_eq!(answer["message"]["N"], 4);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (_, answer, _) = read(rep(state(), which(None)).await.into_response()).await;
    assert_eq!(answer["message"]["replicas"], json!(["web-2", "web-3", "S5", "web-4"]));
    assert_eq!(answer["servers"][2], json!({ "name": "S5", "address": "127.0.0.1:80", "state": "running" }));
}

#[tokio::test(start_paused = true)]
async fn the_small_api_says_what_is_wrong() {
    let scalers = scalers(&["web"]);
    let state = || State(scalers.clone());
    for (text, message) in [
        (r#"{"n": 1, "hostnames": ["a", "b"]}"#, "2 names are given for 1: at most as many names as `n` says"),
        (r#"{"n": 0}"#, "`n` is 0: say how many"),
        (r#"{"n": 2, "hostnames": ["a", "a"]}"#, "`a` is named twice"),
        (r#"{"n": 1, "hostnames": ["web-1"]}"#, "there is a node `web-1` already"),
        (r#"{"n": 3}"#, "there would be 6 nodes; there may be at most 5"),
        (r#"{"n": 1, "hostnames": ["a b"]}"#, "`a b`: a name is made of letters"),
        (r#"{"hostnames": []}"#, "the body cannot be read: missing field `n`"),
    ] {
        let (status, answer, _) =
            read(add(state(), which(None), Sent(Ok(Bytes::from_static(text.as_bytes())))).await.into_response()).await;
        assert_eq!((status, &answer["status"]), (400, &json!("failure")), "{text}");
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{answer}");
        assert_eq!(answer["message"], answer["detail"]);
    }
    let unknown = Bytes::from_static(br#"{"n": 1, "hostnames": ["x"]}"#);
    let (status, answer, _) = read(rm(state(), which(None), Sent(Ok(unknown))).await.into_response()).await;
    assert_eq!((status, &answer["message"]), (400, &json!("no node is named `x`")));
}
