//! Owns copying a SQLite database by statements: schema and rows as one snapshot of the source has them, into one transaction of
//! the destination. The watermark is a row like any other, and so says what the copy holds.

use std::time::Duration;

use super::Route;
use crate::sql::backend::{Bound, Fault, FaultKind, Session, Step};
use crate::sql::dialect::Dialect;
use crate::sql::replica::mark::rows;
use crate::sql::replica::patience::{Scan, bounded, due};
use crate::sql::replica::rebuild::Rebuild;
use crate::sql::value::{Row, Value};

/// How long a step may take: the longest is making an index over all rows of a table, or the end of the transaction.
const STEP: Duration = Duration::from_secs(600);
/// How long the destination keeps what was begun while nothing is asked of it. Should this process end, so long it is held up.
const KEPT: Duration = Duration::from_secs(60);
/// How long the next rows of a table may be waited for.
const STALL: Duration = Duration::from_secs(60);
/// Values, and bytes, that are inserted together: far below what a statement may have.
const MOST_VALUES: usize = 2_000;
const MOST_BYTES: usize = 512 * 1024;

/// Names of the row's own number; a column of the same name hides one.
const ROWIDS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Copies. An error says which end it came from.
pub(super) async fn copy(route: &Route, rebuild: &mut Rebuild) -> Result<(), String> {
    let mut from = end(route, true).await.map_err(|fault| format!("{}: {fault}", route.from))?;
    let mut to = end(route, false).await.map_err(|fault| format!("{}: {fault}", route.to))?;
    let mut copying =
        Copying { from: End(from.as_mut(), route.from.to_string()), to: End(to.as_mut(), route.to.to_string()) };
    copying.schema(rebuild).await?;
    copying.to.step(Step::Commit).await?;
    copying.from.step(Step::Rollback).await
}

async fn end(route: &Route, is_source: bool) -> Result<Box<dyn Session>, Fault> {
    let (address, step, kept) = match is_source {
        true => (&route.from, Step::Snapshot, STEP),
        false => (&route.to, Step::Begin, KEPT),
    };
    let soon = due(KEPT);
    let mut session = bounded(soon, route.backend.session(address, soon)).await?;
    bounded(soon, session.transact(step, due(kept))).await?;
    Ok(session)
}

/// A session, and where it is.
struct End<'a>(&'a mut dyn Session, String);

impl End<'_> {
    fn said(&self, fault: &Fault) -> String {
        format!("{}: {fault}", self.1)
    }

    async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, String> {
        let due = due(STEP);
        let found = bounded(due, rows(self.0, Bound { sql, params, due })).await;
        found.map_err(|fault| self.said(&fault))
    }

    /// The texts of an answer, each row as one.
    async fn texts<const N: usize>(&mut self, sql: &str, params: &[Value]) -> Result<Vec<[String; N]>, String> {
        let rows = self.rows(sql, params).await?;
        let read = |row: &Row| {
            let texts: Vec<String> = row.iter().map(Value::to_text).collect::<Option<_>>()?;
            texts.try_into().ok()
        };
        let read: Option<Vec<[String; N]>> = rows.iter().map(read).collect();
        read.ok_or_else(|| format!("{}: what it says of its schema cannot be read", self.1))
    }

    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<(), String> {
        self.tried(sql, params).await.map_err(|fault| self.said(&fault))
    }

    async fn tried(&mut self, sql: &str, params: &[Value]) -> Result<(), Fault> {
        let due = due(STEP);
        bounded(due, self.0.execute(Bound { sql, params, due })).await.map(drop)
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        let due = due(STEP);
        bounded(due, self.0.transact(step, due)).await.map_err(|fault| self.said(&fault))
    }
}

fn quoted(name: &str) -> String {
    Dialect::Sqlite.quote(name)
}

struct Copying<'a> {
    from: End<'a>,
    to: End<'a>,
}

impl Copying<'_> {
    async fn schema(&mut self, rebuild: &mut Rebuild) -> Result<(), String> {
        let virtuals = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'";
        if let Some([name]) = self.from.texts::<1>(virtuals, &[]).await?.first() {
            return Err(format!("{name} is a virtual table, whose rows cannot be copied by statements"));
        }
        // Rows come before those that they refer to.
        self.to.run("PRAGMA defer_foreign_keys = ON", &[]).await?;
        self.empty().await?;
        let tables = self.sources("table").await?;
        for [_, sql] in &tables {
            self.to.run(sql, &[]).await?;
        }
        for [name, _] in &tables {
            self.table(name, rebuild).await?;
        }
        self.numbers().await?;
        for kind in ["index", "view", "trigger"] {
            for [_, sql] in self.sources(kind).await? {
                self.to.run(&sql, &[]).await?;
            }
        }
        Ok(())
    }

    /// The names and texts of the source's tables, indexes and so on, in the order in which they were made.
    async fn sources(&mut self, kind: &str) -> Result<Vec<[String; 2]>, String> {
        let sql = r"SELECT name, sql FROM sqlite_schema WHERE type = ?1 AND sql IS NOT NULL
            AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid";
        self.from.texts(sql, &[Value::Text(kind.to_owned())]).await
    }

    /// Takes everything away from the destination.
    async fn empty(&mut self) -> Result<(), String> {
        let of = |kinds: &str| {
            format!(
                r"SELECT type, name FROM sqlite_schema WHERE {kinds} AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
                ORDER BY type = 'table', upper(sql) NOT LIKE 'CREATE VIRTUAL%'"
            )
        };
        for [kind, name] in self.to.texts(&of("type IN ('trigger', 'view')"), &[]).await? {
            self.to.run(&format!("DROP {kind} IF EXISTS {}", quoted(&name)), &[]).await?;
        }
        // Those of virtual tables go with them; one that others refer to may only go after these.
        let mut left = usize::MAX;
        loop {
            let tables: Vec<[String; 2]> = self.to.texts(&of("type = 'table'"), &[]).await?;
            if tables.is_empty() {
                return Ok(());
            }
            let mut refused = None;
            for [_, name] in &tables {
                match self.to.tried(&format!("DROP TABLE IF EXISTS {}", quoted(name)), &[]).await {
                    Ok(()) => {}
                    Err(fault) if fault.kind == FaultKind::Statement => refused = Some(self.to.said(&fault)),
                    Err(fault) => return Err(self.to.said(&fault)),
                }
            }
            match refused {
                Some(why) if tables.len() >= left => return Err(why),
                _ => left = tables.len(),
            }
        }
    }

    /// Copies the rows of a table, with their numbers.
    async fn table(&mut self, name: &str, rebuild: &mut Rebuild) -> Result<(), String> {
        let columns = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid";
        let columns: Vec<[String; 1]> = self.from.texts(columns, &[Value::Text(name.to_owned())]).await?;
        let plain = "SELECT name FROM pragma_table_list(?1) WHERE schema = 'main' AND wr = 0";
        let has_rowid = !self.from.texts::<1>(plain, &[Value::Text(name.to_owned())]).await?.is_empty();
        let is_free = |rowid: &&&str| !columns.iter().any(|[column]| column.eq_ignore_ascii_case(rowid));
        let rowid = ROWIDS.iter().find(is_free).filter(|_| has_rowid).map(|&rowid| rowid.to_owned());
        let names: Vec<String> = rowid.into_iter().chain(columns.iter().map(|[column]| quoted(column))).collect();
        let (table, list) = (quoted(name), names.join(", "));
        rebuild.progress(1, 0, 0);
        let sql = format!("SELECT {list} FROM {table}");
        let Self { from: End(from, from_name), to } = self;
        let read = |fault: Fault| format!("{from_name}: {fault}");
        let mut scan = Scan::begin(*from, &sql, STALL).await.map_err(read)?;
        let mut ahead = Ahead {
            into: format!("INSERT INTO {table} ({list}) VALUES "),
            width: names.len(),
            values: Vec::new(),
            bytes: 0,
        };
        while let Some(batch) = scan.next().await.map_err(read)? {
            for row in batch {
                ahead.push(row);
                if ahead.is_full() {
                    ahead.flush(to, rebuild).await?;
                }
            }
        }
        ahead.flush(to, rebuild).await
    }

    /// The next numbers of tables that never give one twice.
    async fn numbers(&mut self) -> Result<(), String> {
        let there = "SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        if self.from.texts::<1>(there, &[]).await?.is_empty() {
            return Ok(());
        }
        let numbers = self.from.rows("SELECT name, seq FROM sqlite_sequence", &[]).await?;
        if !self.to.texts::<1>(there, &[]).await?.is_empty() {
            self.to.run("DELETE FROM sqlite_sequence", &[]).await?;
        }
        for row in numbers {
            self.to.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", &row).await?;
        }
        Ok(())
    }
}

/// Rows that are inserted together.
struct Ahead {
    into: String,
    width: usize,
    values: Vec<Value>,
    bytes: usize,
}

impl Ahead {
    fn push(&mut self, row: Row) {
        self.bytes += row.iter().map(Value::bytes).sum::<usize>();
        self.values.extend(row);
    }

    fn is_full(&self) -> bool {
        self.values.len() + self.width > MOST_VALUES || self.bytes >= MOST_BYTES
    }

    async fn flush(&mut self, to: &mut End<'_>, rebuild: &mut Rebuild) -> Result<(), String> {
        let rows = self.values.len() / self.width.max(1);
        if rows == 0 {
            return Ok(());
        }
        let row = format!("({})", vec!["?"; self.width].join(", "));
        let sql = format!("{}{}", self.into, vec![row.as_str(); rows].join(", "));
        to.run(&sql, &self.values).await?;
        rebuild.progress(0, u64::try_from(rows).unwrap_or_default(), u64::try_from(self.bytes).unwrap_or_default());
        self.values.clear();
        self.bytes = 0;
        Ok(())
    }
}
