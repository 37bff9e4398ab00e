//! What a guest can do that does no harm, and what it cannot reach.

use std::time::{Duration, Instant};

use crate::world::{Setup, eventually, guest};

fn saboteur(fault: &str) -> Setup {
    let config = format!("{{ fault = {fault:?} }}");
    Setup::new().plugin("saboteur", guest("saboteur")).configured("saboteur", &config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_arguments_no_variables_and_no_files() {
    // The guest panics when it finds any. A process, since that has something to hide.
    let process = saboteur("snoop").spawn(&[("SECRET", "of the host")]).await;
    for turn in ["node-1", "node-2", "node-3", "node-1"] {
        assert_eq!(process.get("/").await.node(), turn, "the guest's own turns, not the host's");
    }
    let plugin = crate::world::plugin_entry(&process.api("/api/plugins").await, "saboteur");
    let version = &plugin["versions"][0];
    let counts = ["picks", "traps", "fallbacks"].map(|name| version[name].as_u64().expect("a number"));
    assert_eq!(counts, [4, 0, 0], "{}", version["last_error"]);
    // Standard output goes to the log.
    process.logged("the guest's line", |line| line["message"] == "sabotage found nothing to read").await;
    assert!(!process.path("saboteur").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn printing_is_logged_with_the_plugins_name_and_rationed() {
    let start = Instant::now();
    let process = saboteur("print").spawn(&[]).await;
    for _ in 0..10 {
        assert_eq!(process.get("/").await.status, 200);
    }
    let printed =
        |line: &&serde_json::Value| line["message"].as_str().is_some_and(|text| text.contains("sabotage in print"));
    let lines = eventually("lines in the log", || async {
        let log = process.log();
        let lines: Vec<_> = log.iter().filter(printed).cloned().collect();
        (!lines.is_empty()).then_some(lines)
    })
    .await;
    assert_eq!(lines[0]["message"], "sabotage in print, line 0", "whole lines, however they are written");
    assert!(lines.iter().all(|line| line["plugin"] == "saboteur"), "{:#}", lines[0]);
    // A thousand were printed. Twenty a second are taken from one instance, and there is one.
    let most = 20 * (start.elapsed() + Duration::from_secs(1)).as_secs_f64().ceil() as usize;
    assert!(lines.len() <= most, "{} lines of {most}", lines.len());
    let plugin = crate::world::plugin_entry(&process.api("/api/plugins").await, "saboteur");
    assert_eq!(plugin["versions"][0]["traps"], 0);
}
