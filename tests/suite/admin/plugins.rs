//! What operators have done about plugins.

use http::{Method, StatusCode};

use super::ask;
use crate::world::{Reply, Setup, World, embedded, eventually, guest, salted};

async fn put(world: &World, name: &str, bytes: &[u8]) -> Reply {
    ask(world.admin(), Method::PUT, &format!("/api/plugins/{name}"), None, bytes.to_vec()).await
}

async fn post(world: &World, path: &str) -> Reply {
    ask(world.admin(), Method::POST, path, None, "").await
}

#[tokio::test]
async fn what_is_sent_is_tried_seated_and_kept_or_written_nowhere() {
    let world = Setup::new().strategy("random").start().await;
    let first = embedded("random");
    let reply = put(&world, "mine", &first).await;
    assert_eq!((reply.status, &reply.json()["verdict"]), (StatusCode::OK, &"available".into()), "{}", reply.text());
    assert_eq!(reply.json()["kept"], true);
    assert_eq!(std::fs::read(world.plugin_file("mine")).expect("its file"), first);
    assert_eq!(put(&world, "mine", &first).await.json()["verdict"], "unchanged");
    // One that is used.
    let second = salted(&first, "second");
    let verdict = put(&world, "random", &second).await.json();
    assert_eq!(
        (&verdict["verdict"], &verdict["clusters"]),
        (&"seated".into(), &serde_json::json!(["web"])),
        "{verdict}"
    );
    // Bytes that are none.
    for (name, bytes) in [("random", &b"no component"[..]), ("other", b"")] {
        let reply = put(&world, name, bytes).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.text());
        assert!(reply.json()["detail"].as_str().expect("why").contains("not WebAssembly"), "{}", reply.text());
    }
    assert_eq!(std::fs::read(world.plugin_file("random")).expect("its file"), second);
    assert!(!world.plugin_file("other").exists());
    // Nothing is left of what was refused.
    let plugins = world.api("/api/plugins").await["plugins"].clone();
    let plugins = plugins.as_array().expect("a list");
    assert!(plugins.iter().all(|plugin| plugin["name"] != "other" && plugin["refused"].is_null()), "{plugins:?}");
    assert_eq!(put(&world, "no%20name", &first).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.nodes(6).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_are_sent_at_once_the_one_that_serves_is_kept() {
    let world = Setup::new().origins(1).start().await;
    for round in ["first", "second", "third"] {
        let [one, other] = ["one", "other"].map(|which| salted(&embedded("random"), &format!("{round} {which}")));
        let (one, other) = tokio::join!(put(&world, "mine", &one), put(&world, "mine", &other));
        assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK), "{} {}", one.text(), other.text());
        let kept = std::fs::read(world.plugin_file("mine")).expect("its file");
        assert_eq!(put(&world, "mine", &kept).await.json()["verdict"], "unchanged", "{round}");
    }
    let beside = std::fs::read_dir(world.plugin_file("mine").parent().expect("a folder")).expect("a folder");
    assert_eq!(beside.count(), 1, "something is left");
}

#[tokio::test]
async fn more_bytes_than_are_allowed_are_not_taken() {
    let world = Setup::new().origins(1).more("[plugins.override.mine]\nfile_bytes = \"4KiB\"\n").start().await;
    let reply = put(&world, "mine", &vec![0; 5000]).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", reply.text());
}

#[tokio::test]
async fn going_back_holds_against_the_folder_until_the_file_is_another() {
    let world = Setup::new().strategy("mine").plugin("mine", embedded("random")).start().await;
    let hash = async || world.plugin("mine").await["versions"][0]["hash"].clone();
    let first = hash().await;
    assert_eq!(post(&world, "/api/plugins/mine/rollback").await.status, StatusCode::CONFLICT);
    let bytes = salted(&embedded("random"), "second");
    world.swap_in("mine", &bytes).await;
    let reply = post(&world, "/api/plugins/mine/rollback").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(hash().await, first);
    assert!(world.plugin("mine").await["note"].as_str().expect("a note").contains("went back"));
    // The same bytes once more, as a new file; another plugin, whose name comes after it, to know that the folder was looked
    // at since.
    world.drop_in("mine", &bytes);
    world.swap_in("never", &embedded("random")).await;
    assert_eq!(hash().await, first);
    let third = world.swap_in("mine", &salted(&embedded("random"), "third")).await;
    assert_ne!(third["versions"][0]["hash"], first);
    assert_eq!(post(&world, "/api/plugins/nobody/rollback").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plugin_that_is_disabled_is_chosen_by_nobody() {
    let setup = Setup::new().strategy("random").cluster_lines("health.policies = [\"threshold\"]");
    let world = setup.start().await;
    let reply = post(&world, "/api/plugins/random/disable").await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{}", reply.text());
    assert!(reply.json()["detail"].as_str().expect("why").contains("chooses in: web"), "{}", reply.text());
    let reply = post(&world, "/api/plugins/random/disable?force=true").await;
    assert_eq!((reply.status, &reply.json()["disabled"]), (StatusCode::OK, &true.into()), "{}", reply.text());
    let clusters = world.api("/api/clusters").await;
    assert_eq!(clusters["clusters"][0]["strategy"]["plugin"], "round-robin");
    assert_eq!(world.switch("strategy=random", "").await.status, StatusCode::CONFLICT);
    let strategies = world.api("/api/strategies").await["strategies"].clone();
    let names: Vec<_> = strategies.as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert!(!names.contains(&"random".into()) && names.contains(&"maglev".into()), "{names:?}");
    assert!(!names.contains(&"threshold".into()), "a policy: {names:?}");
    assert_eq!(world.nodes(6).await.len(), 6);
    assert_eq!(post(&world, "/api/plugins/random/enable").await.json()["disabled"], false);
    assert_eq!(world.switch("strategy=random", "").await.status, StatusCode::OK);
    assert_eq!(post(&world, "/api/plugins/round-robin/disable").await.status, StatusCode::CONFLICT);
    let policies = world.api("/api/policies").await["policies"].clone();
    let judging = policies.as_array().expect("a list").iter().find(|one| one["clusters"][0] == "web").cloned();
    let judging = judging.expect("a policy that judges")["name"].as_str().expect("a name").to_owned();
    let reply = post(&world, &format!("/api/plugins/{judging}/disable?force=true")).await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{}", reply.text());
}

#[tokio::test]
async fn a_strategy_is_put_in_its_place_with_its_configuration() {
    let world = Setup::new().start().await;
    let put = async |cluster: &str, body: &str| {
        let path = format!("/api/clusters/{cluster}/strategy");
        ask(world.admin(), Method::PUT, &path, None, body.to_owned()).await
    };
    let reply = put("web", r#"{ "plugin": "maglev", "config": {} }"#).await;
    assert_eq!(
        (reply.status, &reply.json()["strategy"]["plugin"]),
        (StatusCode::OK, &"maglev".into()),
        "{}",
        reply.text()
    );
    for (cluster, body, status) in [
        ("web", r#"{ "plugin": "nobody" }"#, 404),
        ("nowhere", r#"{ "plugin": "maglev" }"#, 404),
        ("web", r#"{ "plugin": "threshold" }"#, 422),
        ("web", r#"{ "plugin": "maglev", "config": { "nonsense": 1 } }"#, 422),
        ("web", r#"{ "plugin": "maglev", "other": 1 }"#, 400),
        ("web", "nonsense", 400),
    ] {
        assert_eq!(put(cluster, body).await.status.as_u16(), status, "{cluster} {body}");
    }
}

#[tokio::test]
async fn what_guests_log_is_kept_to_be_read() {
    let setup = Setup::new().plugin("saboteur", guest("saboteur"));
    let world = setup.configured("saboteur", r#"{ fault = "print" }"#).start().await;
    assert_eq!(world.get("/").await.status, StatusCode::OK);
    let look = || async {
        let lines = world.api("/api/plugins/saboteur/logs").await["lines"].as_array().expect("lines").clone();
        lines.iter().find(|line| line["message"] == "sabotage in print, line 0" && line["cluster"] == "web").cloned()
    };
    let line = eventually("a line in the log", look).await;
    assert_eq!(line["level"], "info");
    assert_eq!(
        ask(world.admin(), Method::GET, "/api/plugins/nobody/logs", None, "").await.status,
        StatusCode::NOT_FOUND
    );
}
