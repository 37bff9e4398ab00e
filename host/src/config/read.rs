//! From the text to the file's types, with every mistake of form at once. serde stops at the first mistake; so the node
//! that it stopped at is reported, taken out of the tree, and the rest read again.

use serde::Deserialize;
use toml::de::{DeTable, Deserializer, Error};

use super::document::{At, Document};
use super::file::File;
use super::problems::Problems;

/// Mistakes after which reading gives up: who has more is better served by the first of them, and reading again after
/// each costs the square of their number.
const ENOUGH: usize = 100;

/// Keys that other proxies, or earlier versions, know by another name. A word stands for the first of its names that is
/// known at its place; `table.key` is a key of a table beside it.
const RENAMED: &[(&str, &str)] = &[
    ("algorithm", "strategy"),
    ("attempts", "retry.attempts"),
    ("backend", "cluster"),
    ("backend", "endpoints"),
    ("backends", "cluster"),
    ("backends", "endpoints"),
    ("balance", "strategy"),
    ("bind", "address"),
    ("circuit_breaker", "circuit"),
    ("cmd", "command"),
    ("count", "workers"),
    ("domain", "host"),
    ("env", "environment"),
    ("frontend", "listener"),
    ("frontends", "listener"),
    ("health_check", "health.check"),
    ("health_checks", "health.check"),
    ("healthy_threshold", "rise"),
    ("hostname", "host"),
    ("hosts", "endpoints"),
    ("lb", "strategy"),
    ("lb_policy", "strategy"),
    ("listen", "address"),
    ("listen", "listener"),
    ("location", "route"),
    ("max", "most"),
    ("members", "endpoints"),
    ("min", "least"),
    ("nodes", "endpoints"),
    ("origins", "endpoints"),
    ("policy", "strategy"),
    ("ports", "publish"),
    ("prefix", "path_prefix"),
    ("proxy_pass", "cluster"),
    ("replicas", "count"),
    ("replicas", "scaling.count"),
    ("retries", "attempts"),
    ("retries", "retry.attempts"),
    ("rule", "route"),
    ("server", "listener"),
    ("server", "endpoints"),
    ("servers", "listener"),
    ("servers", "endpoints"),
    ("service", "cluster"),
    ("services", "cluster"),
    ("tags", "labels"),
    ("target", "cluster"),
    ("targets", "endpoints"),
    ("threads", "workers"),
    ("unhealthy_threshold", "fall"),
    ("upstream", "cluster"),
    ("upstreams", "cluster"),
    ("uri", "path"),
    ("url", "address"),
    ("worker_processes", "workers"),
];

/// Reads the text. Without a file there is at least one problem.
pub(super) fn read(text: &str) -> (Option<File>, Problems<'_>) {
    let mut problems = Problems::new(text);
    let (table, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        // What is left of a text that is no TOML is a guess; further mistakes in it would be too.
        for mistake in mistakes.iter().take(ENOUGH) {
            problems.place(&At::root(), mistake.span(), mistake.message(), None);
        }
        return (None, problems);
    }
    let mut document = Document(table);
    for _ in 0..ENOUGH {
        match File::deserialize(Deserializer::from(document.0.clone())) {
            Ok(file) => {
                problems.look_in(document);
                return (Some(file), problems);
            }
            Err(mistake) => {
                let Some(at) = mistake.span().and_then(|span| document.find(&span)) else {
                    problems.place(&At::root(), mistake.span(), mistake.message(), None);
                    break;
                };
                set_right(&mut document, &mut problems, &mistake, at);
            }
        }
    }
    (None, problems)
}

/// Reports a mistake and changes the document so that it is not met again.
fn set_right(document: &mut Document<'_>, problems: &mut Problems<'_>, mistake: &Error, at: At) {
    let Some(known) = known_keys(mistake.message()) else {
        let (message, advice) = wrong_form(mistake.message(), document, &at);
        problems.place(&at, mistake.span(), &message, advice);
        document.remove(&at);
        problems.spoil(at);
        return;
    };
    let key = at.last_key().unwrap_or_default();
    let is_known = |new: &str| known.contains(&new.split('.').next().unwrap_or(new));
    let renamed = RENAMED.iter().find(|(old, new)| *old == key && is_known(new)).map(|(_, new)| *new);
    let meant = renamed.or_else(|| closest(key, known.iter().copied()));
    let advice = match (renamed, meant) {
        (Some(new), _) => format!("it is called `{new}`"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("known here: {}", known.join(", ")),
    };
    problems.place(&at, mistake.span(), "there is no such setting", Some(advice));
    // Read as what was meant, so that the mistakes in it are found too and it is not said to be missing.
    if !meant.is_some_and(|meant| document.rename(&at, meant)) {
        document.remove(&at);
    }
}

/// The keys that serde lists when it refuses one: "unknown field `x`, expected one of `a`, `b`".
fn known_keys(message: &str) -> Option<Vec<&str>> {
    let (_, listed) = message.strip_prefix("unknown field `")?.rsplit_once("`, expected ")?;
    Some(listed.split('`').skip(1).step_by(2).collect())
}

/// What serde says of a value of the wrong form, in the words of TOML, and the usual reason.
fn wrong_form(message: &str, document: &Document<'_>, at: &At) -> (String, Option<String>) {
    let words = [("invalid type: map", "invalid type: table"), ("invalid type: sequence", "invalid type: array")];
    let wants = [("expected a sequence", "expected an array"), ("expected a map", "expected a table")];
    let message = words.iter().chain(&wants).fold(message.to_owned(), |text, (serde, toml)| text.replace(serde, toml));
    let key = at.last_key().unwrap_or_default();
    let advice = if message.ends_with("expected an array") && document.is_table(at) {
        Some(format!("each `{key}` has double brackets, as in [[{}]]", without_indices(at)))
    } else if message.starts_with("invalid type: array") && message.ends_with("expected a table") {
        Some(format!("single brackets, and a name where there may be several, as in [{at}] or [{at}.NAME]"))
    } else {
        None
    };
    (message, advice)
}

/// The path as it stands in a header: `listener.route` for `listener[0].route`.
fn without_indices(at: &At) -> String {
    let path = at.to_string();
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, after)| after)).collect()
}

/// The name that a mistyped one was meant to be, if one is near: at most every third letter wrong.
pub(super) fn closest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(typed, name);
    let nearest = known.map(|name| (distance(name), name)).min()?;
    (nearest.0 <= typed.chars().count().div_ceil(3)).then_some(nearest.1)
}
