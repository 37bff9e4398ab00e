//! Owns what is asked of tables as such: the shape of one, and making a temporary one for the rows of nodes. Blocks; called by
//! tasks only.

use std::ffi::CStr;

use super::statement::{Failure, Parameter};
use super::worker::Seat;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::dialect::Dialect;
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::value::Row;

/// The columns that `SELECT *` of a table has, as declared; none where there is no such table.
pub(super) fn shape(seat: &mut Seat, table: &str) -> Result<Vec<ColumnShape>, Fault> {
    seat.check()?;
    let table = table.strip_prefix("main.").unwrap_or(table);
    let guard = seat.guard.clone();
    guard.own(|| read_shape(seat, table)).map_err(|error| Failure::from(error).into_fault(seat))
}

fn read_shape(seat: &Seat, table: &str) -> rusqlite::Result<Vec<ColumnShape>> {
    let connection = &seat.connection;
    let is_table = "SELECT count(*) FROM pragma_table_list(?1) WHERE schema = 'main' AND type IN ('table', 'virtual')";
    if connection.query_row(is_table, [table], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Vec::new());
    }
    // 1 stands for a hidden column of a virtual table.
    let mut names = connection.prepare("SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1")?;
    let names: Vec<String> = names.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let text = |text: Option<&CStr>| text.map(|text| text.to_string_lossy().into_owned());
    let is_strict = "SELECT max(strict) FROM pragma_table_list(?1) WHERE schema = 'main'";
    let is_strict: bool = connection.query_row(is_strict, [table], |row| row.get(0))?;
    let column = |name: String| {
        let (declared, collation, ..) = connection.column_metadata(Some("main"), table, &name)?;
        let (mut declared, collation) = (text(declared).unwrap_or_default(), text(collation));
        // Such a column has no affinity there, and would have one in a table that is not STRICT.
        if is_strict && declared.eq_ignore_ascii_case("ANY") {
            declared.clear();
        }
        Ok(ColumnShape { name, declared, collation: collation.unwrap_or_else(|| "BINARY".to_owned()) })
    };
    names.into_iter().map(column).collect()
}

/// Puts rows into a temporary table, which is made at the first call for it.
pub(super) fn load(seat: &mut Seat, load: &Load, rows: &[Row]) -> Result<(), Fault> {
    if !seat.in_transaction {
        return Err(Fault::new(FaultKind::Statement, "rows are loaded within a transaction only"));
    }
    seat.check()?;
    let guard = seat.guard.clone();
    guard.own(|| fill(seat, load, rows)).map_err(|failure| failure.into_fault(seat))
}

fn fill(seat: &mut Seat, load: &Load, rows: &[Row]) -> Result<(), Failure> {
    let quote = |name: &str| Dialect::Sqlite.quote(name);
    let table = format!("temp.{}", quote(&load.name));
    if !seat.loaded.contains(&load.name) {
        let columns: Vec<String> = load.columns.iter().map(declaration).collect();
        seat.connection.execute_batch(&format!("CREATE TEMP TABLE {} ({})", quote(&load.name), columns.join(", ")))?;
        seat.loaded.insert(load.name.clone());
    }
    let places: Vec<String> = (1..=load.columns.len()).map(|place| format!("?{place}")).collect();
    let mut insert = seat.connection.prepare(&format!("INSERT INTO {table} VALUES ({})", places.join(", ")))?;
    for row in rows {
        if row.len() != load.columns.len() {
            let message = format!("a row for {} has {} values, not {}", load.name, row.len(), load.columns.len());
            return Err(Failure::new(FaultKind::Statement, message));
        }
        for (index, value) in row.iter().enumerate() {
            insert.raw_bind_parameter(index + 1, Parameter::of(value)?)?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}

/// A column with its type and collation. A type in quotes is the same type, whatever words it consists of.
fn declaration(column: &crate::sql::plan::LoadColumn) -> String {
    let quote = |name: &str| Dialect::Sqlite.quote(name);
    let mut text = quote(&column.name);
    if !column.declared.is_empty() {
        text.push(' ');
        text.push_str(&quote(&column.declared));
    }
    if !column.collation.is_empty() {
        text.push_str(" COLLATE ");
        text.push_str(&quote(&column.collation));
    }
    text
}
