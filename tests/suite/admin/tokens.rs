//! Who is let in, and that the admin API is not open to other machines, or to pages of other names, by mistake.

use std::net::SocketAddr;

use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ask;
use crate::world::{Client, Setup, Sse, eventually, fetch};

const WRITER: &str = "the-token-of-the-writer";
const READER: &str = "the-token-of-the-reader";

/// Both tokens in files, and the lines that name them.
fn tokens() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let (write, read) = (folder.path().join("write"), folder.path().join("read"));
    std::fs::write(&write, format!("{WRITER}\n")).expect("a file");
    std::fs::write(&read, format!("{READER}\n")).expect("a file");
    let lines = format!("token_file = {write:?}\nread_only_token_file = {read:?}");
    (folder, lines)
}

/// A listener with the admin API and nothing else.
const MOUNTED: &str =
    "[[listener]]\nname = \"mounted\"\naddress = \"127.0.0.1:0\"\nroute = [{ handler = \"admin\" }]\n";

#[tokio::test]
async fn each_token_opens_what_it_is_for() {
    let (_folder, lines) = tokens();
    let world = Setup::new().origins(1).admin_lines(&lines).more(MOUNTED).start().await;
    // Behind a route, too.
    for admin in [world.admin(), world.listener("mounted").expect("its address")] {
        for path in ["/api/clusters", "/metrics", "/api/openapi.json", "/nowhere"] {
            let reply = fetch(admin, path).await;
            assert_eq!(
                (reply.status, &reply.headers["www-authenticate"]),
                (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
            );
            assert_eq!(reply.headers["content-type"], "application/problem+json");
        }
        assert_eq!(fetch(admin, "/health").await.status, StatusCode::OK);
        let session = |token| async move { ask(admin, Method::GET, "/api/session", Some(token), "").await.json() };
        assert_eq!(session(READER).await, json!({ "access": "read", "tokens": true }));
        assert_eq!(session(WRITER).await, json!({ "access": "write", "tokens": true }));
        let switch =
            |token| async move { ask(admin, Method::POST, "/strategy?strategy=random", token, "").await.status };
        assert_eq!(switch(None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(switch(Some("the-token-of-the-guesser")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(switch(Some(READER)).await, StatusCode::FORBIDDEN);
        assert_eq!(switch(Some(WRITER)).await, StatusCode::OK);
        // With a token in a header, a page may have led any name here.
        let shown = format!("Bearer {WRITER}");
        let headers = [("host", "lb.example"), ("origin", "http://lb.example"), ("authorization", &shown)];
        let mut client = Client::connect(admin).await;
        let reply = client.send(Method::POST, "/strategy?strategy=random", &headers, "".into()).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
}

/// Whoever names a node or a cluster `query` gives nobody more than the others do.
#[tokio::test]
async fn the_token_that_reads_commands_nothing_by_any_name() {
    let (_folder, lines) = tokens();
    let world = Setup::new().origins(1).admin_lines(&lines).start().await;
    let document = ask(world.admin(), Method::GET, "/api/openapi.json", Some(READER), "").await.json();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("operations").keys().filter(|key| *key != "get");
        for method in methods {
            let asked = path.split('/').map(|part| if part.starts_with('{') { "query" } else { part });
            let asked = asked.collect::<Vec<_>>().join("/");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let reply = ask(world.admin(), method.clone(), &asked, Some(READER), "{}").await;
            match path.as_str() {
                "/api/sql/{entry}/query" => assert_eq!(reply.status, StatusCode::NOT_FOUND),
                _ => {
                    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {asked}: {}", reply.text());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 14, "only {refused} were refused");
}

#[tokio::test]
async fn tokens_come_and_change_with_the_configuration_and_the_address_stays() {
    let world = Setup::new().origins(1).start().await;
    let admin = world.admin();
    assert_eq!(
        ask(admin, Method::GET, "/api/session", None, "").await.json(),
        json!({ "access": "write", "tokens": false })
    );
    let file = world.path("token");
    let (before, named) = (world.config(), format!("[admin]\ntoken_file = {file:?}\n"));
    // A file that is not there is no token: nothing changes, and it is said.
    let status = world.edit_badly(|text| text.replace("[admin]\n", &named)).await;
    assert!(status["last_error"]["message"].as_str().unwrap().contains("admin.token_file"), "{status}");
    std::fs::write(&file, WRITER).expect("a file");
    let is_asked = || async { (fetch(admin, "/api/session").await.status == StatusCode::UNAUTHORIZED).then_some(()) };
    eventually("the token counts", is_asked).await;
    let allows = |token| async move { ask(admin, Method::GET, "/api/session", Some(token), "").await.status == 200 };
    assert!(allows(WRITER).await);
    std::fs::write(&file, READER).expect("a file");
    eventually("another token counts", || async { allows(READER).await.then_some(()) }).await;
    assert!(!allows(WRITER).await);
    std::fs::remove_file(&file).expect("no file");
    eventually("it is revoked", || async { (!allows(READER).await).then_some(()) }).await;
    world.write_config(&before);
    let is_open = || async { (fetch(admin, "/api/session").await.status == StatusCode::OK).then_some(()) };
    eventually("nobody is asked any more", is_open).await;
}

#[tokio::test]
async fn what_other_machines_reach_takes_a_token() {
    let open = "0.0.0.0:0".parse().expect("an address");
    let here = "127.0.0.1:0".parse().expect("an address");
    let refused =
        Setup::new().origins(1).at(here, open).try_start().await.err().expect("it does not start").to_string();
    for said in ["admin.address: other machines may reach", "token_file", "allow_without_token = true"] {
        assert!(refused.contains(said), "{refused}");
    }
    Setup::new().origins(1).at(here, open).admin_lines("allow_without_token = true").start().await;
    // And a running one does not begin to.
    let world = Setup::new().origins(1).start().await;
    let address = world.admin().to_string();
    let opened = |text: String| text.replace("[admin]\naddress = \"127.0.0.1:0\"", "[admin]\naddress = \"0.0.0.0:0\"");
    let status = world.edit_badly(opened).await;
    assert_eq!(status["last_error"]["mistakes"][0]["path"], "admin.address", "{status}");
    assert!(status["last_error"]["mistakes"][0]["line"].is_number());
    assert_eq!(world.admin().to_string(), address);
}

/// The status of one request without a token; none where nobody listens any more.
async fn tried(address: SocketAddr) -> Option<StatusCode> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = http::Request::get("/api/session").header("host", address.to_string());
    let reply = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).expect("a request")).await.ok()?;
    let status = reply.status();
    let _ = reply.into_body().collect().await;
    Some(status)
}

/// The tokens may go once other machines cannot reach it; up to then, each place that they can reach asks for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_given_up_asks_for_its_tokens_to_the_end() {
    let (_folder, lines) = tokens();
    let (here, open) = ("127.0.0.1:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
    let mounted = MOUNTED.replace("127.0.0.1", "0.0.0.0");
    let world = Setup::new().origins(1).at(here, open).admin_lines(&lines).more(&mounted).start().await;
    let places = [world.admin().port(), world.listener("mounted").expect("its address").port()];
    let trying = places.map(|port| {
        tokio::spawn(async move {
            let mut tries = 0;
            while let Some(status) = tried(([127, 0, 0, 1], port).into()).await {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "after {tries} tries");
                tries += 1;
            }
            tries
        })
    });
    let text = world.config().replace(&lines, "").replace(&mounted, "");
    world.write_config(&text.replace("address = \"0.0.0.0:0\"", "address = \"127.0.0.1:0\""));
    for tried in trying {
        assert!(tried.await.expect("never let in") > 0);
    }
    let opened = || async { tried(world.admin()).await.filter(|status| *status == StatusCode::OK) };
    eventually("it is served here without a token", opened).await;
}

/// Also where the one listens whose place is another by then: behind a route.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_hears_nothing_more_once_another_token_is_wanted() {
    let (folder, lines) = tokens();
    let world = Setup::new().origins(1).admin_lines(&lines).more(MOUNTED).start().await;
    let shown = format!("Bearer {WRITER}");
    let mounted = world.listener("mounted").expect("its address");
    let mut streams = Vec::new();
    for (place, path) in
        [(world.admin(), "/api/stream"), (mounted, "/api/stream"), (mounted, "/api/events/stream?after=0")]
    {
        let mut stream = Sse::open(place, path, &[("authorization", &shown)]).await;
        assert!(stream.next().await.is_some(), "{path}");
        streams.push(stream);
    }
    let other = folder.path().join("other");
    std::fs::write(&other, "the-other-token-of-the-writer").expect("a file");
    world.write_config(&world.config().replace(&lines, &format!("token_file = {other:?}")));
    for stream in streams {
        stream.ended().await;
    }
}

/// A page can have its own name lead to an address of this machine.
#[tokio::test]
async fn without_a_token_other_names_are_not_answered_to() {
    let world = Setup::new().origins(1).start().await;
    let get = async |path: &str, host: &str| {
        Client::connect(world.admin()).await.send(Method::GET, path, &[("host", host)], "".into()).await
    };
    let reply = get("/api/config/effective", "evil.example:9900").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text());
    assert!(reply.json()["detail"].as_str().expect("why").contains("allow_without_token"));
    assert_eq!(get("/health", "evil.example").await.status, StatusCode::OK);
    assert_eq!(get("/api/config/effective", "localhost:9900").await.status, StatusCode::OK);
    let world = Setup::new().origins(1).admin_lines("allow_without_token = true").start().await;
    let reply = Client::connect(world.admin()).await.send(Method::GET, "/metrics", &[("host", "lb")], "".into()).await;
    assert_eq!(reply.status, StatusCode::OK);
}

/// The answer to a head whose body does not come.
async fn answer_to(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("room to send");
    let mut said = vec![0; 4096];
    let read = stream.read(&mut said).await.expect("an answer");
    String::from_utf8_lossy(&said[..read]).into_owned()
}

#[tokio::test]
async fn who_may_not_send_is_told_before_the_body_is_taken() {
    let (_folder, lines) = tokens();
    let large = format!("{MOUNTED}[plugins.override.large]\nfile_bytes = \"100MiB\"\n");
    let world = Setup::new().origins(1).admin_lines(&lines).more(&large).start().await;
    let mounted = world.listener("mounted").expect("its address");
    let put = |name: &str, token: &str, bytes: usize| {
        format!(
            "PUT /api/plugins/{name} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-length: {bytes}"
        )
    };
    for (head, status) in [
        (put("mine", "no-token-of-anybody", 1 << 20), "401"),
        (put("mine", READER, 1 << 20), "403"),
        (put("mine", WRITER, 17 << 20), "413"),
        (put("large", WRITER, 101 << 20), "413"),
    ] {
        let said = answer_to(mounted, &head).await;
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")) && said.contains("application/problem+json"),
            "{said}"
        );
    }
    let reply = ask(mounted, Method::PUT, "/api/plugins/large", Some(WRITER), vec![0; 65 << 20]).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.text());
}

#[tokio::test]
async fn a_query_that_is_not_understood_changes_nothing() {
    let world = Setup::new().start().await;
    for (path, key) in [
        ("/strategy?strategy=random&clusters=web", "clusters"),
        ("/api/endpoints/node-1/weight?wieght=5", "wieght"),
        ("/api/plugins/random/disable?forse=true", "forse"),
    ] {
        let reply = ask(world.admin(), Method::POST, path, None, "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(reply.json()["detail"].as_str().expect("why").contains(&format!("`{key}`")), "{}", reply.text());
    }
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["strategy"]["plugin"], "round-robin");
}
