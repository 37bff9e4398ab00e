//! Bounds that are reached, and what passes through without being kept.

use serde_json::{Value, json};

use super::scene::{Scene, WIDE, Wanted};

const LIMITS: &str = r#"
limits = { gather_rows = 20_000, gather_bytes = "200KiB", answer_bytes = "1MiB" }
"#;

/// What an answer of any length may add to the peak of a process, in KiB: two pieces of each step, some hundred rows of each
/// node, and what the sockets hold, with room.
const MOST_KIB: u64 = 24 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_that_is_reached_is_named_and_leaves_nothing_behind() {
    let scene = Scene::with(Wanted { entry: LIMITS, ..Wanted::default() }).await;
    scene.whole().await;
    reach(&scene).await;
    // What is needed once is there.
    let before = scene.count_peak_anew();
    reach(&scene).await;
    let more = scene.peak().saturating_sub(before);
    crate::programs::tell(&format!("caps reached: peak {} KiB, {more} KiB more than before", scene.peak()));
    assert!(more < MOST_KIB, "{more} KiB more");
    scene.whole().await;
}

/// Asks for more than each cap allows.
async fn reach(scene: &Scene) {
    let wide = "SELECT id, repeat(region, 800) AS wide FROM orders";
    for (sql, cap, limit) in [
        ("SELECT id, rank() OVER (ORDER BY id) FROM orders".to_owned(), "gather_rows", 20_000),
        (
            format!("SELECT region, rank() OVER (ORDER BY amount, id) FROM orders WHERE id <= {}", 3 * scene.each / 2),
            "gather_bytes",
            200 << 10,
        ),
        (wide.to_owned(), "answer_bytes", 1 << 20),
        (format!("{wide} ORDER BY amount, id"), "answer_bytes", 1 << 20),
        (format!("{wide} WHERE id <= {}", scene.each), "answer_bytes", 1 << 20),
    ] {
        for allow_partial in [false, true] {
            let told = scene.tell(json!({ "sql": sql, "allow_partial": allow_partial })).await;
            told.is(413, "cap-reached");
            assert_eq!(
                (&told.document["cap"], &told.document["limit"]),
                (&json!(cap), &json!(limit)),
                "{sql}: {told:?}"
            );
            scene.quiet().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows_and_a_client_that_pauses_cost_no_memory() {
    let scene = Scene::with(Wanted { each: 333_334, ..Wanted::default() }).await;
    scene.whole().await;
    for sql in ["SELECT id, customer, region, amount FROM orders", "SELECT id, amount, region FROM orders ORDER BY id"]
    {
        // What is needed once is there.
        let mut raw = scene.stream(&format!("{sql} LIMIT 50000")).await;
        super::scene::rest(&mut raw).await;
        let before = scene.count_peak_anew();
        let mut raw = scene.stream(sql).await;
        let (mut bytes, mut last) = (0, String::new());
        loop {
            let piece = raw.some().await;
            bytes += piece.len();
            last.push_str(&piece);
            if piece.is_empty() || last.ends_with("\r\n0\r\n\r\n") {
                break;
            }
            last = last.split_off(last.floor_char_boundary(last.len().saturating_sub(4096)));
        }
        let line = last.lines().rev().find(|line| line.starts_with("{\"row_count\"")).expect("a last line");
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["row_count"], 3 * scene.each, "{line}");
        let more = scene.peak().saturating_sub(before);
        crate::programs::tell(&format!(
            "{} rows, {bytes} bytes in {} ms: peak {} KiB, {more} KiB more than before: {sql}",
            line["row_count"],
            line["elapsed_ms"],
            scene.peak()
        ));
        assert!(more < MOST_KIB, "{more} KiB more");
    }
    // Who takes nothing for a while stops the servers, and nothing is kept for him meanwhile.
    for sql in [WIDE, &format!("{WIDE} ORDER BY id")] {
        let before = scene.count_peak_anew();
        let mut raw = scene.stream(sql).await;
        assert!(raw.some().await.starts_with("HTTP/1.1 200"));
        scene.sending(&[0, 1, 2]).await;
        let more = scene.peak().saturating_sub(before);
        crate::programs::tell(&format!(
            "a client pauses: peak {} KiB, {more} KiB more than before: {sql}",
            scene.peak()
        ));
        assert!(more < MOST_KIB, "{more} KiB more");
        drop(raw);
        scene.quiet().await;
    }
}
