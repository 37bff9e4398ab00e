//! The laws. Each takes a server of its own.

use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use leverframe::sql::backend::{Backend, Bound, FaultKind, Step};
use leverframe::sql::plan::{Load, LoadColumn};
use leverframe::sql::shape::ColumnShape;
use leverframe::sql::value::{Column, Value};

use super::server::{Server, all, bound, collected, execute, failure, in_millis, number, session, soon};

/// Far below what the slow statements would take, and far above what ending one does.
const PROMPT: Duration = Duration::from_secs(5);

/// Values that are easily changed on the way.
fn awkward(server: &dyn Server) -> Vec<(&'static str, Value)> {
    let words = server.words();
    let integers = [0, 1, -1, 9_007_199_254_740_993, i64::MAX, i64::MIN].map(Value::Integer);
    let reals = [0.1, 1.0, 1e15, 1e20, 1e300, 5e-324, f64::MAX, -2.5, 0.1 + 0.2, 100.0 / 3.0].map(Value::Real);
    let texts = ["", "plain", "it's", "\"two\"\n\\n\tlines", "Grüße, Ŝtelo 🚂", "null", "1.0", "{\"blob\":\"\"}"];
    let texts = texts.map(|text| Value::Text(text.to_owned()));
    let blobs = [Vec::new(), vec![0], (0..=255).collect::<Vec<u8>>()].map(Value::Blob);
    let mut all: Vec<_> = integers.into_iter().map(|value| (words.integer, value)).collect();
    all.extend(reals.into_iter().map(|value| (words.real, value)));
    all.extend(texts.into_iter().map(|value| (words.text, value)));
    all.extend(blobs.into_iter().map(|value| (words.blob, value)));
    all.extend([words.integer, words.real, words.text, words.blob].map(|kind| (kind, Value::Null)));
    all.extend(words.others);
    all
}

/// Whether two values are the same to the last bit.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Real(one), Value::Real(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

pub(super) async fn values_of_every_kind_come_back_as_they_went(server: &dyn Server) {
    let (backend, words) = (server.backend(1), server.words());
    let mut session = session(&backend, server).await;
    for (number, (kind, value)) in awkward(server).into_iter().enumerate() {
        let table = format!("v{number}");
        execute(&mut *session, &format!("CREATE TABLE {table} (a {kind})")).await;
        let insert = format!("INSERT INTO {table} (a) VALUES ({})", (words.parameter)(1));
        // The second is one more than the text takes.
        let params = [value.clone(), Value::Null];
        let written = session.execute(Bound { sql: &insert, params: &params, due: soon() }).await;
        assert_eq!(written, Ok(1), "{kind} {value:?}");
        let rows = all(&mut *session, &format!("SELECT a FROM {table}")).await;
        assert!(rows.len() == 1 && rows[0].len() == 1 && is_same(&rows[0][0], &value), "{value:?} became {rows:?}");
    }
}

pub(super) async fn columns_are_known_before_rows_and_without_any(server: &dyn Server) {
    let (backend, words) = (server.backend(1), server.words());
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE c (id {}, name {})", words.integer, words.text)).await;
    for _ in 0..2 {
        let rows = session.query(bound("SELECT name, id AS number FROM c ORDER BY id")).await.expect("rows");
        let names: Vec<_> = rows.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["name", "number"]);
        assert!(rows.columns.iter().all(|column| !column.declared.is_empty()), "{:?}", rows.columns);
        drop(rows);
        execute(&mut *session, "INSERT INTO c (id, name) VALUES (1, 'a'), (2, 'b')").await;
    }
    assert_eq!(execute(&mut *session, "UPDATE c SET name = 'c' WHERE id = 1").await, 2);
    assert_eq!(execute(&mut *session, "DELETE FROM c WHERE id = 3").await, 0);
}

pub(super) async fn a_hundred_thousand_rows_come_in_order(server: &dyn Server) {
    const ROWS: u64 = 100_000;
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    let sql = (server.words().numbers)(ROWS);
    let mut rows = session.query(bound(&sql)).await.expect("rows");
    let (mut next, mut largest) = (0, 0);
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.expect("a batch");
        largest = largest.max(batch.len());
        for row in batch {
            next += 1;
            assert_eq!(row, [Value::Integer(next)]);
        }
    }
    assert_eq!(next.unsigned_abs(), ROWS);
    assert!(largest <= 10_000, "a batch of {largest} rows");
}

pub(super) async fn rows_come_while_the_statement_runs(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    // Far more than fits into memory or time.
    let sql = (server.words().numbers)(1_000_000_000_000);
    let began = Instant::now();
    let mut rows = session.query(bound(&sql)).await.expect("rows");
    let first = rows.batches.next().await.expect("a batch").expect("rows");
    assert_eq!(first[0], [Value::Integer(1)]);
    drop(rows);
    assert_eq!(number(&mut *session, "SELECT 7").await, 7);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
}

pub(super) async fn a_deadline_ends_a_statement_and_the_session_is_usable(server: &dyn Server) {
    let backend = server.backend(1);
    let began = Instant::now();
    {
        let mut session = session(&backend, server).await;
        let fault = failure(&mut *session, Bound { due: in_millis(300), ..bound(server.words().slow) }).await;
        assert_eq!(fault.kind, FaultKind::TimedOut, "{fault:?}");
        let late = failure(&mut *session, Bound { due: Instant::now(), ..bound("SELECT 1") }).await;
        assert_eq!(late.kind, FaultKind::TimedOut, "{late:?}");
    }
    // The session, or the one in its place.
    assert_eq!(number(&mut *session(&backend, server).await, "SELECT 7").await, 7);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    nothing_runs(server).await;
}

pub(super) async fn a_stream_that_is_dropped_ends_its_statement(server: &dyn Server) {
    let backend = server.backend(1);
    {
        let mut session = session(&backend, server).await;
        let sql = (server.words().numbers)(1_000_000_000_000);
        let mut rows = session.query(bound(&sql)).await.expect("rows");
        rows.batches.next().await.expect("a batch").expect("rows");
    }
    let began = Instant::now();
    assert_eq!(number(&mut *session(&backend, server).await, "SELECT 7").await, 7);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    nothing_runs(server).await;
}

pub(super) async fn a_query_that_is_dropped_ends_its_statement(server: &dyn Server) {
    let backend = server.backend(1);
    {
        let mut session = session(&backend, server).await;
        let query = session.query(bound(server.words().slow));
        let answered = tokio::time::timeout(Duration::from_millis(200), async { collected(query.await?).await });
        assert!(answered.await.is_err(), "the slow statement is not slow");
    }
    let began = Instant::now();
    assert_eq!(number(&mut *session(&backend, server).await, "SELECT 7").await, 7);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    nothing_runs(server).await;
}

/// The server has ended what nobody waits for.
async fn nothing_runs(server: &dyn Server) {
    let began = Instant::now();
    while server.running().await.is_some_and(|running| running > 0) {
        assert!(began.elapsed() < PROMPT, "a statement goes on that nobody waits for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn the_pool_has_a_limit_and_waits_until_due(server: &dyn Server) {
    let (backend, node) = (server.backend(2), server.node());
    let first = session(&backend, server).await;
    let _second = session(&backend, server).await;
    let began = Instant::now();
    let fault = backend.session(&node, in_millis(200)).await.map(|_| ()).expect_err("there are two already");
    assert_eq!(fault.kind, FaultKind::Busy, "{fault:?}");
    assert!(began.elapsed() >= Duration::from_millis(190), "it did not wait: {:?}", began.elapsed());
    let mut waits = std::pin::pin!(backend.session(&node, soon()));
    assert!(waits.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(number(&mut *waits.await.expect("one is free"), "SELECT 7").await, 7);
}

pub(super) async fn a_failed_statement_leaves_the_session_usable(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    for wrong in ["SELECT nothing_of_that_name FROM nowhere_at_all", "SELEKT 1", ""] {
        let fault = failure(&mut *session, bound(wrong)).await;
        assert_eq!(fault.kind, FaultKind::Statement, "{wrong:?}: {fault:?}");
        assert!(!fault.message.is_empty());
        let fault = session.execute(bound(wrong)).await.expect_err("it is wrong");
        assert_eq!(fault.kind, FaultKind::Statement, "{wrong:?}: {fault:?}");
        assert_eq!(number(&mut *session, "SELECT 7").await, 7);
    }
}

pub(super) async fn two_statements_in_one_text_are_refused(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE t (id {})", server.words().integer)).await;
    for text in ["SELECT 1; SELECT 2", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"] {
        assert_eq!(failure(&mut *session, bound(text)).await.kind, FaultKind::Statement, "{text}");
        let fault = session.execute(bound(text)).await.expect_err("there are two");
        assert_eq!(fault.kind, FaultKind::Statement, "{text}: {fault:?}");
    }
    assert_eq!(number(&mut *session, "SELECT COUNT(*) FROM t").await, 0);
}

pub(super) async fn a_query_cannot_write(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE t (id {})", server.words().integer)).await;
    for text in ["INSERT INTO t VALUES (1)", "DROP TABLE t"] {
        assert_eq!(failure(&mut *session, bound(text)).await.kind, FaultKind::Statement, "{text}");
    }
    assert_eq!(number(&mut *session, "SELECT COUNT(*) FROM t").await, 0);
}

pub(super) async fn a_connection_that_is_lost_is_replaced(server: &dyn Server) {
    let backend = server.backend(2);
    {
        let mut used = session(&backend, server).await;
        let mut idle = session(&backend, server).await;
        assert_eq!(number(&mut *idle, "SELECT 7").await, 7);
        drop(idle);
        assert_eq!(number(&mut *used, "SELECT 7").await, 7);
        server.sever().await;
        let fault = failure(&mut *used, Bound { due: in_millis(3_000), ..bound("SELECT 7") }).await;
        assert!(fault.is_nodes(), "{fault:?}");
    }
    server.mend().await;
    for _ in 0..2 {
        let mut first = session(&backend, server).await;
        let mut second = session(&backend, server).await;
        assert_eq!(number(&mut *first, "SELECT 7").await, 7);
        assert_eq!(number(&mut *second, "SELECT 8").await, 8);
    }
}

pub(super) async fn a_transaction_is_kept_or_taken_back_whole(server: &dyn Server) {
    let backend = server.backend(2);
    let mut writer = session(&backend, server).await;
    let mut reader = session(&backend, server).await;
    execute(&mut *writer, &format!("CREATE TABLE t (id {})", server.words().integer)).await;
    for (step, expected) in [(Step::Rollback, 0), (Step::Commit, 2)] {
        writer.transact(Step::Begin, soon()).await.expect("it begins");
        execute(&mut *writer, "INSERT INTO t (id) VALUES (1)").await;
        execute(&mut *writer, "INSERT INTO t (id) VALUES (2)").await;
        assert_eq!(number(&mut *writer, "SELECT COUNT(*) FROM t").await, 2);
        assert_eq!(number(&mut *reader, "SELECT COUNT(*) FROM t").await, 0, "before {step:?}");
        writer.transact(step, soon()).await.expect("it ends");
        assert_eq!(number(&mut *reader, "SELECT COUNT(*) FROM t").await, expected, "after {step:?}");
    }
}

pub(super) async fn a_write_answers_rows_within_a_transaction(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE t (id {})", server.words().integer)).await;
    session.transact(Step::Begin, soon()).await.expect("it begins");
    assert_eq!(number(&mut *session, "INSERT INTO t (id) VALUES (7) RETURNING id").await, 7);
    session.transact(Step::Commit, soon()).await.expect("it ends");
    assert_eq!(number(&mut *session, "SELECT COUNT(*) FROM t").await, 1);
}

pub(super) async fn a_session_that_is_dropped_takes_its_transaction_back(server: &dyn Server) {
    let backend = server.backend(1);
    let mut first = session(&backend, server).await;
    execute(&mut *first, &format!("CREATE TABLE t (id {})", server.words().integer)).await;
    first.transact(Step::Begin, soon()).await.expect("it begins");
    execute(&mut *first, "INSERT INTO t (id) VALUES (1)").await;
    drop(first);
    let mut next = session(&backend, server).await;
    assert_eq!(number(&mut *next, "SELECT COUNT(*) FROM t").await, 0);
    execute(&mut *next, "INSERT INTO t (id) VALUES (2)").await;
    drop(next);
    let mut last = session(&backend, server).await;
    assert_eq!(number(&mut *last, "SELECT COUNT(*) FROM t").await, 1);
}

/// A table of partial results, and the columns that nodes answered for it.
fn partials(server: &dyn Server) -> (Load, Vec<Column>) {
    let words = server.words();
    let kinds = [("id", words.integer), ("name", words.text)];
    let column = |(name, declared): (&str, &str)| LoadColumn {
        name: name.to_owned(),
        declared: declared.to_owned(),
        collation: String::new(),
    };
    let answered = |(name, declared): (&str, &str)| Column { name: name.to_owned(), declared: declared.to_owned() };
    let load = Load { name: "lf_partials".to_owned(), columns: kinds.map(column).to_vec() };
    (load, kinds.map(answered).to_vec())
}

/// Where final statements run: an engine where there is one, a node's session elsewhere.
async fn engine(
    backend: &std::sync::Arc<dyn Backend>,
    server: &dyn Server,
) -> Box<dyn leverframe::sql::backend::Session> {
    match backend.engine() {
        Some(engine) => engine.await.expect("an engine"),
        None => session(backend, server).await,
    }
}

pub(super) async fn rows_are_loaded_and_asked_in_one_transaction(server: &dyn Server) {
    let backend = server.backend(1);
    let mut engine = engine(&backend, server).await;
    let (load, columns) = partials(server);
    engine.transact(Step::Begin, soon()).await.expect("it begins");
    for part in 0..4 {
        let row = |id: i64| vec![Value::Integer(id), Value::Text(format!("it's {id}"))];
        let rows = (1..=1_000).map(|id| row(part * 1_000 + id)).collect();
        engine.load(&load, &columns, rows, soon()).await.expect("it is loaded");
    }
    engine.load(&load, &columns, vec![vec![Value::Null, Value::Null]], soon()).await.expect("it is loaded");
    let found = all(&mut *engine, "SELECT COUNT(*), MIN(id), MAX(id), COUNT(name) FROM lf_partials").await;
    assert_eq!(found, [[4_001, 1, 4_000, 4_000].map(Value::Integer)]);
    let found = all(&mut *engine, "SELECT name FROM lf_partials WHERE id = 7").await;
    assert_eq!(found, [[Value::Text("it's 7".to_owned())]]);
    engine.transact(Step::Rollback, soon()).await.expect("it ends");
}

pub(super) async fn what_was_loaded_is_gone_afterwards(server: &dyn Server) {
    let backend = server.backend(1);
    let (load, columns) = partials(server);
    for round in 0..3 {
        let mut engine = engine(&backend, server).await;
        engine.transact(Step::Begin, soon()).await.expect("it begins");
        let rows = vec![vec![Value::Integer(round), Value::Null]];
        engine.load(&load, &columns, rows, soon()).await.expect("it is loaded");
        assert_eq!(all(&mut *engine, "SELECT id FROM lf_partials").await, [[Value::Integer(round)]]);
        // Taken back by its end, by the end of the session, or by itself.
        if round == 0 {
            engine.transact(Step::Rollback, soon()).await.expect("it ends");
            let fault = failure(&mut *engine, bound("SELECT id FROM lf_partials")).await;
            assert_eq!(fault.kind, FaultKind::Statement, "{fault:?}");
        }
    }
}

pub(super) async fn a_shape_is_what_was_declared(server: &dyn Server) {
    let (backend, words) = (server.backend(1), server.words());
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE s (id {}, name {})", words.integer, words.text)).await;
    let shape = session.shape("s", soon()).await.expect("a shape");
    let expected = ["id", "name"].into_iter().zip(words.shape).map(|(name, (declared, collation))| ColumnShape {
        name: name.to_owned(),
        declared: declared.to_owned(),
        collation: collation.to_owned(),
    });
    assert_eq!(shape, expected.collect::<Vec<_>>());
    assert_eq!(session.shape(&format!("{}.s", words.schema), soon()).await, Ok(shape));
    assert_eq!(session.shape("elsewhere.s", soon()).await, Ok(Vec::new()));
    assert_eq!(session.shape("no_such_table", soon()).await, Ok(Vec::new()));
    assert_eq!(session.shape("it's \"odd\" & %41?", soon()).await, Ok(Vec::new()));
}

pub(super) async fn parameters_that_are_missing_are_an_error(server: &dyn Server) {
    let (backend, words) = (server.backend(1), server.words());
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE t (id {})", words.integer)).await;
    let sql = format!("SELECT id FROM t WHERE id = {} OR id = {}", (words.parameter)(1), (words.parameter)(2));
    let params = [Value::Integer(1)];
    let fault = failure(&mut *session, Bound { params: &params, ..bound(&sql) }).await;
    assert_eq!(fault.kind, FaultKind::Statement, "{fault:?}");
    assert_eq!(number(&mut *session, "SELECT 7").await, 7);
}

/// Not for all: SQLite keeps what a transaction did before a statement of it failed.
pub(super) async fn a_failed_transaction_is_not_committed(server: &dyn Server) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    execute(&mut *session, &format!("CREATE TABLE t (id {} PRIMARY KEY)", server.words().integer)).await;
    session.transact(Step::Begin, soon()).await.expect("it begins");
    execute(&mut *session, "INSERT INTO t VALUES (1)").await;
    session.execute(bound("INSERT INTO t VALUES (1)")).await.expect_err("the key is taken");
    session.execute(bound("INSERT INTO t VALUES (2)")).await.expect_err("the transaction has failed");
    assert_eq!(session.transact(Step::Commit, soon()).await.expect_err("it failed").kind, FaultKind::Statement);
    assert_eq!(number(&mut *session, "SELECT COUNT(*) FROM t").await, 0);
}

/// Not for all: what reaches round the session is each server's own.
pub(super) async fn refuses(server: &dyn Server, statements: &[&str]) {
    let backend = server.backend(1);
    let mut session = session(&backend, server).await;
    for sql in statements {
        assert_eq!(failure(&mut *session, bound(sql)).await.kind, FaultKind::Statement, "{sql}");
        assert_eq!(session.execute(bound(sql)).await.unwrap_err().kind, FaultKind::Statement, "{sql}");
    }
    assert_eq!(number(&mut *session, "SELECT 7").await, 7);
}
