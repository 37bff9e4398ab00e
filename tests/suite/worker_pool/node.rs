//! One node of a pool as the program that it is: what its options make of it, alone and beside another on the same
//! statistics file.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::programs::{Program, leverframe};
use crate::world::{eventually, fetch};

fn node(name: &str) -> Command {
    let mut command = leverframe();
    command.args(["node", "--address=127.0.0.1:0", "--name", name]);
    command
}

/// Where the node says that it listens.
fn address(said: &str, name: &str) -> Option<SocketAddr> {
    let told = format!("node {name} listening on ");
    said.lines().find_map(|line| line.strip_prefix(&told)?.parse().ok())
}

async fn started(command: &mut Command, name: &str) -> (Program, SocketAddr) {
    let mut program = Program::start(command);
    let address = program.says("where it listens", |said| address(said, name)).await;
    (program, address)
}

async fn stats(address: SocketAddr) -> Value {
    fetch(address, "/worker/stats").await.json()
}

#[tokio::test]
async fn two_nodes_share_one_statistics_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("statistics.db");
    let worker = |name: &str| {
        let mut command = node(name);
        command.args(["--failure-percent=20", "--average-delay=4ms", "--statistics"]).arg(&file);
        command
    };
    let (first, one) = started(&mut worker("web-1"), "web-1").await;
    let (second, two) = started(&mut worker("web-2"), "web-2").await;
    for _ in 0..10 {
        fetch(one, "/api/v1/hello").await;
    }
    for _ in 0..5 {
        fetch(two, "/process?ms=20").await;
        fetch(two, "/health").await;
    }
    // A client finds its own requests at the node that answered them, and soon at each other one.
    assert_eq!(stats(two).await["TotalRequests"][2], json!({ "web-2": 5 }));
    let all = eventually("both know of all requests", || async {
        let (here, there) = (stats(one).await, stats(two).await);
        (here == there && here["TotalRequests"][0]["total"] == 15).then_some(here)
    })
    .await;
    assert_eq!(all["SuccessfulRequests"], json!([{ "total": 12 }, { "web-1": 8 }, { "web-2": 4 }]));
    assert_eq!(all["FailedRequests"], json!([{ "total": 3 }, { "web-1": 2 }, { "web-2": 1 }]));
    let average = |nth: usize, id: &str| all["AverageResponseTime"][nth][id].as_f64().expect("a number");
    assert!(average(1, "web-1") >= 2.0 && average(2, "web-2") >= 22.0, "{all}");

    // What was answered just before a stop is kept, and the next node of that name goes on from it.
    fetch(one, "/").await;
    assert!(first.end("TERM").await.0.success());
    assert_eq!(stats(two).await["TotalRequests"], json!([{ "total": 16 }, { "web-1": 11 }, { "web-2": 5 }]));
    assert!(second.end("TERM").await.0.success());
    let (_again, one) = started(&mut worker("web-1"), "web-1").await;
    assert_eq!(stats(one).await["TotalRequests"], json!([{ "total": 16 }, { "web-1": 11 }, { "web-2": 5 }]));
}

/// A node whose standard input is held open. Killed when it is dropped.
struct Attached(Child);

impl Drop for Attached {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Attached {
    async fn start(command: &mut Command) -> (Self, SocketAddr) {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut node = Self(child);
        let output = node.0.stdout.take().expect("piped");
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = read.await.expect("a reader").expect("a line");
        let address = address(&line, "web-1").unwrap_or_else(|| panic!("no address in {line:?}"));
        (node, address)
    }

    async fn ended(&mut self) -> bool {
        let child = &mut self.0;
        let look = || std::future::ready(child.try_wait().expect("a child of this process"));
        eventually("the end of the node", look).await.success()
    }
}

#[tokio::test]
async fn an_attached_node_ends_when_its_input_is_closed() {
    let (mut node, address) = Attached::start(node("web-1").arg("--attached")).await;
    assert_eq!(fetch(address, "/heartbeat").await.node(), "web-1");
    drop(node.0.stdin.take());
    assert!(node.ended().await);
}

#[tokio::test]
async fn an_attached_node_ends_by_a_signal_while_its_input_is_open() {
    let (mut node, _) = Attached::start(node("web-1").arg("--attached")).await;
    let sent = Command::new("kill").args(["-s", "TERM", &node.0.id().to_string()]).status().expect("kill starts");
    assert!(sent.success());
    assert!(node.ended().await);
}

#[tokio::test]
async fn a_node_that_is_not_attached_does_not_mind_an_empty_input() {
    // A program of the suite has none at all.
    let (mut node, address) = started(&mut node("web-1"), "web-1").await;
    for _ in 0..5 {
        assert_eq!(fetch(address, "/").await.node(), "web-1");
    }
    assert!(!node.has_ended());
}

/// As in a compose file that passes on what it was not given.
#[tokio::test]
async fn a_variable_that_is_empty_counts_as_not_set() {
    let mut empty = node("web-1");
    for option in ["NAME", "ATTACHED", "AVERAGE_DELAY", "FAILURE_PERCENT", "STATISTICS", "REGISTER", "ADVERTISE"] {
        empty.env(format!("LEVERFRAME_NODE_{option}"), "");
    }
    empty.env("LEVERFRAME_LOG_FORMAT", "").env("LEVERFRAME_LOG", "");
    let (_node, address) = started(&mut empty, "web-1").await;
    assert_eq!(fetch(address, "/heartbeat").await.node(), "web-1");
}
