//! What one request of SQL may take.

use std::time::Duration;

use super::super::super::document::At;
use super::super::super::file;
use super::super::super::problems::{Problems, Reported};
use super::super::super::sql::SqlLimits;
use super::super::super::units::{Period, Size};

/// A statement over this is none that a person or a program should send at once; and what it takes to read one grows with
/// it.
const MOST_STATEMENT: u64 = 1 << 20;

/// A body is held in memory until it is read as JSON.
const MOST_BODY: u64 = 1 << 30;

/// What is gathered, and an answer that is not streamed, is held in memory as well.
const MOST_HELD: u64 = 64 << 30;

/// Compiles `limits`.
pub(super) fn compile(file: &file::SqlLimits, at: &At, problems: &mut Problems<'_>) -> Result<SqlLimits, Reported> {
    let default = SqlLimits::default();
    let times = times(file, &default, at, problems);
    let body = size("body_bytes", file.body_bytes, (default.body_bytes, MOST_BODY), at, problems);
    let statement =
        size("statement_bytes", file.statement_bytes, (default.statement_bytes, MOST_STATEMENT), at, problems);
    let gather_bytes = size("gather_bytes", file.gather_bytes, (default.gather_bytes, MOST_HELD), at, problems);
    let answer_bytes = size("answer_bytes", file.answer_bytes, (default.answer_bytes, MOST_HELD), at, problems);
    let (body_bytes, statement_bytes) = match (body?, statement?) {
        (body, statement) if statement <= body => (body, statement),
        // Of the two, the one that is not said gives way to the one that is.
        (body, _) if file.statement_bytes.is_none() => (body, body),
        (_, statement) if file.body_bytes.is_none() => (statement, statement),
        (body, statement) => {
            let message = format!("{statement} bytes are more than `body_bytes`, which is {body}");
            let advice = "a statement comes in a body";
            return Err(problems.advise(&at.key("statement_bytes"), message, advice));
        }
    };
    let (timeout, max_timeout) = times?;
    Ok(SqlLimits {
        timeout,
        max_timeout,
        connections: file.connections.map_or(default.connections, |count| count.count()),
        body_bytes,
        statement_bytes,
        gather_rows: file.gather_rows.map_or(default.gather_rows, |rows| rows.count()),
        gather_bytes: gather_bytes?,
        answer_bytes: answer_bytes?,
        max_shards: file.max_shards.map(|shards| shards.short()),
        forbid_scatter: file.forbid_scatter.unwrap_or(default.forbid_scatter),
        cached_plans: file.cached_plans.map_or(default.cached_plans, |plans| plans.count()),
    })
}

/// How long a request may take, and may ask for.
fn times(
    file: &file::SqlLimits,
    default: &SqlLimits,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<(Duration, Duration), Reported> {
    match (file.timeout.map(|period| period.0), file.max_timeout.map(|period| period.0)) {
        (Some(usual), Some(most)) if usual > most => {
            let message = format!("{} is longer than `max_timeout`, which is {}", Period(usual), Period(most));
            Err(problems.report(&at.key("timeout"), message))
        }
        (Some(usual), Some(most)) => Ok((usual, most)),
        // Of the two, the one that is not said gives way to the one that is.
        (Some(usual), None) => Ok((usual, default.max_timeout.max(usual))),
        (None, Some(most)) => Ok((default.timeout.min(most), most)),
        (None, None) => Ok((default.timeout, default.max_timeout)),
    }
}

fn size(
    key: &str,
    size: Option<Size>,
    (default, most): (usize, u64),
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<usize, Reported> {
    match size.map(|size| size.0) {
        None => Ok(default),
        Some(size) if (1..=most).contains(&size) => Ok(usize::try_from(size).unwrap_or(usize::MAX)),
        Some(size) => Err(problems.report(&at.key(key), format!("{size} bytes are not from 1 to {most}"))),
    }
}
