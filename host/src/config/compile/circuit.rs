//! When an endpoint's circuit opens.

use std::time::Duration;

use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::resilience::{Circuit, FailureRatio};
use super::super::units::{Period, Toggle};

/// Compiles `circuit`.
pub(super) fn compile(
    file: &Toggle<file::Circuit>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Option<Circuit>, Reported> {
    let default = Circuit::default();
    let file = match file {
        Toggle::Default => return Ok(Some(default)),
        Toggle::Off => return Ok(None),
        Toggle::To(file) => file,
    };
    let consecutive_failures = match file.consecutive_failures {
        None => default.consecutive_failures,
        Some(count) => Some(count.0).filter(|count| *count > 0),
    };
    let failure_ratio = match &file.failure_ratio {
        Toggle::Default | Toggle::Off => None,
        Toggle::To(file) => Some(failure_ratio(file)),
    };
    if consecutive_failures.is_none() && failure_ratio.is_none() {
        let message = "without failures in a row and without a failure ratio no circuit ever opens";
        return Err(problems.advise(at, message, "if that is meant: circuit = false"));
    }
    let (open_for, open_at_most) = periods(file, &default, at, problems)?;
    let trials = file.trials.map_or(default.trials, |trials| trials.get());
    Ok(Some(Circuit { consecutive_failures, failure_ratio, open_for, open_at_most, trials }))
}

/// How long a circuit is open the first time, and at the most.
fn periods(
    file: &file::Circuit,
    default: &Circuit,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<(Duration, Duration), Reported> {
    match (file.open_for.map(|period| period.0), file.open_at_most.map(|period| period.0)) {
        (Some(first), Some(most)) if first > most => {
            let message = format!("{} is longer than `open_at_most`, which is {}", Period(first), Period(most));
            let advice = "a circuit is open for `open_for` the first time, and for longer each time that a trial fails";
            Err(problems.advise(&at.key("open_for"), message, advice))
        }
        (Some(first), Some(most)) => Ok((first, most)),
        // Of the two, the one that is not said gives way to the one that is.
        (Some(first), None) => Ok((first, default.open_at_most.max(first))),
        (None, Some(most)) => Ok((default.open_for.min(most), most)),
        (None, None) => Ok((default.open_for, default.open_at_most)),
    }
}

fn failure_ratio(file: &file::FailureRatio) -> FailureRatio {
    let default = FailureRatio::default();
    FailureRatio {
        percent: file.percent.map_or(default.percent, |percent| percent.percent()),
        window: file.window.map_or(default.window, |period| period.0),
        least_requests: file.least_requests.map_or(default.least_requests, |requests| requests.get()),
    }
}
