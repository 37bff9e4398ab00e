//! The access log: a line at the end of each request, in the format that is wanted, whatever becomes of its file.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Client, Setup, World, eventually};

/// Waits until a file has so many lines, and returns them.
async fn lines(path: &Path, wanted: usize) -> Vec<String> {
    let look = || async {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= wanted && (text.is_empty() || text.ends_with('\n'))).then_some(lines)
    };
    eventually(&format!("{wanted} lines in {}", path.display()), look).await
}

async fn world(lines: &str) -> World {
    Setup::new().origins(1).more(&format!("[access_log]\nto = \"access.log\"\n{lines}\n")).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_has_what_is_asked_for_and_nothing_forged() {
    let format = "{method} {path} {query} {status} {bytes_sent} {client} {listener} {cluster} {endpoint} {plugin} {attempts} \
                  {error} {protocol} \\\"{user_agent}\\\" {trace_id}";
    let world = world(&format!("format = \"{format}\"")).await;
    let headers = [("user-agent", "x\" forged \\ \u{e9}"), ("authorization", "secret"), ("cookie", "id=secret")];
    let reply = world.connect().await.send(Method::GET, "/echo?a=b", &headers, Bytes::new()).await;
    let sent = reply.body.len();
    let expected = format!(
        "GET /echo a=b 200 {sent} 127.0.0.1 main web node-1 round-robin 1 - HTTP/1.1 \
         \"x\\x22 forged \\x5C \\xC3\\xA9\" -"
    );
    let all = lines(&world.path("access.log"), 1).await;
    assert_eq!(all, [expected]);
    assert_eq!(world.metrics().await.sum("leverframe_access_log_written", &[]), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_and_the_usual_formats_are_known_by_name() {
    let world = world("format = \"json\"").await;
    world.get("/a?token=secret").await;
    let json = lines(&world.path("access.log"), 1).await;
    assert!(!json[0].contains("secret"));
    let line: serde_json::Value = serde_json::from_str(&json[0]).expect("JSON");
    assert_eq!((&line["path"], &line["status"], &line["cluster"]), (&"/a".into(), &200.into(), &"web".into()));
    assert!(line["duration_ms"].as_f64().is_some_and(|took| took > 0.0) && line["time"].is_string());
    world.edit(|text| text.replace("format = \"json\"", "format = \"combined\"")).await;
    world.get("/b?token=secret").await;
    let all = lines(&world.path("access.log"), 2).await;
    let combined = all[1].clone();
    assert!(combined.starts_with("127.0.0.1 - - [") && combined.contains("] \"GET /b HTTP/1.1\" 200 "), "{combined}");
    assert!(combined.ends_with("\"-\" \"-\"") && !combined.contains("secret"), "{combined}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_logged_and_errors_whatever_is_sampled() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let more = "[access_log]\nto = \"access.log\"\nformat = \"{path} {status} {error}\"\nsample = 0\n";
    let world = Setup::new().endpoints(vec![nobody]).cluster_lines("retry = { attempts = 1 }").more(more).start().await;
    assert_eq!(world.get("/gone").await.status, StatusCode::BAD_GATEWAY);
    let fails = lines(&world.path("access.log"), 1).await;
    assert_eq!(fails, ["/gone 502 connect-failed"]);
    world
        .edit(|text| {
            text.replace("sample = 0", "sample = 1")
                .replace("[[listener.route]]", "[[listener.route]]\npath = \"/only\"")
        })
        .await;
    assert_eq!(world.get("/else").await.status, StatusCode::NOT_FOUND);
    assert_eq!(lines(&world.path("access.log"), 2).await[1], "/else 404 no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_is_logged() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let more = "[access_log]\nto = \"access.log\"\nformat = \"{path} {status} {error}\"\n";
    let address = silent.local_addr().expect("its address");
    let world = Setup::new().endpoints(vec![address]).more(more).start().await;
    let mut client = Client::connect(world.address()).await;
    let leaves = tokio::time::timeout(Duration::from_millis(200), client.get("/slow")).await;
    assert!(leaves.is_err());
    drop(client);
    assert_eq!(lines(&world.path("access.log"), 1).await, ["/slow 499 client-left"]);
}

/// An origin that answers its first request so, and then waits for its client.
async fn origin(answer: &'static str) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (mut served, _) = listener.accept().await.expect("a connection");
        let mut read = [0; 4096];
        assert!(served.read(&mut read).await.expect("a request") > 0);
        served.write_all(answer.as_bytes()).await.expect("it is taken");
        // Until the other side is done.
        while served.read(&mut read).await.is_ok_and(|n| n > 0) {}
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_changes_its_protocol_is_over_when_its_tunnel_is() {
    let upgraded = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello";
    let more = "[access_log]\nto = \"access.log\"\nformat = \"{path} {status} {bytes_sent} {duration_ms}\"\n";
    let world = Setup::new().endpoints(vec![origin(upgraded).await]).more(more).start().await;
    let mut client = TcpStream::connect(world.address()).await.expect("it listens");
    client.write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await.expect("sent");
    let mut said = Vec::new();
    while !said.ends_with(b"hello") {
        client.read_buf(&mut said).await.expect("an answer");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client);
    let line = lines(&world.path("access.log"), 1).await.remove(0);
    let (begin, took) = line.rsplit_once(' ').expect("fields");
    assert_eq!(begin, "/ws 101 5");
    assert!(took.parse::<f64>().is_ok_and(|took| took >= 50.0), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_cannot_be_read_is_logged_and_counted() {
    let world = world("format = \"{method} {path} {status} {error} {client} {listener}\"").await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    for (head, line) in [
        ("no request\r\n\r\n", "- - 400 bad-request 127.0.0.1 main"),
        (&long, "- - 431 headers-too-large 127.0.0.1 main"),
    ] {
        let before = lines(&world.path("access.log"), 0).await.len();
        let mut client = TcpStream::connect(world.address()).await.expect("it listens");
        // It may be refused before all is sent.
        let _ = client.write_all(head.as_bytes()).await;
        assert_eq!(lines(&world.path("access.log"), before + 1).await.last().expect("a line"), line);
    }
    let metrics = world.metrics().await;
    let refused = |reason| metrics.sum("leverframe_refused_requests", &[("reason", reason)]);
    assert_eq!((refused("bad-request"), refused("headers-too-large")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_logged_whatever_is_sampled() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (mut served, _) = listener.accept().await.expect("a connection");
        assert!(served.read(&mut [0; 4096]).await.expect("a request") > 0);
        served.write_all(short.as_bytes()).await.expect("it is taken");
    });
    let more = "[access_log]\nto = \"access.log\"\nformat = \"{path} {status} {bytes_sent}\"\nsample = 0\n";
    let world = Setup::new().endpoints(vec![address]).more(more).start().await;
    let mut client = TcpStream::connect(world.address()).await.expect("it listens");
    client.write_all(b"GET /half HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let _ = client.read_to_end(&mut Vec::new()).await;
    assert_eq!(lines(&world.path("access.log"), 1).await, ["/half 200 4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_moved_away_is_made_anew() {
    let world = world("format = \"{path}\"").await;
    let (path, moved) = (world.path("access.log"), world.path("access.log.1"));
    world.get("/a").await;
    lines(&path, 1).await;
    std::fs::rename(&path, &moved).expect("a file");
    eventually("another file", || async { path.exists().then_some(()) }).await;
    world.get("/b").await;
    assert_eq!((lines(&path, 1).await, lines(&moved, 1).await), (vec!["/b".to_owned()], vec!["/a".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_costs_lines_only() {
    let world = Setup::new().origins(1).more("[access_log]\nto = \"/dev/full\"\n").start().await;
    for _ in 0..20 {
        assert_eq!(world.get("/").await.status, StatusCode::OK);
    }
    let dropped = || async {
        let metrics = world.metrics().await;
        (metrics.sum("leverframe_access_log_dropped", &[("reason", "not-written")]) == 20).then_some(())
    };
    eventually("the lines that were dropped are counted", dropped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_that_nobody_reads_holds_up_no_request_and_not_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts");
    assert!(made.success());
    // Long lines, so that what the pipe and the memory hold is soon full.
    let format = "{user_agent}".repeat(60);
    let more = format!("[access_log]\nto = {pipe:?}\nformat = \"{format}\"\n");
    let mut process = Setup::new().origins(1).more(&more).spawn(&[]).await;
    let mut client = Client::connect(process.address()).await;
    let agent = "x".repeat(4000);
    let start = Instant::now();
    for _ in 0..60 {
        let reply = client.send(Method::GET, "/", &[("user-agent", &agent)], Bytes::new()).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let dropped = process.metrics().await.sum("leverframe_access_log_dropped", &[("reason", "no-room")]);
    assert!(dropped > 0);
    process.signal("TERM");
    assert!(process.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_holds_up_no_request_and_not_the_end() {
    // Both logs go to the same pipe, which a few long lines fill.
    let format = "{user_agent}".repeat(60);
    let more = format!("[access_log]\nto = \"stderr\"\nformat = \"{format}\"\n");
    let mut process = Setup::new().origins(1).more(&more).spawn(&[]).await;
    process.leave_log_unread();
    let agent = "x".repeat(4000);
    let lines = || async {
        let mut client = Client::connect(process.address()).await;
        let reply = client.send(Method::GET, "/", &[("user-agent", &agent)], Bytes::new()).await;
        assert_eq!(reply.status, StatusCode::OK);
        let dropped = process.metrics().await.sum("leverframe_access_log_dropped", &[("reason", "no-room")]);
        (dropped > 0).then_some(())
    };
    eventually("there is no room for more lines", lines).await;
    // The program's own log has its say at the end.
    process.signal("TERM");
    assert!(process.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_opened_is_a_mistake_that_leaves_the_old_one() {
    let world = world("format = \"{path}\"").await;
    let status = world.edit_badly(|text| text.replace("to = \"access.log\"", "to = \"nowhere/access.log\"")).await;
    assert!(status["last_error"].to_string().contains("access_log.to"), "{status:#}");
    world.get("/still").await;
    assert_eq!(lines(&world.path("access.log"), 1).await, ["/still"]);
}
