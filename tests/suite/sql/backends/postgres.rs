//! PostgreSQL under the laws, and what only it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leverframe::config::DatabaseSpec;
use leverframe::model::Address;
use leverframe::sql::backend::{Backend, Bound, Fault, FaultKind, Session, Step};
use leverframe::sql::plan::{Load, LoadColumn};
use leverframe::sql::value::{Row, Value};

use super::every_law;
use super::laws::{a_failed_transaction_is_not_committed, refuses};
use super::server::{CONNECT, Server, Words, all, bound, collected, execute, failure, number, session, soon};
use crate::world::Postgres;

impl Server for Postgres {
    fn words(&self) -> Words {
        let text = |text: &str| Value::Text(text.to_owned());
        let decimal = |text: &str| Value::Decimal(text.to_owned());
        Words {
            integer: "bigint",
            real: "double precision",
            text: "text",
            blob: "bytea",
            others: vec![
                ("boolean", Value::Bool(true)),
                ("smallint", Value::Integer(-32_768)),
                ("numeric", decimal("123456789012345678901234567890.1230")),
                ("numeric(10,2)", decimal("-0.50")),
                ("numeric", decimal("NaN")),
                ("double precision", Value::Real(f64::INFINITY)),
                ("double precision", Value::Real(-0.0)),
                ("real", Value::Real(f64::from(0.1_f32))),
                ("date", text("0044-03-15 BC")),
                ("timestamp", text("2024-02-29 13:14:15.1")),
                ("timestamptz", text("2024-02-29 13:14:15.000001+00")),
                ("time", text("24:00:00")),
                ("interval", text("-1 years -2 mons +3 days -04:05:06.7")),
                ("uuid", text("12345678-9abc-def0-1234-56789abcdef0")),
                ("jsonb", text("{\"a\": [1, null]}")),
                ("character(5)", text("ab   ")),
                ("integer[]", text("[2:3]={1,NULL}")),
                ("text[]", text("{a,\"\",\"null\",\"q\\\"x\",\"{b}\"}")),
            ],
            parameter: |number| format!("${number}"),
            numbers: |n| format!("SELECT generate_series(1, {n}::bigint) AS n"),
            slow: "SELECT pg_sleep(600)",
            shape: [("bigint", ""), ("text", "C.UTF-8")],
            schema: "public",
        }
    }

    fn backend(&self, connections: usize) -> Arc<dyn Backend> {
        let database = DatabaseSpec { database: "postgres".to_owned(), user: Self::USER.to_owned(), password: None };
        Arc::new(leverframe::sql::backend::postgres::Postgres::new(&database, connections, CONNECT))
    }

    fn node(&self) -> Address {
        Address::parse(&self.address().to_string()).expect("an address")
    }

    fn running(&self) -> BoxFuture<'_, Option<usize>> {
        async {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                       AND application_name = 'leverframe'";
            let backend = self.backend(1);
            let running = number(&mut *session(&backend, self).await, sql).await;
            usize::try_from(running).ok()
        }
        .boxed()
    }

    fn sever(&self) -> BoxFuture<'_, ()> {
        async {
            let backend = self.backend(1);
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE pid <> pg_backend_pid() AND application_name = 'leverframe'";
            let mut session = session(&backend, self).await;
            while number(&mut *session, sql).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The news is on its way through the loopback.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        .boxed()
    }

    fn mend(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

every_law!(Postgres::start());

#[tokio::test]
async fn values_are_written_as_the_server_writes_them() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    for value in [
        "1e30::numeric",
        "-0.00001234::numeric",
        "'-Infinity'::numeric",
        "0::numeric(10,4)",
        "'5874897-12-31'::date",
        "'4714-11-24 BC'::date",
        "'infinity'::timestamp",
        "'0001-12-31 23:59:59.5 BC'::timestamp",
        "'01:02:03.004+05:30:10'::timetz",
        "'-14 months'::interval",
        "ARRAY[[1.50,2],[NULL,4]]",
        "ARRAY['a','','null','a b','q\"x','b\\s','ü,']",
        "ARRAY[0.1,1e20,1e-7,123456789,1e15,1e14,0.0001,0.00001]::float8[]",
        "ARRAY[0.1,1e6,123456,1e-5,3.4e38]::float4[]",
        "ARRAY['\\x00ff'::bytea]",
    ] {
        let sql = format!("WITH q AS MATERIALIZED (SELECT {value} AS v) SELECT v, v::text FROM q");
        let rows = all(&mut *session, &sql).await;
        let [Value::Text(ours) | Value::Decimal(ours), Value::Text(theirs)] = rows[0].as_slice() else {
            panic!("{value}: {rows:?}")
        };
        assert_eq!(ours, theirs, "{value}");
    }
    let fault = failure(&mut *session, bound("SELECT 1 AS a, '1.2.3.4'::inet AS i")).await;
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert!(fault.message.contains("column i") && fault.message.contains("inet"), "{fault}");
}

#[tokio::test]
async fn an_overflow_is_told_from_other_failures_and_a_parameter_that_does_not_fit_is_named() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    let fault = failure(&mut *session, bound("SELECT 2147483647::int4 + 1::int4")).await;
    assert_eq!(fault.kind, FaultKind::Overflow, "{fault}");
    let params = [Value::Integer(70_000)];
    let fault = failure(&mut *session, Bound { params: &params, ..bound("SELECT $1::int2") }).await;
    assert!(fault.kind == FaultKind::Unsupported && fault.message.starts_with("parameter 1:"), "{fault}");
    assert_eq!(number(&mut *session, "SELECT 7").await, 7);
}

#[tokio::test]
async fn a_statement_goes_on_when_its_table_has_changed() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    execute(&mut *session, "CREATE TABLE t AS SELECT 1 AS id").await;
    assert_eq!(all(&mut *session, "SELECT * FROM t").await[0].len(), 1);
    execute(&mut *session, "ALTER TABLE t ADD COLUMN a text").await;
    assert_eq!(all(&mut *session, "SELECT * FROM t").await[0].len(), 2);
}

/// All rows of a statement, with the table that it reads hidden by one that was loaded.
async fn hidden(session: &mut dyn Session, load: &Load, rows: Vec<Row>, sql: &str) -> Result<Vec<Row>, Fault> {
    session.transact(Step::Begin, soon()).await?;
    session.load(load, &[], rows, soon()).await?;
    let found = collected(session.query(bound(sql)).await?).await?;
    session.transact(Step::Rollback, soon()).await?;
    Ok(found)
}

#[tokio::test]
async fn a_loaded_table_hides_the_real_one_also_from_statements_that_were_prepared_before() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    execute(&mut *session, "CREATE TABLE t (id bigint, a text COLLATE \"C\")").await;
    execute(&mut *session, "INSERT INTO t VALUES (1, 'real')").await;
    let sql = "SELECT id FROM t";
    let shape = session.shape("t", soon()).await.unwrap();
    let column = |shape: leverframe::sql::shape::ColumnShape| LoadColumn {
        name: shape.name,
        declared: shape.declared,
        collation: shape.collation,
    };
    let load = Load { name: "t".to_owned(), columns: shape.into_iter().map(column).collect() };
    for id in 2..5 {
        assert_eq!(all(&mut *session, sql).await, [[Value::Integer(1)]]);
        let rows = vec![vec![Value::Integer(id), Value::Text("a\tb\\\n".to_owned())]];
        assert_eq!(hidden(&mut *session, &load, rows, sql).await, Ok(vec![vec![Value::Integer(id)]]));
    }
}

#[tokio::test]
async fn a_loaded_table_hides_the_real_one_also_where_a_role_has_temporary_tables_come_last() {
    let server = Postgres::start().await;
    let setup = "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1); ALTER ROLE CURRENT_USER SET search_path = public, pg_temp";
    server.connect("postgres").await.batch_execute(setup).await.expect("a table and a setting");
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    let column = LoadColumn { name: "id".to_owned(), declared: "bigint".to_owned(), collation: String::new() };
    let load = Load { name: "t".to_owned(), columns: vec![column] };
    let found = hidden(&mut *session, &load, vec![vec![Value::Integer(2)]], "SELECT id FROM t").await;
    assert_eq!(found, Ok(vec![vec![Value::Integer(2)]]));
    assert_eq!(number(&mut *session, "SELECT id FROM t").await, 1);
}

#[tokio::test]
async fn a_cancelled_statement_keeps_its_connection() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let pid = number(&mut *session(&backend, &server).await, "SELECT pg_backend_pid()").await;
    let due = Instant::now() + Duration::from_millis(100);
    let fault = failure(&mut *session(&backend, &server).await, Bound { due, ..bound("SELECT pg_sleep(600)") }).await;
    assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
    assert_eq!(number(&mut *session(&backend, &server).await, "SELECT pg_backend_pid()").await, pid);
}

#[tokio::test]
async fn a_transaction_of_which_a_statement_failed_is_not_committed() {
    a_failed_transaction_is_not_committed(&Postgres::start().await).await;
}

#[tokio::test]
async fn statements_cannot_reach_round_the_session() {
    let statements =
        ["COMMIT", "BEGIN", "CREATE TEMPORARY TABLE t (a int)", "SELECT set_config('timezone', 'x', false)"];
    refuses(&Postgres::start().await, &statements).await;
}

#[tokio::test]
async fn a_session_that_a_function_has_changed_is_as_before_for_the_next() {
    const PATH: &str = "SELECT current_setting('search_path') || current_setting('timezone')";
    let server = Postgres::start().await;
    let side = server.connect("postgres").await;
    side.batch_execute(
        "CREATE FUNCTION changes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET search_path = evil; \
         PERFORM pg_advisory_lock(7); SET timezone = 'Asia/Tokyo'; RETURN 1; END $$",
    )
    .await
    .expect("a function");
    let backend = server.backend(1);
    let before = all(&mut *session(&backend, &server).await, PATH).await;
    let hidden = [Value::Text("SELECT set_config('search_path', 'evil', false)".to_owned())];
    for (sql, params) in [
        ("SELECT query_to_xml($1, true, false, '')::text", &hidden[..]),
        ("SELECT U&\"set\\005fconfig\"('search_path', 'evil', false)", &[]),
        ("SELECT changes()", &[]),
    ] {
        let mut first = session(&backend, &server).await;
        collected(first.query(Bound { sql, params, due: soon() }).await.expect(sql)).await.expect(sql);
        drop(first);
        assert_eq!(all(&mut *session(&backend, &server).await, PATH).await, before, "{sql}");
        // Outside of a transaction it still cannot write.
        let fault = failure(&mut *session(&backend, &server).await, bound("CREATE TABLE t (a int)")).await;
        assert_eq!(fault.kind, FaultKind::Statement, "{fault}");
    }
    let locks = side.query_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", &[]).await.expect("locks");
    assert_eq!(locks.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_session_is_set_alike_whatever_the_server_is_set_to() {
    const NAMES: [&str; 9] = [
        "datestyle",
        "timezone_abbreviations",
        "lc_monetary",
        "default_text_search_config",
        "transform_null_equals",
        "array_nulls",
        "quote_all_identifiers",
        "xmloption",
        "intervalstyle",
    ];
    let server = Postgres::start().await;
    let side = server.connect("postgres").await;
    for set in [
        "datestyle = 'SQL, DMY'",
        "timezone_abbreviations = 'Australia'",
        "default_text_search_config = 'pg_catalog.english'",
        "transform_null_equals = on",
        "array_nulls = off",
        "quote_all_identifiers = on",
        "xmloption = document",
    ] {
        side.batch_execute(&format!("ALTER DATABASE postgres SET {set}")).await.expect(set);
    }
    let backend = server.backend(1);
    let asked = NAMES.map(|name| format!("current_setting('{name}')")).join(", ");
    let found = all(&mut *session(&backend, &server).await, &format!("SELECT {asked}")).await;
    let wanted = ["ISO, MDY", "Default", "C", "pg_catalog.simple", "off", "on", "off", "content", "postgres"];
    assert_eq!(found, [wanted.map(|text| Value::Text(text.to_owned())).to_vec()]);
}

#[tokio::test]
async fn a_row_that_is_too_long_is_refused() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    let fault = failure(&mut *session, bound("SELECT repeat('x', 70000000)")).await;
    assert_eq!(fault.kind, FaultKind::Unsupported, "{fault}");
    assert_eq!(number(&mut *session, "SELECT 7::bigint").await, 7);
}

/// Stands between a client and a server, and can stop passing on what connections that are open then say, which stay open.
struct Relay {
    address: std::net::SocketAddr,
    frozen: tokio::sync::broadcast::Sender<()>,
}

impl Relay {
    async fn start(server: std::net::SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (frozen, _) = tokio::sync::broadcast::channel(1);
        let (address, freezes) = (listener.local_addr().expect("bound"), frozen.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut freeze = freezes.subscribe();
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(server).await.expect("it listens");
                    let ended = tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => true,
                        _ = freeze.recv() => false,
                    };
                    if !ended {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, frozen }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_is_dead_and_does_not_say_so_is_replaced() {
    let server = Postgres::start().await;
    let relay = Relay::start(server.address()).await;
    let node = Address::parse(&relay.address.to_string()).expect("an address");
    let database = DatabaseSpec { database: "postgres".to_owned(), user: Postgres::USER.to_owned(), password: None };
    let backend = leverframe::sql::backend::postgres::Postgres::new(&database, 1, Duration::from_secs(2));
    let mut first = backend.session(&node, soon()).await.expect("a session");
    assert_eq!(number(&mut *first, "SELECT 7::bigint").await, 7);
    drop(first);
    relay.frozen.send(()).expect("a connection");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut next = backend.session(&node, soon()).await.expect("another connection");
    assert_eq!(number(&mut *next, "SELECT 7::bigint").await, 7);
}

#[tokio::test]
async fn what_is_checked_at_the_end_of_a_transaction_is_checked_at_each_statement_where_that_is_asked_for() {
    let server = Postgres::start().await;
    let backend = server.backend(1);
    let mut session = session(&backend, &server).await;
    execute(&mut *session, "CREATE TABLE p (id bigint PRIMARY KEY)").await;
    execute(&mut *session, "CREATE TABLE c (p bigint REFERENCES p DEFERRABLE INITIALLY DEFERRED)").await;
    assert!(backend.checks_each());
    session.transact(Step::Begin, soon()).await.unwrap();
    session.check_each().unwrap();
    let fault = session.execute(bound("INSERT INTO c VALUES (1)")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Statement, "{fault}");
    session.transact(Step::Rollback, soon()).await.unwrap();
    // The next transaction is as the table says.
    session.transact(Step::Begin, soon()).await.unwrap();
    assert_eq!(execute(&mut *session, "INSERT INTO c VALUES (1)").await, 1);
    assert!(session.check_each().is_err(), "it is too late for that");
    assert_eq!(execute(&mut *session, "INSERT INTO p VALUES (1)").await, 1);
    session.transact(Step::Commit, soon()).await.unwrap();
    assert_eq!(number(&mut *session, "SELECT count(*) FROM c").await, 1);
}
