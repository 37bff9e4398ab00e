//! Statements over files of SQLite: what came out of one database comes out of three.

use std::sync::Arc;
use std::time::Duration;

use super::fake::{World, all, ids, query};
use crate::model::Address;
use crate::sql::backend::sqlite::Sqlite;
use crate::sql::error::Error;
use crate::sql::run::{Answer, Entry, Query};
use crate::sql::value::Value;

/// Three files, each with 200 people of its own; the folder goes when it is dropped.
fn entry(folder: &tempfile::TempDir) -> Arc<Entry> {
    let mut world = World::new();
    for (nth, name) in ["a", "b", "c"].into_iter().enumerate() {
        let path = folder.path().join(format!("{name}.db"));
        let mut file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE r (id INTEGER, name TEXT)",
        )
        .unwrap();
        let changes = file.transaction().unwrap();
        for id in (nth * 1000..nth * 1000 + 200).rev() {
            changes.execute("INSERT INTO t VALUES (?1, ?2)", (id as i64, format!("n{}", id % 7))).unwrap();
        }
        changes.commit().unwrap();
        world.addresses.insert(name, Address::file(path));
    }
    world.entry_over(Arc::new(Sqlite::new(4)))
}

async fn numbers(entry: &Arc<Entry>, sql: &str) -> Vec<Value> {
    all(entry, query(sql)).await.unwrap().0.into_iter().flatten().collect()
}

#[tokio::test]
async fn every_tier_answers_what_one_database_would() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    let integer = |numbers: &[i64]| numbers.iter().copied().map(Value::Integer).collect::<Vec<_>>();
    assert_eq!(numbers(&entry, "SELECT count(*) FROM t").await, integer(&[600]));
    assert_eq!(numbers(&entry, "SELECT id FROM t ORDER BY id DESC LIMIT 3").await, integer(&[2199, 2198, 2197]));
    assert_eq!(numbers(&entry, "SELECT id FROM t WHERE id = 1007").await, integer(&[1007]));
    assert_eq!(numbers(&entry, "SELECT sum(id), min(id) FROM t WHERE id < 1002").await, integer(&[21901, 0]));
    assert_eq!(numbers(&entry, "SELECT id FROM t WHERE id = (SELECT max(id) FROM t)").await, integer(&[2199]));
    let grouped = numbers(&entry, "SELECT name, count(*) FROM t GROUP BY name ORDER BY 1 LIMIT 1").await;
    assert_eq!(grouped, [Value::Text("n0".into()), Value::Integer(87)]);
    let mut all_ids = numbers(&entry, "SELECT id FROM t").await;
    assert_eq!(all_ids.len(), 600);
    all_ids.dedup();
    assert_eq!(all_ids.len(), 600);
}

#[tokio::test]
async fn rows_that_are_written_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    let insert = "INSERT INTO t (id, name) VALUES (900, 'x'), (1900, 'x'), (2900, 'x')";
    let Answer::Written(written) = entry.answer(query(insert)).await.unwrap() else { panic!("not written") };
    assert_eq!((written.affected, written.nodes.len()), (3, 3));
    assert_eq!(numbers(&entry, "SELECT count(*) FROM t WHERE name = 'x'").await, [Value::Integer(3)]);
    let copy = "INSERT INTO t (id, name) SELECT id + 5000, name FROM t WHERE id < 3";
    let Answer::Written(written) = entry.answer(query(copy)).await.unwrap() else { panic!("not written") };
    assert_eq!(written.affected, 3);
    assert_eq!(numbers(&entry, "SELECT id FROM t WHERE id > 4000 ORDER BY id").await.len(), 3);
}

#[tokio::test]
async fn rows_that_a_write_returns_come_from_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    for (sql, expected) in [
        ("UPDATE t SET name = 'x' WHERE id IN (1, 1001) RETURNING id", &[1, 1001][..]),
        ("DELETE FROM t WHERE id = 1 RETURNING id", &[1]),
    ] {
        let Answer::Written(written) = entry.answer(query(sql)).await.unwrap() else { panic!("not written") };
        let mut returned = ids(&written.returned.unwrap().rows);
        returned.sort_unstable();
        assert_eq!((returned.as_slice(), written.affected), (expected, expected.len() as u64), "{sql}");
    }
    assert_eq!(numbers(&entry, "SELECT count(*) FROM t").await, [Value::Integer(599)]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    // The files are open.
    numbers(&entry, "SELECT count(*) FROM t").await;
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let began = std::time::Instant::now();
    let asked = Query { timeout: Some(Duration::from_millis(200)), ..query(endless) };
    assert!(matches!(all(&entry, asked).await, Err(Error::Deadline { .. })));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_table_that_was_altered_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    assert_eq!(numbers(&entry, "SELECT count(*) FROM t").await, [Value::Integer(600)]);
    entry.answer(query("ALTER TABLE t ADD COLUMN age INTEGER")).await.unwrap();
    assert_eq!(numbers(&entry, "SELECT sum(age) FROM t").await, [Value::Null]);
}

#[tokio::test]
async fn a_final_statement_without_rows_is_an_answer_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    for sql in
        ["SELECT count(*) FROM t HAVING count(*) > 1000", "SELECT name, count(*) FROM t WHERE name = '' GROUP BY 1"]
    {
        assert!(numbers(&entry, sql).await.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn values_of_any_in_a_strict_table_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    for name in ["a", "b", "c"] {
        let file = rusqlite::Connection::open(folder.path().join(format!("{name}.db"))).unwrap();
        file.execute_batch("DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, name ANY) STRICT").unwrap();
    }
    entry.answer(query("INSERT INTO t (id, name) VALUES (1, '1'), (1001, 1), (2001, 1.0)")).await.unwrap();
    let types = numbers(&entry, "SELECT typeof(name) FROM t WHERE id IN (SELECT id FROM t) ORDER BY id").await;
    assert_eq!(types, ["text", "integer", "real"].map(|kind| Value::Text(kind.into())));
}

#[tokio::test]
async fn a_number_that_each_file_would_count_by_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder);
    for name in ["a", "b", "c"] {
        let file = rusqlite::Connection::open(folder.path().join(format!("{name}.db"))).unwrap();
        file.execute_batch("DROP TABLE t; CREATE TABLE t (id INTEGER, number INTEGER PRIMARY KEY, name TEXT)").unwrap();
    }
    for sql in [
        "INSERT INTO t (id, name) VALUES (1, 'x')",
        "INSERT INTO t (id, number) VALUES (1, 1), (1001, NULL)",
        "INSERT INTO t (id, number) SELECT 1, NULL",
    ] {
        match entry.answer(query(sql)).await {
            Err(Error::Refused(refusal)) => assert!(refusal.why.contains("counts by itself"), "{refusal}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    // The second time it is not asked any more.
    for number in [1, 2] {
        let sql = format!("INSERT INTO t (id, number) VALUES (1, {number}), (1001, {})", number + 10);
        assert!(matches!(entry.answer(query(&sql)).await, Ok(Answer::Written(_))));
    }
    assert_eq!(numbers(&entry, "SELECT count(*) FROM t").await, [Value::Integer(4)]);
}
