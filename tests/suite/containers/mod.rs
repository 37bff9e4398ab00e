//! The image and the compose file: one static binary in an empty image is proxy, node and orchestrator, each as nobody
//! and with nothing to write to; and what `docker-compose` does to the nodes is followed, without a failed request.

mod engine;
mod images;
mod stack;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::programs::tell;
use crate::world::{Load, Plan};
use stack::Stack;

/// 200 requests a second each: enough to meet every moment of a change, and few beside what the machine can do. One asks
/// the nodes that are found by Docker, the other those that are registered.
const PLANS: [Plan; 2] = [plan("/"), plan("/registered")];

/// For how long nothing more may happen after the registry or its orchestrator went: as long as it takes to be noticed.
const AFTERMATH: Duration = Duration::from_secs(3);

const fn plan(path: &'static str) -> Plan {
    Plan { clients: 4, every: Duration::from_millis(20), path }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_compose_is_followed_without_a_failed_request() {
    let stack = Stack::up(3).await;
    stack.serves(3).await;
    stack.is_confined().await;
    let proxy = stack.containers("proxy").await;

    let loads = PLANS.map(|plan| Load::start(stack.address(), plan));
    for nodes in [7, 2] {
        stack.scale(nodes).await;
        stack.serves(nodes).await;
    }
    let old: BTreeSet<_> = stack.containers("db-backend").await.into_iter().collect();
    for node in &old {
        stack.stop_node(node).await;
        stack.docker(&["rm", node]).await;
        stack.serves(1).await;
        stack.scale(2).await;
        stack.serves(2).await;
    }
    let nodes = stack.containers("db-backend").await;
    assert!(nodes.iter().all(|node| !old.contains(node)), "all of {old:?} were replaced, by {nodes:?}");
    stack.stop_node(&nodes[0]).await;
    stack.serves(1).await;
    stack.restart("redis").await;
    tokio::time::sleep(AFTERMATH).await;
    stack.kill("orchestrator").await;
    tokio::time::sleep(AFTERMATH).await;
    stack.scale(3).await;
    stack.serves(3).await;

    for (load, plan) in loads.into_iter().zip(PLANS) {
        let requests = load.flawless().await;
        tell(&format!(
            "compose, {}: 3 -> 7 -> 2, both replaced, one stopped, Redis restarted, orchestrator killed, 1 -> 3: \
             all of {requests} requests answered",
            plan.path,
        ));
    }
    assert_eq!(stack.containers("proxy").await, proxy, "the proxy is the one that was started");
}
