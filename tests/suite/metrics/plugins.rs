//! What is told of each plugin: its calls and their time, its failures, its memory, and what it counts itself.

use super::page::Page;
use crate::world::{Setup, eventually, fetch, guest, saboteur, salted};

async fn page(world: &crate::world::World) -> Page {
    Page::read(&fetch(world.admin(), "/metrics").await.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_by_kind_and_timed() {
    let world = Setup::new().strategy("bookkeeper").plugin("bookkeeper", guest("bookkeeper")).start().await;
    let mut client = world.connect().await;
    for _ in 0..64 {
        client.get("/").await;
    }
    let page = page(&world).await;
    let of = |name: &str, call: &str| page.sum(name, &[("plugin", "bookkeeper"), ("call", call)]);
    assert_eq!(of("leverframe_plugin_calls_total", "pick"), 64.0);
    assert_eq!(of("leverframe_plugin_calls_total", "on-outcome"), 64.0);
    assert_eq!(page.sum("leverframe_plugin_picks_total", &[("cluster", "web"), ("plugin", "bookkeeper")]), 64.0);
    // One in sixteen is timed.
    assert_eq!(of("leverframe_plugin_call_time_seconds_count", "pick"), 4.0);
    assert_eq!(of("leverframe_plugin_call_time_seconds_count", "on-outcome"), 4.0);
    for call in ["configure", "candidates-changed", "describe"] {
        let (made, timed) =
            (of("leverframe_plugin_calls_total", call), of("leverframe_plugin_call_time_seconds_count", call));
        assert!(made >= 1.0 && made == timed, "{call}: {made} made, {timed} timed");
        assert!(of("leverframe_plugin_call_time_seconds_sum", call) > 0.0, "{call}");
    }
    // What it keeps itself, under its own names, harms nobody.
    let own = |name: &str, own: &str| page.sum(name, &[("plugin", "bookkeeper"), ("name", own)]);
    assert_eq!(own("leverframe_plugin_custom_total", "picks_total"), 64.0);
    assert_eq!(own("leverframe_plugin_custom_level", "leverframe_requests_total"), 2.5);
    assert_eq!(own("leverframe_plugin_custom_values_sum", "Size_bucket"), 3.0 * 64.0);
    assert_eq!(own("leverframe_plugin_custom_values_count", "took_ms"), 64.0);
    assert!(page.sum("leverframe_plugin_compile_time_seconds", &[("plugin", "bookkeeper")]) > 0.0);
    assert_eq!(page.sum("leverframe_plugin_info", &[("plugin", "bookkeeper"), ("world", "routing-strategy")]), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_told_as_it_grows_and_given_back_when_a_version_goes() {
    let leaks = saboteur(r#"{"fault": "leak", "after": 1000}"#);
    let world = Setup::new().workers(2).strategy("saboteur").plugin("saboteur", leaks).start().await;
    let first = page(&world).await;
    let of = |page: &Page, name: &str| page.sum(&format!("leverframe_plugin_{name}"), &[("plugin", "saboteur")]);
    assert_eq!(of(&first, "instances"), 3.0, "one for each worker, and one for the statements");
    let (held, peak) = (of(&first, "memory_bytes"), of(&first, "memory_peak_bytes"));
    assert!(held >= 2.0 * 65_536.0 && held % 65_536.0 == 0.0 && peak >= held, "{held} {peak}");

    // Another version keeps a mebibyte of each pick.
    world.swap_in("saboteur", &salted(&saboteur(r#"{"fault": "leak"}"#), "leaks")).await;
    let revisions = |page: &Page| {
        let info = page.family("leverframe_plugin_info").samples.iter();
        let of_it = info.filter(|sample| sample.labels["plugin"] == "saboteur");
        let mut revisions: Vec<_> = of_it.map(|sample| sample.labels["revision"].clone()).collect();
        revisions.sort();
        revisions
    };
    eventually("the first version's instances are gone", || async {
        let page = page(&world).await;
        let first = revisions(&page)[0].clone();
        (page.sum("leverframe_plugin_instances", &[("revision", &first)]) == 0.0
            && page.sum("leverframe_plugin_memory_bytes", &[("revision", &first)]) == 0.0)
            .then_some(())
    })
    .await;
    let before = of(&page(&world).await, "memory_bytes");
    let mut client = world.connect().await;
    for _ in 0..4 {
        client.get("/").await;
    }
    let after = page(&world).await;
    assert!(of(&after, "memory_bytes") >= before + 4.0 * 1_048_576.0, "{before}");

    // It runs out of memory, traps, and what takes its place holds little again.
    for _ in 0..40 {
        client.get("/").await;
    }
    eventually("it was started again", || async { (of(&page(&world).await, "restarts_total") > 0.0).then_some(()) })
        .await;
    let page = page(&world).await;
    assert!(of(&page, "traps_total") >= 1.0 && of(&page, "fallbacks_total") >= 1.0);
    assert!(of(&page, "memory_peak_bytes") > 15.0 * 1_048_576.0);
}
