//! Reads are told from writes, however they are written.

use super::super::class;
use super::super::class::Class::{self, *};
use super::*;

fn classed(dialect: Dialect, sql: &str) -> Result<Class, String> {
    class(&read(dialect, sql), &["bump".to_owned(), "audit.note".to_owned()]).map_err(|refusal| refusal.construct)
}

#[test]
fn writes_are_seen_wherever_they_stand() {
    use Dialect::{MySql, Postgres, Sqlite};
    for (dialect, sql, wanted) in [
        (Postgres, "SELECT 1", Read),
        (Postgres, "/* INSERT */ SELECT 'DELETE' -- UPDATE", Read),
        (Postgres, "WITH x AS (SELECT 1) SELECT * FROM x", Read),
        (Postgres, "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", Change),
        (Postgres, "SELECT * FROM (WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x) y", Change),
        (Postgres, "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", Change),
        (Sqlite, "WITH x AS (SELECT 1) DELETE FROM t WHERE a IN (SELECT * FROM x)", Change),
        (Sqlite, "REPLACE INTO t VALUES (1)", Change),
        (MySql, "REPLACE INTO t VALUES (1)", Change),
        (Postgres, "SELECT * FROM t FOR UPDATE", Locking),
        (MySql, "SELECT * FROM t FOR SHARE", Locking),
        (Postgres, "SELECT * FROM (SELECT * FROM t FOR UPDATE) x", Locking),
        (Postgres, "SELECT nextval('s')", Change),
        (Postgres, "SELECT pg_catalog.setval('s', 1) FROM t", Change),
        (Postgres, "SELECT 1 WHERE pg_advisory_lock(1) IS NULL", Change),
        (Postgres, "SELECT lo_unlink(5)", Change),
        (Postgres, "SELECT * FROM t ORDER BY bump(1)", Change),
        (Postgres, "SELECT * FROM bump(1)", Change),
        (Postgres, "SELECT audit.note('x')", Change),
        (Postgres, "SELECT \"audit\".\"note\"('x')", Change),
        (MySql, "SELECT GET_LOCK('x', 1)", Change),
        (MySql, "SELECT (SELECT Bump())", Change),
        (Postgres, "VALUES (1)", Read),
        (Postgres, "CREATE TABLE t (a int)", Schema),
        (Postgres, "TRUNCATE t", Schema),
        (MySql, "DROP TABLE t", Schema),
        (Sqlite, "ALTER TABLE t ADD COLUMN b", Schema),
    ] {
        assert_eq!(classed(dialect, sql), Ok(wanted), "{sql}");
    }
}

#[test]
fn what_is_neither_read_nor_write_is_refused() {
    use Dialect::{MySql, Postgres, Sqlite};
    for (dialect, sql) in [
        (Postgres, "SELECT * INTO n FROM t"),
        (Postgres, "EXPLAIN ANALYZE DELETE FROM t"),
        (Postgres, "COPY t FROM STDIN"),
        (Postgres, "COPY t TO STDOUT"),
        (Postgres, "CALL p()"),
        (Postgres, "SET x = 1"),
        (Postgres, "BEGIN"),
        (Postgres, "LISTEN x"),
        (Sqlite, "PRAGMA user_version = 5"),
        (Sqlite, "PRAGMA user_version"),
        (Sqlite, "ATTACH 'x' AS y"),
        (MySql, "CALL p()"),
        (MySql, "LOCK TABLES t WRITE"),
        (MySql, "SET GLOBAL x = 1"),
    ] {
        assert!(classed(dialect, sql).is_err(), "{sql}: {:?}", classed(dialect, sql));
    }
    for (dialect, sql) in [(Postgres, "SELECT 1; DELETE FROM t"), (MySql, "DO SLEEP(1)"), (Postgres, "DO 'x'")] {
        let is_refused = parse(dialect, sql).map_or(true, |parsed| class(&parsed, &[]).is_err());
        assert!(is_refused, "{sql}");
    }
}

#[test]
fn functions_that_are_trusted_are_logged() {
    let mut tables = Tables::new();
    tables.insert("t".into(), made(Dialect::Postgres, "t", &["id integer key", "a integer", "at timestamptz"]));
    tables.trust(["Bump".to_owned()]);
    hold(
        Dialect::Postgres,
        &tables,
        &[
            ("SELECT bump(1)", "="),
            ("SELECT bump(now())", "SELECT bump('2023-11-14 22:13:20.123456+00'::timestamptz)"),
            ("SELECT bump(a) FROM t", "="),
            ("UPDATE t SET a = bump(a)", "="),
            ("SELECT bump(random())", "! random(): it is another value for each row, and on each node"),
            (
                "SELECT bump(a) FROM t LIMIT 1",
                "! LIMIT: without ORDER BY of a whole primary key its rows may differ by node",
            ),
            ("SELECT other(1)", "! other(): not a function that is known to answer the same on every node"),
        ],
    );
}

#[test]
fn the_tables_of_a_statement_are_named() {
    let named = |dialect, sql| names(&read(dialect, sql)).into_iter().collect::<Vec<_>>();
    assert_eq!(
        named(Dialect::Postgres, "INSERT INTO Public.T SELECT * FROM \"U\" JOIN v USING (a)"),
        ["U", "public.t", "v"]
    );
    assert_eq!(named(Dialect::Sqlite, "WITH x AS (SELECT 1) UPDATE main.T SET a = (SELECT * FROM x)"), ["T"]);
    assert_eq!(named(Dialect::MySql, "DELETE FROM db.t USING db.t JOIN u ON u.a = db.t.a"), ["db.t", "u"]);
    assert_eq!(named(Dialect::MySql, "TRUNCATE TABLE t"), ["t"]);
}
