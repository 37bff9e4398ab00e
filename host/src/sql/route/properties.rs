//! Laws of routing, with a real SQLite to say which rows match.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::ops::Bound;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use sqlparser::parser::Parser;

use super::*;
use crate::sql::dialect::Dialect;
use crate::sql::topology::{Holding, Key, KeyKind, KeyRange, Partition, Placement, Split};
use crate::sql::value::Value;

const SHARDS: u16 = 4;

/// Dense where the literals are, and so wide that every shard of an open range has a row in it.
fn keys() -> impl Iterator<Item = i64> + Clone {
    let far = [i64::MIN, i64::MIN + 1, -(1 << 53) - 1, (1 << 53) + 1, i64::MAX - 1, i64::MAX];
    (-40..=60).chain(far)
}

fn any_placement() -> impl Strategy<Value = Placement> {
    let cuts = prop::collection::btree_set(-8_i64..25, 1..6);
    let ranges =
        (cuts, prop::collection::vec(0..SHARDS + 1, 7), any::<bool>()).prop_map(|(cuts, shards, is_closed)| {
            let mut froms = vec![Bound::Unbounded];
            froms.extend(cuts.iter().map(|cut| Bound::Included(Key::Int(*cut))));
            let mut tos: Vec<_> = cuts
                .iter()
                .map(|cut| if is_closed { Bound::Included(Key::Int(cut - 1)) } else { Bound::Excluded(Key::Int(*cut)) })
                .collect();
            tos.push(Bound::Unbounded);
            let ranges = froms.into_iter().zip(tos).zip(shards);
            // The last number is no shard: a gap.
            let ranges = ranges.filter(|(_, shard)| *shard < SHARDS);
            let ranges = ranges.map(|((from, to), shard)| KeyRange { from, to, shard: Shard(shard) }).collect();
            Placement::ranges(KeyKind::Integer, ranges)
        });
    let list = prop::collection::vec(0..SHARDS + 1, 30).prop_map(|shards| {
        let listed = (-5..25).zip(shards).filter(|(_, shard)| *shard < SHARDS);
        Placement::listed(KeyKind::Integer, listed.map(|(key, shard)| (Key::Int(key), Shard(shard))))
    });
    let hash = (1..=SHARDS).prop_map(|count| Placement::hashed((0..count).map(Shard).collect()));
    prop_oneof![ranges, list, hash].prop_filter_map("places nothing", Result::ok)
}

fn topology(placement: &Placement) -> Topology {
    let by = |key: &str| {
        Holding::Partitioned(Partition { key: key.into(), kind: KeyKind::Integer, placement: placement.clone() })
    };
    let tables = [("a", by("id")), ("b", by("id")), ("c", by("cid")), ("r", Holding::Reference)];
    let tables = tables.map(|(name, holding)| (name.to_owned(), holding));
    Topology::partitioned(Dialect::Sqlite, NonZeroU16::new(SHARDS).unwrap(), tables).unwrap()
}

const BOUND: [Value; 5] =
    [Value::Integer(7), Value::Real(3.5), Value::Null, Value::Integer(i64::MAX), Value::Integer(-3)];

fn stored(value: &Value) -> Stored {
    match value {
        Value::Integer(number) => Stored::Integer(*number),
        Value::Real(number) => Stored::Real(*number),
        Value::Text(text) => Stored::Text(text.clone()),
        _ => Stored::Null,
    }
}

fn routed(topology: &Topology, sql: &str) -> Result<Reads, Refusal> {
    let statements = Parser::parse_sql(Dialect::Sqlite.grammar(), sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    match route(&statements[0], Parameters { positional: &BOUND }, topology)? {
        Route::Read(reads) => Ok(reads),
        other => panic!("{sql}: {other:?}"),
    }
}

fn shards(routing: &Routing) -> BTreeSet<Shard> {
    match routing {
        Routing::All => (0..SHARDS).map(Shard).collect(),
        Routing::Shards(shards) => shards.clone(),
        Routing::Nowhere => BTreeSet::new(),
    }
}

/// A database with the keys that the placement has a shard for.
fn database(placement: &Placement, tables: &[(&str, &str)], keys: impl Iterator<Item = i64> + Clone) -> Connection {
    let database = Connection::open_in_memory().unwrap();
    for (at, (table, key)) in (1_i64..).zip(tables) {
        database.execute_batch(&format!("CREATE TABLE {table} ({key} INTEGER, x INTEGER, shard INTEGER)")).unwrap();
        let mut insert = database.prepare(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)")).unwrap();
        for key in keys.clone() {
            let Ok(shard) = placement.shard_of(&Key::Int(key)) else { continue };
            let x = (key.rem_euclid(5) != 0).then_some(key.wrapping_mul(at).rem_euclid(7));
            insert.execute(rusqlite::params![key, x, shard.0]).unwrap();
        }
    }
    database
}

fn rows(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    for (at, value) in (1..=statement.parameter_count()).zip(&BOUND) {
        statement.raw_bind_parameter(at, stored(value)).unwrap();
    }
    let columns = statement.column_count();
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next().unwrap() {
        let values = (0..columns).map(|at| row.get::<_, Stored>(at).unwrap());
        found.push(values.map(|value| format!("{value:?}")).collect::<Vec<_>>().join(","));
    }
    found.sort_unstable();
    found
}

fn number() -> impl Strategy<Value = String> {
    (-12_i64..30).prop_map(|number| number.to_string())
}

/// Whatever may stand beside a key.
fn operand() -> impl Strategy<Value = String> {
    let odd = [
        "NULL",
        "3.5",
        "-2.0",
        "1e1",
        "'7'",
        "'07'",
        "'x'",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "9007199254740993",
        "9007199254740993.0",
        "- -4",
        "-(+5)",
        "CAST('6' AS INTEGER)",
        "CAST(6 AS TEXT)",
        "x'37'",
        "TRUE",
        "x",
        "id",
        "abs(5)",
        "?1",
        "?2",
        "?3",
        "?4",
        "?5",
        "0.99999999999999999",
        "5.0000000000000000001",
    ];
    prop_oneof![3 => number(), 2 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned)]
}

fn comparison() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">=", "=="])
}

fn combined(leaf: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    leaf.prop_recursive(4, 16, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(|parts| format!("({})", parts.join(" AND "))),
            several.clone().prop_map(|parts| format!("({})", parts.join(" OR "))),
            // Without parentheses: the server's precedence must be the parser's.
            several.prop_map(|parts| parts.join(" AND ")),
            inner.clone().prop_map(|part| format!("NOT ({part})")),
            inner.clone().prop_map(|part| format!("NOT {part}")),
            (inner, prop::sample::select(vec!["TRUE", "FALSE", "NOT TRUE", "NOT FALSE"]))
                .prop_map(|(part, what)| format!("(({part}) IS {what})")),
        ]
    })
}

fn any_predicate() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(operand(), 1..4).prop_map(|list| list.join(", "));
    let column = || prop::sample::select(vec!["id", "a.id", "(ID)", "\"id\"", "+id", "x"]);
    let not = || prop::sample::select(vec!["", "NOT "]);
    let leaf = prop_oneof![
        4 => (column(), comparison(), operand()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
        2 => (operand(), comparison(), column()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
        2 => (column(), not(), list).prop_map(|(column, not, list)| format!("{column} {not}IN ({list})")),
        2 => (column(), not(), operand(), operand())
            .prop_map(|(column, not, low, high)| format!("{column} {not}BETWEEN {low} AND {high}")),
        1 => (column(), not()).prop_map(|(column, not)| format!("{column} IS {not}NULL")),
        1 => (column(), not(), operand())
            .prop_map(|(column, not, other)| format!("{column} IS {not}DISTINCT FROM {other}")),
        1 => operand(),
    ];
    combined(leaf.boxed())
}

/// Only what is meant to be narrowed as far as can be.
fn exact_predicate() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(number(), 1..4).prop_map(|list| list.join(", "));
    let leaf = prop_oneof![
        4 => (comparison(), number()).prop_map(|(op, right)| format!("id {op} {right}")),
        2 => (number(), comparison()).prop_map(|(left, op)| format!("{left} {op} id")),
        2 => list.prop_map(|list| format!("id IN ({list})")),
        2 => (number(), number()).prop_map(|(low, high)| format!("id BETWEEN {low} AND {high}")),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(|parts| format!("({})", parts.join(" AND "))),
            several.prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|part| format!("NOT ({part})")),
        ]
    })
}

fn any_join() -> impl Strategy<Value = String> {
    let table = || prop::sample::select(vec!["a", "a", "b", "b", "c", "c", "r"]);
    let kind = || prop::sample::select(vec!["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ","]);
    let key_pair = || prop::sample::select(vec![(0, 1), (1, 0), (1, 2), (2, 0), (0, 2)]);
    let leaf = move || {
        let column = || prop::sample::select(vec!["t0.K0", "t1.K1", "t2.K2", "t0.x", "t1.x", "t2.x"]);
        prop_oneof![
            5 => key_pair().prop_map(|(left, right)| format!("t{left}.K{left} = t{right}.K{right}")),
            2 => (column(), column()).prop_map(|(left, right)| format!("{left} = {right}")),
            2 => (column(), comparison(), 0..9).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            1 => (column(), 0..9, 0..9).prop_map(|(column, one, two)| format!("{column} IN ({one}, {two})")),
            1 => column().prop_map(|column| format!("{column} IS NULL")),
            1 => Just("1 = 0".to_owned()),
        ]
    };
    let keyed = move || (leaf(), leaf()).prop_map(|(one, other)| format!("{one} AND {other}"));
    let predicate = move || prop_oneof![leaf(), keyed(), combined(leaf().boxed())];
    let on = || prop_oneof![3 => Just(None), 7 => predicate().prop_map(Some)];
    let tables = [table(), table(), table()];
    (tables, kind(), on(), kind(), on(), prop::option::of(predicate()), any::<bool>()).prop_map(
        |(tables, first, on_first, second, on_second, selection, is_nested)| {
            let join = |kind: &str, what: &str, on: Option<String>| match (kind, on) {
                ("," | "CROSS JOIN", _) => format!(" {kind} {what}"),
                (_, Some(on)) => format!(" {kind} {what} ON {on}"),
                // USING needs a name that both have.
                (_, None) => format!(" {kind} {what} USING (x)"),
            };
            let [zero, one, two] = [0, 1, 2].map(|at| format!("{{{}}} AS t{at}", tables[at]));
            // The first ON knows two tables only.
            let on_first = on_first.filter(|on| !on.contains(if is_nested { "t0" } else { "t2" }));
            let from = if is_nested {
                let first = if first == "," { "CROSS JOIN" } else { first };
                let inner = join(first, &two, on_first);
                format!("{zero}{}", join(second, &format!("({one}{inner})"), on_second))
            } else {
                format!("{zero}{}{}", join(first, &one, on_first), join(second, &two, on_second))
            };
            let selection = selection.map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
            let mut sql = format!("SELECT t0.x, t1.x, t2.x, t0.K0, t1.K1, t2.K2 FROM {from}{selection}");
            for (at, table) in tables.iter().enumerate() {
                sql = sql.replace(&format!("K{at}"), if *table == "c" { "cid" } else { "id" });
            }
            sql
        },
    )
}

/// The query with each table in place of its name in braces.
fn with_tables(sql: &str, mut table: impl FnMut(&str) -> String) -> String {
    let mut parts = sql.split(['{', '}']);
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let (Some(name), Some(rest)) = (parts.next(), parts.next()) {
        text += &table(name);
        text += rest;
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        max_global_rejects: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_row_that_matches_lies_in_a_shard_that_is_asked(
        placement in any_placement(),
        predicate in any_predicate(),
    ) {
        let sql = format!("SELECT shard FROM a WHERE {predicate}");
        let Ok(reads) = routed(&topology(&placement), &sql) else { return Ok(()) };
        let asked = shards(&reads.routing);
        let database = database(&placement, &[("a", "id")], keys());
        for row in rows(&database, &sql) {
            let is_asked = asked.iter().any(|shard| row == format!("Integer({})", shard.0));
            prop_assert!(is_asked, "{sql}: {row}, {asked:?}");
        }
    }

    #[test]
    fn no_shard_is_asked_in_vain(placement in any_placement(), predicate in exact_predicate()) {
        let sql = format!("SELECT shard FROM a WHERE {predicate}");
        let database = database(&placement, &[("a", "id")], keys());
        let found: BTreeSet<String> = rows(&database, &sql).into_iter().collect();
        match routed(&topology(&placement), &sql) {
            Ok(reads) => {
                let asked = shards(&reads.routing).iter().map(|shard| format!("Integer({})", shard.0)).collect();
                prop_assert_eq!(found, asked, "{}", sql);
            }
            Err(Refusal::OutOfRange { out_of_range: OutOfRange(key), .. }) => {
                prop_assert!(placement.shard_of(&key).is_err(), "{sql}");
            }
            Err(other) => prop_assert!(false, "{sql}: {other}"),
        }
    }

    /// A join finds the same when each table has only the rows of the shards that are asked for it; and when all tables
    /// are in one group, when each shard joins for itself.
    #[test]
    fn a_join_misses_no_row_that_is_not_asked_for(placement in any_placement(), join in any_join()) {
        let whole = with_tables(&join, str::to_owned);
        let Ok(reads) = routed(&topology(&placement), &whole) else { return Ok(()) };
        let database = database(&placement, &[("a", "id"), ("b", "id"), ("c", "cid"), ("r", "id")], -3..9);
        // Three tables with USING may be ambiguous.
        prop_assume!(database.prepare(&whole).is_ok());
        let mut tables = reads.tables.iter();
        let narrowed = with_tables(&join, |table| {
            if table == "r" {
                return table.to_owned();
            }
            let asked = tables.next().map(|read| shards(&read.routing)).unwrap_or_default();
            let asked: Vec<_> = asked.iter().map(|shard| shard.0.to_string()).collect();
            format!("(SELECT * FROM {table} WHERE shard IN ({}))", asked.join(", "))
        });
        prop_assert_eq!(rows(&database, &whole), rows(&database, &narrowed), "{}", narrowed);
        if reads.tables.len() == 3 && reads.tables.windows(2).all(|pair| pair[0].group == pair[1].group) {
            let on = |shard| with_tables(&join, |table| format!("(SELECT * FROM {table} WHERE shard = {shard})"));
            let mut apart: Vec<_> = (0..SHARDS).flat_map(|shard| rows(&database, &on(shard))).collect();
            apart.sort_unstable();
            prop_assert_eq!(rows(&database, &whole), apart, "{}", whole);
        }
    }

    #[test]
    fn the_slices_of_a_split_find_every_row_once(total in 1_u64..60, nodes in 1_u16..8, predicate in any_predicate()) {
        let split = Split::new("a", "id", total).unwrap();
        let nodes = NonZeroU16::new(nodes).unwrap();
        let topology = Topology::split(Dialect::Sqlite, &split, nodes).unwrap();
        let sql = format!("SELECT * FROM a WHERE ({predicate})");
        let reads = routed(&topology, &sql).unwrap();
        let asked = match &reads.routing {
            Routing::All => (0..nodes.get()).map(Shard).collect(),
            some => shards(some),
        };
        let all = Placement::hashed(vec![Shard(0)]).unwrap();
        let database = database(&all, &[("a", "id")], keys());
        database.execute("INSERT INTO a VALUES (NULL, 1, 0)", []).unwrap();
        let mut found = Vec::new();
        for (slice, node) in split.over(nodes).into_iter().zip(0..) {
            if !asked.contains(&Shard(node)) {
                continue;
            }
            let from = slice.from.map_or("1".to_owned(), |from| format!("id >= {from}"));
            let below = slice.below.map_or("1".to_owned(), |below| format!("id < {below}"));
            let bounds = format!("{from} AND {below} AND id IS NOT NULL");
            let null = if slice.takes_null { " OR id IS NULL" } else { "" };
            found.extend(rows(&database, &format!("{sql} AND ({bounds}{null})")));
        }
        found.sort_unstable();
        prop_assert_eq!(rows(&database, &sql), found, "{}", sql);
    }
}
