//! The rows of a run: few, with what makes trouble in them.

use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::schema::{KINDS, Kind, Schema, Table};

/// Texts of names: mixed case, accents, quotes, nothing, and letters of more than two bytes.
pub(super) const NAMES: &[&str] = &[
    "Ann", "ann", "ANN", "Émile", "émile", "Emile", "zoë", "Zoe", "bob", "Bob", "", "Ünal", "a b", "O'Hara", "李",
    "a-b", "ab",
];
/// Texts that repeat.
pub(super) const DEPTS: &[&str] = &["eng", "Eng", "ops", "hr", "vente", "été", "ete"];
const REGIONS: &[&str] = &["north", "South", "été", "two"];
const DATES: &[&str] = &["2019-12-31", "2020-02-29", "2021-03-01", "1999-01-01", "2024-07-15"];

/// All rows, mixed.
#[derive(Clone, Debug)]
pub(super) struct Rows(pub(super) Vec<(usize, Vec<Value>)>);

/// How wide the values of one run spread.
struct Temper {
    /// Users stand so far apart.
    stride: i64,
    /// What stands in the column of big numbers.
    big: u8,
}

impl Rows {
    /// Rows of the seed: any table may be empty, keys may crowd on one shard.
    pub(super) fn random(random: &mut fastrand::Rng, schema: &Schema) -> Self {
        let temper = Temper { stride: [1, 1, 2, 7, 14][random.usize(..5)], big: random.u8(..6) };
        let counts = [
            [0, 1, 5, 20, 40][random.usize(..5)],
            random.i64(0..30),
            random.i64(0..20),
            random.i64(0..15),
            random.i64(0..8),
        ];
        let mut rows = Vec::new();
        for (at, (table, count)) in schema.tables.iter().zip(counts).enumerate() {
            for number in 0..count {
                let row = table.columns.iter().map(|column| {
                    let given = named(random, &temper, column.name, number);
                    given.unwrap_or_else(|| value(random, schema.dialect, column.kind, column.declared))
                });
                rows.push((at, row.collect()));
            }
        }
        random.shuffle(&mut rows);
        Self(rows)
    }
}

/// Values that the name of the column decides.
fn named(random: &mut fastrand::Rng, temper: &Temper, name: &str, number: i64) -> Option<Value> {
    let nullable = |random: &mut fastrand::Rng, value: Value| if random.u8(..9) == 0 { Value::Null } else { value };
    let text = |random: &mut fastrand::Rng, of: &[&str]| Value::Text(of[random.usize(..of.len())].into());
    Some(match name {
        "id" => Value::Integer(number * temper.stride),
        "oid" | "eid" | "iid" | "rid" => Value::Integer(number),
        "user_id" | "owner" => {
            let key = Value::Integer(random.i64(0..20) * temper.stride);
            nullable(random, key)
        }
        "uid" => Value::Integer(random.i64(0..20)),
        "kind" => text(random, KINDS),
        "dept" | "rdept" => {
            let dept = text(random, DEPTS);
            nullable(random, dept)
        }
        "region" => text(random, REGIONS),
        "w" | "v" => {
            let small = Value::Integer(random.i64(0..9));
            nullable(random, small)
        }
        "big" => match (random.u8(..8), temper.big) {
            (0, _) => Value::Null,
            (1, 0) => Value::Integer(i64::MAX - random.i64(0..3)),
            (2, 0) => Value::Integer(i64::MIN + random.i64(0..3)),
            (3, _) => Value::Integer((1 << 53) + random.i64(0..3)),
            _ => Value::Integer(random.i64(-9..9)),
        },
        _ => return None,
    })
}

fn value(random: &mut fastrand::Rng, dialect: Dialect, kind: Kind, declared: &str) -> Value {
    if random.u8(..7) == 0 {
        return Value::Null;
    }
    match kind {
        Kind::Int => Value::Integer(if random.u8(..9) == 0 { 0 } else { random.i64(-5..60) }),
        Kind::Decimal if dialect == Dialect::Sqlite => match random.bool() {
            true => Value::Integer(random.i64(-3..40)),
            false => Value::Real(random.i64(-12..200) as f64 / 4.0),
        },
        Kind::Decimal => Value::Decimal(decimal(random, declared)),
        // Sums of such numbers are exact in any order, and so are their averages the same.
        Kind::Double => Value::Real(match random.u8(..9) {
            0 => random.f64() * 1e6,
            1 => 0.1,
            _ => random.i64(-400..4000) as f64 / 8.0,
        }),
        Kind::Text => Value::Text(NAMES[random.usize(..NAMES.len())].into()),
        Kind::Date => Value::Text(DATES[random.usize(..DATES.len())].into()),
        Kind::Any => match random.u8(..5) {
            0 => Value::Real(1.0),
            1 => Value::Text("1".into()),
            2 => Value::Blob(vec![49]),
            _ => Value::Integer(random.i64(0..4)),
        },
    }
}

/// Where no scale is declared, equal numbers are written in several ways.
fn decimal(random: &mut fastrand::Rng, declared: &str) -> String {
    let number = random.i64(-500..9000);
    match (declared, random.u8(..4)) {
        ("NUMERIC", 0) => format!("{}.{:02}0", number / 10, (number % 10).abs() * 10),
        ("NUMERIC", 1) => (number / 100).to_string(),
        (_, 2) => format!("{}.50", number / 100),
        _ => format!("{}{}.{:02}", if number < 0 { "-" } else { "" }, number.abs() / 100, number.abs() % 100),
    }
}

/// A value as the dialect writes it.
pub(super) fn literal(dialect: Dialect, value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(truth) => truth.to_string().to_uppercase(),
        // The smallest integer has no positive twin that a minus could be put before.
        Value::Integer(i64::MIN) => "(-9223372036854775807 - 1)".into(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(digits) => digits.clone(),
        Value::Real(number) => format!("{number:e}"),
        Value::Text(text) if dialect == Dialect::MySql => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        }
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// The statement that inserts rows into a table; none for no rows.
pub(super) fn insert<'a>(
    dialect: Dialect,
    table: &Table,
    rows: impl Iterator<Item = &'a Vec<Value>>,
) -> Option<String> {
    let row =
        |row: &Vec<Value>| format!("({})", row.iter().map(|v| literal(dialect, v)).collect::<Vec<_>>().join(", "));
    let rows: Vec<String> = rows.map(row).collect();
    (!rows.is_empty()).then(|| format!("INSERT INTO {} VALUES {}", table.name, rows.join(", ")))
}
