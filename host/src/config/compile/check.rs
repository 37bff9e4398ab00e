//! Active checks.

use std::time::Duration;

use http::Method;
use http::uri::{Authority, PathAndQuery};

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::resilience::{Check, CheckKind, HttpCheck, SqlCheck};
use super::super::units::Period;
use super::{Surroundings, failures, one_of};
use crate::model::StatusSet;

/// The methods that a check may have: those that answer with a status and leave everything as it is, and `POST` for
/// origins that take nothing else.
const METHODS: [(&str, Method); 4] =
    [("GET", Method::GET), ("HEAD", Method::HEAD), ("OPTIONS", Method::OPTIONS), ("POST", Method::POST)];

/// A hundred checks of an endpoint in a second are no longer checks.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(10);

/// What a check asks, by its name.
#[derive(Clone, Copy)]
enum Kind {
    Http,
    Tcp,
    Sql,
}

/// Compiles `check` of a cluster. Its `rise` and `fall` are the policies'.
pub(super) fn compile(
    (cluster, file): (&str, file::Check),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Check, Reported> {
    let kinds = [("http", Kind::Http), ("tcp", Kind::Tcp), ("sql", Kind::Sql)];
    let kind = match &file.kind {
        None => problems.spoiled(&at.key("kind")).map_or(Ok(Kind::Http), Err),
        Some(text) => one_of(&kinds, text, &at.key("kind"), problems),
    };
    let kind = match kind {
        Ok(Kind::Http) => http(&file, at, problems).map(CheckKind::Http),
        Ok(Kind::Tcp) => tcp(&file, at, problems),
        Ok(Kind::Sql) => sql((cluster, &file), at, around, problems).map(CheckKind::Sql),
        Err(reported) => Err(reported),
    };
    let usual = (defaults::CHECK_INTERVAL, defaults::CHECK_TIMEOUT);
    let timing = timing((file.interval, file.timeout), usual, at, problems);
    let kind = kind?;
    let (interval, timeout) = timing?;
    Ok(Check {
        kind,
        interval,
        timeout,
        jitter_percent: file.jitter.map_or(defaults::CHECK_JITTER_PERCENT, |jitter| jitter.percent()),
        before_traffic: file.before_traffic.unwrap_or(true),
        // The file's type holds 1 to 65535, so no port is lost.
        port: file.port.and_then(|port| u16::try_from(port.get()).ok()),
    })
}

/// From one check to the next, and how long one may take: what is written, and what is usual.
pub(super) fn timing(
    (interval, timeout): (Option<Period>, Option<Period>),
    (usual_interval, usual_timeout): (Duration, Duration),
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<(Duration, Duration), Reported> {
    if let Some(Period(each)) = interval.filter(|Period(each)| *each < LEAST_INTERVAL) {
        let message = format!("{} is less than {}", Period(each), Period(LEAST_INTERVAL));
        return Err(problems.report(&at.key("interval"), message));
    }
    match (interval.map(|period| period.0), timeout.map(|period| period.0)) {
        (Some(each), Some(most)) if most > each => {
            let message = format!("{} is longer than the interval, which is {}", Period(most), Period(each));
            Err(problems.advise(&at.key("timeout"), message, "one check is to be over before the next"))
        }
        (Some(each), Some(most)) => Ok((each, most)),
        // Of the two, the one that is not said gives way to the one that is.
        (Some(each), None) => Ok((each, usual_timeout.min(each))),
        (None, Some(most)) => Ok((usual_interval.max(most), most)),
        (None, None) => Ok((usual_interval, usual_timeout)),
    }
}

/// The keys that are given and that only a check by HTTP has.
fn of_http(file: &file::Check) -> impl Iterator<Item = &'static str> {
    let given = [
        ("method", file.method.is_some()),
        ("path", file.path.is_some()),
        ("host", file.host.is_some()),
        ("expect", file.expect.is_some()),
        ("body_contains", file.body_contains.is_some()),
    ];
    given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
}

/// A check that only connects has nothing to say.
fn tcp(file: &file::Check, at: &At, problems: &mut Problems<'_>) -> Result<CheckKind, Reported> {
    let mut silent = no_statement(file, at, problems).map(|()| CheckKind::Tcp);
    for key in of_http(file) {
        let advice = "take it out, or ask with kind = \"http\"";
        silent = Err(problems.advise(&at.key(key), "a check by `tcp` only connects", advice));
    }
    silent
}

/// Only a check by SQL has a statement.
fn no_statement(file: &file::Check, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
    match file.statement {
        None => Ok(()),
        Some(_) => {
            let message = "only a check by `sql` has a statement";
            Err(problems.advise(&at.key("statement"), message, "take it out, or ask with kind = \"sql\""))
        }
    }
}

/// A check by a statement asks as the SQL entry does whose nodes the cluster has.
fn sql(
    (cluster, file): (&str, &file::Check),
    at: &At,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<SqlCheck, Reported> {
    let mut silent = Ok(());
    for key in of_http(file).chain(file.port.is_some().then_some("port")) {
        let advice = "take it out; what is asked is `statement`";
        silent = Err(problems.advise(&at.key(key), format!("a check by `sql` has no `{key}`"), advice));
    }
    let statement = match file.statement.as_deref().unwrap_or(defaults::CHECK_STATEMENT) {
        text if text.trim().is_empty() => Err(problems.report(&at.key("statement"), "there is nothing in it")),
        text => Ok(text.to_owned()),
    };
    let backend = match (around.backends.get(cluster), problems.spoiled(&At::root().key("sql"))) {
        (Some(backend), _) => backend.clone(),
        (None, Some(reported)) => Err(reported),
        (None, None) => {
            let message = "no SQL entry says what these nodes are";
            let advice = format!("add [sql.NAME] with cluster = {cluster:?}");
            Err(problems.advise(&at.key("kind"), message, advice))
        }
    };
    silent?;
    Ok(SqlCheck { backend: backend?, statement: statement? })
}

fn http(file: &file::Check, at: &At, problems: &mut Problems<'_>) -> Result<HttpCheck, Reported> {
    let silent = no_statement(file, at, problems);
    let method = match &file.method {
        None => Ok(Method::GET),
        Some(text) => one_of(&METHODS, text, &at.key("method"), problems),
    };
    let path = path(file.path.as_deref(), &at.key("path"), problems);
    let host = file.host.as_deref().map(|text| host(text, &at.key("host"), problems)).transpose();
    let expect = match &file.expect {
        None => Ok(StatusSet::of(defaults::CHECK_EXPECT)),
        Some(list) if list.is_empty() => {
            Err(problems.report(&at.key("expect"), "there is no status in it: every check would fail"))
        }
        Some(list) => failures::statuses(list, &at.key("expect"), problems),
    };
    let body_contains = file.body_contains.clone();
    if body_contains.is_some() && method == Ok(Method::HEAD) {
        let message = "an answer to `HEAD` has no body";
        return Err(problems.advise(&at.key("body_contains"), message, "ask with method = \"GET\""));
    }
    silent?;
    Ok(HttpCheck { method: method?, path: path?, host: host?, expect: expect?, body_contains })
}

/// The path that is asked for.
pub(super) fn path(text: Option<&str>, at: &At, problems: &mut Problems<'_>) -> Result<PathAndQuery, Reported> {
    let advice = "say what is asked: path = \"/health\"; or only connect: kind = \"tcp\"";
    let text = problems.required(text, at, advice)?;
    if !text.starts_with('/') {
        let advice = match text.split_once("://") {
            Some((_, rest)) => {
                format!("without scheme and host: `/{}`", rest.split_once('/').map_or("", |(_, path)| path))
            }
            None => format!("`/{text}`"),
        };
        return Err(problems.advise(at, format!("the path `{text}` does not begin with `/`"), advice));
    }
    // The type takes a fragment, and forgets it.
    let path = text.parse().ok().filter(|_| !text.contains('#'));
    path.ok_or_else(|| {
        let advice = "without fragment and blanks; other characters percent-encoded";
        problems.advise(at, format!("`{text}` cannot be asked for"), advice)
    })
}

fn host(text: &str, at: &At, problems: &mut Problems<'_>) -> Result<String, Reported> {
    let is_host = text.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@'));
    if is_host {
        return Ok(text.to_owned());
    }
    Err(problems.advise(at, format!("`{text}` is no host"), "as clients would say it, as in `example.com`"))
}
