//! What is said of a configuration: of another before it is put in its place, and of the one that serves.

use http::{Method, StatusCode};
use serde_json::json;

use super::ask;
use crate::world::{Setup, World};

async fn validate(world: &World, text: String) -> serde_json::Value {
    let reply = ask(world.admin(), Method::POST, "/api/config/validate", None, text).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn another_configuration_is_looked_at_and_not_put_to_work() {
    let world = Setup::new().origins(1).start().await;
    let text = world.config();
    assert_eq!(validate(&world, text.clone()).await, json!({ "mistakes": [], "valid": true, "warnings": [] }));
    let fewer = validate(&world, text.replace("workers = 1", "workers = 2")).await;
    assert_eq!((fewer["valid"].clone(), fewer["warnings"].as_array().map(Vec::len)), (json!(true), Some(1)), "{fewer}");
    let wrong =
        validate(&world, format!("{text}\n[cluster.other]\nendpoints = [\"127.0.0.1:1\"]\nstrategie = \"random\"\n"))
            .await;
    assert_eq!(wrong["valid"], false);
    let mistake = &wrong["mistakes"][0];
    assert_eq!(
        (&mistake["path"], &mistake["advice"]),
        (&json!("cluster.other.strategie"), &json!("did you mean `strategy`?"))
    );
    assert!(mistake["line"].is_number());
    let reply = ask(world.admin(), Method::POST, "/api/config/validate", None, vec![b'#'; (1 << 20) + 1]).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let reply = ask(world.admin(), Method::POST, "/api/config/validate", None, vec![0xff]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    // No file is read that is no secret's.
    let named = format!(
        "{text}\n[cluster.db]\nendpoints = [\"127.0.0.1:1\"]\n[sql.shop]\ncluster = \"db\"\nbackend = \"postgres\"\nuser = \"a\"\n\
         database = \"a\"\npassword_file = \"/dev/zero\"\n[sql.shop.table.t]\nkey = \"id\"\nhash = [\"127.0.0.1:1\"]\n"
    );
    let wrong = validate(&world, named).await;
    assert_eq!(wrong["mistakes"][0]["message"], "/dev/zero is no regular file", "{wrong}");
    assert_eq!(world.generation().await, 1);
}

#[tokio::test]
async fn what_serves_is_shown_with_its_defaults() {
    let world = Setup::new().strategy("maglev").start().await;
    let shown = world.api("/api/config/effective").await;
    assert_eq!(shown["cluster"]["web"]["strategy"]["plugin"], "maglev");
    assert_eq!(shown["shutdown_timeout"], "2s");
    assert_eq!(shown["listener"][0]["route"][0], json!({ "path_prefix": "/", "cluster": "web", "headers": {} }));
    assert_eq!(shown["plugins"]["limits"]["file_bytes"], 16 << 20);
}
