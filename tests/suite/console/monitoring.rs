//! `/`: what goes on is seen while it goes on.

use std::time::Duration;

use http::Method;

use super::open;
use crate::world::{Load, Plan, Setup, send};

const LOAD: Plan = Plan { clients: 4, every: Duration::from_millis(20), path: "/" };

/// Well known at once to be away, and to be back.
const CHECKED: &str = r#"
[cluster.web.health]
policies = [{ plugin = "threshold", config = { fall = 2, rise = 2 } }]

[cluster.web.health.check]
path = "/health"
interval = "200ms"
timeout = "200ms"
"#;

/// The card of an endpoint shows a state.
fn card_shows(name: &str, state: &str) -> String {
    format!(
        "[...document.querySelectorAll('.card')].some((card) => card.querySelector('h3').textContent === '{name}' && \
         card.querySelector('.state').dataset.state === '{state}')"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_move_with_the_traffic_and_a_node_is_seen_to_fail_and_to_come_back() {
    let world = Setup::new().cluster_lines(CHECKED).start().await;
    let browser = open(world.admin(), "/").await;
    browser.sees("a card for each endpoint", "document.querySelectorAll('.card').length === 3").await;
    browser.sees("all of them well", &card_shows("node-2", "HEALTHY")).await;
    browser.reads("#tiles", "0/s").await;

    let load = Load::start(world.address(), LOAD);
    browser.sees("throughput", "parseFloat(document.querySelector('#tiles b').textContent) > 50").await;
    browser.sees("a line of it", "document.querySelector('.chart .line').getAttribute('d').length > 20").await;
    browser.sees("each endpoint's part", "document.querySelectorAll('#load .bar-row').length === 3").await;

    let node = world.origins()[1].address();
    send(node, Method::POST, "/toggle-health", "").await;
    browser.sees("that it fails", &card_shows("node-2", "FAILED")).await;
    browser.reads("#events", "node-2").await;
    browser.sees("how many have failed", "/1 failed/.test(document.getElementById('tiles').textContent)").await;
    send(node, Method::POST, "/toggle-health", "").await;
    browser.sees("that it is well again", &card_shows("node-2", "HEALTHY")).await;
    browser.sees(
        "both changes among the events",
        "['FAILED', 'HEALTHY'].every((to) => [...document.querySelectorAll('#events .change')].some((change) => change.textContent.endsWith(to)))",
    ).await;
    load.flawless().await;
    browser.leaves_clean(world.admin(), &[]).await;
}
