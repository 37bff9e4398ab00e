//! The scenario: all nodes are equal; two of them are stopped; inserts, updates and deletes go on; they are started again; the
//! log is drained and cleared; all tables are equal by checksum. On SQLite files, demo nodes, MariaDB and PostgreSQL.

use serde_json::json;

use super::scene::{Databases, Demos, Files, MariaDbs, Postgreses, Scene};

/// How many writes go on while two nodes are away.
const WRITES: i64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_files_that_were_away_get_what_they_missed() {
    nodes_that_were_away_get_what_they_missed(Files::new(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_nodes_that_were_away_get_what_they_missed() {
    nodes_that_were_away_get_what_they_missed(Demos::new(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_mariadbs_of_which_two_were_away_get_what_they_missed() {
    nodes_that_were_away_get_what_they_missed(MariaDbs::new(5).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_postgres_of_which_two_were_away_get_what_they_missed() {
    nodes_that_were_away_get_what_they_missed(Postgreses::new(3).await).await;
}

async fn nodes_that_were_away_get_what_they_missed<D: Databases>(databases: D) {
    let mut scene = Scene::new(databases).await;
    let nodes = scene.databases.count();
    scene.all_are("UP").await;
    scene.write(scene.databases.create(), json!([])).await;
    for n in 0..20 {
        let insert = scene.databases.words("INSERT INTO items (name, amount, made) VALUES (?, ?, CURRENT_TIMESTAMP)");
        let answer = scene.write(&insert, json!([format!("item {n}"), n])).await;
        assert_eq!(answer["affected"], 1, "{answer}");
        assert_eq!(answer["nodes"].as_array().map(Vec::len), Some(nodes), "{answer}");
    }
    scene.all_are_equal().await;

    let away = [0, nodes - 1];
    for node in away {
        scene.databases.stop(node).await;
    }
    for n in 0..WRITES {
        let words = |sql: &str| scene.databases.words(sql);
        match n % 4 {
            0 => {
                let insert = words("INSERT INTO items (name, amount, made) VALUES (?, ?, CURRENT_TIMESTAMP)");
                scene.write(&insert, json!([format!("later {n}"), n])).await
            }
            1 => scene.write(&words("UPDATE items SET amount = amount + 1 WHERE id <= ?"), json!([n])).await,
            2 => scene.write(&words("DELETE FROM items WHERE id = ?"), json!([n / 4])).await,
            _ => scene.transfer(n).await,
        };
    }
    scene.states(&away, "DOWN").await;
    // Reads go on, and see all that was written.
    let both = "SELECT one.amount + two.amount FROM purse one, purse two WHERE one.id = 1 AND two.id = 2";
    assert_eq!(scene.read(both, None).await, json!([[100]]));

    for node in away {
        scene.databases.start(node).await;
    }
    scene.all_are("UP").await;
    scene.is_cleared().await;
    scene.all_are_equal().await;
}
