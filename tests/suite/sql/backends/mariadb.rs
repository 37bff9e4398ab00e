//! MariaDB under the laws, and what only it and MySQL have.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leverframe::config::DatabaseSpec;
use leverframe::model::Address;
use leverframe::sql::backend::mysql::MySql;
use leverframe::sql::backend::{Backend, Bound, FaultKind, Step};
use leverframe::sql::plan::{Load, LoadColumn};
use leverframe::sql::value::Value;
use mysql_async::prelude::Queryable as _;

use super::every_law;
use super::laws::{a_failed_transaction_is_not_committed, refuses};
use super::server::{CONNECT, Server, Words, all, bound, collected, execute, failure, number, session, soon};
use crate::world::MariaDb;

/// A server with a database for the laws.
async fn start() -> MariaDb {
    let server = MariaDb::start().await;
    server.connect(None).await.query_drop("CREATE DATABASE laws").await.expect("a database");
    server
}

impl Server for MariaDb {
    fn words(&self) -> Words {
        let text = |text: &str| Value::Text(text.to_owned());
        let decimal = |text: &str| Value::Decimal(text.to_owned());
        Words {
            integer: "bigint(20)",
            real: "double",
            text: "varchar(100) COLLATE utf8mb4_bin",
            blob: "longblob",
            others: vec![
                ("bigint unsigned", decimal("18446744073709551615")),
                ("decimal(40,4)", decimal("123456789012345678901234567890.1230")),
                ("decimal(10,2)", decimal("-0.50")),
                ("float", Value::Real(f64::from(0.1_f32))),
                ("date", text("2024-02-29")),
                ("datetime", text("2024-02-29 13:14:15")),
                ("datetime(6)", text("2024-02-29 13:14:15.100000")),
                ("timestamp(3) NULL", text("2024-02-29 13:14:15.125")),
                ("time(2)", text("-838:59:59.00")),
                ("year", Value::Integer(2024)),
                ("varchar(10) CHARACTER SET latin1", text("ü€")),
                ("varchar(10) CHARACTER SET ascii", text("x")),
                ("enum('a','b')", text("b")),
                ("longtext COLLATE utf8mb4_unicode_ci", text("Ä🚂")),
                ("bit(9)", Value::Blob(vec![1, 85])),
            ],
            parameter: |_| "?".to_owned(),
            numbers: |n| format!("SELECT seq AS n FROM seq_1_to_{n}"),
            slow: "SELECT SLEEP(600)",
            shape: [("bigint(20)", ""), ("varchar(100)", "utf8mb4_bin")],
            schema: "laws",
        }
    }

    fn backend(&self, connections: usize) -> Arc<dyn Backend> {
        let database = DatabaseSpec { database: "laws".to_owned(), user: Self::USER.to_owned(), password: None };
        Arc::new(MySql::new(&database, connections, CONNECT))
    }

    fn node(&self) -> Address {
        Address::parse(&self.address().to_string()).expect("an address")
    }

    fn running(&self) -> BoxFuture<'_, Option<usize>> {
        async {
            let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                       WHERE COMMAND IN ('Query', 'Execute') AND ID <> CONNECTION_ID() AND DB = 'laws'";
            let running: Option<usize> = self.connect(None).await.query_first(sql).await.expect("an answer");
            running
        }
        .boxed()
    }

    fn sever(&self) -> BoxFuture<'_, ()> {
        async {
            let mut other = self.connect(None).await;
            let sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'laws'";
            let ids: Vec<u64> = other.query(sql).await.expect("an answer");
            for id in ids {
                // It may have gone meanwhile.
                let _ = other.query_drop(format!("KILL {id}")).await;
            }
            // A connection that was idle a moment ago is not asked whether it lives.
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        }
        .boxed()
    }

    fn mend(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

every_law!(start());

#[tokio::test]
async fn an_overflow_is_told_from_other_failures() {
    let server = start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    let fault = failure(&mut *session, bound("SELECT 9223372036854775807 + 1")).await;
    assert_eq!(fault.kind, FaultKind::Overflow, "{fault}");
    assert_eq!(number(&mut *session, "SELECT 7").await, 7);
}

#[tokio::test]
async fn a_decimal_that_would_be_compared_as_a_double_is_not_bound() {
    let server = start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    let params = [Value::Decimal("1.5".to_owned())];
    let fault = failure(&mut *session, Bound { params: &params, ..bound("SELECT ? = 1") }).await;
    assert!(fault.kind == FaultKind::Unsupported && fault.message.starts_with("parameter 1:"), "{fault}");
}

#[tokio::test]
async fn a_text_with_colons_is_not_changed() {
    let server = start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    // The driver takes `:b` for a parameter: after a minus it misses the quote.
    let params = [Value::Integer(1)];
    let rows = session
        .query(Bound { params: &params, ..bound("SELECT CONCAT(1 -'0', 'a'), -'1:b' + 0, 'a:b'") })
        .await
        .unwrap();
    let rows = collected(rows).await.unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(rows, [[text("1a"), Value::Real(-1.0), text("a:b")]]);
}

#[tokio::test]
async fn a_loaded_table_has_the_types_and_collations_of_the_answer_and_hides_the_real_one() {
    let server = start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    execute(
        &mut *session,
        "CREATE TABLE t (n decimal(10,2), a varchar(9) COLLATE utf8mb4_unicode_ci, l char(3) CHARACTER SET latin1, \
                            ts timestamp(3) NULL, e bigint unsigned)",
    )
    .await;
    execute(
        &mut *session,
        "INSERT INTO t VALUES (1.5, 'Ä', 'ü', '2024-01-01 00:00:00.125', 18446744073709551615), \
                            (NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let sql = "SELECT n, a, l, ts, e FROM t";
    let rows = session.query(bound(sql)).await.unwrap();
    let columns = rows.columns.clone();
    let rows = collected(rows).await.unwrap();
    assert_eq!(columns[1].declared, "varchar(9) COLLATE utf8mb4_unicode_ci");
    let names = columns.iter().map(|column| column.name.clone());
    let column = |name| LoadColumn { name, declared: String::new(), collation: String::new() };
    let load = Load { name: "t".to_owned(), columns: names.map(column).collect() };
    session.transact(Step::Begin, soon()).await.unwrap();
    session.load(&load, &columns, rows.clone(), soon()).await.unwrap();
    session.load(&load, &columns, rows.clone(), soon()).await.unwrap();
    let loaded = session.query(bound(sql)).await.unwrap();
    assert_eq!(loaded.columns, columns);
    assert_eq!(collected(loaded).await.unwrap(), [rows.clone(), rows.clone()].concat());
    session.transact(Step::Commit, soon()).await.unwrap();
    assert_eq!(all(&mut *session, sql).await, rows);
}

#[tokio::test]
async fn an_enumeration_is_loaded_only_as_it_was_declared() {
    let server = start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    execute(&mut *session, "CREATE TABLE t (e enum('z','a'))").await;
    let columns = session.query(bound("SELECT e FROM t")).await.unwrap().columns;
    session.transact(Step::Begin, soon()).await.unwrap();
    for (declared, is_loaded) in [("", false), ("enum('z','a')", true)] {
        let column = LoadColumn { name: "e".to_owned(), declared: declared.to_owned(), collation: String::new() };
        let load = Load { name: "p".to_owned(), columns: vec![column] };
        let loaded = session.load(&load, &columns, vec![vec![Value::Text("a".to_owned())]], soon()).await;
        assert_eq!(loaded.is_ok(), is_loaded, "{loaded:?}");
    }
}

#[tokio::test]
async fn a_transaction_of_which_a_statement_failed_is_not_committed() {
    a_failed_transaction_is_not_committed(&start().await).await;
}

#[tokio::test]
async fn statements_cannot_reach_round_the_session() {
    let statements = ["COMMIT", "BEGIN", "CREATE TEMPORARY TABLE t (a int)", "SET SESSION sql_mode = ''"];
    refuses(&start().await, &statements).await;
}

#[tokio::test]
async fn a_session_that_a_function_has_changed_is_as_before_for_the_next() {
    const SET: &str = "SELECT CONCAT(@@session.time_zone, @@session.sql_mode, IFNULL(@seen, 'nothing'))";
    let server = start().await;
    let text = "CREATE FUNCTION laws.changes() RETURNS INT BEGIN SET SESSION time_zone = '+05:00', @seen = 'something'; \
                RETURN 1; END";
    server.connect(None).await.query_drop(text).await.expect("a function");
    let backend = server.backend(1);
    let before = all(&mut *session(&backend, &server).await, SET).await;
    let mut first = session(&backend, &server).await;
    assert_eq!(number(&mut *first, "SELECT changes()").await, 1);
    assert_ne!(all(&mut *first, SET).await, before, "it changes nothing");
    drop(first);
    let mut next = session(&backend, &server).await;
    assert_eq!(all(&mut *next, SET).await, before);
    // Outside of a transaction it still cannot write.
    assert_eq!(failure(&mut *next, bound("CREATE TABLE t (a int)")).await.kind, FaultKind::Statement);
}

#[tokio::test]
async fn a_session_is_set_alike_whatever_the_server_is_set_to() {
    let server = start().await;
    for set in [
        "collation_connection = utf8mb4_bin",
        "foreign_key_checks = 0",
        "unique_checks = 0",
        "explicit_defaults_for_timestamp = 0",
        "default_regex_flags = 'DOTALL'",
    ] {
        server.connect(None).await.query_drop(format!("SET GLOBAL {set}")).await.expect(set);
    }
    let backend = server.backend(1);
    let sql = "SELECT CONCAT_WS(' ', @@collation_connection, @@foreign_key_checks, @@unique_checks, \
               @@explicit_defaults_for_timestamp, @@default_regex_flags)";
    let found = all(&mut *session(&backend, &server).await, sql).await;
    assert_eq!(found, [[Value::Text("utf8mb4_general_ci ON ON ON ".to_owned())]]);
}
