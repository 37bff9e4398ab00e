//! Queries at random: every construct that the entry answers, in the words of the dialect.

use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::expressions::{Scope, Words};
use super::joins;
use super::schema::{Kind, Schema};
use super::traps;

/// What makes an answer right.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// The rows in their order.
    Ordered,
    /// The rows in any order.
    Bag,
    /// As many rows, all of them among those of this query with its parameters.
    PartOf(String, Vec<Value>),
    /// As many rows, whatever is in them, and only where one node answers alone: it differs by node or by moment.
    OfOneNode,
}

/// A query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// What it tries.
    pub(super) construct: &'static str,
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    pub(super) check: Check,
    /// Whether any text is right that the collation holds equal: which one stands for its group is arbitrary.
    pub(super) folds: bool,
}

impl Query {
    /// The same text with other values, or now and then as it is; none where it need not be asked again.
    pub(super) fn again(&self, number: u64) -> Option<Self> {
        let is_varied = !self.params.is_empty() && !matches!(self.check, Check::PartOf(..));
        let other = |value: &Value| match value {
            Value::Integer(number) => Value::Integer(number.saturating_add(1)),
            Value::Text(text) if text == "eng" => Value::Text("ops".into()),
            other => other.clone(),
        };
        let params = if is_varied { self.params.iter().map(other).collect() } else { self.params.clone() };
        (is_varied || number.is_multiple_of(4)).then(|| Self { params, ..self.clone() })
    }
}

/// A query before its parameters are numbered.
pub(super) struct Draft {
    pub(super) construct: &'static str,
    pub(super) text: String,
    pub(super) check: Check,
    pub(super) groups: bool,
}

impl Draft {
    pub(super) fn bag(construct: &'static str, text: String) -> Self {
        Self { construct, text, check: Check::Bag, groups: false }
    }

    pub(super) fn ordered(construct: &'static str, text: String) -> Self {
        Self { construct, text, check: Check::Ordered, groups: false }
    }

    /// Texts stand for groups of equal ones.
    pub(super) fn grouped(self) -> Self {
        Self { groups: true, ..self }
    }
}

/// The query of a seed.
pub(super) fn query(seed: u64, schema: &Schema) -> Query {
    let mut words = Words { random: fastrand::Rng::with_seed(seed), schema, params: Vec::new() };
    let mut draft = match words.below(40) {
        0..=21 => one_table(&mut words),
        22..=33 => joins::draft(&mut words),
        34 => comments(&mut words),
        _ => traps::draft(&mut words),
    };
    // What stands behind a comment on one line would be swallowed.
    if words.below(12) == 0 && !matches!(draft.check, Check::PartOf(..)) {
        draft.text.push_str(words.one_of(&[" -- end", " /* ; ' */", ";", "\n-- two\n"]));
    }
    let (sql, params) = words.finish(&draft.text);
    if let Check::PartOf(whole, params) = &mut draft.check {
        (*whole, *params) = words.finish(whole);
    }
    let folds = draft.groups && schema.dialect == Dialect::MySql && schema.folds();
    Query { construct: draft.construct, sql, params, check: draft.check, folds }
}

fn one_table(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let users = schema.table("users");
    let prefix = words.one_of(&["", "users.", "u."]);
    let from = match (prefix, words.random.bool()) {
        ("u.", true) => "users u",
        ("u.", false) => "users AS u",
        _ => "users",
    };
    let scope: &Scope<'_> = &[(prefix, users)];
    let tail = format!("FROM {from}{}", words.filter(scope));
    match words.below(19) {
        0 => rows(words, scope, &tail),
        1..=3 => ordered_rows(words, scope, &tail),
        4 => part(words, scope, &tail),
        5 => one_shard(words, scope, from),
        6 | 7 => {
            let (a, b, c) = (words.aggregate(scope), words.aggregate(scope), words.aggregate(scope));
            Draft::bag("aggregates", format!("SELECT {a}, {b}, {c} AS z {tail}")).grouped()
        }
        8 => {
            let (a, b) = (words.over_aggregates(scope), words.over_aggregates(scope));
            Draft::bag("arithmetic over aggregates", format!("SELECT {a}, {b} {tail}")).grouped()
        }
        9..=11 => grouped(words, scope, &tail),
        12 => having(words, scope, &tail),
        13 | 14 => distinct(words, scope, &tail),
        15 => distinct_aggregates(words, scope, &tail),
        16 => spread(words, scope, &tail),
        17 => contradiction(words, scope, from),
        _ => parameters(words, scope, from),
    }
}

fn rows(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let prefix = scope[0].0;
    if words.below(4) == 0 {
        return Draft::bag("rows", format!("select * {tail}"));
    }
    Draft::bag("rows", format!("SELECT {}, {} AS x, {prefix}id {tail}", words.any(scope), words.any(scope)))
}

fn ordered_rows(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let prefix = scope[0].0;
    let (a, b, c) = (words.any(scope), words.any(scope), words.int(scope, 1));
    let text = words.column(scope, Kind::Text).map_or_else(|| "2".into(), |(name, _)| name);
    let key = match words.below(6) {
        0 => "2".to_owned(),
        1 => "x".to_owned(),
        2 => text,
        3 => format!("{prefix}salary"),
        _ => format!("abs({c})"),
    };
    let (one, two, limit) = (words.direction(), words.direction(), words.limit());
    if words.below(4) == 0 {
        let at = words.number(1..10);
        let text = format!("select * {tail} order by {at}{one}, {prefix}id{two}{limit}");
        return Draft::ordered("ORDER BY over a wildcard", text);
    }
    let text =
        format!("SELECT {a}, {b} AS x, {prefix}name {tail} ORDER BY {key}{one}, {prefix}age{two}, {prefix}id{limit}");
    Draft::ordered("ORDER BY", text)
}

fn part(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let whole = format!("SELECT {}id, {} {tail}", scope[0].0, words.any(scope));
    let (limit, offset) = (words.below(6), words.below(4));
    let text = format!("{whole} LIMIT {limit} OFFSET {offset}");
    Draft { construct: "LIMIT without order", text, check: Check::PartOf(whole, Vec::new()), groups: false }
}

fn one_shard(words: &mut Words<'_>, scope: &Scope<'_>, from: &str) -> Draft {
    let (prefix, key) = (scope[0].0, words.number(0..40));
    let bound = words.bind(Value::Integer(key));
    let (int, aggregate, filter) = (words.int(scope, 1), words.aggregate(scope), words.predicate(scope, 1));
    let text = match words.below(5) {
        0 => format!("SELECT * FROM {from} WHERE {prefix}id = {bound}"),
        1 => format!("SELECT {aggregate} FROM {from} WHERE {prefix}id = {key}"),
        2 => format!("SELECT {prefix}name, {int} AS i FROM {from} WHERE {prefix}id = {bound} AND {filter}"),
        3 => format!("SELECT {prefix}dept, count(*) FROM {from} WHERE {prefix}id = {key} GROUP BY {prefix}dept"),
        _ => format!("SELECT u.name, o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = {key}"),
    };
    Draft::bag("one shard", text).grouped()
}

fn grouped(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let prefix = scope[0].0;
    let (one, two, limit) = (words.direction(), words.direction(), words.limit());
    let (a, b) = (words.aggregate(scope), words.over_aggregates(scope));
    match words.below(4) {
        0 | 1 => {
            let column =
                format!("{prefix}{}", words.one_of(&["dept", "age", "name", "salary", "num", "hired", "rate"]));
            let by = if words.random.bool() { column.clone() } else { "1".into() };
            let sort = words.one_of(&["2", "n", "COUNT(*)", "MAX(age) - MIN(age)"]);
            let text = format!(
                "SELECT {column}, {a}, {b} AS n {tail} GROUP BY {by} ORDER BY {sort}{one}, {column}{two}{limit}"
            );
            Draft::ordered("GROUP BY a column", text).grouped()
        }
        2 => {
            let depth = 1 + words.below(2);
            let by = if words.random.bool() { words.text(scope) } else { words.int(scope, depth) };
            let by = if by.parse::<i64>().is_ok() { format!("{prefix}age + {by}") } else { by };
            let name = words.one_of(&["g", "1", "the expression"]);
            let name = if name == "the expression" { by.clone() } else { name.to_owned() };
            Draft::bag("GROUP BY an expression", format!("SELECT {by} AS g, {a}, {b} {tail} GROUP BY {name}")).grouped()
        }
        _ => {
            let text = format!("SELECT {a}, {prefix}age + 1 {tail} GROUP BY {prefix}dept, {prefix}age");
            Draft::bag("GROUP BY two columns", text).grouped()
        }
    }
}

fn having(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let prefix = scope[0].0;
    let a = words.aggregate(scope);
    let numeric = words.over_aggregates(scope);
    let condition = match words.below(7) {
        0 => "COUNT(*) > 2".to_owned(),
        1 if words.dialect() != Dialect::Postgres => "n > 3".into(),
        1 | 2 => format!("{prefix}dept = 'eng' OR COUNT(*) = 1"),
        3 => format!("SUM({}) > COUNT(*)", words.int(scope, 1)),
        4 => format!("AVG({}) >= 2.5", words.int(scope, 0)),
        5 => format!("COUNT(*) BETWEEN 1 AND 3 AND {prefix}dept IS NOT NULL"),
        _ => format!("NOT {a} IS NULL"),
    };
    let text = match words.below(6) {
        0 => format!("SELECT COUNT(*) {tail} HAVING SUM({prefix}age) > 2"),
        _ => format!("SELECT {prefix}dept, {numeric} AS n {tail} GROUP BY {prefix}dept HAVING {condition}"),
    };
    Draft::bag("HAVING", text).grouped()
}

fn distinct(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let select = format!("SELECT DISTINCT {}, {} AS x {tail}", words.any(scope), words.any(scope));
    if words.random.bool() {
        return Draft::bag("DISTINCT", select).grouped();
    }
    let text = format!("{select} ORDER BY 2{}, 1{}{}", words.direction(), words.direction(), words.limit());
    Draft::ordered("DISTINCT", text).grouped()
}

fn distinct_aggregates(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let (a, b, c) = (words.distinct_aggregate(scope), words.aggregate(scope), words.distinct_aggregate(scope));
    let dept = format!("{}dept", scope[0].0);
    let text = match words.below(3) {
        0 => format!("SELECT {a}, {b}, {c} {tail}"),
        1 => format!("SELECT {a} {tail}"),
        _ => format!("SELECT {dept} AS d, {a}, {c} {tail} GROUP BY {dept}"),
    };
    Draft::bag("DISTINCT aggregates", text).grouped()
}

/// How far values lie from their mean.
fn spread(words: &mut Words<'_>, scope: &Scope<'_>, tail: &str) -> Draft {
    let name = match words.dialect() {
        // SQLite has none; it says so on both sides, and one that is built from its averages is as good.
        Dialect::Sqlite => "TOTAL",
        Dialect::Postgres => words.one_of(&["STDDEV", "stddev_pop", "STDDEV_SAMP", "VARIANCE", "var_pop", "var_samp"]),
        Dialect::MySql => words.one_of(&["STDDEV", "STD", "stddev_pop", "STDDEV_SAMP", "VARIANCE", "var_samp"]),
    };
    let of = match words.below(3) {
        0 => words.decimal(scope),
        1 => words.double(scope),
        _ => words.int(scope, 0),
    };
    let dept = format!("{}dept", scope[0].0);
    let text = if words.random.bool() {
        format!("SELECT {name}({of}), COUNT(*) {tail}")
    } else {
        format!("SELECT {dept}, {name}({of}) {tail} GROUP BY {dept}")
    };
    Draft::bag("STDDEV, VARIANCE", text).grouped()
}

/// No row can fulfil it.
fn contradiction(words: &mut Words<'_>, scope: &Scope<'_>, from: &str) -> Draft {
    let (prefix, aggregate) = (scope[0].0, words.aggregate(scope));
    let bound = words.bind(Value::Null);
    let never = match words.below(5) {
        0 => format!("{prefix}id = 3 AND {prefix}id = 4"),
        1 => format!("{prefix}id > 10 AND {prefix}id < 5"),
        2 => format!("{prefix}id BETWEEN 9 AND 2"),
        3 => format!("{prefix}id = {bound}"),
        _ => format!("{prefix}id IN (1, 2) AND {prefix}id NOT IN (1, 2)"),
    };
    let text = match words.below(3) {
        0 => format!("SELECT * FROM {from} WHERE {never}"),
        1 => format!("SELECT {aggregate}, COUNT(*) FROM {from} WHERE {never}"),
        _ => format!("SELECT {prefix}dept, COUNT(*) FROM {from} WHERE {never} GROUP BY {prefix}dept"),
    };
    Draft::bag("contradictions", text)
}

fn parameters(words: &mut Words<'_>, scope: &Scope<'_>, from: &str) -> Draft {
    let prefix = scope[0].0;
    let (limit, ten) = (words.number(0..9), words.number(0..30));
    let mut bind = |value| words.bind(value);
    let (a, b, c) = (bind(Value::Integer(ten)), bind(Value::Text("eng".into())), bind(Value::Integer(limit)));
    let text = format!(
        "SELECT {prefix}dept, SUM({prefix}age) AS s FROM {from} WHERE {prefix}dept <> {b} AND {prefix}age > {a} \
         GROUP BY {prefix}dept ORDER BY 2, 1 LIMIT {c}"
    );
    Draft::ordered("parameters", text).grouped()
}

fn comments(words: &mut Words<'_>) -> Draft {
    let users = words.schema.table("users");
    let scope: &Scope<'_> = &[("", users)];
    let (int, filter) = (words.int(scope, 1), words.filter(scope));
    let text = match words.below(6) {
        0 => format!(
            "SELECT dept, /* ' ( */ SUM(age - -1) AS s -- x, y\n FROM users{filter} GROUP BY dept ORDER BY 2, 1 ;"
        ),
        1 => format!("SELECT id, {int} /* a -- b */ FROM users -- , orders\n{filter} ORDER /* BY */ BY id -- end"),
        2 => "SELECT COUNT(*) FROM users WHERE name = 'O''Hara' OR name = '--' /* ; */".to_owned(),
        3 => "SELECT id, - -1, -(-age), age - - 1 FROM users ORDER BY id".to_owned(),
        4 => "SELECT 'a;--b', dept, COUNT(*) FROM users GROUP BY dept ORDER BY dept -- done".to_owned(),
        _ => format!("/* first */ SELECT/**/id/**/FROM/**/users{filter} ORDER BY/**/id"),
    };
    Draft::ordered("comments", text).grouped()
}
