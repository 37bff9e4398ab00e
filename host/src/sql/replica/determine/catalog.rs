//! Owns the questions to a node's catalog that tell what must be known of a table before it is written to, one for each
//! dialect, and reading the answers.

use super::tables::{Auto, Table, TableColumn, Traits};
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Row, Value};

/// A question to a node's catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The query. It answers a row for each column of the table, none where there is no such table.
    pub sql: &'static str,
    /// The values that are bound to it.
    pub params: Vec<Value>,
}

/// Hidden columns of `pragma_table_xinfo` are 1 of virtual tables, 2 and 3 for those that are computed. Which collation a column
/// has is not told; where the word is not in the table's text, it is the plain one. A key may compare otherwise than its columns,
/// and then is none: where it names a collation, or how it is written cannot be told.
const SQLITE: &str = r#"
WITH RECURSIVE reached(name) AS (
  SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name = ?1 COLLATE NOCASE
  UNION
  SELECT m.name FROM reached r JOIN main.sqlite_master m ON m.type = 'table' JOIN pragma_foreign_key_list(m.name, 'main') f
  ON f."table" = r.name COLLATE NOCASE
  WHERE f.on_update NOT IN ('NO ACTION', 'RESTRICT') OR f.on_delete NOT IN ('NO ACTION', 'RESTRICT')
), triggers(name) AS (
  SELECT 'trigger ' || m.name FROM main.sqlite_master m JOIN reached r ON m.tbl_name = r.name COLLATE NOCASE
  WHERE m.type = 'trigger'
  UNION ALL
  SELECT 'SET DEFAULT in ' || m.name FROM main.sqlite_master m JOIN pragma_foreign_key_list(m.name, 'main') f
  JOIN reached r ON f."table" = r.name COLLATE NOCASE
  WHERE m.type = 'table' AND (f.on_update = 'SET DEFAULT' OR f.on_delete = 'SET DEFAULT')
), keys(name, behind) AS (
  SELECT name, ltrim(substr(sql, instr(upper(sql), 'PRIMARY KEY') + 11), char(9, 10, 12, 13, 32)) FROM main.sqlite_master
  WHERE type = 'table' AND name = ?1 COLLATE NOCASE
), unsure(name) AS (
  SELECT m.name FROM keys k JOIN main.sqlite_master m ON m.type = 'table' AND m.name = k.name
  WHERE m.sql LIKE '%COLLATE%' AND (m.sql NOT LIKE '%PRIMARY KEY%' OR k.behind LIKE '%PRIMARY KEY%'
    OR k.behind GLOB '[/-]*' OR (k.behind GLOB '(*' AND (substr(k.behind, 1, instr(k.behind, ')')) LIKE '%COLLATE%'
      OR substr(k.behind, 1, instr(k.behind, ')')) GLOB '*["''`[/-]*')))
)
SELECT '"' || replace(t.name, '"', '""') || '"', c.name, c.type,
  CASE WHEN m.sql LIKE '%COLLATE%' THEN '' ELSE 'BINARY' END, c.dflt_value,
  CASE WHEN c.pk = 1 AND t.wr = 0 AND upper(c.type) = 'INTEGER'
    AND (SELECT max(pk) FROM pragma_table_xinfo(t.name, 'main')) = 1
    AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name, 'main') WHERE origin = 'pk')
  THEN CASE WHEN upper(m.sql) LIKE '%AUTOINCREMENT%'
    AND EXISTS (SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence') THEN 'kept' ELSE 'rowid' END
  ELSE '' END,
  NULL, NULL, c.hidden > 1, CASE WHEN t.name IN (SELECT name FROM unsure) THEN 0 ELSE c.pk END,
  c.pk > 0 OR EXISTS (SELECT 1 FROM pragma_index_list(t.name, 'main') i JOIN pragma_index_info(i.name, 'main') x
    WHERE i."unique" = 1 AND (i.partial = 1 OR x.name IS NULL OR x.name = c.name
      OR EXISTS (SELECT 1 FROM pragma_table_xinfo(t.name, 'main') g WHERE g.name = x.name AND g.hidden > 1))),
  c."notnull" = 0 AND NOT (c.pk > 0 AND t.wr = 1) AND NOT (c.pk = 1 AND upper(c.type) = 'INTEGER'
    AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name, 'main') WHERE origin = 'pk')),
  (SELECT group_concat(name, ', ') FROM triggers),
  CASE WHEN m.sql LIKE '%CONFLICT%' THEN 'conflicts ' ELSE '' END
    || CASE WHEN EXISTS (SELECT 1 FROM pragma_foreign_key_list(t.name, 'main') f WHERE f."table" = t.name COLLATE NOCASE
      AND f.on_delete IN ('CASCADE', 'RESTRICT')) THEN 'itself' ELSE '' END,
  (SELECT count(*) FROM pragma_index_list(t.name, 'main') WHERE "unique" = 1), 0
FROM pragma_table_list t
JOIN main.sqlite_master m ON m.type = 'table' AND m.name = t.name
JOIN pragma_table_xinfo(t.name, 'main') c
WHERE t.schema = 'main' AND t.type = 'table' AND t.name = ?1 COLLATE NOCASE AND c.hidden <> 1
ORDER BY c.cid
"#;

/// Of partitioned tables the partitions' triggers count, too. What inherits from a table has keys of its own, so the table's is
/// none of all its rows. The collation of the database goes by the name `default`. A type of the user's own (a domain) may have a
/// default, too.
const POSTGRES: &str = r#"
WITH RECURSIVE target AS (
  SELECT t.oid, t.relname, n.nspname, t.relkind = 'r' AND t.relhassubclass AS inherited, t.relrowsecurity
  FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  WHERE t.oid = pg_catalog.to_regclass($1) AND t.relkind IN ('r', 'p') AND t.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), edges(parent, child, sets) AS (
  SELECT confrelid, conrelid, confdeltype = 'd' OR confupdtype = 'd' FROM pg_catalog.pg_constraint
  WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
  UNION ALL
  SELECT inhparent, inhrelid, false FROM pg_catalog.pg_inherits
), reached(oid) AS (
  SELECT oid FROM target
  UNION
  SELECT e.child FROM edges e JOIN reached r ON e.parent = r.oid
), triggers(name) AS (
  SELECT 'trigger ' || g.tgname FROM pg_catalog.pg_trigger g JOIN reached r ON g.tgrelid = r.oid
  WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
  UNION ALL
  SELECT 'rule ' || w.rulename FROM pg_catalog.pg_rewrite w JOIN reached r ON w.ev_class = r.oid
  UNION ALL
  SELECT 'SET DEFAULT in ' || e.child::pg_catalog.regclass::text FROM edges e JOIN reached r ON e.parent = r.oid WHERE e.sets
  UNION ALL
  SELECT 'policies of row-level security' FROM target WHERE relrowsecurity
)
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname), a.attname::text,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  coalesce(c.collname::text, ''),
  CASE WHEN d.oid IS NULL AND y.typtype = 'd' THEN pg_catalog.pg_get_expr(y.typdefaultbin, 0)
    ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
  CASE WHEN a.attidentity = 'a' THEN 'always' WHEN a.attidentity = 'd' THEN 'sequence'
    WHEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\(''[^'']*''::regclass\)$' THEN 'sequence' ELSE '' END,
  (SELECT pg_catalog.format('%I.%I', n.nspname, s.relname) FROM pg_catalog.pg_class s
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace WHERE s.oid = q.seqrelid),
  q.seqincrement, (a.attgenerated <> '')::int4::int8,
  CASE WHEN t.inherited THEN 0 ELSE coalesce(pg_catalog.array_position(k.conkey, a.attnum), 0) END::int8,
  (SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = t.oid
    AND (i.indisunique OR i.indisexclusion) AND (i.indpred IS NOT NULL OR a.attnum = ANY (i.indkey) OR 0 = ANY (i.indkey)
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute g
        WHERE g.attrelid = t.oid AND g.attnum = ANY (i.indkey) AND g.attgenerated <> ''))),
  (NOT a.attnotnull)::int4::int8,
  (SELECT pg_catalog.string_agg(name, ', ') FROM triggers)
FROM target t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'
LEFT JOIN LATERAL (
  SELECT s.seqrelid, s.seqincrement FROM pg_catalog.pg_depend p
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = CASE WHEN a.attidentity <> '' THEN p.objid ELSE p.refobjid END
  WHERE CASE WHEN a.attidentity <> '' THEN p.classid = 'pg_catalog.pg_class'::regclass AND p.deptype = 'i'
      AND p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = t.oid AND p.refobjsubid = a.attnum
    ELSE p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
      AND p.refclassid = 'pg_catalog.pg_class'::regclass END
  LIMIT 1
) q ON true
ORDER BY a.attnum
"#;

/// Only InnoDB takes back what was not committed. MariaDB tells each default as an expression, MySQL those that it says are generated.
const MYSQL: &str = r#"
SELECT CONCAT('`', REPLACE(c.table_name, '`', '``'), '`'), c.column_name, c.column_type, COALESCE(c.collation_name, ''),
  IF(VERSION() LIKE '%MariaDB%' OR c.extra LIKE '%DEFAULT_GENERATED%', c.column_default, QUOTE(c.column_default)),
  IF(c.extra LIKE '%auto_increment%', 'increment', ''), NULL, NULL,
  IF(COALESCE(c.generation_expression, '') <> '', 1, 0),
  COALESCE((SELECT MAX(s.seq_in_index) FROM information_schema.statistics s WHERE s.table_schema = c.table_schema
    AND s.table_name = c.table_name AND s.index_name = 'PRIMARY' AND s.column_name = c.column_name), 0),
  (SELECT COUNT(*) FROM information_schema.statistics s WHERE s.table_schema = c.table_schema
    AND s.table_name = c.table_name AND s.non_unique = 0 AND (s.column_name IS NULL OR s.column_name = c.column_name
      OR EXISTS (SELECT 1 FROM information_schema.columns g WHERE g.table_schema = c.table_schema
        AND g.table_name = c.table_name AND g.column_name = s.column_name AND COALESCE(g.generation_expression, '') <> ''))),
  IF(c.is_nullable = 'NO', 0, 1),
  (SELECT GROUP_CONCAT(g.trigger_name SEPARATOR ', ') FROM information_schema.triggers g
    WHERE g.event_object_schema = c.table_schema AND g.event_object_table = c.table_name),
  CONCAT(IF(EXISTS (SELECT 1 FROM information_schema.columns g WHERE g.table_schema = c.table_schema
    AND g.table_name = c.table_name AND g.extra LIKE '%INVISIBLE%'), 'invisible ', ''),
    IF(EXISTS (SELECT 1 FROM information_schema.key_column_usage k WHERE k.table_schema = c.table_schema
    AND k.table_name = c.table_name AND k.referenced_table_schema = c.table_schema
    AND k.referenced_table_name = c.table_name), 'itself', '')),
  (SELECT COUNT(DISTINCT s.index_name) FROM information_schema.statistics s WHERE s.table_schema = c.table_schema
    AND s.table_name = c.table_name AND s.non_unique = 0),
  (SELECT COUNT(DISTINCT s.index_name) FROM information_schema.statistics s JOIN information_schema.columns g
    ON g.table_schema = s.table_schema AND g.table_name = s.table_name AND g.column_name = s.column_name
    WHERE s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.non_unique = 0
    AND g.extra LIKE '%auto_increment%')
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND c.table_schema = COALESCE(?1, DATABASE())
  AND t.table_schema = DATABASE() AND t.table_name = ?2 AND c.table_name = ?2 AND BINARY c.table_name = ?2
  AND t.table_type = 'BASE TABLE' AND t.engine = 'InnoDB'
ORDER BY c.ordinal_position
"#;

/// The question for a table, by the name that [`super::names`] gives.
pub fn facts(dialect: Dialect, name: &str) -> Facts {
    let text = |text: &str| Value::Text(text.to_owned());
    match dialect {
        Dialect::Sqlite => Facts { sql: SQLITE, params: vec![text(name)] },
        Dialect::Postgres => {
            let path: Vec<String> = name.split('.').map(|part| dialect.quote(part)).collect();
            Facts { sql: POSTGRES, params: vec![Value::Text(path.join("."))] }
        }
        Dialect::MySql => {
            let (schema, table) = match name.split_once('.') {
                Some((schema, table)) => (text(schema), text(table)),
                None => (Value::Null, text(name)),
            };
            Facts { sql: MYSQL, params: vec![schema, table] }
        }
    }
}

/// The table that the rows of an answer tell of; none where there are no rows.
pub fn table(rows: &[Row]) -> Result<Option<Table>, Refusal> {
    let unclear = || Refusal::new("the catalog of a node", "its answer about a table cannot be read");
    let mut found: Option<Table> = None;
    for row in rows {
        let [
            name,
            column,
            declared,
            collation,
            default,
            auto,
            sequence,
            step,
            generated,
            key,
            unique,
            nullable,
            triggers,
            more @ ..,
        ] = row.as_slice()
        else {
            return Err(unclear());
        };
        let auto = auto_of(auto, (sequence, step)).ok_or_else(unclear)?;
        let shape = ColumnShape {
            name: column.to_text().ok_or_else(unclear)?,
            declared: declared.to_text().ok_or_else(unclear)?,
            collation: collation.to_text().ok_or_else(unclear)?,
        };
        let traits = traits(more).ok_or_else(unclear)?;
        let table = found.get_or_insert_with(|| Table {
            name: name.to_text().unwrap_or_default(),
            columns: Vec::new(),
            triggers: triggers.to_text().into_iter().collect(),
            traits,
        });
        // It is the number of a row, and no index.
        let is_rowid = usize::from(matches!(auto, Auto::Rowid { .. }));
        table.traits.keys += is_rowid;
        table.traits.numbered_keys += is_rowid;
        table.columns.push(TableColumn {
            shape,
            default: default.to_text(),
            auto,
            is_generated: number(generated).ok_or_else(unclear)? != 0,
            key: number(key).and_then(|key| usize::try_from(key).ok()).ok_or_else(unclear)?,
            is_unique: number(unique).ok_or_else(unclear)? != 0,
            is_nullable: number(nullable).ok_or_else(unclear)? != 0,
        });
    }
    match found {
        Some(table) if table.name.is_empty() => Err(unclear()),
        found => Ok(found),
    }
}

/// How a column counts by itself.
fn auto_of(kind: &Value, (sequence, step): (&Value, &Value)) -> Option<Auto> {
    Some(match kind.to_text().unwrap_or_default().as_str() {
        "" => Auto::No,
        "rowid" => Auto::Rowid { is_kept: false },
        "kept" => Auto::Rowid { is_kept: true },
        "increment" => Auto::Increment,
        kind @ ("sequence" | "always") => {
            Auto::Sequence { name: sequence.to_text()?, step: number(step)?, is_always: kind == "always" }
        }
        _ => return None,
    })
}

/// What is told of a table as a whole: words, how many unique indexes it has, and how many of these have the column that numbers
/// rows. PostgreSQL tells nothing.
fn traits(told: &[Value]) -> Option<Traits> {
    let [words, keys, numbered] = told else { return told.is_empty().then(Traits::default) };
    let words = words.to_text()?;
    let has = |word: &str| words.split(' ').any(|told| told == word);
    let count = |value: &Value| number(value).and_then(|count| usize::try_from(count).ok());
    Some(Traits {
        settles_conflicts: has("conflicts"),
        hides_columns: has("invisible"),
        refers_to_itself: has("itself"),
        keys: count(keys)?,
        numbered_keys: count(numbered)?,
    })
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Bool(is) => Some(i64::from(*is)),
        Value::Decimal(text) | Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
