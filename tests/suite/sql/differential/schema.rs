//! The tables of a run: their names are always the same, so that queries can be written down; types, collations and
//! placements come from the seed.

use std::num::NonZeroU16;
use std::ops::Bound;

use leverframe::sql::dialect::Dialect;
use leverframe::sql::topology::{
    Collation, Holding, Key, KeyKind, KeyRange, Partition, Placement, Shard, Split, Topology,
};
use leverframe::sql::value::Value;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Decimal,
    Double,
    Text,
    Date,
    /// Anything at all; only SQLite has such columns.
    Any,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) declared: &'static str,
    /// Empty where none is declared.
    pub(super) collation: &'static str,
}

impl Column {
    /// Whether texts that are written differently can be equal in it.
    pub(super) fn folds(&self) -> bool {
        self.kind == Kind::Text && (self.collation.ends_with("_ci") || self.collation == "NOCASE")
    }
}

/// By what rule rows are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// So many integers for each shard, the first and the last open-ended.
    Ranges(i64),
    Hash,
    /// Each of the known keys is listed, in turn for each shard.
    List,
}

/// How a table is held.
#[derive(Clone, Debug)]
pub(super) enum Spread {
    Whole,
    By { key: &'static str, rule: Rule },
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) spread: Spread,
}

/// All tables.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) dialect: Dialect,
    pub(super) tables: Vec<Table>,
    /// Where every node holds all rows, and the scan of `users` is divided: how many are thought to be there.
    pub(super) split: Option<u64>,
}

/// The values of the key that is text.
pub(super) const KINDS: &[&str] = &["a", "b", "c", "dd", "A", "é"];
/// The largest integer key that is listed.
pub(super) const LISTED: i64 = 700;

impl Schema {
    /// Tables of the seed.
    pub(super) fn random(random: &mut fastrand::Rng, dialect: Dialect) -> Self {
        let mut make = Maker { random, dialect };
        let rule = make.rule();
        let users = make.users(rule);
        let price = make.amount();
        let orders = Table {
            name: "orders",
            columns: vec![
                make.column("oid", Kind::Int),
                make.column("user_id", Kind::Int),
                make.column("amount", Kind::Int),
                make.column("price", price),
                make.column("note", Kind::Text),
                make.column("placed", Kind::Date),
            ],
            spread: Spread::By { key: "user_id", rule },
        };
        let events = Table {
            name: "events",
            columns: vec![
                make.column("eid", Kind::Int),
                make.column("kind", Kind::Text),
                make.column("uid", Kind::Int),
                make.column("v", Kind::Int),
            ],
            spread: Spread::By { key: "kind", rule: if make.random.bool() { Rule::Hash } else { Rule::List } },
        };
        let items = Table {
            name: "items",
            columns: vec![
                make.column("iid", Kind::Int),
                make.column("owner", Kind::Int),
                make.column("qty", Kind::Int),
                make.column("cost", Kind::Decimal),
            ],
            spread: Spread::By { key: "owner", rule: if rule == Rule::Hash { Rule::Ranges(5) } else { Rule::Hash } },
        };
        let regions = Table {
            name: "regions",
            columns: vec![
                make.column("rid", Kind::Int),
                make.column("rdept", Kind::Text),
                make.column("region", Kind::Text),
                make.column("w", Kind::Int),
            ],
            spread: Spread::Whole,
        };
        Self { dialect, tables: vec![users, orders, events, items, regions], split: None }
    }

    /// The same where every node holds all rows: fewer of them, as many or more than are said to be there.
    pub(super) fn divided(self, random: &mut fastrand::Rng) -> Self {
        Self { split: Some([1, 5, 20, 39, 300, 100_000, i64::MAX as u64][random.usize(..7)]), ..self }
    }

    /// The table of this name.
    pub(super) fn table(&self, name: &str) -> &Table {
        self.tables.iter().find(|table| table.name == name).expect("a table of the schema")
    }

    /// Whether texts that are written differently can be equal somewhere.
    pub(super) fn folds(&self) -> bool {
        self.tables.iter().flat_map(|table| &table.columns).any(Column::folds)
    }

    /// The statements that make the tables.
    pub(super) fn statements(&self) -> Vec<String> {
        let column = |column: &Column| {
            let collation = match (column.collation, self.dialect) {
                ("", _) => String::new(),
                (name, Dialect::Postgres) => format!(" COLLATE \"{name}\""),
                (name, _) => format!(" COLLATE {name}"),
            };
            format!("{} {}{collation}", column.name, column.declared)
        };
        let table = |table: &Table| {
            let columns: Vec<String> = table.columns.iter().map(column).collect();
            format!("CREATE TABLE {} ({})", table.name, columns.join(", "))
        };
        self.tables.iter().map(table).collect()
    }

    /// The topology over so many shards.
    pub(super) fn topology(&self, shards: u16) -> Topology {
        let count = NonZeroU16::new(shards).expect("one shard at least");
        if let Some(total) = self.split {
            let split = Split::new("users", "id", total).expect("a total");
            return Topology::split(self.dialect, &split, count).expect("a topology");
        }
        let holding = |table: &Table| match &table.spread {
            Spread::Whole => Holding::Reference,
            Spread::By { key, rule } => {
                let column = table.columns.iter().find(|column| column.name == *key).expect("the key is a column");
                let kind = self.key_kind(column);
                Holding::Partitioned(Partition { key: (*key).into(), kind, placement: placement(kind, *rule, shards) })
            }
        };
        let tables = self.tables.iter().map(|table| (table.name.to_owned(), holding(table)));
        Topology::partitioned(self.dialect, count, tables).expect("a topology")
    }

    fn key_kind(&self, column: &Column) -> KeyKind {
        match (column.kind, self.dialect, column.collation) {
            (Kind::Text, Dialect::Sqlite, _) | (Kind::Text, Dialect::Postgres, "C" | "") => {
                KeyKind::Text(Collation::Bytes)
            }
            (Kind::Text, Dialect::Postgres, _) => KeyKind::Text(Collation::BytesWhenEqual),
            (Kind::Text, Dialect::MySql, "utf8mb4_nopad_bin") => KeyKind::Text(Collation::Bytes),
            (Kind::Text, ..) => KeyKind::Text(Collation::Other),
            _ => KeyKind::Integer,
        }
    }

    /// Where a row belongs: everywhere, or on one shard. One without a key may be on any.
    pub(super) fn shards_of(&self, table: &Table, row: &[Value], topology: &Topology) -> Vec<u16> {
        let all = topology.shards().get();
        let Spread::By { key, .. } = &table.spread else { return (0..all).collect() };
        if topology.is_split() {
            return (0..all).collect();
        }
        let at = table.columns.iter().position(|column| column.name == *key).expect("the key is a column");
        let key = match &row[at] {
            Value::Integer(number) => Key::Int(*number),
            Value::Text(text) => Key::Text(text.clone()),
            _ => return vec![(row.len() as u16 + 1) % all],
        };
        let partition = topology.partition(table.name).expect("a partitioned table");
        vec![partition.placement.shard_of(&key).expect("keys that are written lie somewhere").0]
    }

    /// Whether a row may be on a shard: one without a key on any.
    pub(super) fn may_be_on(&self, table: &Table, row: &[Value], topology: &Topology, shard: u16) -> bool {
        let Spread::By { key, .. } = &table.spread else { return true };
        let at = table.columns.iter().position(|column| column.name == *key).expect("the key is a column");
        row[at] == Value::Null || self.shards_of(table, row, topology).contains(&shard)
    }
}

fn placement(kind: KeyKind, rule: Rule, shards: u16) -> Placement {
    let all = 0..shards;
    match (rule, kind) {
        (Rule::Ranges(width), KeyKind::Integer) => {
            let cut = |shard: u16| Key::Int(i64::from(shard) * width);
            let range = |shard: u16| KeyRange {
                from: if shard == 0 { Bound::Unbounded } else { Bound::Included(cut(shard)) },
                to: if shard + 1 == shards { Bound::Unbounded } else { Bound::Excluded(cut(shard + 1)) },
                shard: Shard(shard),
            };
            Placement::ranges(kind, all.map(range).collect())
        }
        (Rule::List, KeyKind::Integer) => Placement::listed(
            kind,
            (-1..=LISTED).map(|key| (Key::Int(key), Shard(key.rem_euclid(i64::from(shards)) as u16))),
        ),
        (Rule::List, KeyKind::Text(_)) => {
            let listed = KINDS.iter().zip((0..shards).cycle());
            Placement::listed(kind, listed.map(|(key, shard)| (Key::Text((*key).into()), Shard(shard))))
        }
        _ => Placement::hashed(all.map(Shard).collect()),
    }
    .expect("a placement")
}

struct Maker<'a> {
    random: &'a mut fastrand::Rng,
    dialect: Dialect,
}

impl Maker<'_> {
    /// The table that most queries read.
    fn users(&mut self, rule: Rule) -> Table {
        let salary = self.amount();
        let mut columns = vec![
            self.column("id", Kind::Int),
            self.column("name", Kind::Text),
            self.column("dept", Kind::Text),
            self.column("age", Kind::Int),
            self.column("salary", salary),
            self.declared("big", Kind::Int, "BIGINT"),
            self.column("nick", Kind::Text),
            self.column("num", Kind::Decimal),
            self.column("rate", Kind::Double),
            self.column("hired", Kind::Date),
        ];
        if self.dialect == Dialect::Sqlite {
            columns.push(self.declared("anyc", Kind::Any, ""));
            if let Some(nick) = columns.iter_mut().find(|column| column.name == "nick") {
                nick.collation = "NOCASE";
            }
        }
        self.random.shuffle(&mut columns[3..]);
        Table { name: "users", columns, spread: Spread::By { key: "id", rule } }
    }

    fn rule(&mut self) -> Rule {
        match self.random.u8(..5) {
            0 | 1 => Rule::Ranges(6),
            2 => Rule::List,
            _ => Rule::Hash,
        }
    }

    fn amount(&mut self) -> Kind {
        if self.random.bool() { Kind::Double } else { Kind::Decimal }
    }

    fn declared(&mut self, name: &'static str, kind: Kind, declared: &'static str) -> Column {
        Column { name, kind, declared, collation: "" }
    }

    fn column(&mut self, name: &'static str, kind: Kind) -> Column {
        let types: &[&'static str] = match (kind, self.dialect) {
            (Kind::Int, Dialect::Sqlite) => &["INTEGER", "INT", "BIGINT"],
            (Kind::Int, Dialect::MySql) if ["w", "v"].contains(&name) => &["INT", "INT UNSIGNED", "SMALLINT"],
            (Kind::Int, _) => &["INTEGER", "INT", "BIGINT", "SMALLINT"],
            (Kind::Decimal, Dialect::Postgres) => &["NUMERIC(10,2)", "NUMERIC(14,4)", "NUMERIC"],
            (Kind::Decimal, _) => &["DECIMAL(10,2)", "DECIMAL(14,4)"],
            (Kind::Double, Dialect::Sqlite) => &["REAL", "DOUBLE"],
            (Kind::Double, _) => &["DOUBLE PRECISION"],
            (Kind::Text, Dialect::MySql) => &["VARCHAR(40)", "VARCHAR(200)", "TEXT"],
            (Kind::Text, _) => &["TEXT", "VARCHAR(40)"],
            (Kind::Date, Dialect::Sqlite) => &["TEXT"],
            (Kind::Date, _) => &["DATE"],
            (Kind::Any, _) => &[""],
        };
        let collations: &[&'static str] = match (kind, self.dialect, name) {
            (Kind::Text, Dialect::Postgres, "kind") => &["", "C"],
            (Kind::Text, Dialect::Postgres, _) => &["", "C", "und-x-icu", "en-x-icu"],
            (Kind::Text, Dialect::MySql, "kind") => &["utf8mb4_nopad_bin", "utf8mb4_bin", "utf8mb4_general_ci"],
            (Kind::Text, Dialect::MySql, _) => {
                &["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_nopad_bin"]
            }
            _ => &[""],
        };
        let declared = types[self.random.usize(..types.len())];
        Column { name, kind, declared, collation: collations[self.random.usize(..collations.len())] }
    }
}
