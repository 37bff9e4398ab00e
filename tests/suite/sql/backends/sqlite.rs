//! SQLite files under the laws, and what only files have.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leverframe::model::Address;
use leverframe::sql::backend::sqlite::Sqlite;
use leverframe::sql::backend::{Backend, Bound, FaultKind, Step};
use leverframe::sql::plan::{Load, LoadColumn};
use leverframe::sql::value::{Column, Value};
use tempfile::TempDir;

use super::every_law;
use super::server::{Server, Words, all, bound, execute, failure, in_millis, number, session, soon};

/// How SQLite says things.
pub(super) fn words() -> Words {
    Words {
        integer: "INTEGER",
        real: "REAL",
        text: "TEXT",
        blob: "BLOB",
        others: vec![
            ("", Value::Text("no type".to_owned())),
            ("", Value::Integer(1)),
            ("", Value::Real(f64::INFINITY)),
            ("", Value::Real(-0.0)),
        ],
        parameter: |number| format!("?{number}"),
        numbers: |n| {
            format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {n}) SELECT n FROM c")
        },
        slow: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000000) SELECT count(*) FROM c",
        shape: [("INTEGER", "BINARY"), ("TEXT", "BINARY")],
        schema: "main",
    }
}

/// A file in a folder of its own.
struct File {
    folder: TempDir,
}

impl File {
    async fn start() -> Self {
        let file = Self { folder: tempfile::tempdir().expect("a folder") };
        rusqlite::Connection::open(file.path()).expect("a file").execute_batch("VACUUM").expect("a database");
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("node.db")
    }

    fn other(&self) -> PathBuf {
        self.folder.path().join("away.db")
    }
}

impl Server for File {
    fn words(&self) -> Words {
        words()
    }

    fn backend(&self, connections: usize) -> Arc<dyn Backend> {
        Arc::new(Sqlite::new(connections))
    }

    fn node(&self) -> Address {
        Address::file(self.path())
    }

    // Its pool has one connection, and gives it out again only when its statement has ended.
    fn running(&self) -> BoxFuture<'_, Option<usize>> {
        async { None }.boxed()
    }

    fn sever(&self) -> BoxFuture<'_, ()> {
        async { std::fs::rename(self.path(), self.other()).expect("it is there") }.boxed()
    }

    fn mend(&self) -> BoxFuture<'_, ()> {
        async { std::fs::rename(self.other(), self.path()).expect("it is there") }.boxed()
    }
}

every_law!(File::start());

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let file = File::start().await;
    let backend = file.backend(1);
    let missing = Address::file(file.other());
    let fault = backend.session(&missing, soon()).await.map(|_| ()).expect_err("no file");
    assert_eq!(fault.kind, FaultKind::Connect, "{fault:?}");
    assert!(!file.other().exists());
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_read_any_more() {
    let file = File::start().await;
    let backend = file.backend(1);
    execute(&mut *session(&backend, &file).await, "CREATE TABLE t (id INTEGER)").await;
    rusqlite::Connection::open(file.other())
        .unwrap()
        .execute_batch("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)")
        .unwrap();
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{tail}", file.path().display()));
    }
    std::fs::rename(file.other(), file.path()).unwrap();
    assert_eq!(number(&mut *session(&backend, &file).await, "SELECT count(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_of_the_node() {
    let file = File::start().await;
    std::fs::write(file.other(), [b'x'; 5_000]).unwrap();
    let backend = file.backend(1);
    let fault = backend.session(&Address::file(file.other()), soon()).await.map(|_| ()).expect_err("no database");
    assert!(fault.is_nodes(), "{fault:?}");
}

#[tokio::test]
async fn statements_cannot_reach_round_the_session() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    let other = file.folder.path().join("other.db");
    let texts = [
        format!("ATTACH '{}' AS other", other.display()),
        format!("VACUUM INTO '{}'", other.display()),
        "VACUUM".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        "/* a comment */ pragma writable_schema(1)".to_owned(),
        "EXPLAIN PRAGMA query_only = 1".to_owned(),
        "BEGIN".to_owned(),
        "COMMIT".to_owned(),
        "SAVEPOINT s".to_owned(),
        "CREATE TEMP TABLE t (id)".to_owned(),
        "CREATE TABLE temp.t (id)".to_owned(),
        "CREATE VIEW temp.v AS SELECT 1".to_owned(),
        "CREATE TEMPORARY VIEW v AS SELECT 1".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "SELECT 1\0 + 1".to_owned(),
    ];
    for text in &texts {
        let executed = session.execute(bound(text)).await.map_err(|fault| fault.kind);
        assert_eq!(executed, Err(FaultKind::Statement), "{text}");
        let fault = failure(&mut *session, bound(text)).await;
        assert_eq!(fault.kind, FaultKind::Statement, "{text}: {fault:?}");
    }
    assert!(!other.exists());
    assert_eq!(number(&mut *session, "SELECT count(*) FROM pragma_table_info('sqlite_schema')").await, 5);
}

#[tokio::test]
async fn tables_can_be_made_and_changed() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    let texts = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
        "CREATE INDEX i ON t (a)",
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE u RENAME COLUMN a TO b",
        "ALTER TABLE u ADD COLUMN c DEFAULT 7",
        "ALTER TABLE u DROP COLUMN c",
        "CREATE TRIGGER g AFTER INSERT ON u BEGIN UPDATE u SET b = 'x' WHERE id = new.id; END",
        "INSERT INTO u VALUES (1, 'a')",
        "CREATE TABLE copy AS SELECT * FROM u",
        "ANALYZE",
        "REINDEX",
        "DROP INDEX i",
    ];
    for text in texts {
        execute(&mut *session, text).await;
    }
    assert_eq!(number(&mut *session, "SELECT count(*) FROM copy WHERE b = 'x'").await, 1);
    execute(&mut *session, "DROP TABLE u").await;
}

#[tokio::test]
async fn a_text_that_is_no_utf8_is_an_error_and_no_question_mark() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    let fault = failure(&mut *session, bound("SELECT CAST(x'ff' AS TEXT)")).await;
    assert_eq!(fault.kind, FaultKind::Unsupported, "{fault:?}");
}

#[tokio::test]
async fn what_sqlite_would_change_is_not_bound() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    for value in [Value::Real(f64::NAN), Value::Decimal("1.5".to_owned())] {
        let fault = failure(&mut *session, Bound { params: &[value], ..bound("SELECT ?1") }).await;
        assert_eq!(fault.kind, FaultKind::Unsupported, "{fault:?}");
    }
    let rows = all(&mut *session, "SELECT 1").await;
    assert_eq!(rows, [[Value::Integer(1)]]);
}

#[tokio::test]
async fn an_overflow_is_told_from_other_failures() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    let sql = "SELECT sum(n) FROM (SELECT 9223372036854775807 AS n UNION ALL SELECT 1)";
    let fault = failure(&mut *session, bound(sql)).await;
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Overflow, "integer overflow"));
}

#[tokio::test]
async fn a_transaction_that_sqlite_took_back_is_not_gone_on_with() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    execute(&mut *session, "CREATE TABLE t (id INTEGER UNIQUE ON CONFLICT ROLLBACK)").await;
    session.transact(Step::Begin, soon()).await.unwrap();
    execute(&mut *session, "INSERT INTO t VALUES (1)").await;
    session.execute(bound("INSERT INTO t VALUES (1)")).await.unwrap_err();
    // Outside of the transaction this would stay.
    session.execute(bound("INSERT INTO t VALUES (2)")).await.unwrap_err();
    session.transact(Step::Commit, soon()).await.unwrap_err();
    session.transact(Step::Rollback, soon()).await.unwrap();
    assert_eq!(number(&mut *session, "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn a_writer_waits_for_another_until_due() {
    let file = File::start().await;
    let backend = file.backend(2);
    let mut first = session(&backend, &file).await;
    let mut second = session(&backend, &file).await;
    execute(&mut *first, "CREATE TABLE t (id INTEGER)").await;
    first.transact(Step::Begin, soon()).await.unwrap();
    let fault = second.execute(Bound { due: in_millis(200), ..bound("INSERT INTO t VALUES (1)") }).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut, "{fault:?}");
    let waits = bound("INSERT INTO t VALUES (1)");
    let (written, ended) = tokio::join!(second.execute(waits), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        first.transact(Step::Commit, soon()).await
    });
    assert_eq!((written, ended), (Ok(1), Ok(())));
}

#[tokio::test]
async fn a_shape_has_declared_types_and_collations_and_views_have_none() {
    let file = File::start().await;
    let backend = file.backend(1);
    let mut session = session(&backend, &file).await;
    let text = "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(10) COLLATE nocase, b, c DECIMAL(10, 2), \
                d INT GENERATED ALWAYS AS (id + 1))";
    execute(&mut *session, text).await;
    execute(&mut *session, "CREATE VIEW w AS SELECT * FROM t").await;
    let shape = session.shape("T", soon()).await.unwrap();
    let shape: Vec<_> = shape.iter().map(|c| (c.name.as_str(), c.declared.as_str(), c.collation.as_str())).collect();
    let expected = [
        ("id", "INTEGER", "BINARY"),
        ("a", "VARCHAR(10)", "nocase"),
        ("b", "", "BINARY"),
        ("c", "DECIMAL(10, 2)", "BINARY"),
        ("d", "INT", "BINARY"),
    ];
    assert_eq!(shape, expected);
    assert_eq!(session.shape("w", soon()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_loaded_column_has_the_type_and_collation_that_it_came_with() {
    let backend = Sqlite::new(1);
    let mut engine = backend.engine().unwrap().await.unwrap();
    let kinds = [
        ("a", "VARCHAR(10)", "NOCASE"),
        ("b", "", "BINARY"),
        ("c", "odd) PRIMARY KEY \"INT", ""),
        ("d", "INTEGER", ""),
    ];
    let column = |(name, declared, collation): (&str, &str, &str)| LoadColumn {
        name: name.to_owned(),
        declared: declared.to_owned(),
        collation: collation.to_owned(),
    };
    let load = Load { name: "my \"table\"".to_owned(), columns: kinds.map(column).to_vec() };
    let columns = kinds.map(|(name, ..)| Column { name: name.to_owned(), declared: String::new() });
    let text = |text: &str| Value::Text(text.to_owned());
    engine.transact(Step::Begin, soon()).await.unwrap();
    let rows = vec![
        vec![text("x"), text("1"), text("1"), text("1")],
        vec![text("X"), Value::Real(1.0), Value::Null, Value::Null],
    ];
    engine.load(&load, &columns, rows, soon()).await.unwrap();
    let sql = "SELECT a = 'X', typeof(b), typeof(c), typeof(d) FROM \"my \"\"table\"\"\" WHERE c IS NOT NULL";
    assert_eq!(all(&mut *engine, sql).await, [[Value::Integer(1), text("text"), text("integer"), text("integer")]]);
    let rows = engine.query(bound("SELECT a, b, c, d FROM \"my \"\"table\"\"\"")).await.unwrap();
    let declared: Vec<_> = rows.columns.iter().map(|column| column.declared.as_str()).collect();
    assert_eq!(declared, ["VARCHAR(10)", "", "odd) PRIMARY KEY \"INT", "INTEGER"]);
    drop(rows);
    let fault = failure(&mut *engine, bound("SELECT \"no column\" FROM \"my \"\"table\"\"\"")).await;
    assert_eq!(fault.kind, FaultKind::Statement, "{fault:?}");
}

#[tokio::test]
async fn a_row_that_is_too_long_is_refused_before_it_is_made() {
    let backend = Sqlite::new(1);
    for sql in [
        "SELECT zeroblob(1000000000)",
        "SELECT hex(zeroblob(60000000))",
        "SELECT zeroblob(60000000), zeroblob(60000000)",
    ] {
        let mut engine = backend.engine().unwrap().await.unwrap();
        let fault = failure(&mut *engine, bound(sql)).await;
        assert_eq!(fault.kind, FaultKind::Unsupported, "{sql}: {fault:?}");
        assert!(fault.message.contains("64 MiB"), "{fault}");
        assert_eq!(number(&mut *engine, "SELECT length(zeroblob(60000000))").await, 60_000_000);
    }
}
