//! What a client asks: the JSON of its request, and in which form it wants the answer.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::param;
use super::problem::Problem;
use crate::model::RequestHead;
use crate::sql::dialect::Dialect;
use crate::sql::replica::log::Position;
use crate::sql::run::Query;
use crate::sql::value::Value;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON document.
    Document,
    /// A line for each row.
    Lines,
}

/// A request that was read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: Query,
    pub(super) format: Format,
}

/// The body. The parameters are only seen to be JSON here: reading them as numbers would round some.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a `sql`, or with `statements`")]
struct File {
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    params: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    statements: Option<Vec<FileStatement>>,
    #[serde(default)]
    position: Option<u64>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    allow_partial: Option<bool>,
    #[serde(default)]
    explain: Option<bool>,
}

/// One of several statements that are one transaction.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a `sql`")]
struct FileStatement {
    sql: String,
    #[serde(default)]
    params: Option<Vec<IgnoredAny>>,
}

/// Where in the log a read is to be, at least; and where a write is.
pub(super) const POSITION: HeaderName = HeaderName::from_static("x-leverframe-position");

/// Reads a request to an entry that speaks `dialect`.
pub(super) fn read(dialect: Dialect, head: &RequestHead, body: &[u8]) -> Result<Asked, Problem> {
    if head.method != Method::POST {
        return Err(Problem::method_not_allowed());
    }
    if !is_json(&head.headers) {
        return Err(Problem::unsupported_media_type());
    }
    let text = std::str::from_utf8(body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    let file: File = serde_json::from_str(text).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let timeout = match file.timeout_ms {
        Some(0) => return Err(Problem::bad_request("timeout_ms: at least 1; without it the entry's own holds")),
        timeout => timeout.map(Duration::from_millis),
    };
    let position = match file.position {
        None => position(&head.headers)?,
        some => some,
    };
    let params = match file.params {
        None => Vec::new(),
        Some(_) => param::all(dialect, text).map_err(Problem::bad_request)?,
    };
    let (sql, statements) = match (file.sql, file.statements) {
        (Some(sql), None) => (sql, None),
        (None, Some(many)) if params.is_empty() => (String::new(), Some(statements(dialect, many, text)?)),
        (None, Some(_)) => return Err(Problem::bad_request("each of `statements` has `params` of its own")),
        (Some(_), Some(_)) => return Err(Problem::bad_request("either `sql` or `statements`, not both")),
        (None, None) => return Err(Problem::bad_request("the body: missing field `sql`, or `statements`")),
    };
    let query = Query {
        head: None,
        sql,
        params,
        statements,
        position: position.map(Position),
        timeout,
        allow_partial: file.allow_partial.unwrap_or(false),
        explain: file.explain.unwrap_or(false),
        subject: None,
    };
    Ok(Asked { query, format: format(&head.headers) })
}

/// Statements with their values.
fn statements(dialect: Dialect, many: Vec<FileStatement>, body: &str) -> Result<Vec<(String, Vec<Value>)>, Problem> {
    if many.is_empty() {
        return Err(Problem::bad_request("statements: there is none in it"));
    }
    let texts = param::elements(body, "statements");
    let one = |(nth, (file, text)): (usize, (FileStatement, &str))| {
        let wrong = |why| Problem::bad_request(format!("statements[{nth}]: {why}"));
        let params = match file.params {
            None => Vec::new(),
            Some(_) => param::all(dialect, text).map_err(wrong)?,
        };
        Ok((file.sql, params))
    };
    many.into_iter().zip(texts).enumerate().map(one).collect()
}

/// What the header says of where a read is to be.
fn position(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let read = |value: &HeaderValue| value.to_str().ok()?.trim().parse().ok();
    let mut given = headers.get_all(POSITION).into_iter().map(read);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(Some(position)), None) => Ok(Some(position)),
        (Some(_), _) => Err(Problem::bad_request(format!("{POSITION}: one whole number, as a write has answered it"))),
    }
}

/// Whether the body is said to be JSON. It must be said: a page of another site can send what is not, unasked.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = texts(headers, &header::CONTENT_TYPE);
    let essence = types.next().map(|text| text.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) && types.next().is_none()
}

/// Lines where they are asked for by name, unless a document is asked for more.
fn format(headers: &HeaderMap) -> Format {
    let weight = |names: &[&str]| {
        let ranges = texts(headers, &header::ACCEPT).flat_map(|text| text.split(','));
        let weights = ranges.filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
            names.iter().any(|name| essence.eq_ignore_ascii_case(name)).then_some(weight)
        });
        weights.fold(0.0_f32, f32::max)
    };
    let lines = weight(&["application/x-ndjson", "application/ndjson", "application/jsonl"]);
    if lines > 0.0 && lines >= weight(&["application/json"]) { Format::Lines } else { Format::Document }
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
