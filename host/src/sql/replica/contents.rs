//! Owns the question what tables a node holds, one for each dialect, and how all rows of one are asked for such that nodes can
//! be compared: in the order of the key, where there is one. Tables of our own are nobody's data, and left out.

use std::collections::BTreeMap;
use std::time::Instant;

use super::mark::{OURS, rows};
use crate::sql::backend::{Bound, Fault, FaultKind, Session};
use crate::sql::dialect::Dialect;
use crate::sql::value::{Row, Value};

/// A table as a node holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Its name, as it is asked.
    from: String,
    /// Its columns, and their types.
    pub(super) columns: Vec<(String, String)>,
    /// How each column is read such that every value can be carried.
    reads: Vec<String>,
    /// The columns of its key, in the order of the key, by place.
    pub(super) key: Vec<usize>,
}

/// The columns of virtual tables are read, and not the tables in which they keep them.
const SQLITE: &str = r#"
SELECT '"' || replace(t.name, '"', '""') || '"', t.name, c.name, 'r."' || replace(c.name, '"', '""') || '"', c.pk, c.type
FROM pragma_table_list t JOIN pragma_table_xinfo(t.name, 'main') c
WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND c.hidden <> 1
ORDER BY t.name, c.cid
"#;

/// Any type is written as text, exactly and in one way under the settings of a session. Of a table that others inherit from,
/// only its own rows are meant; of one that has partitions, theirs.
const POSTGRES: &str = r#"
SELECT pg_catalog.format(CASE t.relkind WHEN 'r' THEN 'ONLY %I.%I' ELSE '%I.%I' END, n.nspname, t.relname),
  CASE n.nspname WHEN 'public' THEN t.relname::text ELSE pg_catalog.format('%s.%s', n.nspname, t.relname) END,
  a.attname::text, pg_catalog.format('r.%I::text', a.attname),
  coalesce(pg_catalog.array_position(k.conkey, a.attnum), 0)::int8, pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'
WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY n.nspname, t.relname, a.attnum
"#;

/// What sessions do not carry (shapes, rare character sets) is read as the bytes that it is.
const MYSQL: &str = r#"
SELECT CONCAT('`', REPLACE(c.table_name, '`', '``'), '`'), c.table_name, c.column_name,
  CASE WHEN c.data_type IN ('geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon',
      'geometrycollection')
    OR c.character_set_name NOT IN ('utf8mb4', 'utf8mb3', 'utf8', 'ascii', 'latin1')
  THEN CONCAT('HEX(r.`', REPLACE(c.column_name, '`', '``'), '`)')
  ELSE CONCAT('r.`', REPLACE(c.column_name, '`', '``'), '`') END,
  COALESCE((SELECT MAX(s.seq_in_index) FROM information_schema.statistics s WHERE s.table_schema = c.table_schema
    AND s.table_name = c.table_name AND s.index_name = 'PRIMARY' AND s.column_name = c.column_name), 0),
  c.column_type
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
ORDER BY c.table_name, c.ordinal_position
"#;

impl Held {
    /// The statement that answers all of its rows.
    pub(super) fn query(&self, dialect: Dialect) -> String {
        let names = self.key.iter().filter_map(|at| self.columns.get(*at));
        let key: Vec<String> = names.map(|(name, _)| format!("r.{}", dialect.quote(name))).collect();
        let order = if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
        format!("SELECT {} FROM {} AS r{order}", self.reads.join(", "), self.from)
    }
}

/// The tables of a node by the names that people know them by.
pub(super) async fn contents(
    session: &mut dyn Session,
    dialect: Dialect,
    due: Instant,
) -> Result<BTreeMap<String, Held>, Fault> {
    let sql = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::MySql => MYSQL,
    };
    let unclear = || Fault::new(FaultKind::Failed, "what tables there are, cannot be read");
    let mut tables: BTreeMap<String, Held> = BTreeMap::new();
    let mut keys: BTreeMap<String, BTreeMap<i64, usize>> = BTreeMap::new();
    for row in rows(session, Bound { sql, params: &[], due }).await? {
        let (from, name, column, read, nth, declared) = column(&row).ok_or_else(unclear)?;
        let held = tables.entry(name.clone()).or_insert_with(|| Held { from, ..Held::default() });
        if nth > 0 {
            keys.entry(name).or_default().insert(nth, held.columns.len());
        }
        held.columns.push((column, declared));
        held.reads.push(read);
    }
    for (name, key) in keys {
        if let Some(held) = tables.get_mut(&name) {
            held.key = key.into_values().collect();
        }
    }
    tables.retain(|name, _| !OURS.contains(&name.as_str()));
    Ok(tables)
}

fn column(row: &Row) -> Option<(String, String, String, String, i64, String)> {
    let [from, name, column, read, nth, declared] = row.as_slice() else { return None };
    Some((from.to_text()?, name.to_text()?, column.to_text()?, read.to_text()?, number(nth)?, declared.to_text()?))
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Decimal(text) => text.parse().ok(),
        _ => None,
    }
}
