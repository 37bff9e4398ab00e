//! What Prometheus gets: a page that keeps its conventions in both texts, held by rules of our own and by its own linter; and
//! the dashboard and the alert rules in `config/`, which name only what the program really has.

mod files;
mod lint;
mod page;
mod plugins;
mod promtool;
mod query;
mod scene;
mod values;

use std::collections::BTreeSet;

use page::Page;
use promtool::{config, promtool};
use scene::Scene;

/// What Prometheus itself sends.
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                           q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_keeps_the_conventions_in_both_texts() {
    let scene = Scene::start().await;
    scene.traffic().await;

    let plain = scene.scrape("text/plain").await;
    assert_eq!(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = plain.text();
    let page = Page::read(&text);
    let findings = lint::findings(&page);
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert!(!page.ended && page.families.iter().all(|family| family.unit.is_none()));
    // With traffic of every kind, what has no values is not really there.
    let rare = ["leverframe_discovery_endpoints", "leverframe_discovery_age_seconds", "leverframe_discovery_skipped"];
    let rare = [&rare[..], &["leverframe_discovery_up"]].concat();
    let empty = page.families.iter().filter(|family| family.samples.is_empty()).map(|family| family.base());
    assert_eq!(empty.filter(|name| !rare.contains(name)).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(promtool(&["check", "metrics"], &text, &config()), "");

    let open = scene.scrape(OPENMETRICS).await;
    assert_eq!(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(open.headers["vary"], "accept");
    let other = Page::read(&open.text());
    assert!(other.ended, "no end");
    let units: BTreeSet<_> = other.families.iter().filter_map(|family| family.unit.as_deref()).collect();
    assert_eq!(units, BTreeSet::from(["bytes", "seconds"]));
    for (one, other) in page.families.iter().zip(&other.families) {
        assert_eq!((one.base(), &one.help, &one.kind), (other.name.as_str(), &other.help, &other.kind));
        if let Some(unit) = &other.unit {
            assert!(other.name.ends_with(&format!("_{unit}")), "{}", other.name);
        }
        let labels = |page: &page::Family| page.samples.iter().map(|it| it.labels.len()).max();
        assert_eq!(labels(one), labels(other), "{}", one.name);
    }
    for (format, media_type) in [("text", "text/plain"), ("openmetrics", "application/openmetrics-text")] {
        let reply = crate::world::fetch(scene.process.admin(), &format!("/metrics?format={format}")).await;
        assert!(reply.headers["content-type"].to_str().is_ok_and(|it| it.starts_with(media_type)), "{format}");
    }

    files::hold(&page);
}
