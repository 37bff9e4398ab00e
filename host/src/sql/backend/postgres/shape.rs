//! Owns the types of columns: of a table as declared, and of an answer, in the words of `format_type`.

use std::time::Instant;

use futures_util::TryStreamExt;
use tokio_postgres::Column as Described;
use tokio_postgres::types::{Kind, Type};

use super::link::Link;
use super::stream::query;
use crate::sql::backend::{Bound, Fault, FaultKind};
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row, Value};

/// The columns of an ordinary or partitioned table that the search path finds under a name. The collation that a database has
/// by default goes by its real name; those that users made, by their quoted name with the schema. Which columns of
/// `pg_database` say so differs by the server's version, hence the JSON.
macro_rules! default_collation {
    () => {
        "(SELECT CASE pg_catalog.to_jsonb(d) ->> 'datlocprovider' \
         WHEN 'i' THEN coalesce(pg_catalog.to_jsonb(d) ->> 'daticulocale', pg_catalog.to_jsonb(d) ->> 'datlocale') || '-x-icu' \
         WHEN 'b' THEN pg_catalog.to_jsonb(d) ->> 'datlocale' ELSE d.datcollate::text END \
         FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"
    };
}

const SHAPE: &str = concat!(
    "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation = 0 THEN '' ",
    "WHEN n.nspname <> 'pg_catalog' THEN '\"' || pg_catalog.replace(n.nspname::text, '\"', '\"\"') || '\".\"' ",
    "|| pg_catalog.replace(c.collname::text, '\"', '\"\"') || '\"' ",
    "WHEN c.collname <> 'default' THEN c.collname::text ELSE ",
    default_collation!(),
    " END FROM pg_catalog.pg_class t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid ",
    "LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation ",
    "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace ",
    "WHERE t.oid = pg_catalog.to_regclass($1) AND t.relkind IN ('r', 'p') ",
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
);

const DEFAULT_COLLATION: &str = concat!("SELECT ", default_collation!());

/// The columns of a table, whose name may have its schema before it; none where there is no such table.
pub(super) async fn shape(link: &mut Link, table: &str, due: Instant) -> Result<Vec<ColumnShape>, Fault> {
    // A dot stands between the schema and the table.
    let path: Vec<String> = table.split('.').map(quoted).collect();
    let params = [Value::Text(path.join("."))];
    let rows = query(link, Bound { sql: SHAPE, params: &params, due }).await?;
    let rows: Vec<Row> = rows.batches.try_concat().await?;
    let shapes = rows.into_iter().map(|row| match row.as_slice() {
        [Value::Text(name), Value::Text(declared), Value::Text(collation)] => {
            Ok(ColumnShape { name: name.clone(), declared: declared.clone(), collation: collation.clone() })
        }
        _ => Err(Fault::new(FaultKind::Unsupported, format!("the columns of {table} cannot be read"))),
    });
    shapes.collect()
}

/// What the collation that the database has by default is called.
pub(super) async fn default_collation(link: &mut Link, due: Instant) -> Result<String, Fault> {
    let rows = query(link, Bound { sql: DEFAULT_COLLATION, params: &[], due }).await?;
    let rows: Vec<Row> = rows.batches.try_concat().await?;
    match rows.first().map(Vec::as_slice) {
        Some([Value::Text(name)]) => Ok(name.clone()),
        _ => Err(Fault::new(FaultKind::Unsupported, "the collation of the database cannot be read")),
    }
}

/// A column of an answer.
pub(super) fn column(described: &Described) -> Column {
    Column { name: described.name().to_owned(), declared: declared(described.type_(), described.type_modifier()) }
}

fn declared(kind: &Type, modifier: i32) -> String {
    if let Kind::Array(item) = kind.kind() {
        return declared(item, modifier) + "[]";
    }
    // Lengths and precisions are kept four above their value.
    let length = (modifier >= 4).then(|| modifier - 4);
    let with = |name: &str, length: Option<i32>| match length {
        Some(length) => format!("{name}({length})"),
        None => name.to_owned(),
    };
    let precision = (modifier >= 0).then_some(modifier);
    let clock = |name: &str, zone: &str| format!("{} {zone} time zone", with(name, precision));
    match *kind {
        Type::BOOL => "boolean".to_owned(),
        Type::INT2 => "smallint".to_owned(),
        Type::INT4 => "integer".to_owned(),
        Type::INT8 => "bigint".to_owned(),
        Type::FLOAT4 => "real".to_owned(),
        Type::FLOAT8 => "double precision".to_owned(),
        Type::VARCHAR => with("character varying", length),
        Type::BPCHAR => length.map_or("bpchar".to_owned(), |length| format!("character({length})")),
        Type::NUMERIC => length.map_or("numeric".to_owned(), numeric),
        Type::TIME => clock("time", "without"),
        Type::TIMETZ => clock("time", "with"),
        Type::TIMESTAMP => clock("timestamp", "without"),
        Type::TIMESTAMPTZ => clock("timestamp", "with"),
        _ if kind.schema() == "pg_catalog" => kind.name().to_owned(),
        _ => format!("{}.{}", quoted(kind.schema()), quoted(kind.name())),
    }
}

/// Precision in the upper half, scale in the lower eleven bits, which may be negative.
fn numeric(modifier: i32) -> String {
    let scale = ((modifier & 0x7ff) ^ 1024) - 1024;
    format!("numeric({},{scale})", (modifier >> 16) & 0xffff)
}

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_format_type_does() {
        assert_eq!(declared(&Type::NUMERIC, -1), "numeric");
        assert_eq!(declared(&Type::NUMERIC, (10 << 16) + 2 + 4), "numeric(10,2)");
        assert_eq!(declared(&Type::NUMERIC, (3 << 16) + (2048 - 2) + 4), "numeric(3,-2)");
        assert_eq!(declared(&Type::VARCHAR, 24), "character varying(20)");
        assert_eq!(declared(&Type::BPCHAR, -1), "bpchar");
        assert_eq!(declared(&Type::TIMESTAMPTZ, 3), "timestamp(3) with time zone");
        assert_eq!(declared(&Type::INT4_ARRAY, -1), "integer[]");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
