//! When a request is sent again.

use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::resilience::{Hedge, Retry, RetryBudget};
use super::super::units::Toggle;
use super::failures;

/// Each request under way may keep as much, and the memory is the host's.
const MOST_BUFFER: u64 = 16 << 20;

/// Compiles `retry`.
pub(super) fn compile(file: &file::Retry, at: &At, problems: &mut Problems<'_>) -> Result<Retry, Reported> {
    let default = Retry::default();
    let statuses = match &file.statuses {
        None => Ok(default.statuses),
        Some(list) => failures::statuses(list, &at.key("statuses"), problems),
    };
    let buffer_bytes = match file.buffer_bytes {
        None => Ok(default.buffer_bytes),
        Some(size) if size.0 <= MOST_BUFFER => Ok(size.0 as usize),
        Some(size) => Err(problems.report(&at.key("buffer_bytes"), format!("{} bytes is over 16MiB", size.0))),
    };
    let budget = RetryBudget {
        percent: file.budget.percent.map_or(default.budget.percent, |percent| percent.get()),
        floor: file.budget.floor.map_or(default.budget.floor, |floor| floor.get()),
    };
    let hedge = match &file.hedge {
        Toggle::Default | Toggle::Off => None,
        Toggle::To(file) => Some(hedge(file)),
    };
    Ok(Retry {
        attempts: file.attempts.map_or(default.attempts, |attempts| attempts.get()),
        per_try_timeout: file.per_try_timeout.map(|period| period.0),
        statuses: statuses?,
        backoff: file.backoff.map(|period| period.0),
        buffer_bytes: buffer_bytes?,
        budget,
        hedge,
    })
}

fn hedge(file: &file::Hedge) -> Hedge {
    let default = Hedge::default();
    Hedge {
        percentile: file.percentile.map_or(default.percentile, |percentile| percentile.percent()),
        after_at_least: file.after_at_least.map_or(default.after_at_least, |period| period.0),
    }
}
