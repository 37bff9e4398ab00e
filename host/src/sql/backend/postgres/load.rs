//! Owns temporary tables that the rows of other nodes are loaded into. Their making and the `COPY` travel together, so that
//! a small table costs two round trips. They hide tables of the same name, and go with the transaction.

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join;
use tokio_postgres::CopyInSink;

use super::link::Link;
use super::shape::{self, quoted};
use super::stream::{Failure, Flight};
use super::text;
use crate::sql::backend::lease::{Part, Transaction};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::plan::{Load, LoadColumn};
use crate::sql::value::{Column, Row, Value};

/// Bytes that are sent together.
const CHUNK: usize = 64 * 1024;

/// Has them found first, for as long as the transaction lasts: a role's own `search_path` may put them last.
const FIRST: &str = "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_temp', \
    nullif(pg_catalog.current_setting('search_path'), '')), true);";

/// Puts rows into the table, which is made where it is not there.
pub(super) async fn load(link: &mut Link, part: Part<'_>, due: Instant) -> Result<(), Fault> {
    link.ready(due).await?;
    if !matches!(link.transaction, Transaction::Open | Transaction::Asked) {
        return Err(Fault::new(FaultKind::Statement, "tables are loaded within a transaction only"));
    }
    let width = part.load.columns.len();
    if part.rows.iter().any(|row| row.len() != width) {
        let why = format!("{} takes rows of {width} columns", part.load.name);
        return Err(Fault::new(FaultKind::Statement, why));
    }
    let create = match link.loaded.contains(&part.load.name) {
        true => None,
        false => {
            let default = default_collation(link, part.load, due).await?;
            Some(create(part.load, part.columns, &default)?)
        }
    };
    let mut flight = Flight::new(link, due);
    flight.within(async |link| copy(link, &part, create, due).await).await?;
    flight.land();
    Ok(())
}

async fn copy(link: &mut Link, part: &Part<'_>, create: Option<String>, due: Instant) -> Result<(), Failure> {
    let client = Arc::clone(&link.client);
    let text = format!("COPY pg_temp.{} FROM STDIN", quoted(&part.load.name));
    let is_new = create.is_some();
    let first = (is_new && link.loaded.is_empty()).then(|| FIRST.to_owned());
    let ahead = [link.prologue(due, true), create, first].into_iter().flatten().collect::<String>();
    if is_new {
        link.loaded.push(part.load.name.clone());
    }
    if part.rows.is_empty() {
        return Ok(client.batch_execute(&ahead).await?);
    }
    let sink = match link.prepared(&text) {
        Some(statement) => join(client.batch_execute(&ahead), client.copy_in(&statement)).await,
        None => {
            let (made, statement) = join(client.batch_execute(&ahead), client.prepare(&text)).await;
            made?;
            let statement = statement?;
            link.keep(&text, &statement);
            (Ok(()), client.copy_in(&statement).await)
        }
    };
    let (made, sink) = sink;
    made?;
    let mut sink = pin!(sink?);
    let sink: std::pin::Pin<&mut CopyInSink<Bytes>> = sink.as_mut();
    send(sink, &part.rows).await.map_err(Failure::Server)
}

async fn send(mut sink: std::pin::Pin<&mut CopyInSink<Bytes>>, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
    let mut chunk = String::with_capacity(CHUNK.min(rows.len() * 64));
    for row in rows {
        push_row(&mut chunk, row);
        if chunk.len() >= CHUNK {
            sink.send(Bytes::from(std::mem::take(&mut chunk))).await?;
        }
    }
    if !chunk.is_empty() {
        sink.send(Bytes::from(chunk)).await?;
    }
    sink.finish().await.map(drop)
}

/// The statement that makes the table: types as declared, else as the nodes described their answer.
fn create(load: &Load, columns: &[Column], default: &str) -> Result<String, Fault> {
    let mut text = format!("CREATE TEMPORARY TABLE {} (", quoted(&load.name));
    for (index, column) in load.columns.iter().enumerate() {
        let described = columns.get(index).map(|column| column.declared.as_str());
        let declared = Some(column.declared.as_str()).filter(|declared| !declared.is_empty()).or(described);
        let declared = declared.filter(|declared| !declared.is_empty()).ok_or_else(|| {
            Fault::new(FaultKind::Unsupported, format!("column {} of {} has no type", column.name, load.name))
        })?;
        let comma = if index > 0 { ", " } else { "" };
        let collate = collate(&column.collation, default);
        let _ = write!(text, "{comma}{} {declared}{collate}", quoted(&column.name));
    }
    text.push_str(") ON COMMIT DROP;");
    Ok(text)
}

/// The collation of a column, as `shape` names it. The database's own may be known to the operating system only.
fn collate(collation: &str, default: &str) -> String {
    match collation {
        "" | "BINARY" => String::new(),
        name if name == default => String::new(),
        name if name.starts_with('"') => format!(" COLLATE {name}"),
        name => format!(" COLLATE pg_catalog.{}", quoted(name)),
    }
}

/// What the database's own collation is called; asked for only where it matters.
async fn default_collation(link: &mut Link, load: &Load, due: Instant) -> Result<String, Fault> {
    let matters = |column: &LoadColumn| !matches!(column.collation.as_str(), "" | "BINARY" | "C" | "POSIX");
    match load.columns.iter().any(matters) {
        true => shape::default_collation(link, due).await,
        false => Ok(String::new()),
    }
}

fn push_row(chunk: &mut String, row: &Row) {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            chunk.push('\t');
        }
        match value {
            Value::Null => chunk.push_str("\\N"),
            Value::Bool(value) => chunk.push(if *value { 't' } else { 'f' }),
            Value::Integer(value) => drop(write!(chunk, "{value}")),
            Value::Real(value) => chunk.push_str(&text::double(*value)),
            Value::Decimal(value) => chunk.push_str(value),
            Value::Text(value) => push_escaped(chunk, value),
            Value::Blob(value) => push_escaped(chunk, &text::hex(value)),
        }
    }
    chunk.push('\n');
}

fn push_escaped(chunk: &mut String, value: &str) {
    let mut rest = value;
    while let Some((plain, special)) = rest.find(['\\', '\n', '\r', '\t']).and_then(|at| rest.split_at_checked(at)) {
        chunk.push_str(plain);
        let mut chars = special.chars();
        chunk.push_str(match chars.next() {
            Some('\n') => "\\n",
            Some('\r') => "\\r",
            Some('\t') => "\\t",
            _ => "\\\\",
        });
        rest = chars.as_str();
    }
    chunk.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, declared: &str, collation: &str) -> LoadColumn {
        LoadColumn { name: name.into(), declared: declared.into(), collation: collation.into() }
    }

    #[test]
    fn a_table_has_the_types_declared_or_else_those_of_the_answer() {
        let columns = vec![column("a\"b", "", ""), column("c", "text", "C"), column("d", "text", "en_US.UTF-8")];
        let load = Load { name: "lf_part".into(), columns };
        let answered =
            ["numeric(10,2)", "text", "text"].map(|declared| Column { name: "x".into(), declared: declared.into() });
        assert_eq!(
            create(&load, &answered, "en_US.UTF-8").unwrap(),
            "CREATE TEMPORARY TABLE \"lf_part\" (\"a\"\"b\" numeric(10,2), \"c\" text COLLATE pg_catalog.\"C\", \"d\" text) \
             ON COMMIT DROP;"
        );
        assert!(create(&load, &[], "").is_err());
    }

    #[test]
    fn a_row_is_written_so_that_copy_reads_it_back() {
        let mut chunk = String::new();
        let text = Value::Text("a\tb\\\n\r\\N".into());
        push_row(
            &mut chunk,
            &vec![Value::Null, text, Value::Blob(vec![1]), Value::Real(f64::INFINITY), Value::Bool(true)],
        );
        assert_eq!(chunk, "\\N\ta\\tb\\\\\\n\\r\\\\N\t\\\\x01\tInfinity\tt\n");
    }
}
