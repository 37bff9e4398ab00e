//! `/scaling-ui`: nodes are added and removed, no faster than the cooldown lets them.

use super::open;
use crate::world::{Setup, eventually};

const SCALED: &str = r#"
[cluster.web.health.check]
path = "/health"
interval = "500ms"
timeout = "500ms"

[cluster.web.scaling]
count = 1
most = 3
cooldown = "6s"
check = { path = "/health", interval = "1s", timeout = "1s" }
"#;

const IS_SHUT: &str =
    "document.querySelector('[data-part=add]').disabled && document.querySelector('[data-part=remove]').disabled";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_added_and_removed_and_the_cooldown_is_seen() {
    let process = Setup::new().endpoints(Vec::new()).cluster_lines(SCALED).spawn(&[]).await;
    process.ready(1).await;
    let browser = open(process.admin(), "/scaling-ui").await;
    browser.reads("[data-part=count]", "1").await;
    browser.click("[data-part=add]").await;
    browser.reads(".scaled .notice", "2 nodes wanted").await;
    browser.sees("that another change must wait", IS_SHUT).await;
    browser.sees("for how long", "/^[1-6] s$/.test(document.querySelector('[data-part=left]').textContent)").await;
    browser.reads("[data-part=count]", "2").await;
    browser.sees("both nodes", "document.querySelectorAll('.node [data-state=running]').length === 2").await;
    browser.reads("[data-part=left]", "Ready").await;
    browser.click("[data-part=remove]").await;
    browser.reads("[data-part=count]", "1").await;
    browser.sees("that another change must wait", IS_SHUT).await;
    browser.sees("one node", "document.querySelectorAll('.node').length === 1").await;
    let one = || async { (process.api("/api/scale").await["clusters"][0]["desired"] == 1).then_some(()) };
    eventually("one is wanted", one).await;
    browser.leaves_clean(process.admin(), &[]).await;
}
