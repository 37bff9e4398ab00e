//! Every construct that could make nodes differ, with what becomes of it; and that what is logged leaves equal rows.

mod catalog;
mod classes;
mod laws;
mod mysql;
mod params;
mod postgres;
mod sqlite;

use super::tables::{Auto, Table, TableColumn, Tables, Traits};
use super::{Determined, Draft, Moment, determine, names};
use crate::sql::dialect::Dialect;
use crate::sql::parse::{Parsed, parse};
use crate::sql::shape::ColumnShape;
use crate::sql::value::Value;

/// 2023-11-14 22:13:20.123456 UTC
const MOMENT: Moment = Moment(1_700_000_000_123_456);

/// The same numbers each time.
fn dice(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn read(dialect: Dialect, sql: &str) -> Parsed {
    parse(dialect, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn determined(dialect: Dialect, tables: &Tables, sql: &str, params: &[Value]) -> Result<Determined, String> {
    let parsed = read(dialect, sql);
    let all = determine(&parsed, params, tables, MOMENT, &mut dice(1));
    all.map_err(|refusal| refusal.to_string())
}

/// What becomes of a statement, as a text: `= …` as it is, `! …` refused, `? …` as what the rows of this query become, otherwise
/// what is logged, with numbers from 101 on.
fn told(dialect: Dialect, tables: &Tables, sql: &str, params: &[Value]) -> String {
    match determined(dialect, tables, sql, params) {
        Err(refused) => format!("! {refused}"),
        Ok(Determined::Rows(plan)) => format!("? {}", plan.query()),
        Ok(Determined::Logged(draft)) => {
            let text = written(&draft);
            if text == read(dialect, sql).text { "=".to_owned() } else { text }
        }
    }
}

fn written(draft: &Draft) -> String {
    let first: Vec<i64> = draft.needs().iter().map(|_| 101).collect();
    draft.statement(&first).expect("numbers").sql
}

/// Holds each statement against what is to become of it.
fn hold(dialect: Dialect, tables: &Tables, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, wanted) in cases {
        let found = told(dialect, tables, sql, &[]);
        let is_met = match wanted.strip_suffix('…') {
            Some(begin) => found.starts_with(begin),
            None => found == *wanted,
        };
        if !is_met {
            wrong.push(format!("        (\n            {sql:?},\n            {found:?},\n        ),"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// A table with columns `name type [key] [unique] [auto]`, and `= default` behind.
fn made(dialect: Dialect, name: &str, columns: &[&str]) -> Table {
    let mut key = 0;
    let columns = columns.iter().map(|column| {
        let (declared, default) = column.split_once(" = ").map_or((*column, None), |(one, other)| (one, Some(other)));
        let words: Vec<&str> = declared.split(' ').collect();
        let has = |word: &str| words.contains(&word);
        key += usize::from(has("key"));
        let sequence =
            |is_always| Auto::Sequence { name: format!("public.{name}_{}_seq", words[0]), step: 1, is_always };
        TableColumn {
            shape: ColumnShape { name: words[0].into(), declared: words[1].into(), collation: String::new() },
            default: default.map(str::to_owned),
            auto: match () {
                () if has("increment") => Auto::Increment,
                () if has("rowid") => Auto::Rowid { is_kept: false },
                () if has("serial") => sequence(false),
                () if has("always") => sequence(true),
                () => Auto::No,
            },
            is_generated: has("generated"),
            key: if has("key") { key } else { 0 },
            is_unique: has("key") || has("unique"),
            is_nullable: !has("key"),
        }
    });
    let columns: Vec<TableColumn> = columns.collect();
    // The primary key is one, and each other unique column.
    let key = columns.iter().filter(|column| column.key > 0);
    let others = columns.iter().filter(|column| column.key == 0 && column.is_unique).count();
    let keys = others + usize::from(key.clone().count() > 0);
    let numbered_keys = usize::from(key.clone().any(|column| column.auto != Auto::No));
    let traits = Traits { keys, numbered_keys, ..Traits::default() };
    Table { name: dialect.quote(name), columns, triggers: Vec::new(), traits }
}
