//! What counts as a failure, and sets of statuses.

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::read::closest;
use super::super::resilience::Failures;
use super::super::units::Code;
use crate::model::StatusSet;

/// The list of every error, by its name.
const EVERY_ERROR: &str = "every-error";

/// The failures that have no status.
const WORDS: [&str; 3] = ["connect", "timeout", "reset"];

/// Compiles `failures`.
pub(super) fn compile(
    file: Option<&file::Failures>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Failures, Reported> {
    let list = match file {
        None => return Ok(Failures::default()),
        Some(file::Failures::Preset(name)) => return preset(name, at, problems),
        Some(file::Failures::List(list)) => list,
    };
    let has = |word| list.iter().any(|Code(text)| text == word);
    let [connect, timeout, reset] = WORDS.map(has);
    let statuses = set(list, at, problems, &WORDS)?;
    Ok(Failures { connect, timeout, reset, statuses })
}

fn preset(name: &str, at: &At, problems: &mut Problems<'_>) -> Result<Failures, Reported> {
    if name == EVERY_ERROR {
        let statuses = StatusSet::of(defaults::EVERY_ERROR);
        return Ok(Failures { connect: true, timeout: true, reset: true, statuses });
    }
    let advice = match StatusSet::parse([name]) {
        parsed if parsed.is_ok() || WORDS.contains(&name) => format!("as a list: [\"{name}\"]"),
        _ if closest(name, [EVERY_ERROR].into_iter()).is_some() => format!("did you mean `{EVERY_ERROR}`?"),
        _ => format!("`{EVERY_ERROR}`, or a list as in [\"connect\", \"timeout\", \"reset\", \"502-504\"]"),
    };
    Err(problems.advise(at, format!("there is no list of failures that is called `{name}`"), advice))
}

/// Compiles a list of statuses.
pub(super) fn statuses(list: &[Code], at: &At, problems: &mut Problems<'_>) -> Result<StatusSet, Reported> {
    set(list, at, problems, &[])
}

/// The statuses of a list in which there may be words too.
fn set(list: &[Code], at: &At, problems: &mut Problems<'_>, words: &[&str]) -> Result<StatusSet, Reported> {
    let mut known = Ok(());
    for (nth, Code(text)) in list.iter().enumerate().filter(|(_, Code(text))| !words.contains(&text.as_str())) {
        let at = at.index(nth);
        let Err(wrong) = StatusSet::parse([text.as_str()]) else { continue };
        known = Err(match (problems.spoiled(&at), meant(text, words)) {
            (Some(reported), _) => reported,
            (None, Some(meant)) => problems.advise(&at, wrong, format!("did you mean `{meant}`?")),
            (None, None) => problems.report(&at, wrong),
        });
    }
    known?;
    let statuses = list.iter().map(|Code(text)| text.as_str()).filter(|text| !words.contains(text));
    StatusSet::parse(statuses).map_err(|wrong| problems.report(at, wrong))
}

/// What a text that is no status was meant to be: `5xx`, or a word with a slip in it.
fn meant(text: &str, words: &[&str]) -> Option<String> {
    let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
    match class {
        Some(class @ ("1" | "2" | "3" | "4" | "5")) => Some(format!("{class}00-{class}99")),
        _ => closest(text, words.iter().copied()).map(str::to_owned),
    }
}
