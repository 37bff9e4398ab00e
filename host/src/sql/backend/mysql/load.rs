//! Owns temporary tables that the rows of other nodes are loaded into. They hide tables of the same name, and are dropped by
//! the session at the end of the transaction.

use std::fmt::Write as _;
use std::time::Instant;

use mysql_async::Params;

use super::bind;
use super::link::Link;
use super::shape::quoted;
use super::stream::Flight;
use crate::sql::backend::lease::{Part, Transaction};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::plan::{Load, LoadColumn};
use crate::sql::value::{Column, Row};

/// Values that are sent together: the protocol counts them in sixteen bits, and a statement's text grows with them.
const VALUES: usize = 8_000;

/// Puts rows into the table, which is made where it is not there.
pub(super) async fn load(link: &mut Link, part: Part<'_>, due: Instant) -> Result<(), Fault> {
    link.ready(due).await?;
    if !matches!(link.transaction, Transaction::Open | Transaction::Asked) {
        return Err(Fault::new(FaultKind::Statement, "tables are loaded within a transaction only"));
    }
    let name = &part.load.name;
    let width = part.load.columns.len();
    if width == 0 || part.rows.iter().any(|row| row.len() != width) {
        return Err(Fault::new(FaultKind::Statement, format!("{name} takes rows of {width} columns")));
    }
    if !link.loaded.contains(name) {
        let create = create(part.load, part.columns)?;
        let begin = link.prologue(due, false);
        let text = [begin, Some(create)].into_iter().flatten().collect::<Vec<_>>().join("; ");
        link.loaded.push(name.clone());
        let mut flight = Flight::new(link, due);
        flight.say(Some(text)).await?;
        flight.land();
    }
    for rows in part.rows.chunks((VALUES / width).max(1)) {
        insert(link, name, rows, due).await?;
    }
    Ok(())
}

async fn insert(link: &mut Link, name: &str, rows: &[Row], due: Instant) -> Result<(), Fault> {
    let width = rows.first().map_or(0, Vec::len);
    let row = format!("({})", vec!["?"; width].join(","));
    let text = format!("INSERT INTO {} VALUES {}", quoted(name), vec![row.as_str(); rows.len()].join(","));
    let values = rows.iter().flatten().map(bind::stored).collect::<Result<Vec<_>, _>>()?;
    let mut flight = Flight::new(link, due);
    flight.run(&text, Params::Positional(values)).await?;
    flight.land();
    Ok(())
}

/// The statement that makes the table: types as declared, else as the nodes described their answer.
fn create(load: &Load, columns: &[Column]) -> Result<String, Fault> {
    let mut text = format!("CREATE TEMPORARY TABLE {} (", quoted(&load.name));
    for (index, column) in load.columns.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let kind = kind(column, columns.get(index)).ok_or_else(|| {
            let why = format!("column {} of {} has a type whose order is not known", column.name, load.name);
            Fault::new(FaultKind::Unsupported, why)
        })?;
        // Without NULL some versions fill in the present moment for a timestamp.
        let _ = write!(text, "{comma}{} {kind} NULL", quoted(&column.name));
    }
    text.push(')');
    Ok(text)
}

fn kind(column: &LoadColumn, described: Option<&Column>) -> Option<String> {
    let described = described.map(|described| described.declared.as_str()).filter(|declared| !declared.is_empty());
    match (column.declared.as_str(), column.collation.as_str()) {
        ("", _) => described.map(str::to_owned),
        (declared, "" | "BINARY") => Some(declared.to_owned()),
        (declared, collation) => Some(format!("{declared} COLLATE {}", quoted(collation))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_types_declared_or_else_those_of_the_answer() {
        let column = |name: &str, declared: &str, collation: &str| LoadColumn {
            name: name.to_owned(),
            declared: declared.to_owned(),
            collation: collation.to_owned(),
        };
        let answered = |declared: &str| Column { name: "x".to_owned(), declared: declared.to_owned() };
        let load =
            Load { name: "p".to_owned(), columns: vec![column("a", "", ""), column("b", "char(3)", "ascii_bin")] };
        assert_eq!(
            create(&load, &[answered("decimal(3,1)"), answered("")]).unwrap(),
            "CREATE TEMPORARY TABLE `p` (`a` decimal(3,1) NULL, `b` char(3) COLLATE `ascii_bin` NULL)"
        );
        assert!(create(&load, &[answered("")]).is_err());
    }
}
