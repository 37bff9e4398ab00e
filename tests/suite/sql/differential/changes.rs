//! Statements at random that change rows, the tables that they change, and what is in these at first.

use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::data::{DEPTS, NAMES, Rows};
use super::expressions::Words;
use super::schema::{Column, KINDS, Kind, Rule, Schema, Spread, Table};

/// A statement.
pub(super) struct Change {
    /// What it tries.
    pub(super) construct: &'static str,
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
}

/// Tables whose keys are unique, one whose key is not and may be missing, one with a key that is text, and one that every
/// shard has whole.
pub(super) fn schema(random: &mut fastrand::Rng, dialect: Dialect) -> Schema {
    let mut one_of = |of: &[&'static str]| of[random.usize(..of.len())];
    let unique = if dialect == Dialect::Sqlite {
        one_of(&["INTEGER PRIMARY KEY", "INT PRIMARY KEY", "BIGINT NOT NULL UNIQUE"])
    } else {
        one_of(&["INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY", "SMALLINT PRIMARY KEY"])
    };
    let decimal = if dialect == Dialect::Sqlite { "REAL" } else { "NUMERIC(10,2)" };
    let collation = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => one_of(&["", "C", "und-x-icu"]),
        Dialect::MySql => one_of(&["utf8mb4_nopad_bin", "utf8mb4_bin", "utf8mb4_general_ci"]),
    };
    let column = |name, kind, declared| Column { name, kind, declared, collation: "" };
    let (int, text) = (|name| column(name, Kind::Int, "INTEGER"), |name| column(name, Kind::Text, "VARCHAR(40)"));
    let mut rule = || match random.u8(..3) {
        0 => Rule::Ranges(9),
        1 => Rule::List,
        _ => Rule::Hash,
    };
    let (one, other) = (rule(), rule());
    let users = vec![
        column("id", Kind::Int, unique),
        text("name"),
        text("dept"),
        int("age"),
        column("salary", Kind::Decimal, decimal),
    ];
    let orders = vec![int("oid"), int("user_id"), int("amount"), text("note")];
    // A constraint is the shard's own, so one by a collation that holds different bytes equal is none over several shards.
    let is_apart = dialect == Dialect::MySql && collation != "utf8mb4_nopad_bin";
    let declared = if is_apart { "VARCHAR(20)" } else { "VARCHAR(20) PRIMARY KEY" };
    let kind = Column { name: "kind", kind: Kind::Text, declared, collation };
    let events = vec![kind, int("uid"), int("v")];
    let regions = vec![column("rid", Kind::Int, "INTEGER PRIMARY KEY"), text("region"), int("w")];
    let by = |key, rule| Spread::By { key, rule };
    let tables = vec![
        Table { name: "users", columns: users, spread: by("id", one) },
        Table { name: "orders", columns: orders, spread: by("user_id", if random.bool() { one } else { other }) },
        Table {
            name: "events",
            columns: events,
            spread: by("kind", if random.bool() { Rule::Hash } else { Rule::List }),
        },
        Table { name: "regions", columns: regions, spread: Spread::Whole },
    ];
    Schema { dialect, tables, split: None }
}

/// What is in the tables at first.
pub(super) fn rows(random: &mut fastrand::Rng) -> Rows {
    let int = |random: &mut fastrand::Rng| match random.u8(..8) {
        0 => Value::Null,
        _ => Value::Integer(random.i64(0..30)),
    };
    let text = |random: &mut fastrand::Rng, of: &[&str]| Value::Text(of[random.usize(..of.len())].into());
    let mut rows = Vec::new();
    for id in (0..40).filter(|id| id % 2 == 0) {
        let salary = Value::Integer(random.i64(0..90));
        rows.push((0, vec![Value::Integer(id), text(random, NAMES), text(random, DEPTS), int(random), salary]));
    }
    for oid in 0..20 {
        let key = Value::Integer(random.i64(0..40));
        rows.push((1, vec![Value::Integer(oid), key, int(random), text(random, NAMES)]));
    }
    for kind in KINDS.iter().take(3) {
        rows.push((2, vec![Value::Text((*kind).into()), int(random), int(random)]));
    }
    for rid in 0..4 {
        rows.push((3, vec![Value::Integer(rid), text(random, DEPTS), int(random)]));
    }
    Rows(rows)
}

/// The statement of a seed.
pub(super) fn change(seed: u64, schema: &Schema) -> Change {
    let mut words = Words { random: fastrand::Rng::with_seed(seed), schema, params: Vec::new() };
    let (construct, mut text) = match words.below(16) {
        0..=3 => insert(&mut words),
        4 | 5 => upsert(&mut words),
        6..=8 => update(&mut words),
        9 | 10 => delete(&mut words),
        11..=13 => insert_select(&mut words),
        _ => copied(&mut words),
    };
    if schema.dialect != Dialect::MySql && words.below(6) == 0 {
        text.push_str(" RETURNING *");
    }
    let (sql, params) = words.finish(&text);
    Change { construct, sql, params }
}

/// A key: most often a plain one, now and then what only looks like one.
fn key(words: &mut Words<'_>) -> String {
    let number = words.number(0..44);
    match words.below(24) {
        0 => words.bind(Value::Integer(number)),
        1 => words.bind(Value::Text(number.to_string())),
        2 => format!("'{number}'"),
        3 => format!("{number}.0"),
        4 => format!("{number}.5"),
        5 => format!("{number} + 1"),
        6 => words.one_of(&["NULL", "-1", "- 1", "+3", "(7)", "TRUE", "DEFAULT", "'x'", "7e0", "0x10"]).to_owned(),
        7 => words.one_of(&["(SELECT 3)", "abs(-5)", "(SELECT max(id) + 1 FROM users)"]).to_owned(),
        _ => number.to_string(),
    }
}

fn text_key(words: &mut Words<'_>) -> String {
    let kind = words.one_of(KINDS).to_owned();
    match words.below(8) {
        0 => words.bind(Value::Text(kind)),
        1 => words.one_of(&["'a '", "'É'", "upper('a')", "NULL", "'B'", "7"]).to_owned(),
        _ => format!("'{kind}'"),
    }
}

fn int(words: &mut Words<'_>) -> String {
    let number = words.number(-3..40);
    match words.below(12) {
        0 => "NULL".into(),
        1 => words.bind(Value::Integer(number)),
        2 => format!("{number} * 2"),
        3 => format!("'{number}'"),
        4 => {
            words.one_of(&["DEFAULT", "1.5", "(SELECT 4)", "(SELECT max(age) FROM users)", "99999999999", "''"]).into()
        }
        _ => number.to_string(),
    }
}

fn text(words: &mut Words<'_>) -> String {
    let name = words.one_of(NAMES).to_owned();
    match words.below(6) {
        0 => words.bind(Value::Text(name)),
        1 => words.one_of(&["NULL", "upper('x')", "5", "'a;--'"]).into(),
        _ => format!("'{}'", name.replace('\'', "''")),
    }
}

/// A value for a column.
fn value(words: &mut Words<'_>, table: &Table, column: &Column) -> String {
    let is_key = matches!(table.spread, Spread::By { key, .. } if key == column.name);
    match (is_key, column.kind, column.name) {
        (true, Kind::Text, _) => text_key(words),
        (true, ..) => key(words),
        (_, _, "rid") => words.number(0..12).to_string(),
        (_, Kind::Text, _) => text(words),
        _ => int(words),
    }
}

fn table<'a>(words: &mut Words<'a>) -> &'a Table {
    let name = words.one_of(&["users", "users", "users", "orders", "orders", "events"]);
    words.schema.table(name)
}

/// The head of an INSERT, and some rows; the columns in any order, now and then not all or not listed.
fn filled(words: &mut Words<'_>, verb: &str, table: &Table) -> String {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    let is_listed = words.below(8) != 0;
    if is_listed {
        words.random.shuffle(&mut columns);
        if words.below(4) == 0 {
            columns.pop();
        }
    }
    let count = 1 + words.below(4);
    let row = |words: &mut Words<'_>| {
        let values: Vec<String> = columns.iter().map(|column| value(words, table, column)).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<String> = (0..count).map(|_| row(words)).collect();
    let listed: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let listed = if is_listed { format!(" ({})", listed.join(", ")) } else { String::new() };
    format!("{verb} INTO {}{listed} VALUES {}", table.name, rows.join(words.one_of(&[", ", ",\n", " /* , */ , "])))
}

fn insert(words: &mut Words<'_>) -> (&'static str, String) {
    let table = table(words);
    ("INSERT", filled(words, "INSERT", table))
}

fn upsert(words: &mut Words<'_>) -> (&'static str, String) {
    let (table, key, value) = match words.below(3) {
        0 => (words.schema.table("events"), "kind", "v"),
        _ => (words.schema.table("users"), "id", "age"),
    };
    ("upsert", handled(words, table, (key, value), |words, verb| filled(words, verb, table)))
}

/// An INSERT that says what is done where there is such a row.
fn handled(
    words: &mut Words<'_>,
    table: &Table,
    (key, value): (&str, &str),
    insert: impl Fn(&mut Words<'_>, &str) -> String,
) -> String {
    let name = table.name;
    if words.dialect() == Dialect::MySql {
        return match words.below(5) {
            0 => insert(words, "INSERT IGNORE"),
            1 => insert(words, "REPLACE"),
            2 => format!("{} ON DUPLICATE KEY UPDATE {value} = {value} + 1", insert(words, "INSERT")),
            3 => format!("{} ON DUPLICATE KEY UPDATE {key} = {key} + 100", insert(words, "INSERT")),
            _ => format!("{} ON DUPLICATE KEY UPDATE {value} = VALUES({value})", insert(words, "INSERT")),
        };
    }
    if words.dialect() == Dialect::Sqlite && words.below(3) == 0 {
        // Not OR FAIL: one database leaves a statement half done there, and a shard may or may not.
        let verb = words.one_of(&["INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE", "INSERT OR ABORT"]);
        return insert(words, verb);
    }
    let action = match words.below(7) {
        0 => "ON CONFLICT DO NOTHING".to_owned(),
        1 => format!("ON CONFLICT ({key}) DO NOTHING"),
        2 => format!("ON CONFLICT ({key}) DO UPDATE SET {key} = excluded.{key} + 100"),
        3 => format!("ON CONFLICT ({key}) DO UPDATE SET {value} = {name}.{value} + 1 WHERE excluded.{value} > 3"),
        4 => format!("ON CONFLICT ({key}) DO UPDATE SET {value} = (SELECT max(amount) FROM orders)"),
        _ => format!("ON CONFLICT ({key}) DO UPDATE SET {value} = excluded.{value}"),
    };
    format!("{} {action}", insert(words, "INSERT"))
}

fn predicate(words: &mut Words<'_>, table: &Table) -> String {
    let (one, two) = (words.number(0..44), words.number(0..44));
    let (key, value) = match table.name {
        "users" => ("id", "age"),
        "orders" => ("user_id", "amount"),
        "events" => ("kind", "v"),
        _ => ("rid", "w"),
    };
    if key == "kind" && words.below(3) > 0 {
        let (one, two) = (text_key(words), text_key(words));
        return match words.below(4) {
            0 => format!("kind IN ({one}, {two})"),
            1 => format!("kind >= {one}"),
            2 => format!("kind <> {one} AND v > 3"),
            _ => format!("kind = {one}"),
        };
    }
    let number = words.number(0..30);
    match words.below(14) {
        0 | 1 if key != "kind" => format!("{key} = {one}"),
        2 if key != "kind" => format!("{key} IN ({one}, {two}, 7)"),
        3 if key != "kind" => format!("{key} BETWEEN {} AND {}", one.min(two), one.max(two)),
        4 if key != "kind" => format!("{key} % 3 = 1"),
        5 if key != "kind" => format!("{key} = {one} OR {value} > {number}"),
        6 if key != "kind" => {
            let bound = words.bind(Value::Integer(one));
            format!("{key} < {bound} AND {value} IS NOT NULL")
        }
        7 if key != "kind" => format!("{key} IN (SELECT user_id FROM orders WHERE amount > {number})"),
        8 => "EXISTS (SELECT 1 FROM orders WHERE amount = 3)".into(),
        9 if table.name == "users" => {
            "EXISTS (SELECT 1 FROM orders o WHERE o.user_id = users.id AND o.amount > 9)".into()
        }
        10 => format!("{value} = (SELECT max(w) FROM regions)"),
        11 => format!("{value} IS NULL"),
        12 => format!("{value} < (SELECT avg(age) FROM users)"),
        _ => format!("{value} > {number}"),
    }
}

fn tail(words: &mut Words<'_>, table: &Table) -> String {
    if words.below(9) == 0 { String::new() } else { format!(" WHERE {}", predicate(words, table)) }
}

fn update(words: &mut Words<'_>) -> (&'static str, String) {
    let table = table(words);
    let name = table.name;
    let (own, number) = (
        if name == "users" {
            "age"
        } else if name == "orders" {
            "amount"
        } else {
            "v"
        },
        int(words),
    );
    let of_text = text(words);
    let set = match words.below(9) {
        0 if name == "users" => format!("name = {of_text}, age = age + 1"),
        1 if name == "users" => "dept = name, name = dept".into(),
        2 if name == "users" => "id = id + 100".into(),
        3 if name == "users" => "salary = salary * 2, age = (SELECT count(*) FROM regions)".into(),
        4 => format!("{own} = (SELECT max(amount) FROM orders)"),
        5 if name == "users" => "age = (SELECT max(amount) FROM orders WHERE user_id = users.id)".into(),
        _ => format!("{own} = {number}"),
    };
    let filter = tail(words, table);
    if name == "users" && words.below(10) == 0 && words.dialect() != Dialect::MySql {
        let text = "UPDATE users SET age = amount FROM orders WHERE orders.user_id = users.id AND orders.oid = 3";
        return ("UPDATE … FROM", text.into());
    }
    ("UPDATE", format!("UPDATE {name} SET {set}{filter}"))
}

fn delete(words: &mut Words<'_>) -> (&'static str, String) {
    let table = table(words);
    // Not all of it so often that nothing is left to change.
    let filter = format!(" WHERE {}", predicate(words, table));
    let rest = if words.below(8) == 0 { " AND 1 = 1" } else { "" };
    ("DELETE", format!("DELETE FROM {}{filter}{rest}", table.name))
}

fn insert_select(words: &mut Words<'_>) -> (&'static str, String) {
    let by = words.number(50..600);
    let users = words.schema.table("users");
    let from_users = tail(words, users);
    let (into, columns, query) = match words.below(9) {
        0 => (
            "users",
            "id, name, dept, age, salary",
            format!("SELECT id + {by}, name, dept, age, salary FROM users{from_users}"),
        ),
        1 => ("orders", "oid, user_id, amount, note", format!("SELECT id, id, age, name FROM users{from_users}")),
        2 => (
            "orders",
            "user_id, amount",
            "SELECT user_id, count(*) FROM orders WHERE user_id IS NOT NULL GROUP BY user_id".into(),
        ),
        3 => ("users", "id, name, age", format!("SELECT rid + {by}, region, w FROM regions")),
        4 => ("users", "id, age, dept", format!("SELECT max(id) + 1, {by}, 'eng' FROM users")),
        5 => ("orders", "oid, user_id", "SELECT oid, amount FROM orders ORDER BY oid, amount, user_id LIMIT 3".into()),
        6 => (
            "events",
            "kind, v",
            "SELECT lower(dept), count(*) FROM users WHERE dept IN ('eng', 'ops') GROUP BY lower(dept)".into(),
        ),
        7 => (
            "users",
            "id, age",
            "SELECT user_id, max(amount) FROM orders WHERE user_id IS NOT NULL GROUP BY user_id".into(),
        ),
        _ => ("users", "id, salary", format!("SELECT id + {by} + 0.0, salary FROM users WHERE id < 9")),
    };
    let table = words.schema.table(into);
    let plain = |verb: &str| format!("{verb} INTO {into} ({columns}) {query}");
    let (key, value) = if into == "events" { ("kind", "v") } else { ("id", "age") };
    let is_unique = into != "orders" && columns.contains(value);
    if is_unique && words.below(3) == 0 {
        // SQLite reads ON behind a query without WHERE as part of a join.
        if words.dialect() == Dialect::Sqlite && !query.contains("WHERE") {
            return ("INSERT … SELECT", plain("INSERT OR REPLACE"));
        }
        return ("INSERT … SELECT with upsert", handled(words, table, (key, value), |_, verb| plain(verb)));
    }
    ("INSERT … SELECT", plain("INSERT"))
}

fn copied(words: &mut Words<'_>) -> (&'static str, String) {
    let regions = words.schema.table("regions");
    let (number, filter) = (words.number(0..30), tail(words, regions));
    let text = match words.below(7) {
        0 | 1 => filled(words, "INSERT", regions),
        2 => format!("UPDATE regions SET w = w + {number}{filter}"),
        3 => format!("UPDATE regions SET region = upper(region), w = {}{filter}", int(words)),
        4 => "DELETE FROM regions WHERE rid > 6".into(),
        5 => format!(
            "INSERT INTO regions (rid, region, w) SELECT id + {}, name, age FROM users WHERE id < 6",
            number * 9
        ),
        _ => handled(words, regions, ("rid", "w"), |words, verb| filled(words, verb, regions)),
    };
    ("a table that is everywhere", text)
}
