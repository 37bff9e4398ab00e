//! What becomes of statements that write: what each shard is sent, or the construct that is refused.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::ops::Bound;

use super::*;
use crate::sql::parse::parse;
use crate::sql::route::{Parameters, route};
use crate::sql::shape::ColumnShape;
use crate::sql::topology::{Collation, Holding, Key, KeyKind, KeyRange, Partition, Placement, Topology};

/// Keys below 10 on shard 0, below 20 on 1, all others on 2.
pub(super) fn topology(dialect: Dialect, shards: u16) -> Topology {
    let cut = |shard: u16, from: Bound<i64>, to: Bound<i64>| KeyRange {
        from: from.map(Key::Int),
        to: to.map(Key::Int),
        shard: Shard(shard),
    };
    let ranges = match shards {
        1 => vec![cut(0, Bound::Unbounded, Bound::Unbounded)],
        _ => vec![
            cut(0, Bound::Unbounded, Bound::Excluded(10)),
            cut(1, Bound::Included(10), Bound::Excluded(20)),
            cut(2, Bound::Included(20), Bound::Unbounded),
        ],
    };
    let placement = Placement::ranges(KeyKind::Integer, ranges).unwrap();
    let by = |key: &str| {
        Holding::Partitioned(Partition { key: key.into(), kind: KeyKind::Integer, placement: placement.clone() })
    };
    let placement = Placement::hashed((0..shards).map(Shard).collect()).unwrap();
    let kinds = Partition { key: "kind".into(), kind: KeyKind::Text(Collation::Other), placement };
    let kinds = Holding::Partitioned(kinds);
    let tables = [("users", by("id")), ("orders", by("user_id")), ("countries", Holding::Reference), ("kinds", kinds)];
    let tables = tables.map(|(name, holding)| (name.to_owned(), holding));
    Topology::partitioned(dialect, NonZeroU16::new(shards).unwrap(), tables).unwrap()
}

fn shapes() -> BTreeMap<String, Vec<ColumnShape>> {
    let column = |(name, declared): &(&str, &str)| ColumnShape {
        name: (*name).into(),
        declared: (*declared).into(),
        collation: "BINARY".into(),
    };
    let table = |columns: &[(&str, &str)]| columns.iter().map(column).collect();
    BTreeMap::from([
        ("users".into(), table(&[("id", "INTEGER"), ("name", "TEXT"), ("at", "TEXT")])),
        ("orders".into(), table(&[("user_id", "INTEGER"), ("total", "INTEGER")])),
        ("countries".into(), table(&[("code", "TEXT"), ("name", "TEXT"), ("since", "timestamp")])),
    ])
}

struct Given {
    dialect: Dialect,
    shards: u16,
    params: Vec<Value>,
}

const SQLITE: Given = Given { dialect: Dialect::Sqlite, shards: 3, params: Vec::new() };
const POSTGRES: Given = Given { dialect: Dialect::Postgres, shards: 3, params: Vec::new() };
const MYSQL: Given = Given { dialect: Dialect::MySql, shards: 3, params: Vec::new() };

impl Given {
    fn plan(&self, sql: &str) -> Result<WritePlan, String> {
        let topology = topology(self.dialect, self.shards);
        let shapes = shapes();
        let catalog = Catalog { topology: &topology, shapes: &shapes };
        let parsed = parse(self.dialect, sql).unwrap();
        match class(&parsed).map_err(|refusal| refusal.to_string())? {
            Class::Read => Err("reads".into()),
            Class::Schema => schema(&parsed, &catalog).map(WritePlan::Change).map_err(|refusal| refusal.to_string()),
            Class::Change => {
                let parameters = Parameters { positional: &self.params };
                let route = route(&parsed.statement, parameters, &topology).map_err(|refusal| refusal.to_string())?;
                plan(&parsed, &route, &self.params, &catalog).map_err(|refusal| refusal.to_string())
            }
        }
    }

    fn change(&self, sql: &str) -> Change {
        match self.plan(sql) {
            Ok(WritePlan::Change(change)) => change,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn fill(&self, sql: &str) -> Fill {
        match self.plan(sql) {
            Ok(WritePlan::Fill(fill)) => *fill,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn shards(&self, sql: &str) -> Vec<u16> {
        self.change(sql).statements.iter().map(|statement| statement.shard.0).collect()
    }

    #[track_caller]
    fn refuses(&self, sql: &str, with: &str) {
        let refusal = self.plan(sql).map(|_| ()).expect_err(sql);
        assert!(refusal.contains(with), "{sql}: {refusal}");
    }
}

fn with(given: &Given, params: impl IntoIterator<Item = Value>) -> Given {
    Given { dialect: given.dialect, shards: given.shards, params: params.into_iter().collect() }
}

#[test]
fn rows_go_to_the_shards_of_their_keys() {
    let change = SQLITE.change(
        "INSERT INTO users (name, id) VALUES ('a),(''b', 5), -- 20), (\n ('c', 25 /* ), ( */), (upper(('d')), 6), ('e', -(-15))",
    );
    let told: Vec<(u16, &str)> =
        change.statements.iter().map(|statement| (statement.shard.0, statement.sql.as_str())).collect();
    assert_eq!(
        told,
        [
            (0, "INSERT INTO users (name, id) VALUES\n('a),(''b', 5),\n(upper(('d')), 6)\n"),
            (1, "INSERT INTO users (name, id) VALUES\n('e', -(-15))\n"),
            (2, "INSERT INTO users (name, id) VALUES\n('c', 25  )\n"),
        ]
    );
    assert_eq!((change.count, change.returns), (Count::Sum, false));
}

#[test]
fn rows_of_one_shard_are_sent_as_they_came() {
    let sql = "INSERT INTO users (id, name) VALUES (1, 'a'), (2, random()) ON CONFLICT (id) DO UPDATE SET name = 'x'";
    let change = SQLITE.change(sql);
    assert_eq!(change.statements, [ShardStatement { shard: Shard(0), sql: sql.into(), params: Vec::new() }]);
}

#[test]
fn each_shard_is_bound_to_the_parameters_that_it_takes() {
    let params = || [1, 100, 12, 112, 2, 7].map(Value::Integer);
    let number = |numbers: &[i64]| numbers.iter().copied().map(Value::Integer).collect::<Vec<_>>();
    let told = |given: &Given, sql: &str| -> Vec<(String, Vec<Value>)> {
        with(given, params()).change(sql).statements.into_iter().map(|one| (one.sql, one.params)).collect()
    };
    let tail = "ON CONFLICT (id) DO UPDATE SET name =";
    assert_eq!(
        told(&SQLITE, &format!("INSERT INTO users (id, name) VALUES (?, ?), (?, ?), (?, ?2) {tail} ?6")),
        [
            (format!("INSERT INTO users (id, name) VALUES\n(?1, ?2),\n(?3, ?2)\n{tail} ?4"), number(&[1, 100, 2, 7])),
            (format!("INSERT INTO users (id, name) VALUES\n(?1, ?2)\n{tail} ?3"), number(&[12, 112, 7])),
        ]
    );
    assert_eq!(
        told(&POSTGRES, &format!("INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4), ($5, $2) {tail} $6")),
        [
            (format!("INSERT INTO users (id, name) VALUES\n($1, $2),\n($3, $2)\n{tail} $4"), number(&[1, 100, 2, 7])),
            (format!("INSERT INTO users (id, name) VALUES\n($1, $2)\n{tail} $3"), number(&[12, 112, 7])),
        ]
    );
    let tail = "ON DUPLICATE KEY UPDATE name =";
    assert_eq!(
        told(&MYSQL, &format!("INSERT INTO users (id, name) VALUES (?, ?), (?, ?), (?, 1) {tail} ?")),
        [
            (format!("INSERT INTO users (id, name) VALUES\n(?, ?),\n(?, 1)\n{tail} ?"), number(&[1, 100, 2, 7])),
            (format!("INSERT INTO users (id, name) VALUES\n(?, ?)\n{tail} ?"), number(&[12, 112, 7])),
        ]
    );
}

#[test]
fn a_change_goes_where_its_rows_are() {
    assert_eq!(SQLITE.shards("UPDATE users SET name = 'x' WHERE id = 12"), [1]);
    assert_eq!(SQLITE.shards("UPDATE users SET name = 'x' WHERE id IN (1, 12)"), [0, 1]);
    assert_eq!(SQLITE.shards("DELETE FROM users WHERE name = 'x'"), [0, 1, 2]);
    assert_eq!(SQLITE.shards("DELETE FROM users WHERE id > 5 AND id < 2"), [0]);
    assert_eq!(SQLITE.shards("DELETE FROM users"), [0, 1, 2]);
    let change = with(&MYSQL, [Value::Text("x".into()), Value::Integer(12)])
        .change("UPDATE users SET name = ? WHERE id = ? RETURNING 1".trim_end_matches(" RETURNING 1"));
    assert_eq!(change.statements[0].sql, "UPDATE users SET name = ? WHERE id = ?");
    assert!(POSTGRES.change("DELETE FROM users RETURNING id").returns);
}

#[test]
fn one_shard_alone_is_sent_what_several_are_not() {
    for sql in [
        "UPDATE users SET name = 'x' WHERE id = 12 AND random() > 1",
        "DELETE FROM users WHERE id = 12 AND name IN (SELECT 'x' FROM orders WHERE user_id = 15 LIMIT 1)",
        "UPDATE users SET name = (SELECT MAX(total) FROM orders WHERE user_id = 11) WHERE id = 12",
        "INSERT INTO users (id, name) VALUES (12, (SELECT total FROM orders WHERE user_id = 12))",
        "INSERT OR FAIL INTO users (id) VALUES (12), (13)",
    ] {
        assert_eq!(SQLITE.shards(sql), [1], "{sql}");
    }
    SQLITE.refuses("UPDATE users SET name = (SELECT MAX(total) FROM orders) WHERE id = 12", "table orders");
    SQLITE.refuses("INSERT INTO users (id, name) VALUES (12, (SELECT MAX(total) FROM orders))", "table orders");
    let one = Given { shards: 1, ..SQLITE };
    assert_eq!(one.shards("DELETE FROM users WHERE name IN (SELECT total FROM orders)"), [0]);
    assert_eq!(one.shards("INSERT INTO users (id) SELECT user_id FROM orders"), [0]);
    assert_eq!(one.shards("INSERT INTO countries (code) VALUES (random())"), [0]);
}

#[test]
fn what_several_shards_would_not_do_as_one_is_refused_by_name() {
    for (sql, with) in [
        ("DELETE FROM users WHERE random() > 0", "random()"),
        ("DELETE FROM users WHERE at < CURRENT_TIMESTAMP", "current_timestamp()"),
        ("DELETE FROM users WHERE name = my_function(at)", "my_function()"),
        ("UPDATE users SET name = last_insert_rowid()", "last_insert_rowid()"),
        ("DELETE FROM users WHERE rowid = 5", "rowid"),
        ("DELETE FROM users WHERE name IN (SELECT total FROM orders)", "table orders"),
        ("UPDATE users SET name = (SELECT MAX(name) FROM countries)", "a subquery for a value"),
        ("DELETE FROM users WHERE name IN (SELECT name FROM countries LIMIT 2)", "LIMIT in a subquery"),
        ("DELETE FROM users WHERE name IN (SELECT name FROM countries GROUP BY code)", "GROUP BY in a subquery"),
        ("DELETE FROM users LIMIT 5", "LIMIT"),
        ("UPDATE users SET id = 5 WHERE name = 'x'", "cannot be changed"),
        ("UPDATE OR FAIL users SET name = 'x'", "OR FAIL"),
        ("INSERT INTO users (name) VALUES ('x')", "must give id"),
        ("INSERT INTO users (id, name) VALUES (NULL, 'x')", "must give id"),
        ("INSERT INTO users (id) VALUES (1), (random())", "must give id"),
        ("INSERT OR ROLLBACK INTO users (id) VALUES (1), (20)", "INSERT OR ROLLBACK"),
        ("INSERT INTO users (id, name) VALUES (1, 'a'), (20, odd('b'))", "odd()"),
        ("INSERT INTO users (id, name) VALUES (1, 'a') ON CONFLICT (name) DO NOTHING", "ON CONFLICT"),
        ("INSERT INTO users (id, name) VALUES (1, 'a') ON CONFLICT DO UPDATE SET name = 'b'", "ON CONFLICT"),
        ("INSERT INTO users (id, name) VALUES (1, 'a'), (20, (SELECT MAX(total) FROM orders))", "table orders"),
        ("INSERT INTO strangers (id) VALUES (1)", "strangers"),
        ("DELETE FROM strangers", "strangers"),
    ] {
        SQLITE.refuses(sql, with);
    }
    MYSQL.refuses("DELETE FROM users ORDER BY name LIMIT 5", "LIMIT");
    POSTGRES.refuses("DELETE FROM users WHERE ctid = '(0,1)'", "ctid");
    POSTGRES.refuses("DELETE FROM users USING orders WHERE users.name = orders.total", "table orders");
    POSTGRES.refuses(
        "UPDATE users SET name = 'x' FROM countries c LEFT JOIN countries d ON c.code = d.code WHERE c.name = users.name",
        "an outer join",
    );
}

#[test]
fn values_that_are_made_for_each_row_are_right_on_several_shards() {
    assert_eq!(SQLITE.shards("INSERT INTO users (id, at) VALUES (1, CURRENT_TIMESTAMP), (20, random())"), [0, 2]);
    assert_eq!(SQLITE.shards("UPDATE users SET at = datetime('now')"), [0, 1, 2]);
    assert_eq!(SQLITE.shards("DELETE FROM users WHERE name IN (SELECT name FROM countries)"), [0, 1, 2]);
    assert_eq!(
        SQLITE.shards("DELETE FROM users WHERE EXISTS (SELECT 1 FROM countries c WHERE c.name = users.name)"),
        [0, 1, 2]
    );
}

#[test]
fn tables_joined_on_the_key_are_read_where_they_are() {
    assert_eq!(
        POSTGRES.shards("UPDATE users SET name = 'x' FROM orders WHERE orders.user_id = users.id AND orders.total > 5"),
        [0, 1, 2]
    );
    assert_eq!(POSTGRES.shards("DELETE FROM users USING orders WHERE orders.user_id = users.id"), [0, 1, 2]);
}

#[test]
fn a_copied_table_is_written_everywhere_with_what_is_the_same_everywhere() {
    let change = SQLITE.change("INSERT INTO countries (code, name, since) VALUES ('ch', 'Schweiz', '1848')");
    assert_eq!((change.statements.len(), change.count), (3, Count::Same));
    assert_eq!(SQLITE.shards("INSERT INTO countries VALUES ('ch', upper('Schweiz'), NULL)"), [0, 1, 2]);
    assert_eq!(SQLITE.shards("UPDATE countries SET name = lower(name) WHERE code IN ('a', 'b')"), [0, 1, 2]);
    assert_eq!(SQLITE.shards("DELETE FROM countries WHERE code = 'ch'"), [0, 1, 2]);
    for (sql, with) in [
        ("INSERT INTO countries (code, name) VALUES ('ch', 'x')", "since must be given"),
        ("INSERT INTO countries VALUES ('ch', 'x')", "every column"),
        ("INSERT INTO countries DEFAULT VALUES", "every column"),
        ("INSERT INTO countries VALUES ('ch', 'x', CURRENT_TIMESTAMP)", "current_timestamp()"),
        ("INSERT INTO countries VALUES ('ch', (SELECT MAX(name) FROM users), 'x')", "table users"),
        ("INSERT INTO countries VALUES ('ch', (SELECT name FROM countries), 'x')", "a subquery for a value"),
        ("UPDATE countries SET name = random()", "random()"),
        ("UPDATE countries SET name = 'x' WHERE code IN (SELECT name FROM users)", "table users"),
        ("UPDATE countries SET name = c.name FROM countries c WHERE c.code > countries.code", "UPDATE … FROM"),
        ("DELETE FROM countries LIMIT 1", "LIMIT"),
    ] {
        SQLITE.refuses(sql, with);
    }
    POSTGRES.refuses("UPDATE countries SET since = 'now'", "'now'");
    POSTGRES.refuses("UPDATE countries SET since = DEFAULT", "DEFAULT");
    with(&POSTGRES, [Value::Text(" Today 12:00".into())]).refuses("UPDATE countries SET since = $1", "'now'");
}

#[test]
fn where_mysql_may_count_by_itself_it_is_asked_first() {
    let asked = |sql: &str| -> Vec<Vec<Value>> {
        let mut questions = MYSQL.change(sql).questions;
        assert!(questions.pop().is_some_and(|question| question.sql.contains("engine")), "{sql}");
        questions.into_iter().map(|question| question.params).collect()
    };
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(
        asked("INSERT INTO countries (name, code, since) VALUES ('7', 0, '2'), (8, 5, NULL)"),
        [vec![Value::Null, text("countries"), text("name")]]
    );
    assert!(asked("INSERT INTO countries VALUES (1, 2, 3)").is_empty());
    assert!(asked("UPDATE countries SET name = NULL").is_empty());
}

#[test]
fn what_is_of_a_session_is_refused_wherever_it_stands() {
    let cases = [
        (SQLITE, "INSERT INTO users (id, name) VALUES (7, last_insert_rowid())", "last_insert_rowid()"),
        (SQLITE, "UPDATE users SET name = \"changes\"() WHERE id = 1", "changes()"),
        (SQLITE, "SELECT total_changes()", "total_changes()"),
        (SQLITE, "INSERT INTO users (id) SELECT user_id FROM orders WHERE total = changes()", "changes()"),
        (POSTGRES, "INSERT INTO users (id, name) VALUES (7, pg_catalog.lastval())", "lastval()"),
        (POSTGRES, "SELECT id FROM users WHERE id = 7 AND name = currval('s')", "currval()"),
        (POSTGRES, "SELECT * FROM pg_backend_pid()", "pg_backend_pid()"),
        (POSTGRES, "DELETE FROM users WHERE id = 1 RETURNING set_config('a.b', '1', false)", "set_config()"),
        (POSTGRES, "SELECT pg_try_advisory_lock(1)", "pg_try_advisory_lock()"),
        (MYSQL, "INSERT INTO users (id, name) VALUES (7, LAST_INSERT_ID())", "last_insert_id()"),
        (MYSQL, "SELECT FOUND_ROWS(), id FROM users WHERE id = 7", "found_rows()"),
        (MYSQL, "UPDATE users SET name = `row_count`()", "row_count()"),
        (MYSQL, "SELECT CONNECTION_ID()", "connection_id()"),
    ];
    for (given, sql, with) in cases {
        given.refuses(sql, with);
        Given { shards: 1, ..given }.refuses(sql, with);
    }
    // A table may have such a name.
    let parsed = parse(Dialect::Sqlite, "SELECT changes FROM changes").unwrap();
    assert_eq!(class(&parsed), Ok(Class::Read));
    let parsed = parse(Dialect::Postgres, "SELECT txid_current(), pg_advisory_xact_lock(1)").unwrap();
    assert_eq!(class(&parsed), Ok(Class::Read));
}

#[test]
fn a_key_that_mysql_may_replace_is_not_written() {
    MYSQL.refuses("INSERT INTO users (id, name) VALUES (5, 'a'), (0, 'b')", "AUTO_INCREMENT");
    MYSQL.refuses("INSERT INTO users SET id = '0', name = 'b'", "AUTO_INCREMENT");
    with(&MYSQL, [Value::Integer(0)]).refuses("INSERT INTO users (id) VALUES (?)", "AUTO_INCREMENT");
    let fill = MYSQL.fill("INSERT INTO users (id, name) SELECT user_id, total FROM orders");
    let refusal = fill.change(vec![vec![Value::Integer(0), Value::Null]]).unwrap_err();
    assert!(refusal.why.contains("AUTO_INCREMENT"), "{refusal}");
    assert_eq!(SQLITE.shards("INSERT INTO users (id) VALUES (0)"), [0]);
    assert_eq!(POSTGRES.shards("INSERT INTO users (id) VALUES (0)"), [0]);
    assert_eq!(Given { shards: 1, ..MYSQL }.shards("INSERT INTO users (id) VALUES (0)"), [0]);
}

#[test]
fn whether_a_column_that_is_left_open_counts_by_itself_is_asked_first() {
    let asked = |given: &Given, sql: &str| -> Vec<(String, Vec<Value>)> {
        given.change(sql).questions.into_iter().map(|question| (question.sql, question.params)).collect()
    };
    let text = |text: &str| Value::Text(text.into());
    for (given, sql, params) in [
        (SQLITE, "INSERT INTO orders (user_id, total, at) VALUES (5, NULL, 0)", vec!["orders", "user_id", "at"]),
        (POSTGRES, "INSERT INTO orders (user_id, total) VALUES (5, DEFAULT)", vec!["\"orders\"", "user_id"]),
        (POSTGRES, "INSERT INTO orders (user_id, total) VALUES (5, 0)", vec!["\"orders\"", "user_id", "total"]),
    ] {
        let questions = asked(&given, sql);
        assert_eq!(questions.len(), 1, "{questions:?}");
        assert_eq!(questions[0].1, params.into_iter().map(text).collect::<Vec<_>>());
        assert!(asked(&Given { shards: 1, ..given }, sql).is_empty(), "one shard counts for all");
    }
    let questions = asked(&MYSQL, "INSERT INTO orders (user_id, total) VALUES (5, 0), (15, 1)");
    assert_eq!(questions[0].1, [Value::Null, text("orders"), text("user_id")]);
    assert!(questions[1].0.contains("transactions = 'YES'"), "written on two shards");
    assert_eq!(asked(&MYSQL, "INSERT INTO orders (user_id, total) VALUES (5, 1)").len(), 1);
    let fill = SQLITE.fill("INSERT INTO users (id, name) SELECT user_id, total FROM orders");
    let change = fill.change(vec![vec![Value::Integer(1), Value::Null], vec![Value::Integer(2), text("a")]]).unwrap();
    assert_eq!(change.questions[0].params, [text("users"), text("id")]);
    POSTGRES.refuses("INSERT INTO orders (user_id, total) VALUES (5, nextval('s'))", "each shard counts");
}

#[test]
fn sqlite_answers_which_columns_count() {
    let nodes = rusqlite::Connection::open_in_memory().unwrap();
    nodes
        .execute_batch(
            "CREATE TABLE orders (user_id INTEGER, Total INTEGER PRIMARY KEY);
             CREATE TABLE users (id INTEGER, at INT, PRIMARY KEY (id, at))",
        )
        .unwrap();
    let counts = |sql: &str| {
        let question = SQLITE.change(sql).questions.remove(0);
        let texts = question.params.into_iter().map(|value| match value {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        });
        nodes.prepare(&question.sql).unwrap().exists(rusqlite::params_from_iter(texts)).unwrap()
    };
    assert!(counts("INSERT INTO orders (user_id) VALUES (1)"));
    assert!(counts("INSERT INTO orders (user_id, total) VALUES (1, 2), (2, NULL)"));
    assert!(!counts("INSERT INTO orders (user_id, total) VALUES (1, 2)"));
    assert!(!counts("INSERT INTO users (id) VALUES (1)"));
}

#[test]
fn what_would_be_bound_otherwise_than_one_database_stores_is_refused() {
    let fill = POSTGRES.fill("INSERT INTO users (id, name) SELECT user_id, total FROM orders");
    let column = |declared: &str| Column { name: "x".into(), declared: declared.into() };
    let shape = |name: &str, declared: &str| {
        [ColumnShape { name: name.into(), declared: declared.into(), collation: String::new() }]
    };
    let fits = |from: &str, to: &str| fill.fits(&[column("integer"), column(from)], &shape("name", to)).is_ok();
    for (from, to) in [
        ("real", "numeric"),
        ("double precision", "text"),
        ("real", "double precision"),
        ("character(5)", "text"),
        ("character(5)", "character(6)"),
        ("bpchar", "character varying"),
        ("real[]", "double precision[]"),
    ] {
        assert!(!fits(from, to), "{from} into {to}");
    }
    for (from, to) in [("real", "real"), ("character(5)", "character(5)"), ("integer", "numeric"), ("text", "citext")] {
        assert!(fits(from, to), "{from} into {to}");
    }
    assert!(!fits("real", "") && fill.fits(&[column("integer"), column("real")], &[]).is_err(), "not known");
}

#[test]
fn what_a_query_finds_goes_to_the_shards_of_its_keys() {
    let fill = with(&SQLITE, [5, 6, 7].map(Value::Integer)).fill(
        "INSERT INTO users (name, id) SELECT 'a ON b', user_id FROM orders WHERE total > ?2 AND total < ?3 \
         ON CONFLICT (id) DO UPDATE SET name = ?1 || excluded.name RETURNING id",
    );
    assert_eq!(fill.query.text, "SELECT 'a ON b', user_id FROM orders WHERE total > ?1 AND total < ?2");
    assert_eq!(fill.params, [6, 7].map(Value::Integer));
    let row = |name: &str, id: i64| vec![Value::Text(name.into()), Value::Integer(id)];
    let change = fill.change(vec![row("a", 1), row("b", 30), row("c", 2)]).unwrap();
    let tail = "ON CONFLICT (id) DO UPDATE SET name =";
    assert_eq!(change.statements.len(), 2);
    assert_eq!(
        change.statements[0].sql,
        format!("INSERT INTO users (name, id)\nVALUES\n(?1, ?2),\n(?3, ?4)\n{tail} ?5 || excluded.name RETURNING id")
    );
    let mut params = [row("a", 1), row("c", 2)].concat();
    params.push(Value::Integer(5));
    assert_eq!(change.statements[0].params, params);
    assert!(change.returns && change.count == Count::Sum);
    assert!(fill.change(vec![row("a", 1), vec![Value::Text("x".into()), Value::Null]]).is_err());
    assert!(fill.change(Vec::new()).unwrap().statements.is_empty());
}

#[test]
fn many_rows_are_written_in_batches() {
    for given in [SQLITE, POSTGRES, MYSQL] {
        let fill = given.fill("INSERT INTO users (id, name) SELECT user_id, total FROM orders");
        let rows = (0..1201).map(|key| vec![Value::Integer(key % 9 + 1), Value::Integer(key)]).collect();
        let change = fill.change(rows).unwrap();
        assert_eq!(change.statements.iter().map(|one| one.params.len()).collect::<Vec<_>>(), [1000, 1000, 402]);
        let long = Value::Text("x".repeat(3 << 20));
        let change = fill.change(vec![vec![Value::Integer(1), long.clone()], vec![Value::Integer(2), long]]).unwrap();
        assert_eq!(change.statements.len(), 2);
    }
}

#[test]
fn a_copied_table_takes_what_a_query_finds_on_every_shard() {
    let fill = SQLITE.fill("INSERT INTO countries SELECT name, random(), at FROM users");
    let change = fill.change(vec![vec![Value::Integer(1), Value::Integer(2), Value::Null]]).unwrap();
    assert_eq!((change.statements.len(), change.count), (3, Count::Same));
    SQLITE.refuses("INSERT INTO countries (code) SELECT name FROM users", "must be given");
    let fill = MYSQL.fill("INSERT INTO countries SELECT name, 1, at FROM users");
    let change = fill.change(vec![vec![Value::Integer(1), Value::Integer(0), Value::Null]]).unwrap();
    let question = change.questions.first().unwrap();
    assert_eq!(question.params, [Value::Null, Value::Text("countries".into()), Value::Text("code".into())]);
}

#[test]
fn tables_are_made_on_every_shard() {
    let change = SQLITE.change("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)");
    assert_eq!(change.statements.len(), 3);
    assert_eq!(change.verify, Some(Verify { tables: vec!["users".into()], exist: Some(true) }));
    for sql in [
        "CREATE TABLE IF NOT EXISTS orders (user_id INTEGER, total INTEGER, UNIQUE (user_id, total))",
        "CREATE TABLE countries (code TEXT PRIMARY KEY, name TEXT UNIQUE)",
        "CREATE INDEX i ON users (name)",
        "CREATE UNIQUE INDEX i ON users (name, id)",
        "CREATE UNIQUE INDEX i ON countries (name)",
        "DROP INDEX i",
        "DROP TABLE users",
        "ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'x'",
        "ALTER TABLE users DROP COLUMN name",
        "ALTER TABLE users RENAME COLUMN name TO title",
    ] {
        assert_eq!(SQLITE.shards(sql), [0, 1, 2], "{sql}");
    }
    assert_eq!(POSTGRES.shards("TRUNCATE users, orders"), [0, 1, 2]);
    for (sql, with) in [
        ("CREATE TABLE strangers (id INTEGER)", "list it there first"),
        ("CREATE TABLE users (name TEXT)", "the column id"),
        ("CREATE TABLE users (id INTEGER, name TEXT UNIQUE)", "UNIQUE"),
        ("CREATE TABLE users (id INTEGER, name TEXT PRIMARY KEY)", "UNIQUE"),
        ("CREATE TABLE users (id INTEGER, name TEXT, UNIQUE (name))", "UNIQUE"),
        ("CREATE TABLE users AS SELECT * FROM orders", "CREATE TABLE AS"),
        ("CREATE TEMPORARY TABLE users (id INTEGER)", "TEMPORARY"),
        ("CREATE UNIQUE INDEX i ON users (name)", "UNIQUE"),
        ("CREATE INDEX i ON strangers (name)", "strangers"),
        ("DROP TABLE strangers", "strangers"),
        ("ALTER TABLE users RENAME TO people", "ALTER TABLE"),
        ("ALTER TABLE users DROP COLUMN id", "on which shard"),
        ("ALTER TABLE users RENAME COLUMN id TO number", "on which shard"),
        ("ALTER TABLE users ADD COLUMN city TEXT UNIQUE", "UNIQUE"),
    ] {
        SQLITE.refuses(sql, with);
    }
    for engine in ["ENGINE=MyISAM", "engine = Aria COMMENT 'x'", "CHARSET=utf8mb4 ENGINE MEMORY"] {
        let sql = format!("CREATE TABLE users (id INT PRIMARY KEY) {engine}");
        MYSQL.refuses(&sql, "ENGINE = ");
        assert_eq!(Given { shards: 1, ..MYSQL }.shards(&sql), [0]);
    }
    assert_eq!(MYSQL.shards("CREATE TABLE users (id INT PRIMARY KEY, engine INT) ENGINE=InnoDB"), [0, 1, 2]);
    POSTGRES.refuses("ALTER TABLE countries ADD COLUMN city TEXT DEFAULT random()", "random()");
    POSTGRES.refuses("CREATE INDEX CONCURRENTLY i ON users (name)", "CONCURRENTLY");
    POSTGRES.refuses("TRUNCATE users, strangers", "strangers");
}

#[test]
fn what_is_neither_is_refused_by_name() {
    for (given, sql, with) in [
        (SQLITE, "BEGIN", "BEGIN"),
        (SQLITE, "COMMIT", "COMMIT"),
        (SQLITE, "ROLLBACK", "ROLLBACK"),
        (SQLITE, "SAVEPOINT a", "SAVEPOINT"),
        (POSTGRES, "START TRANSACTION", "START TRANSACTION"),
        (SQLITE, "PRAGMA journal_mode", "PRAGMA"),
        (SQLITE, "ATTACH DATABASE 'x' AS y", "ATTACH"),
        (SQLITE, "VACUUM", "VACUUM"),
        (POSTGRES, "SET search_path = x", "SET"),
        (POSTGRES, "COPY users FROM STDIN", "COPY"),
        (POSTGRES, "LOCK TABLE users", "LOCK"),
        (POSTGRES, "CALL f()", "CALL"),
        (POSTGRES, "GRANT SELECT ON users TO x", "GRANT"),
        (POSTGRES, "CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        (POSTGRES, "DROP VIEW v", "DROP VIEW"),
        (POSTGRES, "SELECT * INTO x FROM users", "SELECT INTO"),
        (POSTGRES, "EXPLAIN DELETE FROM users", "EXPLAIN"),
        (POSTGRES, "WITH x AS (SELECT 1) DELETE FROM users", "WITH before a write"),
        (MYSQL, "LOCK TABLES users READ", "LOCK"),
        (MYSQL, "USE other", "USE"),
        (MYSQL, "KILL 5", "KILL"),
        (MYSQL, "SHOW TABLES", "SHOW"),
    ] {
        given.refuses(sql, with);
    }
}

#[test]
fn the_key_is_not_written_under_another_name_or_twice() {
    for (sql, construct) in [
        ("UPDATE users SET rowid = 90 WHERE id = 5", "rowid"),
        ("UPDATE users SET (name, OID) = ('x', 90) WHERE id = 5", "OID"),
        ("INSERT INTO users (id, name, rowid) VALUES (1, 'x', 90)", "rowid"),
        ("INSERT INTO users (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET _rowid_ = 90", "_rowid_"),
        ("INSERT INTO users (id, name, ID) VALUES (1, 'x', 90)", "column ID"),
        ("INSERT INTO users (id, name, id) SELECT user_id, 'x', total FROM orders", "column id"),
    ] {
        let told = SQLITE.plan(sql).map(|_| ()).unwrap_err();
        assert!(told.starts_with(construct), "{sql}: {told}");
    }
}

#[test]
fn a_conflict_that_no_shard_sees_is_not_handled() {
    // 'a' and 'A' may be one key to the server, and lie on two shards.
    for sql in [
        "INSERT IGNORE INTO kinds (kind, w) VALUES ('A', 1)",
        "REPLACE INTO kinds (kind, w) VALUES ('A', 1)",
        "INSERT INTO kinds (kind, w) VALUES ('A', 1) ON DUPLICATE KEY UPDATE w = 2",
        "INSERT INTO kinds (kind, w) SELECT name, 1 FROM users ON DUPLICATE KEY UPDATE w = 2",
    ] {
        MYSQL.refuses(sql, "INSERT INTO kinds with a rule for conflicts");
    }
    assert_eq!(MYSQL.shards("INSERT INTO kinds (kind, w) VALUES ('A', 1)").len(), 1);
}

#[test]
fn behind_a_query_of_mysql_no_column_is_named() {
    let update = |value: &str| {
        format!("INSERT INTO orders (user_id, total) SELECT id, 1 FROM users ON DUPLICATE KEY UPDATE total = {value}")
    };
    MYSQL.refuses(&update("total + 1"), "ON DUPLICATE KEY UPDATE with a column");
    MYSQL.refuses(&update("users.id"), "ON DUPLICATE KEY UPDATE with a column");
    MYSQL.fill(&update("3"));
}
