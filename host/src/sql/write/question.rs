//! Owns what is asked of shards before they write: whether a column that is left open counts by itself, each shard for
//! itself, and whether a table can take back what was written. Where an answer has a row, the write is refused.

use sqlparser::ast::{Expr, Insert, SetExpr, UnaryOperator};

use super::{Question, Task, copied};
use crate::sql::catalog::Role;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::value::Value;

/// Columns that take the next number where they are given none. `#` stands for those that are given.
const SQLITE_NUMBERED: &str = "SELECT p.name FROM pragma_table_info(?1, 'main') p WHERE p.pk = 1 \
    AND upper(p.type) = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(?1, 'main') WHERE pk > 0) = 1 \
    AND p.name COLLATE NOCASE NOT IN (#)";
const POSTGRES_NUMBERED: &str = "SELECT a.attname::text FROM pg_catalog.pg_attribute a \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
    AND (a.attidentity <> '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%') \
    AND a.attname::text NOT IN (#)";
const MYSQL_NUMBERED: &str = "SELECT column_name FROM information_schema.columns \
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND extra LIKE '%auto_increment%' \
    AND column_name NOT IN (#)";

/// Tables whose engine takes nothing back.
const MYSQL_LASTING: &str = "SELECT engine FROM information_schema.tables \
    WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND engine NOT IN \
    (SELECT engine FROM information_schema.engines WHERE transactions = 'YES')";

impl Question {
    /// Whether a column counts by itself that is not among those whose value is `certain`.
    pub(super) fn numbering(dialect: Dialect, table: &str, certain: &[String]) -> Self {
        let why = "a column that is not given, or is NULL, 0 or DEFAULT, counts by itself, and each shard for itself, so \
            that a number would be given twice: give its value";
        let refusal = Refusal::new(format!("INSERT INTO {table}"), why);
        let (template, mut params) = match dialect {
            Dialect::Sqlite => {
                (SQLITE_NUMBERED, vec![Value::Text(table.strip_prefix("main.").unwrap_or(table).to_owned())])
            }
            Dialect::Postgres => {
                let path: Vec<String> = table.split('.').map(|part| dialect.quote(part)).collect();
                (POSTGRES_NUMBERED, vec![Value::Text(path.join("."))])
            }
            Dialect::MySql => (MYSQL_NUMBERED, of_mysql(table)),
        };
        let before = params.len();
        let marks: Vec<String> = (1..=certain.len()).map(|at| super::cut::mark_of(dialect, before + at)).collect();
        // No column has an empty name.
        let marks = if marks.is_empty() { "''".to_owned() } else { marks.join(", ") };
        params.extend(certain.iter().cloned().map(Value::Text));
        Self { sql: template.replace('#', &marks), params, refusal }
    }

    /// Whether a table of MySQL keeps what is to be taken back.
    pub(in crate::sql) fn lasting(table: &str) -> Self {
        let why = "its engine has no transactions, so that what one shard has written stays when another fails";
        let refusal = Refusal::new(format!("table {table}"), why);
        Self { sql: MYSQL_LASTING.to_owned(), params: of_mysql(table), refusal }
    }
}

/// The database of a table, if its name has it, and its own name.
fn of_mysql(table: &str) -> Vec<Value> {
    match table.split_once('.') {
        Some((schema, local)) => vec![Value::Text(schema.to_owned()), Value::Text(local.to_owned())],
        None => vec![Value::Null, Value::Text(table.to_owned())],
    }
}

/// The columns of an INSERT whose every value is one that no counter takes the place of. That of a key is one: the row
/// would not have been routed otherwise.
pub(super) fn certain(task: &Task<'_>, table: &str, insert: &Insert) -> Vec<String> {
    let dialect = task.parsed.dialect();
    let is_certain = |expr: &Expr| match (dialect, value(task, expr)) {
        // Only the word DEFAULT stands for what is not given.
        (Dialect::Postgres, _) => !is_default(expr),
        (_, value) => value.is_some_and(|value| !may_be_numbered(dialect, Some(&value))),
    };
    let names = copied::names(task, table, insert);
    let all_certain = |at: usize| match insert.source.as_ref().map(|source| source.body.as_ref()) {
        Some(SetExpr::Values(values)) => values.rows.iter().all(|row| row.content.get(at).is_some_and(&is_certain)),
        _ => insert.assignments.get(at).is_some_and(|assigned| is_certain(&assigned.value)),
    };
    let key = match task.catalog.role(table) {
        Some(Role::Partitioned { key, .. }) => Some(key),
        _ => None,
    };
    let is_key = |name: &str| key.as_ref().is_some_and(|key| key.eq_ignore_ascii_case(name));
    names
        .iter()
        .enumerate()
        .filter(|(at, name)| is_key(name) || all_certain(*at))
        .map(|(_, name)| name.clone())
        .collect()
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn value(task: &Task<'_>, expr: &Expr) -> Option<Value> {
    let literal = match expr {
        Expr::Value(literal) => literal,
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match (expr.as_ref(), value(task, expr)?) {
            (Expr::Value(_), Value::Decimal(digits)) => return Some(Value::Decimal(format!("-{digits}"))),
            _ => return None,
        },
        _ => return None,
    };
    match &literal.value {
        sqlparser::ast::Value::Placeholder(mark) => {
            let number = mark.trim_start_matches(['?', '$']).parse::<usize>().ok()?;
            task.params.get(number.checked_sub(1)?).cloned()
        }
        sqlparser::ast::Value::Number(text, _) => Some(Value::Decimal(text.clone())),
        sqlparser::ast::Value::Null => Some(Value::Null),
        other => other.clone().into_string().map(Value::Text),
    }
}

/// Whether a counter may take the place of a value that is bound: of NULL in SQLite; in MySQL also of what is 0 as a number.
pub(super) fn may_be_numbered(dialect: Dialect, value: Option<&Value>) -> bool {
    match (dialect, value) {
        (_, None) => true,
        (Dialect::Postgres, Some(_)) => false,
        (_, Some(Value::Null)) => true,
        (Dialect::Sqlite, Some(_)) => false,
        (Dialect::MySql, Some(Value::Bool(false) | Value::Integer(0))) => true,
        (Dialect::MySql, Some(Value::Real(number))) => number.abs() < 1.0,
        (Dialect::MySql, Some(Value::Text(text) | Value::Decimal(text))) => {
            text.trim().parse::<f64>().map_or(true, |number| number.abs() < 1.0)
        }
        (Dialect::MySql, Some(Value::Bool(true) | Value::Integer(_) | Value::Blob(_))) => false,
    }
}
