//! Owns the question whether the nodes of an entry are what its configuration says: they can be reached, the tables are
//! there, alike on all of them, and the keys are of the type that the router goes by. Changes no table and no row.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout_at;

use super::backend::{Backend, Bound, Fault, FaultKind};
use super::dialect::Dialect;
use super::layout::Layout;
use super::shape::{ColumnShape, unlike};
use super::write::Question;
use crate::cluster::Member;
use crate::config::{CollationSpec, HoldingSpec, KeySpec, SqlEntry, TopologySpec};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The node; the shard where it has none.
    pub who: String,
    /// What is wrong.
    pub what: String,
}

/// What is expected of a table.
struct Expected<'a> {
    table: &'a str,
    key: Option<(&'a str, KeySpec)>,
}

/// Nodes that are looked at at a time; far more than most entries have.
const AT_ONCE: usize = 64;

/// Looks at every node of a layout, each once and `within` this time, many at a time.
pub async fn inspect(spec: &SqlEntry, layout: &Layout, backend: &dyn Backend, within: Duration) -> Vec<Finding> {
    let nobody = layout.shards.iter().filter(|shard| shard.members.is_empty());
    let mut found: Vec<Finding> = nobody
        .map(|shard| Finding { who: shard.name.clone(), what: "is a shard that no endpoint holds".to_owned() })
        .collect();
    let mut members: Vec<&Member> = layout.shards.iter().flat_map(|shard| &shard.members).map(AsRef::as_ref).collect();
    members.sort_by_key(|member| member.id());
    members.dedup_by_key(|member| member.id());
    let expected = expected(spec);
    let mut first: Vec<Option<(String, Vec<ColumnShape>)>> = expected.iter().map(|_| None).collect();
    let looked = members.into_iter().map(|member| async {
        let due = Instant::now() + within;
        let late = |_| Fault::new(FaultKind::TimedOut, format!("did not answer within {within:?}"));
        let looked = async {
            let shapes = shapes(member, &expected, backend, due).await?;
            let may_last = backend.dialect() == Dialect::MySql && layout.shards.len() > 1;
            let told = if may_last { lasting(member, &expected, backend, due).await? } else { Vec::new() };
            Ok((shapes, told))
        };
        let looked = timeout_at(due.into(), looked).await.map_err(late);
        (member.endpoint().spec.name.to_string(), looked.and_then(|looked| looked))
    });
    for (who, looked) in stream::iter(looked).buffered(AT_ONCE).collect::<Vec<_>>().await {
        let mut tell = |what: String| found.push(Finding { who: who.clone(), what });
        let (shapes, told) = match looked {
            Ok(looked) => looked,
            Err(fault) => {
                tell(fault.message);
                continue;
            }
        };
        told.into_iter().for_each(&mut tell);
        for ((expected, shape), first) in expected.iter().zip(shapes).zip(&mut first) {
            if shape.is_empty() {
                tell(format!("has no table {}", expected.table));
                continue;
            }
            if let Some(what) = expected.key.and_then(|(key, kind)| unfit(backend.dialect(), (key, kind), &shape)) {
                tell(format!("{} {what}", expected.table));
            }
            match first {
                None => *first = Some((who.clone(), shape)),
                Some(theirs) => {
                    let differs = unlike(expected.table, &[(who.clone(), shape), theirs.clone()]);
                    differs.into_iter().for_each(|unlike| tell(unlike.to_string()));
                }
            }
        }
    }
    found
}

fn expected(spec: &SqlEntry) -> Vec<Expected<'_>> {
    match &spec.topology {
        TopologySpec::Split(split) => {
            vec![Expected { table: &split.table, key: Some((&split.key, KeySpec::Integer)) }]
        }
        // No table is named: that all are alike is for a comparison at one position to say.
        TopologySpec::Replicated(_) => Vec::new(),
        TopologySpec::Partitioned(topology) => topology
            .tables
            .iter()
            .map(|table| match &table.holding {
                HoldingSpec::Reference => Expected { table: &table.name, key: None },
                HoldingSpec::Partitioned(partition) => {
                    Expected { table: &table.name, key: Some((&partition.key, partition.kind)) }
                }
            })
            .collect(),
    }
}

async fn shapes(
    member: &Member,
    expected: &[Expected<'_>],
    backend: &dyn Backend,
    due: Instant,
) -> Result<Vec<Vec<ColumnShape>>, Fault> {
    let mut session = backend.session(&member.endpoint().spec.address, due).await?;
    let mut shapes = Vec::with_capacity(expected.len());
    for expected in expected {
        shapes.push(session.shape(expected.table, due).await?);
    }
    Ok(shapes)
}

/// The tables of MySQL that can take nothing back, with why that matters.
async fn lasting(
    member: &Member,
    expected: &[Expected<'_>],
    backend: &dyn Backend,
    due: Instant,
) -> Result<Vec<String>, Fault> {
    let mut session = backend.session(&member.endpoint().spec.address, due).await?;
    let mut told = Vec::new();
    for expected in expected {
        let question = Question::lasting(expected.table);
        let rows = session.query(Bound { sql: &question.sql, params: &question.params, due }).await?;
        if rows.batches.try_fold(0, async |count, rows| Ok(count + rows.len())).await? > 0 {
            told.push(question.refusal.to_string());
        }
    }
    Ok(told)
}

/// The keys of an entry, by their tables.
pub(super) fn keys(spec: &SqlEntry) -> impl Iterator<Item = (&str, (&str, KeySpec))> {
    expected(spec).into_iter().filter_map(|expected| Some((expected.table, expected.key?)))
}

/// Why a table's key is not what the configuration says of it: the router would conclude from it what is not so.
pub fn unfit(dialect: Dialect, (key, kind): (&str, KeySpec), shape: &[ColumnShape]) -> Option<String> {
    let is_key = |column: &&ColumnShape| match dialect {
        Dialect::Postgres => column.name == key,
        Dialect::Sqlite | Dialect::MySql => column.name.eq_ignore_ascii_case(key),
    };
    let Some(column) = shape.iter().find(is_key) else {
        return Some(format!("has no column {key}, which is to be its key"));
    };
    let declared = column.declared.to_ascii_lowercase();
    let of_type = |what: &str| Some(format!("has a key of type `{}`, which is not one of {what}", column.declared));
    let collated = |what: &str| Some(format!("has a key whose collation is `{}`, which {what}", column.collation));
    match kind {
        KeySpec::Integer if is_integer(dialect, &declared) => None,
        KeySpec::Integer => of_type("whole numbers"),
        KeySpec::Text(_) if is_integer(dialect, &declared) => of_type("text"),
        // Every shard is asked, whatever the texts that it holds equal.
        KeySpec::Text(CollationSpec::Other) => None,
        KeySpec::Text(_) if !is_text(dialect, &declared) => of_type("text that is compared as it is"),
        KeySpec::Text(CollationSpec::Bytes) if !compares_bytes(dialect, column) => collated("does not order by bytes"),
        KeySpec::Text(CollationSpec::Deterministic) if !is_deterministic(dialect, column) => {
            collated("is not known to be deterministic")
        }
        KeySpec::Text(_) => None,
    }
}

/// Whether a type of a column, in lower case, holds whole numbers of 64 bits and nothing more.
fn is_integer(dialect: Dialect, declared: &str) -> bool {
    let name = declared.split('(').next().unwrap_or_default().trim();
    match dialect {
        Dialect::Sqlite => matches!(
            name,
            "int"
                | "integer"
                | "tinyint"
                | "smallint"
                | "mediumint"
                | "bigint"
                | "int2"
                | "int4"
                | "int8"
                | "big int"
                | "unsigned big int"
        ),
        Dialect::Postgres => matches!(name, "smallint" | "integer" | "bigint") && name == declared,
        Dialect::MySql => {
            let first = name.split(' ').next().unwrap_or_default();
            let is_more = first == "bigint" && declared.contains("unsigned");
            matches!(first, "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint") && !is_more
        }
    }
}

/// Whether a type of a column, in lower case, holds text of which every character counts.
fn is_text(dialect: Dialect, declared: &str) -> bool {
    let name = declared.split('(').next().unwrap_or_default().trim();
    match dialect {
        Dialect::Sqlite => {
            !declared.contains("int") && ["char", "clob", "text"].iter().any(|word| declared.contains(word))
        }
        Dialect::Postgres => matches!(name, "text" | "character varying") && !declared.ends_with(']'),
        Dialect::MySql => matches!(name, "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"),
    }
}

/// Whether texts are equal and ordered as their bytes are.
fn compares_bytes(dialect: Dialect, column: &ColumnShape) -> bool {
    let collation = column.collation.as_str();
    match dialect {
        Dialect::Sqlite => column.is_binary(),
        // By the numbers of characters is by their bytes in UTF-8.
        Dialect::Postgres => matches!(collation, "C" | "POSIX" | "ucs_basic" | "C.UTF-8" | "C.utf8"),
        // The others with `_bin` do not count blanks at the end.
        Dialect::MySql => collation == "binary" || collation == "utf8mb4_0900_bin" || collation.ends_with("_nopad_bin"),
    }
}

/// Whether texts are equal only where their bytes are.
fn is_deterministic(dialect: Dialect, column: &ColumnShape) -> bool {
    match dialect {
        Dialect::Sqlite | Dialect::MySql => compares_bytes(dialect, column),
        // What users made goes by a quoted name, and may be of either kind.
        Dialect::Postgres => !column.collation.contains('"') && dialect.rules().is_bytewise(&column.collation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, declared: &str, collation: &str) -> ColumnShape {
        ColumnShape { name: name.into(), declared: declared.into(), collation: collation.into() }
    }

    #[test]
    fn a_key_that_is_not_what_is_said_of_it_is_told() {
        let text = |collation| KeySpec::Text(collation);
        let bytes = text(CollationSpec::Bytes);
        let cases = [
            (Dialect::Sqlite, KeySpec::Integer, column("ID", "INTEGER", "BINARY"), None),
            (Dialect::Postgres, KeySpec::Integer, column("id", "bigint", ""), None),
            (Dialect::MySql, KeySpec::Integer, column("id", "int(11)", ""), None),
            (Dialect::Postgres, KeySpec::Integer, column("ID", "bigint", ""), Some("no column id")),
            (
                Dialect::MySql,
                KeySpec::Integer,
                column("id", "bigint(20) unsigned", ""),
                Some("not one of whole numbers"),
            ),
            (Dialect::Postgres, KeySpec::Integer, column("id", "interval", ""), Some("not one of whole numbers")),
            (Dialect::Postgres, KeySpec::Integer, column("id", "int4range", ""), Some("not one of whole numbers")),
            (Dialect::Postgres, KeySpec::Integer, column("id", "integer[]", ""), Some("not one of whole numbers")),
            (Dialect::Sqlite, KeySpec::Integer, column("id", "POINT", "BINARY"), Some("not one of whole numbers")),
            (Dialect::MySql, KeySpec::Integer, column("id", "int(10) unsigned", ""), None),
            (Dialect::Sqlite, bytes, column("id", "NUMERIC", "BINARY"), Some("not one of text")),
            (Dialect::Postgres, bytes, column("id", "character(5)", "C"), Some("not one of text")),
            (Dialect::Postgres, bytes, column("id", "citext", "C"), Some("not one of text")),
            (Dialect::Postgres, bytes, column("id", "text[]", "C"), Some("not one of text")),
            (Dialect::Postgres, bytes, column("id", "character varying(5)", "C"), None),
            (
                Dialect::Postgres,
                text(CollationSpec::Deterministic),
                column("id", "citext", "en_US.UTF-8"),
                Some("text"),
            ),
            (
                Dialect::Postgres,
                text(CollationSpec::Deterministic),
                column("id", "text", "\"public\".\"ci-x-icu\""),
                Some("not known to be deterministic"),
            ),
            (Dialect::MySql, bytes, column("id", "char(5)", "utf8mb4_nopad_bin"), Some("not one of text")),
            (Dialect::MySql, bytes, column("id", "varchar(5)", "utf8mb4_nopad_bin"), None),
            (Dialect::Sqlite, bytes, column("id", "TEXT", "BINARY"), None),
            (Dialect::Sqlite, bytes, column("id", "TEXT", "NOCASE"), Some("does not order by bytes")),
            (Dialect::Sqlite, bytes, column("id", "INTEGER", "BINARY"), Some("not one of text")),
            (Dialect::Postgres, bytes, column("id", "text", "C"), None),
            (Dialect::Postgres, bytes, column("id", "text", "C.UTF-8"), None),
            (Dialect::Postgres, bytes, column("id", "text", "en_US.UTF-8"), Some("does not order by bytes")),
            (Dialect::Postgres, text(CollationSpec::Deterministic), column("id", "text", "en_US.UTF-8"), None),
            (Dialect::MySql, bytes, column("id", "varchar(9)", "utf8mb4_bin"), Some("does not order by bytes")),
            (Dialect::MySql, text(CollationSpec::Other), column("id", "varchar(9)", "utf8mb4_general_ci"), None),
        ];
        for (dialect, kind, column, expected) in cases {
            let told = unfit(dialect, ("id", kind), std::slice::from_ref(&column));
            match expected {
                None => assert_eq!(told, None, "{column:?}"),
                Some(part) => assert!(told.as_ref().is_some_and(|told| told.contains(part)), "{column:?}: {told:?}"),
            }
        }
    }
}
