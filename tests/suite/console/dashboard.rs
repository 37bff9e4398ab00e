//! `/dashboard`: what is steered from the page happens, and what is refused is said with its reason.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::open;
use crate::world::{Setup, embedded, eventually, guest, salted, send, wat};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_is_switched_with_its_configuration_and_a_bad_one_is_refused() {
    let world = Setup::new().start().await;
    let browser = open(world.admin(), "/dashboard").await;
    browser.reads("[data-part=serves]", "round-robin").await;
    browser.sees("what can be chosen", "document.querySelectorAll('#strategy-web option').length > 5").await;
    browser.eval(
        "((select) => { select.value = 'least-connections'; select.dispatchEvent(new Event('change')); })(document.getElementById('strategy-web'))",
    ).await;
    browser.click("[data-part=switch]").await;
    browser.reads(".strategy .notice", "least-connections chooses in web now").await;
    browser.reads("[data-part=serves]", "least-connections").await;
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["strategy"]["plugin"], "least-connections");

    // What another operator does is seen where nothing was begun.
    let by = |header: &str| json!({ "plugin": "maglev", "config": { "key": { "header": header } } }).to_string();
    send(world.admin(), Method::PUT, "/api/clusters/web/strategy", by("x-one")).await;
    browser
        .sees("another configuration", "document.getElementById('strategy-web-config').value.includes('x-one')")
        .await;
    send(world.admin(), Method::PUT, "/api/clusters/web/strategy", by("x-other")).await;
    browser.sees("yet another", "document.getElementById('strategy-web-config').value.includes('x-other')").await;

    browser.overwrite("#strategy-web-config", "{ nonsense").await;
    browser.click("[data-part=switch]").await;
    browser.reads(".strategy .notice[data-kind=bad]", "no JSON").await;
    browser.overwrite("#strategy-web-config", "{ \"no_such_key\": 1 }").await;
    browser.click("[data-part=switch]").await;
    browser.reads(".strategy .notice[data-kind=bad]", "no_such_key").await;
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["strategy"]["plugin"], "maglev");
    browser.leaves_clean(world.admin(), &[422]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_is_drained_and_put_back_and_weighed() {
    let world = Setup::new().start().await;
    let browser = open(world.admin(), "/dashboard").await;
    browser.click("[aria-label='Drain node-2']").await;
    browser.sees("that it drains", "document.querySelector('.manage .long [data-state=DRAINING]') !== null").await;
    assert!(!world.nodes(9).await.contains('2'));
    browser.click("[aria-label='Undrain node-2']").await;
    browser.sees("that it is back", "document.querySelector('.manage [data-state=DRAINING]') === null").await;
    browser.overwrite("[aria-label='Weight of node-3']", "7").await;
    browser.click("[aria-label='Set the weight of node-3']").await;
    browser.reads("#backends .notice", "its weight is 7 now").await;
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["endpoints"][2]["weight"], 7);
    browser.click("[aria-label='Disable node-1']").await;
    browser.sees("that it is disabled", "document.querySelector('.manage .long [data-state=DISABLED]') !== null").await;
    browser.leaves_clean(world.admin(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_keeps_its_focus_while_rows_come_and_go() {
    let endpoints = (1..=60).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    let world = Setup::new().endpoints(endpoints).start().await;
    let browser = open(world.admin(), "/dashboard").await;
    browser.sees("the endpoints", "document.querySelectorAll('.manage .long .row').length > 10").await;
    browser.overwrite("[aria-label='Weight of node-3']", "77").await;
    let is_held = "document.activeElement.ariaLabel === 'Weight of node-3' && document.activeElement.value === '77'";
    browser.sees("what is typed", is_held).await;
    let scrolled = "(document.querySelector('.manage .long').scrollTop = 1e6) > 0";
    browser.eval(scrolled).await;
    browser.sees("the end", "document.querySelector(\"[aria-label='Weight of node-60']\") !== null").await;
    browser.sees("the field as it was", is_held).await;
    // One above it leaves.
    world.edit(|text| text.replace("{ name = \"node-1\", address = \"127.0.0.1:1\" },", "")).await;
    browser.reads("#backends", "59 endpoints").await;
    browser.sees("the field as it was", is_held).await;
    browser.leaves_clean(world.admin(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_plugin_is_dropped_and_serves_and_a_bad_one_is_refused_with_its_reason() {
    let world = Setup::new().start().await;
    let browser = open(world.admin(), "/dashboard").await;

    // A bad one by the button: a module that is no component, and a component of a kind that there is none of.
    let bad = world.path("bad-plugin.wasm");
    std::fs::write(&bad, wat("(component)")).expect("a file");
    browser.type_in("#file", bad.to_str().expect("a path")).await;
    browser.reads(".verdict[data-kind=bad] h3", "Refused: bad-plugin").await;
    browser.sees("why", "document.querySelector('.verdict p').textContent.length > 20").await;

    // A good one by drag and drop: another version of what serves.
    let before = revision(&world.plugin("round-robin").await);
    drop_in(&browser, "round_robin.wasm", &salted(&embedded("round-robin"), "another")).await;
    browser.reads(".verdict[data-kind=good] h3", "Accepted: round-robin").await;
    browser.reads(".verdict", "web").await;
    let swapped = || async { (revision(&world.plugin("round-robin").await) > before).then_some(()) };
    eventually("the new version serves", swapped).await;
    assert_eq!(world.nodes(3).await.len(), 3);

    // And one that is a strategy, and fails when it is tried.
    drop_in(&browser, "saboteur.wasm", &guest("saboteur")).await;
    browser.sees("a verdict", "((verdict) => verdict.dataset.kind !== 'busy' && /saboteur/.test(verdict.textContent))(document.querySelector('.verdict'))").await;

    browser.click("[aria-label='Roll back: round-robin']").await;
    browser.sees("that it is rolled back", "/Rolled back/.test(document.getElementById('plugins').textContent)").await;
    browser.click("[aria-label='Logs: round-robin']").await;
    browser
        .sees(
            "its log",
            "[...document.querySelectorAll('.logs')].some((logs) => !logs.hidden && logs.textContent !== '')",
        )
        .await;
    // Who stands in for others cannot be disabled; another one can.
    browser.click("[aria-label='Disable: round-robin']").await;
    browser.click("dialog button.danger").await;
    browser.reads(".plugin .notice[data-kind=bad]", "round-robin").await;
    browser.click("[aria-label='Disable: maglev']").await;
    browser.click("dialog button.danger").await;
    browser.sees("that it is disabled", "document.querySelector(\"[aria-label='Enable: maglev']\") !== null").await;
    browser.click("[aria-label='Enable: maglev']").await;
    browser.sees("that it is back", "document.querySelector(\"[aria-label='Disable: maglev']\") !== null").await;
    browser.leaves_clean(world.admin(), &[422, 409]).await;
}

fn revision(plugin: &Value) -> Option<u64> {
    plugin["versions"][0]["revision"].as_u64()
}

/// Drops a file onto the place for it.
async fn drop_in(browser: &super::Browser, name: &str, bytes: &[u8]) {
    let bytes = STANDARD.encode(bytes);
    let dropped = format!(
        "((bytes) => {{ const given = new DataTransfer(); given.items.add(new File([bytes], '{name}', {{ type: 'application/wasm' }})); \
         document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{ dataTransfer: given, bubbles: true, cancelable: true }})); \
         }})(Uint8Array.from(atob('{bytes}'), (letter) => letter.charCodeAt(0)))"
    );
    browser.eval(&dropped).await;
}
