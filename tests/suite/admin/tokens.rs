//! Who is let in, and that the admin API is not open to other machines by mistake.

use http::{Method, StatusCode};
use serde_json::json;

use super::ask;
use crate::world::{Client, Setup, World, eventually, fetch};

/// A world with both tokens in files.
async fn guarded() -> World {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let (write, read) = (folder.join("write"), folder.join("read"));
    std::fs::write(&write, "the-writer\n").expect("a file");
    std::fs::write(&read, "the-reader\n").expect("a file");
    let lines = format!("token_file = {write:?}\nread_only_token_file = {read:?}");
    Setup::new().origins(1).admin_lines(&lines).start().await
}

#[tokio::test]
async fn each_token_opens_what_it_is_for() {
    let world = guarded().await;
    let admin = world.admin();
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
    assert_eq!(session("the-reader").await, json!({ "access": "read", "tokens": true }));
    assert_eq!(session("the-writer").await, json!({ "access": "write", "tokens": true }));
    let switch = |token| async move { ask(admin, Method::POST, "/strategy?strategy=random", token, "").await.status };
    assert_eq!(switch(None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(switch(Some("the-guesser")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(switch(Some("the-reader")).await, StatusCode::FORBIDDEN);
    assert_eq!(switch(Some("the-writer")).await, StatusCode::OK);
    // With a token in a header, a page may have led any name here.
    let headers = [("host", "lb.example"), ("origin", "http://lb.example"), ("authorization", "Bearer the-writer")];
    let reply = Client::connect(admin).await.send(Method::POST, "/strategy?strategy=random", &headers, "".into()).await;
    assert_eq!(reply.status, StatusCode::OK);
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
    std::fs::write(&file, "first").expect("a file");
    let is_asked = || async { (fetch(admin, "/api/session").await.status == StatusCode::UNAUTHORIZED).then_some(()) };
    eventually("the token counts", is_asked).await;
    assert_eq!(ask(admin, Method::GET, "/api/session", Some("first"), "").await.status, StatusCode::OK);
    std::fs::write(&file, "second").expect("a file");
    assert_eq!(ask(admin, Method::GET, "/api/session", Some("second"), "").await.status, StatusCode::OK);
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
