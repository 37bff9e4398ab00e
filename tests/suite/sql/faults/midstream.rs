//! A node that fails while its rows are on their way to the client: the answer is broken off, and says so.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::join;

use super::scene::{NODES, Raw, Scene, WIDE, rest};

/// The last line of an answer that was broken off.
fn broken_off(text: &str) -> Value {
    assert!(!text.ends_with("\r\n0\r\n\r\n"), "it has an end");
    assert!(!text.contains("\"row_count\""), "it looks complete");
    let last = text.lines().rev().find(|line| line.starts_with("{\"error\"")).expect("a line that says why");
    serde_json::from_str::<Value>(last).expect("JSON")["error"].clone()
}

/// How a node is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The whole server, as by a power cut.
    Killed,
    /// Only the process that serves the statement, which says goodbye.
    Terminated,
}

async fn end(scene: &mut Scene, how: End) {
    match how {
        End::Killed => scene.servers[1].kill(),
        End::Terminated => {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'leverframe' AND state <> 'idle'";
            scene.side(1).await.execute(sql, &[]).await.expect("a word");
        }
    }
}

async fn back(scene: &mut Scene, how: End) {
    if let End::Killed = how {
        scene.servers[1].restart().await;
    }
    scene.whole().await;
    scene.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_node_fails_is_broken_off_and_says_who_it_was() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    let only = format!("{WIDE} WHERE id > {} AND id <= {}", scene.key(1, 0), scene.key(2, 0));
    for (sql, how) in [
        (WIDE.to_owned(), End::Terminated),
        (format!("{WIDE} ORDER BY amount, id"), End::Terminated),
        (only.clone(), End::Terminated),
        (WIDE.to_owned(), End::Killed),
        (only, End::Killed),
    ] {
        let mut raw: Raw = scene.stream(&sql).await;
        let mut text = raw.some().await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text:.500}");
        // All have begun, and none can have ended.
        scene.sending(&[1]).await;
        end(&mut scene, how).await;
        text.push_str(&rest(&mut raw).await);
        let error = broken_off(&text);
        assert_eq!((&error["status"], &error["cause"]["reason"]), (&json!(502), &json!("nodes-failed")), "{error}");
        assert_eq!(error["nodes"][0]["name"], NODES[1], "{error}");
        assert_eq!(error["nodes"].as_array().map(Vec::len), Some(1), "{error}");
        back(&mut scene, how).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_whose_node_fails_is_an_error_and_a_stream_goes_on_where_rows_may_be_missing() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    for how in [End::Terminated, End::Killed] {
        let address = scene.address;
        let asked = super::scene::tell(address, json!({ "sql": WIDE, "timeout_ms": 15_000 }));
        let ends = async {
            scene.sending(&[1]).await;
            end(&mut scene, how).await;
        };
        let (told, ()) = join!(asked, ends);
        told.is(502, "nodes-failed");
        assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
        assert_eq!(told.document["rows"], Value::Null);
        back(&mut scene, how).await;
    }
    goes_on_where_it_may(&mut scene).await;
}

/// A stream that may miss rows goes on, and is marked.
async fn goes_on_where_it_may(scene: &mut Scene) {
    // Of the others so few that the answer has an end.
    let sql = format!("{WIDE} WHERE id > {} AND id <= {}", scene.key(1, 0) - 100, scene.key(2, 100));
    let asked = json!({ "sql": sql, "allow_partial": true, "timeout_ms": 15_000 });
    let mut raw = Raw::ask(scene.address, &asked).await;
    let mut text = raw.some().await;
    scene.sending(&[1]).await;
    end(scene, End::Terminated).await;
    text.push_str(&rest(&mut raw).await);
    assert!(text.ends_with("\r\n0\r\n\r\n"), "it has no end");
    let last = text.lines().rev().find(|line| line.starts_with("{\"row_count\"")).expect("a last line");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["partial"], true, "{last}");
    let count = last["row_count"].as_i64().expect("a number");
    assert!((200..scene.each + 200).contains(&count), "{last}");
    let failed = last["nodes"].as_array().expect("nodes").iter().find(|node| node["status"] == "failed");
    assert_eq!(failed.expect("one that failed")["name"], NODES[1], "{last}");
    assert_eq!(scene.ask("SELECT 1").await.status, StatusCode::OK);
}
