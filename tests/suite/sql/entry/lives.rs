//! Statements that live long: streamed without end, left by their clients, outlived by a configuration or a process.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::scene::{ENDLESS, Files, Raw, Scene, rows};
use crate::world::{eventually, fetch};

/// What a stream of any length may add to the memory of a process, in KiB: what the sockets and two pieces of each step
/// hold, with room.
const MOST_KIB: u64 = 32 << 10;

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows_pass_through_little_memory() {
    let (process, address, _files) = Files::new("").spawn().await;
    // What is needed once is there.
    Raw::ask(address, &json!({ "sql": rows(20_000) })).await.rest().await;
    let before = resident(process.id());
    let mut raw = Raw::ask(address, &json!({ "sql": rows(1_000_000) })).await;
    let (mut bytes, mut most, mut last) = (0, 0, String::new());
    loop {
        let piece = raw.some().await;
        bytes += piece.len();
        most = most.max(resident(process.id()));
        last.push_str(&piece);
        if piece.is_empty() || last.ends_with("\r\n0\r\n\r\n") {
            break;
        }
        last = last.split_off(last.floor_char_boundary(last.len().saturating_sub(4096)));
    }
    println!("{bytes} bytes, {} KiB more at the most", most.saturating_sub(before));
    assert!(last.contains("\"row_count\":1000000"), "{last}");
    assert!(bytes > 30 << 20 && most.saturating_sub(before) < MOST_KIB, "{before} KiB before, {most} KiB at the most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_its_statement() {
    let scene = Scene::new("").await;
    // Before there is an answer.
    let raw = Raw::ask(scene.address, &json!({ "sql": ENDLESS })).await;
    scene.under_way(1).await;
    drop(raw);
    scene.under_way(0).await;
    // In the middle of one.
    let mut raw = Raw::ask(scene.address, &json!({ "sql": rows(1_000_000_000) })).await;
    raw.some().await;
    scene.under_way(1).await;
    drop(raw);
    scene.under_way(0).await;
    assert_eq!(scene.entry().await["figures"]["failed"]["client-gone"], 2);
    // Neither holds a connection to a node any more.
    for _ in 0..20 {
        assert_eq!(scene.rows("SELECT count(*) FROM users", json!([])).await, json!([[300]]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_in_the_middle_is_the_last_line_and_no_end() {
    let scene = Scene::new("").await;
    let asked = json!({ "sql": rows(1_000_000_000), "timeout_ms": 400 });
    let text = Raw::ask(scene.address, &asked).await.rest().await;
    assert!(!text.ends_with("\r\n0\r\n\r\n"), "it has an end");
    let last = text.lines().rev().find(|line| line.starts_with("{\"error\"")).expect("a last line");
    let problem: serde_json::Value = serde_json::from_str(last).expect("a problem");
    assert_eq!((&problem["error"]["status"], &problem["error"]["cause"]["reason"]), (&json!(504), &json!("deadline")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_under_way_finishes_on_the_entry_that_it_began_with() {
    let scene = Scene::new("").await;
    let mut raw = Raw::ask(scene.address, &json!({ "sql": rows(300_000) })).await;
    let mut text = raw.some().await;
    let before = scene.entry().await;
    scene.world.edit(|config| config + "limits.answer_bytes = \"100B\"\n").await;
    // The new one has its own bound, and goes on counting.
    let (status, problem) = scene.client().await.ask(json!({ "sql": "SELECT * FROM users" })).await;
    assert_eq!((status, &problem["limit"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(100)), "{problem}");
    assert_eq!(scene.entry().await["figures"]["under_way"], before["figures"]["under_way"]);
    text.push_str(&raw.rest().await);
    assert!(text.ends_with("\r\n0\r\n\r\n") && text.contains("\"row_count\":300000"));
    // A change of something else leaves it as it is: what it knows is still there.
    scene.rows("SELECT 1", json!([])).await;
    let texts = scene.entry().await["cache"]["text_misses"].clone();
    scene.world.edit(|config| config.replace("shutdown_timeout = \"2s\"", "shutdown_timeout = \"3s\"")).await;
    scene.rows("SELECT 1", json!([])).await;
    assert_eq!(scene.entry().await["cache"]["text_misses"], texts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_taken_out_is_gone_and_one_that_is_added_is_there() {
    let scene = Scene::new("").await;
    let before = scene.world.config();
    let start = before.find("[sql.people]").expect("the entry");
    let without = before[..start].replace("{ path = \"/query\", sql = \"people\" }, ", "");
    scene.world.edit(|_| without).await;
    assert_eq!(scene.world.api("/api/sql").await["entries"], json!([]));
    scene.world.edit(|_| before).await;
    assert_eq!(scene.rows("SELECT count(*) FROM users", json!([])).await, json!([[300]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_waits_for_its_statements() {
    let (mut process, address, _files) = Files::new("").spawn().await;
    let mut raw = Raw::ask(address, &json!({ "sql": rows(200_000) })).await;
    let mut text = raw.some().await;
    process.signal("TERM");
    let drains = || async { (fetch(process.admin(), "/health").await.json()["status"] == "draining").then_some(()) };
    eventually("it drains", drains).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    text.push_str(&raw.rest().await);
    assert!(text.contains("\"row_count\":200000"), "{}", &text[text.len().saturating_sub(300)..]);
    assert!(process.ended().await.success());
}
