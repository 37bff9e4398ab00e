//! Laws of splitting an INSERT, with a real SQLite to say which rows a text has.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use sqlparser::ast::{SetExpr, Statement};

use super::tests::topology;
use super::*;
use crate::sql::parse::parse;
use crate::sql::route::{Parameters, route};

/// A value as text; `?` is bound to the next parameter.
fn any_value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("'),('".to_owned()),
        Just("'it''s -- no'".to_owned()),
        Just("'/*'".to_owned()),
        Just("(('x'))".to_owned()),
        Just("- -1".to_owned()),
        Just("-(-(3))".to_owned()),
        Just("upper(',)(')".to_owned()),
        Just("CASE WHEN 1 THEN 'a,b' ELSE (2) END".to_owned()),
        Just("x'00ff'".to_owned()),
        Just("NULL".to_owned()),
        Just("1.50".to_owned()),
        Just("'?'".to_owned()),
        Just("(SELECT MAX(k) FROM (SELECT 1 AS k UNION SELECT 2))".to_owned()),
        Just("?".to_owned()),
        Just("?2".to_owned()),
        (-5_i64..500).prop_map(|number| number.to_string()),
    ];
    text.prop_flat_map(|text| prop_oneof![4 => Just(text.clone()), 1 => Just(format!("/* ), ( */ {text} -- ,(\n"))])
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        (-40_i64..60).prop_map(|key| key.to_string()),
        (0_i64..60).prop_map(|key| format!("( - /*-*/ -{key} )")),
        (0_i64..60).prop_map(|key| format!("'{key}'")),
        Just("?1".to_owned()),
    ]
}

fn any_tail() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just(" -- the end"),
        Just("; "),
        Just(" ON CONFLICT (id) DO UPDATE SET a = excluded.a || '),(' || ?3"),
        Just(" ON CONFLICT DO NOTHING"),
    ]
}

fn rows_of(statements: &[(String, Vec<Value>)]) -> Vec<(i64, Vec<Stored>)> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE users (id INTEGER, a, b, n INTEGER PRIMARY KEY, UNIQUE (id, n))").unwrap();
    connection.execute_batch("CREATE TABLE log (x)").unwrap();
    for (sql, params) in statements {
        let params = params.iter().map(|value| match value {
            Value::Integer(number) => Stored::Integer(*number),
            Value::Text(text) => Stored::Text(text.clone()),
            other => panic!("{other:?}"),
        });
        connection.execute(sql, rusqlite::params_from_iter(params)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let mut found = connection.prepare("SELECT id, a, b FROM users ORDER BY n").unwrap();
    let rows = found.query_map([], |row| Ok((row.get(0)?, vec![row.get(1)?, row.get(2)?]))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_rows_of_the_parts_are_those_of_the_whole_each_on_the_shard_of_its_key(
        rows in prop::collection::vec((any_key(), any_value(), any_value()), 1..12),
        tail in any_tail(),
        gap in prop_oneof![Just(", "), Just(",\n"), Just(" /* x */ , -- )\n ")],
    ) {
        let rows: Vec<String> = rows.iter().map(|(key, a, b)| format!("({a}, {key}, {b})")).collect();
        let tail = if tail.contains("(id)") { "" } else { tail };
        let sql = format!("INSERT INTO users (a, id, b) VALUES {}{tail}", rows.join(gap));
        let parsed = parse(Dialect::Sqlite, &sql).unwrap();
        let values = [Value::Integer(17), Value::Text("two),(".into()), Value::Text("three".into())];
        let params: Vec<Value> = (0..parsed.parameters).map(|at| values[at % 3].clone()).collect();
        let topology = topology(Dialect::Sqlite, 3);
        let route = route(&parsed.statement, Parameters { positional: &params }, &topology).unwrap();
        let shapes = BTreeMap::new();
        let catalog = Catalog { topology: &topology, shapes: &shapes };
        let WritePlan::Change(change) = plan(&parsed, &route, &params, &catalog).unwrap() else { panic!("no change") };

        let Route::Insert { rows: shards, .. } = &route else { panic!("no INSERT") };
        let whole = rows_of(&[(parsed.text, params)]);
        prop_assert_eq!(whole.len(), shards.len());
        for shard in topology_shards() {
            let part: Vec<_> = change.statements.iter().filter(|one| one.shard == shard).collect();
            prop_assert!(part.len() <= 1);
            let found = rows_of(&part.iter().map(|one| (one.sql.clone(), one.params.clone())).collect::<Vec<_>>());
            let wanted: Vec<_> =
                whole.iter().zip(shards).filter(|(_, of)| **of == shard).map(|(row, _)| row.clone()).collect();
            prop_assert_eq!(&found, &wanted, "{}", &sql);
            for (key, _) in found {
                let of = match key { ..10 => 0, 10..20 => 1, _ => 2 };
                prop_assert_eq!(of, shard.0);
            }
        }
    }

    #[test]
    fn the_trees_of_the_parts_hold_each_row_once(
        rows in prop::collection::vec((any_key(), any_value()), 2..12),
        tail in any_tail(),
        dialect in prop_oneof![Just(Dialect::Sqlite), Just(Dialect::Postgres), Just(Dialect::MySql)],
    ) {
        // Which functions are known depends on the dialect.
        let is_plain = |text: &str| !text.contains(['?', 'u', 'S']);
        let rows = rows.iter().filter(|(key, value)| is_plain(key) && is_plain(value));
        let rows: Vec<String> = rows.map(|(key, value)| format!("({key}, {value})")).collect();
        let tail = if dialect == Dialect::MySql || tail.contains('?') { "" } else { tail };
        prop_assume!(!rows.is_empty());
        let sql = format!("INSERT INTO users (id, a) VALUES {}{tail}", rows.join(", "));
        let parsed = parse(dialect, &sql).unwrap();
        let topology = topology(dialect, 3);
        let Ok(route) = route(&parsed.statement, Parameters::default(), &topology) else { return Ok(()) };
        let shapes = BTreeMap::new();
        let WritePlan::Change(change) = plan(&parsed, &route, &[], &Catalog { topology: &topology, shapes: &shapes }).unwrap()
        else { panic!("no change") };
        let mut found: Vec<String> = change.statements.iter().flat_map(|one| texts(&parse(dialect, &one.sql).unwrap())).collect();
        let mut wanted = texts(&parsed);
        found.sort();
        wanted.sort();
        prop_assert_eq!(found, wanted);
    }
}

fn topology_shards() -> [Shard; 3] {
    [Shard(0), Shard(1), Shard(2)]
}

fn texts(parsed: &Parsed) -> Vec<String> {
    let Statement::Insert(insert) = &parsed.statement else { panic!("no INSERT") };
    let SetExpr::Values(values) = insert.source.as_ref().unwrap().body.as_ref() else { panic!("no VALUES") };
    values
        .rows
        .iter()
        .map(|row| format!("{:?}", row.content.iter().map(ToString::to_string).collect::<Vec<_>>()))
        .collect()
}
