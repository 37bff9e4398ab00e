//! Check and repair: what was changed behind everybody's back is found, with its keys; a node is filled anew while writes go on;
//! one whose source dies is never in service with half of the data.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use serde_json::{Value, json};

use super::scene::{Databases, Demos, Files, MariaDbs, Postgreses, Scene};
use crate::world::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_differs_is_found_and_filled_anew_while_writes_go_on() {
    a_node_that_differs_is_found_and_filled_anew_while_writes_go_on(Files::new(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_node_that_differs_is_found_and_filled_anew_while_writes_go_on() {
    a_node_that_differs_is_found_and_filled_anew_while_writes_go_on(Demos::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_differs_is_found_and_filled_anew_while_writes_go_on() {
    a_node_that_differs_is_found_and_filled_anew_while_writes_go_on(MariaDbs::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_differs_is_found_and_filled_anew_while_writes_go_on() {
    a_node_that_differs_is_found_and_filled_anew_while_writes_go_on(Postgreses::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_node_whose_source_dies_in_the_middle_needs_it_still() {
    a_node_whose_source_dies_needs_to_be_filled_still(Demos::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_whose_source_dies_in_the_middle_needs_it_still() {
    a_node_whose_source_dies_needs_to_be_filled_still(MariaDbs::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_whose_source_dies_in_the_middle_needs_it_still() {
    a_node_whose_source_dies_needs_to_be_filled_still(Postgreses::new(3).await).await;
}

/// A table with rows, one without a key, an index and a view, on all nodes.
async fn furnished<D: Databases>(databases: D) -> Scene<D> {
    let scene = Scene::new(databases).await;
    scene.all_are("UP").await;
    scene.write(scene.databases.create(), json!([])).await;
    scene.write("CREATE TABLE notes (what VARCHAR(50), many INT)", json!([])).await;
    scene.write("CREATE INDEX by_amount ON items (amount)", json!([])).await;
    for node in 0..scene.databases.count() {
        scene.databases.behind(node, "CREATE VIEW dear AS SELECT name FROM items WHERE amount > 500").await;
    }
    for tens in 0..60 {
        let rows: Vec<String> = (0..10).map(|one| format!("('item {tens}{one}', {tens})")).collect();
        scene.write(&format!("INSERT INTO items (name, amount) VALUES {}", rows.join(", ")), json!([])).await;
    }
    for _ in 0..3 {
        scene.write("INSERT INTO notes VALUES ('twice', 1), ('twice', 1), (NULL, 2)", json!([])).await;
    }
    scene
}

fn table<'a>(check: &'a Value, name: &str) -> &'a Value {
    let tables = check["tables"].as_array().expect("tables");
    tables.iter().find(|table| table["name"] == name).unwrap_or_else(|| panic!("no {name}: {check}"))
}

/// Whether a key lies in a range that was found.
fn has(range: &Value, id: i64) -> bool {
    let bound = |end: &str| range[end][0].as_str().map(|key| key.parse::<i64>().expect("a number"));
    bound("after").is_none_or(|after| id > after) && bound("through").is_none_or(|through| id <= through)
}

/// What was changed behind the proxy's back is found, with the range that it lies in.
async fn differences_are_told<D: Databases>(scene: &Scene<D>) {
    let wrong = "UPDATE items SET name = 'wrong' WHERE id = 300; INSERT INTO notes VALUES ('twice', 1); \
        CREATE TABLE junk (id INT PRIMARY KEY)";
    scene.databases.behind(1, wrong).await;
    let check = scene.verified().await;
    assert_eq!(check["equal"], false, "{check}");
    let [range] = table(&check, "items")["differences"].as_array().expect("a list").as_slice() else {
        panic!("not one difference: {check}")
    };
    let (one, two, three) = (&range["nodes"][0], &range["nodes"][1], &range["nodes"][2]);
    assert!(range["kind"] == "rows" && has(range, 300), "{range}");
    assert!(one["rows"].as_u64() < Some(600) && one["rows"] == two["rows"], "{range}");
    assert!(one["hash"] == three["hash"] && one["hash"] != two["hash"], "{range}");
    let notes = table(&check, "notes");
    assert_eq!((&notes["nodes"][0]["rows"], &notes["nodes"][1]["rows"]), (&json!(9), &json!(10)), "{notes}");
    assert_eq!(table(&check, "junk")["differences"][0]["kind"], "missing", "{check}");
    assert_eq!(table(&check, "purse")["equal"], true, "{check}");
}

async fn what_cannot_be_done_is_said<D: Databases>(scene: &Scene<D>) {
    for (path, status) in [
        ("/api/sql/shop/rebuild/db-9", StatusCode::NOT_FOUND),
        ("/api/sql/none/rebuild/db-1", StatusCode::NOT_FOUND),
        ("/api/sql/none/verify", StatusCode::NOT_FOUND),
        ("/api/sql/shop/trust/db-9", StatusCode::NOT_FOUND),
        ("/api/sql/shop/trust/db-1", StatusCode::CONFLICT),
    ] {
        let told = scene.command(path).await;
        assert!(told.status == status && told.document["detail"].is_string(), "{path}: {told:?}");
    }
}

async fn a_node_that_differs_is_found_and_filled_anew_while_writes_go_on<D: Databases>(databases: D) {
    let scene = furnished(databases).await;
    scene.all_are_equal().await;
    let check = scene.verified().await;
    assert_eq!(table(&check, "items")["nodes"][0]["rows"], 600, "{check}");
    assert_eq!(check["position"], scene.standing().await["position"]);

    differences_are_told(&scene).await;

    let is_over = AtomicBool::new(false);
    let writing = async {
        let mut n = 0;
        while !is_over.load(Ordering::Relaxed) {
            let words = |sql: &str| scene.databases.words(sql);
            match n % 4 {
                0 => {
                    let insert = words("INSERT INTO items (name, amount, made) VALUES (?, ?, CURRENT_TIMESTAMP)");
                    scene.write(&insert, json!([format!("meanwhile {n}"), n])).await
                }
                1 => scene.write(&words("UPDATE items SET amount = amount + 1 WHERE id < ?"), json!([n])).await,
                2 => scene.write(&words("DELETE FROM items WHERE id = ?"), json!([n])).await,
                _ => scene.transfer(1).await,
            };
            n += 1;
        }
        n
    };
    let filling = async {
        let told = scene.command("/api/sql/shop/rebuild/db-2").await;
        assert_eq!((told.status, &told.document["see"]), (StatusCode::ACCEPTED, &json!("/api/sql")), "{told:?}");
        scene.states(&[1], "UP").await;
        // Whatever is being written, all are seen at one position.
        let check = scene.verified().await;
        assert_eq!(check["equal"], true, "{check}");
        println!("writes were held up for {} ms", check["held_ms"]);
        is_over.store(true, Ordering::Relaxed);
    };
    let (writes, ()) = tokio::join!(writing, filling);
    let events = scene.events().await.to_string();
    assert!(events.contains("filled from db-1"), "{events}");
    println!("{writes} writes meanwhile");
    let more = scene.write("INSERT INTO items (name, amount) VALUES ('after', 1)", json!([])).await;
    assert_eq!(more["nodes"].as_array().map(Vec::len), Some(3), "{more}");
    scene.all_are_equal().await;
    scene.is_cleared().await;
    // All that is no table is there, too.
    scene.databases.behind(1, "DELETE FROM notes WHERE what IN (SELECT name FROM dear)").await;
    let check = scene.verified().await;
    assert!(check["tables"].as_array().expect("tables").iter().all(|table| table["name"] != "junk"), "{check}");

    what_cannot_be_done_is_said(&scene).await;
}

/// Has a node be filled.
async fn is_to_be_filled<D: Databases>(scene: &Scene<D>, node: &str) {
    let told = scene.command(&format!("/api/sql/shop/rebuild/{node}")).await;
    assert_eq!(told.status, StatusCode::ACCEPTED, "{told:?}");
}

/// That a node is filled is work that is under way, and how far it is shows.
fn is_told_as_work(work: &Value) {
    assert_eq!((&work[0]["kind"], &work[0]["subject"]), (&json!("rebuild"), &json!("nodes/db-2")), "{work}");
    assert!(work[0]["done"].as_u64() > Some(0) && work[0]["unit"] == "rows", "{work}");
}

async fn a_node_whose_source_dies_needs_to_be_filled_still<D: Databases>(databases: D) {
    let mut scene = furnished(databases).await;
    scene.databases.behind(0, scene.databases.many()).await;
    is_to_be_filled(&scene, "db-2").await;
    let look = || async {
        let node = scene.standing().await["nodes"][1].clone();
        assert_eq!(node["state"], "REBUILDING", "{node}");
        (node["filling"]["bytes"].as_u64() > Some(1_000_000)).then_some(node)
    };
    let node = eventually("some of it is copied", look).await;
    assert_eq!((&node["filling"]["from"], &node["readable"]), (&json!("db-1"), &json!(false)), "{node}");
    is_told_as_work(&scene.work().await);
    let twice = scene.command("/api/sql/shop/rebuild/db-2").await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{twice:?}");
    scene.stop(0).await;
    scene.states(&[1], "REBUILD NEEDED").await;
    assert_eq!(scene.work().await, json!([]));
    let node = scene.standing().await["nodes"][1].clone();
    println!("{}", node["why"]);
    assert!(node["why"].as_str().is_some_and(|why| !why.is_empty()) && node["readable"] == false, "{node}");
    // Writes have gone on, and no process that comes next takes the node for what it is not.
    scene.write("UPDATE purse SET amount = amount + 1 WHERE id = 1", json!([])).await;
    scene.restart().await;
    scene.states(&[2], "UP").await;
    scene.states(&[1], "REBUILD NEEDED").await;
    is_to_be_filled(&scene, "db-2").await;
    scene.states(&[1, 2], "UP").await;
    let check = scene.verified().await;
    assert_eq!((&check["equal"], &check["nodes"]), (&json!(true), &json!(["db-2", "db-3"])), "{check}");
    assert_eq!(check["left_out"][0]["node"], "db-1", "{check}");
}

/// Has the one folder hold what the other holds, and nothing else.
fn replace(from: &Path, to: &Path) {
    let files =
        |folder: &Path| -> Vec<_> { folder.read_dir().expect("a folder").map(|file| file.expect("a file")).collect() };
    for file in files(to) {
        std::fs::remove_file(file.path()).expect("a file");
    }
    for file in files(from) {
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_an_older_copy_is_not_gone_on_with_until_a_node_is_trusted() {
    let mut scene = furnished(Files::new(3)).await;
    let copy = tempfile::tempdir().expect("a folder");
    scene.restart_after(|log| replace(log, copy.path())).await;
    scene.all_are("UP").await;
    // One node stays where the copy of the log is.
    scene.stop(2).await;
    let add = "UPDATE purse SET amount = amount + 1 WHERE id = 1";
    for _ in 0..5 {
        scene.write(add, json!([])).await;
        scene.write("INSERT INTO items (name) VALUES ('later')", json!([])).await;
    }
    scene.restart_after(|log| replace(copy.path(), log)).await;
    scene.start(2).await;
    scene.states(&[2], "UP").await;
    for sql in [add, "SELECT amount FROM purse"] {
        let told = scene.ask(json!({ "sql": sql })).await;
        let (status, reason) = (told.status, &told.document["cause"]["reason"]);
        assert_eq!((status, reason), (StatusCode::SERVICE_UNAVAILABLE, &json!("no-node")), "{told:?}");
        assert!(told.document.to_string().contains("an older copy than what the nodes hold"), "{told:?}");
    }
    let told = scene.command("/api/sql/shop/rebuild/db-1").await;
    assert_eq!(told.status, StatusCode::CONFLICT, "{told:?}");

    let told = scene.command("/api/sql/shop/trust/db-1").await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    scene.states(&[0], "UP").await;
    scene.states(&[1, 2], "REBUILD NEEDED").await;
    scene.write(add, json!([])).await;
    // Its number is none that the log has given before, and none that the node has.
    scene.write("INSERT INTO items (name) VALUES ('after')", json!([])).await;
    for node in ["db-2", "db-3"] {
        let told = scene.command(&format!("/api/sql/shop/rebuild/{node}")).await;
        assert_eq!(told.status, StatusCode::ACCEPTED, "{told:?}");
    }
    scene.all_are("UP").await;
    assert_eq!(scene.read("SELECT amount FROM purse WHERE id = 1", None).await, json!([[56]]));
    scene.all_are_equal().await;
    scene.restart().await;
    scene.all_are("UP").await;
    scene.write(add, json!([])).await;
    scene.all_are_equal().await;
}
