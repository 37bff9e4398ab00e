//! Owns SQLite's functions that are not the same at each call.

use sqlparser::ast::Function;

use super::{SESSION, Verdict, count};
use crate::sql::replica::determine::clock::Clock;
use crate::sql::replica::determine::random::Random;

/// Functions that change something.
pub(super) const WRITERS: &[&str] = &["load_extension", "writefile", "edit", "fts3_tokenizer"];

#[rustfmt::skip]
const STEADY: &[&str] = &[
    "json_set", "json_insert", "json_replace", "json_remove", "json_patch", "json_object", "json_array", "json_quote", "jsonb",
    "jsonb_set", "jsonb_insert", "jsonb_replace", "jsonb_remove", "jsonb_patch", "jsonb_object", "jsonb_array",
    "jsonb_extract", "json_error_position", "json_pretty", "json_each", "json_tree", "generate_series", "unistr",
    "unistr_quote", "soundex",
];

/// Functions of the C library.
#[rustfmt::skip]
const LIBRARY: &[&str] = &[
    "exp", "ln", "log", "log2", "log10", "pow", "power", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
];

pub(super) fn special(name: &str, function: &Function) -> Option<Verdict> {
    Some(match name {
        "date" | "time" | "datetime" | "julianday" | "unixepoch" | "strftime" | "timediff" => Verdict::Dates,
        "current_timestamp" => Verdict::Clock(Clock::Timestamp),
        "current_date" => Verdict::Clock(Clock::Date),
        "current_time" => Verdict::Clock(Clock::Time),
        "random" if count(function) == 0 => Verdict::Random(Some(Random::Integer)),
        "randomblob" => Verdict::Random(Some(Random::Blob)),
        "changes"
        | "total_changes"
        | "last_insert_rowid"
        | "sqlite_version"
        | "sqlite_source_id"
        | "sqlite_compileoption_get"
        | "sqlite_compileoption_used"
        | "sqlite_offset" => Verdict::Refused(SESSION),
        _ if LIBRARY.contains(&name) => Verdict::Library,
        _ if STEADY.contains(&name) => Verdict::Steady,
        _ => return None,
    })
}
