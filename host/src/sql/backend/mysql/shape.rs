//! Owns the types of columns: of a table as declared, and of an answer, in the words in which a table is made.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::TryStreamExt;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::decode::is_string;
use super::link::{Facts, Link};
use super::stream::query;
use crate::sql::backend::{Bound, Fault, FaultKind};
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row, Value};

/// Names compare as the server's file system does, which only the server knows: so the table's own name comes along.
const SHAPE: &str = "\
SELECT CONVERT(c.COLUMN_NAME USING utf8mb4), CONVERT(c.COLUMN_TYPE USING utf8mb4), \
 CONVERT(COALESCE(c.COLLATION_NAME, '') USING utf8mb4), CONVERT(c.EXTRA USING utf8mb4), \
 CONVERT(c.TABLE_NAME USING utf8mb4), @@lower_case_table_names \
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
WHERE c.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND c.TABLE_NAME = ? AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY c.ORDINAL_POSITION";

/// The columns of a table, whose name may have its database before it; none where there is no such table.
pub(super) async fn shape(link: &mut Link, table: &str, due: Instant) -> Result<Vec<ColumnShape>, Fault> {
    let (schema, local) = match table.split_once('.') {
        Some((schema, local)) => (Value::Text(schema.to_owned()), local),
        None => (Value::Null, table),
    };
    let params = [schema, Value::Text(local.to_owned())];
    let rows = query(link, Bound { sql: SHAPE, params: &params, due }).await?;
    let rows: Vec<Row> = rows.batches.try_concat().await?;
    let mut shapes = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            Value::Text(name),
            Value::Text(declared),
            Value::Text(collation),
            Value::Text(extra),
            Value::Text(of),
            case,
        ] = row.as_slice()
        else {
            return Err(Fault::new(FaultKind::Unsupported, format!("the columns of {table} cannot be read")));
        };
        if of != local && *case == Value::Integer(0) {
            continue;
        }
        if extra.to_ascii_uppercase().contains("INVISIBLE") {
            let why = format!("table {table} has the invisible column {name}, which is not carried");
            return Err(Fault::new(FaultKind::Unsupported, why));
        }
        shapes.push(ColumnShape { name: name.clone(), declared: declared.clone(), collation: collation.clone() });
    }
    Ok(shapes)
}

/// The names of all collations. MariaDB's `COLLATIONS` leaves those out that serve several character sets.
pub(super) async fn collations(conn: &mut Conn, is_mariadb: bool) -> Result<HashMap<u16, String>, Error> {
    const PLAIN: &str = "SELECT ID, CONVERT(COLLATION_NAME USING utf8mb4) FROM information_schema.COLLATIONS \
         WHERE ID IS NOT NULL";
    const FULL: &str = "SELECT ID, CONVERT(FULL_COLLATION_NAME USING utf8mb4) \
         FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL";
    if is_mariadb && let Ok(full) = conn.query::<(u16, String), _>(FULL).await {
        return Ok(full.into_iter().collect());
    }
    Ok(conn.query::<(u16, String), _>(PLAIN).await?.into_iter().collect())
}

/// A column of an answer, with its collation.
pub(super) fn column(described: &mysql_async::Column, facts: &Facts) -> Column {
    Column { name: described.name_str().into_owned(), declared: declared(described, facts) }
}

fn declared(column: &mysql_async::Column, facts: &Facts) -> String {
    use ColumnType as T;
    let is_unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let length = column.column_length();
    let whole = |name: &str| if is_unsigned { format!("{name} unsigned") } else { name.to_owned() };
    let clock = |name: &str| match column.decimals() {
        digits @ 1..=6 => format!("{name}({digits})"),
        _ => name.to_owned(),
    };
    match column.column_type() {
        T::MYSQL_TYPE_TINY => whole("tinyint"),
        T::MYSQL_TYPE_SHORT => whole("smallint"),
        T::MYSQL_TYPE_INT24 => whole("mediumint"),
        T::MYSQL_TYPE_LONG => whole("int"),
        T::MYSQL_TYPE_LONGLONG => whole("bigint"),
        T::MYSQL_TYPE_FLOAT => "float".to_owned(),
        T::MYSQL_TYPE_DOUBLE => "double".to_owned(),
        T::MYSQL_TYPE_NEWDECIMAL | T::MYSQL_TYPE_DECIMAL => decimal(length, column.decimals(), is_unsigned),
        T::MYSQL_TYPE_YEAR => "year".to_owned(),
        T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => "date".to_owned(),
        T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => clock("time"),
        T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => clock("datetime"),
        T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => clock("timestamp"),
        T::MYSQL_TYPE_BIT => format!("bit({})", length.clamp(1, 64)),
        T::MYSQL_TYPE_JSON => "json".to_owned(),
        // Its values are all NULL.
        T::MYSQL_TYPE_NULL => "binary(0)".to_owned(),
        kind if is_string(kind) => string(column, facts),
        _ => String::new(),
    }
}

/// The length counts the sign and the point.
fn decimal(length: u32, scale: u8, is_unsigned: bool) -> String {
    let digits = length.saturating_sub(u32::from(scale > 0)).saturating_sub(u32::from(!is_unsigned));
    let sign = if is_unsigned { " unsigned" } else { "" };
    format!("decimal({},{scale}){sign}", digits.clamp(u32::from(scale).max(1), 65))
}

/// Text or bytes. The members of an enumeration are not said, and they decide its order: such a column has no type here.
fn string(column: &mysql_async::Column, facts: &Facts) -> String {
    let named =
        [(ColumnFlags::ENUM_FLAG, ColumnType::MYSQL_TYPE_ENUM), (ColumnFlags::SET_FLAG, ColumnType::MYSQL_TYPE_SET)];
    if named.into_iter().any(|(flag, kind)| column.flags().contains(flag) || column.column_type() == kind) {
        return String::new();
    }
    let is_fixed = column.column_type() == ColumnType::MYSQL_TYPE_STRING;
    let collation = match column.character_set() {
        63 => None,
        number => facts.collations.get(&number).map(String::as_str),
    };
    let width = match collation.and_then(|name| name.split('_').next()) {
        Some("utf8mb4") => 4,
        Some("utf8mb3" | "utf8") => 3,
        _ => 1,
    };
    let length = column.column_length() / width;
    match (collation, is_fixed) {
        // Longer ones do not fit into a row.
        (None, _) if length > 16_000 => "longblob".to_owned(),
        (None, true) => format!("binary({})", length.min(255)),
        (None, false) => format!("varbinary({length})"),
        (Some(name), _) if length > 4_000 => format!("longtext COLLATE {name}"),
        (Some(name), true) => format!("char({}) COLLATE {name}", length.min(255)),
        (Some(name), false) => format!("varchar({length}) COLLATE {name}"),
    }
}

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_an_answer_are_those_that_a_table_is_made_with() {
        let facts = Facts { is_mariadb: true, collations: HashMap::from([(45, "utf8mb4_general_ci".to_owned())]) };
        let of = |kind: ColumnType, length: u32, set: u16, decimals: u8| {
            let column = mysql_async::Column::new(kind);
            let column = column.with_column_length(length).with_character_set(set).with_decimals(decimals);
            declared(&column, &facts)
        };
        assert_eq!(of(ColumnType::MYSQL_TYPE_NEWDECIMAL, 12, 63, 2), "decimal(10,2)");
        assert_eq!(of(ColumnType::MYSQL_TYPE_VAR_STRING, 80, 45, 0), "varchar(20) COLLATE utf8mb4_general_ci");
        assert_eq!(of(ColumnType::MYSQL_TYPE_VAR_STRING, 80, 63, 0), "varbinary(80)");
        assert_eq!(of(ColumnType::MYSQL_TYPE_DATETIME, 26, 63, 6), "datetime(6)");
        assert_eq!(of(ColumnType::MYSQL_TYPE_BLOB, u32::MAX, 45, 0), "longtext COLLATE utf8mb4_general_ci");
        let members = mysql_async::Column::new(ColumnType::MYSQL_TYPE_STRING).with_flags(ColumnFlags::ENUM_FLAG);
        assert_eq!(declared(&members, &facts), "");
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
