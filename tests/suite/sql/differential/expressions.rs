//! Expressions and predicates of a type, at random, in the words of the dialect.

use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::data::{DEPTS, NAMES, literal};
use super::schema::{Column, Kind, Schema, Table};

/// The tables in scope, each under the prefix with which its columns are named (`u.`, or nothing).
pub(super) type Scope<'a> = [(&'a str, &'a Table)];

/// Words on their way to a query.
pub(super) struct Words<'a> {
    pub(super) random: fastrand::Rng,
    pub(super) schema: &'a Schema,
    /// Values of parameters; in the text each stands as its number between two marks.
    pub(super) params: Vec<Value>,
}

/// Stands before and behind the number of a parameter until the text is complete.
const MARK: char = '\u{1}';

impl Words<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        self.schema.dialect
    }

    pub(super) fn below(&mut self, limit: u8) -> u8 {
        self.random.u8(..limit)
    }

    pub(super) fn number(&mut self, range: std::ops::Range<i64>) -> i64 {
        self.random.i64(range)
    }

    pub(super) fn one_of<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.random.usize(..of.len())]
    }

    /// A parameter.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("{MARK}{}{MARK}", self.params.len() - 1)
    }

    /// A constant, now and then as a parameter.
    fn constant(&mut self, value: Value) -> String {
        if self.below(6) == 0 { self.bind(value) } else { literal(self.dialect(), &value) }
    }

    /// The text with its parameters as the dialect writes them, and their values in that order.
    pub(super) fn finish(&self, text: &str) -> (String, Vec<Value>) {
        let (mut sql, mut params) = (String::new(), Vec::new());
        for (at, part) in text.split(MARK).enumerate() {
            if at % 2 == 0 {
                sql.push_str(part);
                continue;
            }
            params.push(self.params[part.parse::<usize>().expect("a number between marks")].clone());
            match self.dialect() {
                Dialect::Postgres => sql.push_str(&format!("${}", params.len())),
                Dialect::Sqlite | Dialect::MySql => sql.push('?'),
            }
        }
        (sql, params)
    }

    /// A column of a kind; none where no table in scope has one.
    pub(super) fn column<'b>(&mut self, scope: &Scope<'b>, kind: Kind) -> Option<(String, &'b Column)> {
        let columns =
            scope.iter().flat_map(|(prefix, table)| table.columns.iter().map(move |column| (*prefix, column)));
        let fitting: Vec<(&str, &'b Column)> =
            columns.filter(|(_, column)| column.kind == kind && column.name != "big").collect();
        let (prefix, column) = fitting.get(self.random.usize(..fitting.len().max(1)))?;
        Some((format!("{prefix}{}", column.name), column))
    }

    /// An expression of any type that the tables have.
    pub(super) fn any(&mut self, scope: &Scope<'_>) -> String {
        match self.below(10) {
            0..=3 => {
                let depth = self.below(3);
                self.int(scope, depth)
            }
            4..=6 => self.text(scope),
            7 => self.decimal(scope),
            8 => self.double(scope),
            _ => self.date(scope),
        }
    }

    /// An expression of integers.
    pub(super) fn int(&mut self, scope: &Scope<'_>, depth: u8) -> String {
        if depth == 0 {
            let column = self.column(scope, Kind::Int).map(|(name, _)| name);
            return match (self.below(6), column) {
                (1.., Some(name)) => name,
                _ => self.number(-3..9).to_string(),
            };
        }
        let (a, b) = (self.int(scope, depth - 1), self.int(scope, depth - 1));
        match self.below(14) {
            0 => format!("{a} + {b}"),
            1 => format!("{a} * {b}"),
            2 => format!("({a} % 3)"),
            3 => format!("- {a}"),
            4 => format!("abs({a})"),
            5 => format!("CASE WHEN {a} > {b} THEN {a} ELSE {b} END"),
            6 => format!("coalesce({a}, {b})"),
            7 => match self.column(scope, Kind::Text) {
                Some((name, _)) if self.dialect() == Dialect::MySql => format!("CHAR_LENGTH({name})"),
                Some((name, _)) => format!("length({name})"),
                None => a,
            },
            8 => format!("({a} - - {b})"),
            9 if self.dialect() != Dialect::Postgres => format!("({a} > {b})"),
            10 => format!("{a}-{b} /* c ) */"),
            11 if self.dialect() == Dialect::MySql => format!("({a} DIV 2)"),
            11 => format!("({a} / 2)"),
            // MariaDB does not find one that is grouped by in the select list.
            12 if self.dialect() != Dialect::MySql => format!("nullif({a}, {b})"),
            _ => a,
        }
    }

    /// An expression of decimals.
    pub(super) fn decimal(&mut self, scope: &Scope<'_>) -> String {
        let Some((name, _)) = self.column(scope, Kind::Decimal) else { return self.int(scope, 1) };
        match self.below(9) {
            0 => format!("{name} * 2"),
            1 => format!("{name} + 0.5"),
            2 => format!("-{name}"),
            3 => format!("round({name}, 1)"),
            4 => format!("coalesce({name}, 0)"),
            5 => format!("{name} / 3"),
            // SQLite's zero may be an integer or not there, and which of the two stands for both is arbitrary.
            6 if self.dialect() != Dialect::Sqlite => format!("{name} - {name}"),
            _ => name,
        }
    }

    /// An expression of doubles.
    pub(super) fn double(&mut self, scope: &Scope<'_>) -> String {
        let Some((name, _)) = self.column(scope, Kind::Double) else { return self.decimal(scope) };
        match self.below(6) {
            0 => format!("{name} * 2"),
            1 => format!("{name} + {}", self.number(0..9)),
            2 => format!("coalesce({name}, 0)"),
            _ => name,
        }
    }

    /// An expression of text.
    pub(super) fn text(&mut self, scope: &Scope<'_>) -> String {
        let Some((name, _)) = self.column(scope, Kind::Text) else { return "'none'".into() };
        let other = self.column(scope, Kind::Text).map_or_else(|| name.clone(), |(other, _)| other);
        match self.below(10) {
            0 => format!("upper({name})"),
            1 => format!("substr({name}, 1, 2)"),
            2 if self.dialect() == Dialect::MySql => format!("CONCAT({name}, '-', {name})"),
            2 if self.one_collation(scope) => format!("{name} || '-' || {other}"),
            2 => format!("{name} || '-'"),
            3 => format!("coalesce({name}, 'none')"),
            4 => format!("replace({name}, 'e', ')')"),
            5 => format!("trim({name})"),
            6 => format!("lower({name})"),
            _ => name,
        }
    }

    /// Whether texts of the tables can be put together without a word on their collation.
    fn one_collation(&self, scope: &Scope<'_>) -> bool {
        let mut collations = scope.iter().flat_map(|(_, table)| &table.columns).filter(|one| one.kind == Kind::Text);
        let first = collations.next().map(|one| one.collation);
        collations.all(|one| Some(one.collation) == first)
    }

    /// An expression of dates.
    pub(super) fn date(&mut self, scope: &Scope<'_>) -> String {
        let Some((name, _)) = self.column(scope, Kind::Date) else { return self.int(scope, 1) };
        match (self.below(5), self.dialect()) {
            (0, Dialect::Postgres) => format!("extract(year FROM {name})"),
            (0, Dialect::MySql) => format!("YEAR({name})"),
            (0, Dialect::Sqlite) => format!("substr({name}, 1, 4)"),
            (1, Dialect::Postgres) => format!("{name} + 1"),
            (1, Dialect::MySql) => format!("{name} + INTERVAL 1 DAY"),
            _ => name,
        }
    }

    /// A condition.
    pub(super) fn predicate(&mut self, scope: &Scope<'_>, depth: u8) -> String {
        if depth > 0 {
            let (a, b) = (self.predicate(scope, depth - 1), self.predicate(scope, depth - 1));
            return match self.below(4) {
                0 => format!("({a} OR {b})"),
                1 => format!("NOT ({a})"),
                2 => format!("{a} AND {b}"),
                _ => a,
            };
        }
        match self.below(4) {
            0 => self.about_key(scope),
            1 => self.about_text(scope),
            _ => self.about_numbers(scope),
        }
    }

    /// A condition on the key of the first table, or on another of its integers.
    pub(super) fn about_key(&mut self, scope: &Scope<'_>) -> String {
        let (prefix, table) = scope[0];
        let key = format!("{prefix}{}", if table.name == "users" { "id" } else { table.columns[1].name });
        if table.name == "events" || table.name == "regions" {
            let kind = super::schema::KINDS[self.random.usize(..super::schema::KINDS.len())];
            return format!("{key} = {}", self.constant(Value::Text(kind.into())));
        }
        let mut given = |range| {
            let value = Value::Integer(self.number(range));
            self.constant(value)
        };
        let (a, b, c) = (given(0..40), given(0..40), given(0..40));
        match self.below(12) {
            0 => format!("{key} = {a}"),
            1 => format!("{key} IN ({a}, {b}, {c})"),
            2 => format!("{key} > {a}"),
            3 => format!("{key} BETWEEN {a} AND {b}"),
            4 => format!("{key} < {a}"),
            5 => format!("{key} >= {a} AND {key} <= {b}"),
            6 => format!("{key} <> {a}"),
            7 => format!("({key} = {a} OR {key} = {b})"),
            8 => format!("{key} = {a} AND {key} = {b}"),
            9 => format!("{a} = {key}"),
            10 => format!("{key} NOT IN ({a}, {b})"),
            _ => format!("{key} IS NOT NULL"),
        }
    }

    fn about_text(&mut self, scope: &Scope<'_>) -> String {
        let Some((name, _)) = self.column(scope, Kind::Text) else { return self.about_numbers(scope) };
        let of = if self.random.bool() { NAMES } else { DEPTS };
        let text = Value::Text(self.one_of(of).into());
        let text = self.constant(text);
        let is_distinct = match self.dialect() {
            Dialect::MySql => format!("NOT ({name} <=> {text})"),
            Dialect::Sqlite | Dialect::Postgres => format!("{name} IS DISTINCT FROM 'eng'"),
        };
        match self.below(9) {
            0 | 1 => format!("{name} = {text}"),
            2 => format!("{name} LIKE '%{}%'", self.one_of(&["a", "e", "é", "O''", "_b"])),
            3 => format!("{name} IN ('eng', 'ops', {text})"),
            4 => format!("{name} > {text}"),
            5 => format!("{name} IS NULL"),
            6 => format!("{name} IS NOT NULL"),
            7 => is_distinct,
            _ => format!("{name} BETWEEN 'a' AND 'n'"),
        }
    }

    fn about_numbers(&mut self, scope: &Scope<'_>) -> String {
        let int = self.column(scope, Kind::Int).map_or_else(|| "1".to_owned(), |(name, _)| name);
        let limit = self.number(-5..60);
        let limit = self.constant(Value::Integer(limit));
        match self.below(13) {
            0 | 1 => format!("{int} > {limit}"),
            2 => format!("{int} IS NULL"),
            3 => format!("{int} BETWEEN {} AND {}", self.number(0..20), self.number(10..50)),
            4 => format!("{int} NOT BETWEEN 5 AND {limit}"),
            5 => format!("{} <= {}", self.double(scope), self.number(0..300)),
            6 => format!("{} > {}.5", self.decimal(scope), self.number(0..60)),
            7 => format!("{} < 20", self.int(scope, 1)),
            8 => format!("{int} NOT IN (1, 2, 3)"),
            9 => match self.column(scope, Kind::Date) {
                Some((name, _)) => format!("{name} >= '{}'", self.one_of(&["2020-01-01", "2021-03-01"])),
                None => format!("{int} <> 3"),
            },
            10 => format!("{int} = '20'"),
            11 => format!("{} IS NOT NULL", self.any(scope)),
            _ => format!("coalesce({int}, 7) <> 7"),
        }
    }

    /// ` WHERE …`, or nothing.
    pub(super) fn filter(&mut self, scope: &Scope<'_>) -> String {
        match self.below(3) {
            0 => String::new(),
            _ => {
                let depth = self.below(3);
                format!(" WHERE {}", self.predicate(scope, depth))
            }
        }
    }

    /// An aggregate that can be put together.
    pub(super) fn aggregate(&mut self, scope: &Scope<'_>) -> String {
        let depth = self.below(2);
        let int = self.int(scope, depth);
        let column = self.column(scope, Kind::Int).map_or_else(|| "1".to_owned(), |(name, _)| name);
        let has_filter = self.dialect() != Dialect::MySql;
        match self.below(20) {
            0 | 1 => "COUNT(*)".into(),
            2 => format!("count({column})"),
            3 | 4 => format!("SUM({int})"),
            5 => format!("AVG({int})"),
            6 => format!("min({column})"),
            7 => format!("MAX({int})"),
            8 => format!("MIN({})", self.text(scope)),
            9 => format!("max({})", self.double(scope)),
            10 if has_filter => format!("SUM({column}) FILTER (WHERE {})", self.predicate(scope, 0)),
            10 => format!("SUM(CASE WHEN {} THEN {column} END)", self.predicate(scope, 0)),
            11 if has_filter => format!("COUNT(*) FILTER (WHERE {column} > 20)"),
            12 => format!("COUNT({})", self.text(scope)),
            13 => format!("SUM({})", self.decimal(scope)),
            14 => format!("AVG({})", self.decimal(scope)),
            15 => format!("MIN({})", self.date(scope)),
            16 if self.dialect() == Dialect::Sqlite => format!("TOTAL({int})"),
            16 => format!("SUM({})", self.double(scope)),
            17 => format!("MAX({})", self.decimal(scope)),
            18 => format!("AVG({})", self.double(scope)),
            _ => format!("AVG( {column} )"),
        }
    }

    /// An aggregate of distinct values.
    pub(super) fn distinct_aggregate(&mut self, scope: &Scope<'_>) -> String {
        let int = self.int(scope, 1);
        match self.below(8) {
            0 | 1 => format!("COUNT(DISTINCT {})", self.text(scope)),
            2 => format!("COUNT(DISTINCT {int})"),
            3 => format!("SUM(DISTINCT {int})"),
            4 => format!("AVG(DISTINCT {int})"),
            5 => format!("MIN(DISTINCT {int})"),
            6 => format!("count(distinct {})", self.double(scope)),
            _ => format!("SUM(DISTINCT {})", self.decimal(scope)),
        }
    }

    /// Arithmetic over aggregates.
    pub(super) fn over_aggregates(&mut self, scope: &Scope<'_>) -> String {
        let numeric = |words: &mut Self| match words.below(5) {
            0 => "COUNT(*)".to_owned(),
            1 => format!("SUM({})", words.int(scope, 1)),
            2 => format!("AVG({})", words.int(scope, 0)),
            3 => format!("MAX({})", words.int(scope, 1)),
            _ => format!("SUM({})", words.decimal(scope)),
        };
        let (a, b) = (numeric(self), numeric(self));
        match self.below(9) {
            0 => format!("{a} + {b}"),
            1 => format!("{a} * 2 - 1"),
            2 => format!("coalesce({a}, 0)"),
            3 => format!("CASE WHEN {a} > 1 THEN 'many' ELSE 'few' END"),
            4 => format!("- {a} - - 1"),
            5 => format!("({a}) / nullif({b}, 0)"),
            6 => format!("round({a}, 1)"),
            7 => format!("{a} * 1.0 / nullif(COUNT(*), 0)"),
            _ => format!("abs({a} - {b})"),
        }
    }

    /// The direction of a sort term.
    pub(super) fn direction(&mut self) -> &'static str {
        const COMMON: &[&str] = &["", " ASC", " DESC", " desc"];
        const NULLS: &[&str] =
            &[" NULLS FIRST", " NULLS LAST", " DESC NULLS LAST", " DESC NULLS FIRST", " ASC NULLS LAST"];
        let with_nulls = self.dialect() != Dialect::MySql && self.random.bool();
        self.one_of(if with_nulls { NULLS } else { COMMON })
    }

    /// ` LIMIT …`, or nothing.
    pub(super) fn limit(&mut self) -> String {
        let (limit, offset) = (self.below(9), self.below(9));
        match (self.below(9), self.dialect()) {
            (0 | 1, _) => String::new(),
            (2, _) => format!(" LIMIT {limit}"),
            (3, _) => format!(" LIMIT {limit} OFFSET {offset}"),
            (4, Dialect::Sqlite | Dialect::MySql) => format!(" LIMIT {offset}, {limit}"),
            (4, Dialect::Postgres) => format!(" OFFSET {offset} LIMIT {limit}"),
            (5, Dialect::Sqlite) => " LIMIT -1 OFFSET 2".into(),
            (5, Dialect::Postgres) => format!(" OFFSET {offset}"),
            (5, Dialect::MySql) => " LIMIT 18446744073709551615 OFFSET 2".into(),
            (6, _) => " LIMIT 9223372036854775807 OFFSET 3".into(),
            (7, _) => {
                let value = self.bind(Value::Integer(i64::from(limit)));
                format!(" LIMIT {value}")
            }
            _ => " LIMIT 3".into(),
        }
    }
}
