//! Who answers reads where all nodes hold everything: whom the strategy of the cluster chooses, of those that have it all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::scene::{Databases, Demos, Files, ask, setup};
use crate::world::{Client, World, eventually};

/// Waits until all nodes have everything.
async fn all_up(world: &World) {
    let look = || async {
        let nodes = world.api("/api/sql").await["entries"][0]["replication"]["nodes"].clone();
        let nodes = nodes.as_array()?.clone();
        (!nodes.is_empty() && nodes.iter().all(|node| node["readable"] == true && node["lag"] == 0)).then_some(())
    };
    eventually("all nodes are up", look).await;
}

/// Which nodes answer so many reads, one after the other, and how often.
async fn answered(address: SocketAddr, reads: usize) -> BTreeMap<String, usize> {
    let mut nodes = BTreeMap::new();
    for _ in 0..reads {
        let told = ask(address, json!({ "sql": "SELECT count(*) FROM purse" })).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        let name = told.document["nodes"][0]["name"].as_str().unwrap_or_else(|| panic!("{told:?}")).to_owned();
        *nodes.entry(name).or_default() += 1;
    }
    nodes
}

fn counts<const N: usize>(nodes: [(&str, usize); N]) -> BTreeMap<String, usize> {
    nodes.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Stands before a node and makes it slower.
async fn slow(node: SocketAddr, by: Duration) -> SocketAddr {
    async fn carry(
        mut from: impl tokio::io::AsyncRead + Unpin,
        mut to: impl tokio::io::AsyncWrite + Unpin,
        by: Duration,
    ) {
        let mut room = vec![0; 64 << 10];
        while let Ok(1..) = from.read(&mut room).await.inspect(|count| room.truncate(*count)) {
            tokio::time::sleep(by).await;
            if to.write_all(&room).await.is_err() {
                return;
            }
            room.resize(64 << 10, 0);
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(node).await.expect("a node");
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::join!(carry(from_client, to_server, by), carry(from_server, to_client, Duration::ZERO));
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_strategy_of_the_cluster_chooses_and_is_switched_while_reads_go_on() {
    let (demos, folder) = (Demos::new(3).await, tempfile::tempdir().expect("a folder"));
    let first = demos.addresses()[0].clone();
    let world = setup(&demos, folder.path()).start().await;
    let address = world.listener("sql").expect("the listener of the entry");
    all_up(&world).await;
    assert_eq!(answered(address, 30).await, counts([("db-1", 10), ("db-2", 10), ("db-3", 10)]));

    // By the admin API, with weights that the file gives.
    world.edit(|text| text.replace("name = \"db-1\",", "name = \"db-1\", weight = 4,")).await;
    let reply = world.switch("strategy=weighted-round-robin&cluster=nodes", "").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(answered(address, 30).await, counts([("db-1", 20), ("db-2", 5), ("db-3", 5)]));
    // The cluster has one strategy, whoever asks: what it decided is counted with what it decides for HTTP.
    assert!(world.metrics().await.plugin("weighted-round-robin", "picks") >= 30);

    // By the file. The first node takes longer from now on, and is learnt to.
    let relay = slow(first.parse().expect("an address"), Duration::from_millis(60)).await;
    world
        .edit(|text| {
            let slower = text.replace(&first, &relay.to_string());
            slower.replace("[cluster.nodes]", "[cluster.nodes]\nstrategy = \"least-response-time\"")
        })
        .await;
    all_up(&world).await;
    answered(address, 6).await;
    let nodes = answered(address, 40).await;
    assert!(nodes.get("db-1").is_none_or(|count| *count <= 2), "{nodes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_nodes_that_have_everything_are_chosen_and_a_read_goes_elsewhere_at_once() {
    let (mut demos, folder) = (Demos::new(3).await, tempfile::tempdir().expect("a folder"));
    let world = setup(&demos, folder.path()).start().await;
    let address = world.listener("sql").expect("the listener of the entry");
    // Reads that fail may open the node's circuit, which is tried again after a while.
    world.edit(|text| text.replace("[cluster.nodes]", "[cluster.nodes]\ncircuit = { open_for = \"1s\" }")).await;
    all_up(&world).await;
    demos.stop(1).await;
    // From the first moment on: that it is gone may not be known yet.
    let began = Instant::now();
    let nodes = answered(address, 30).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(nodes.values().sum::<usize>(), 30);
    assert!(!nodes.contains_key("db-2"), "{nodes:?}");
    // The turns of the others are fair while one may not be chosen.
    let nodes = answered(address, 20).await;
    assert_eq!(nodes, counts([("db-1", 10), ("db-3", 10)]));
    // Written meanwhile, it is not on that node when it comes back, and then it is.
    let written = ask(address, json!({ "sql": "UPDATE purse SET amount = 7 WHERE id = 1" })).await;
    assert_eq!(written.status, StatusCode::OK, "{written:?}");
    demos.start(1).await;
    let look = || async {
        let told = ask(address, json!({ "sql": "SELECT amount FROM purse WHERE id = 1" })).await;
        assert_eq!((told.status, &told.document["rows"]), (StatusCode::OK, &json!([[7]])), "{told:?}");
        (told.document["nodes"][0]["name"] == "db-2").then_some(())
    };
    eventually("the node is read from again", look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_tells_up_to_where_it_has_seen_everything() {
    let (files, folder) = (Files::new(3), tempfile::tempdir().expect("a folder"));
    let world = setup(&files, folder.path()).start().await;
    let address = world.listener("sql").expect("the listener of the entry");
    all_up(&world).await;
    let read = async |accept: &str, position: Option<u64>| {
        let body = json!({ "sql": "SELECT amount FROM purse WHERE id = 1", "position": position }).to_string();
        let headers = [("content-type", "application/json"), ("accept", accept)];
        Client::connect(address).await.send(Method::POST, "/query", &headers, body.into()).await
    };
    for amount in 1..=5 {
        let written = ask(address, json!({ "sql": format!("UPDATE purse SET amount = {amount} WHERE id = 1") })).await;
        let position = written.document["position"].as_u64().expect("a position");
        let reply = read("application/json", Some(position)).await;
        let header = |reply: &crate::world::Reply| {
            let value = reply.headers.get("x-leverframe-position")?;
            value.to_str().ok()?.parse::<u64>().ok()
        };
        let told = header(&reply).unwrap_or_else(|| panic!("{}", reply.text()));
        assert_eq!((reply.json()["rows"].clone(), reply.json()["position"].as_u64()), (json!([[amount]]), Some(told)));
        assert!(told >= position);
        // What it has told is what another read sees at least, without knowing of any write.
        let lines = read("application/x-ndjson", Some(told)).await;
        let last: Value = serde_json::from_str(lines.text().lines().last().expect("lines")).expect("JSON");
        assert!(header(&lines) >= Some(told) && last["position"].as_u64() == header(&lines), "{last}");
    }
}
