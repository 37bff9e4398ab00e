//! What went wrong, as a problem document (RFC 9457): the one place where a failed statement gets its status and members.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::request::POSITION;
use crate::model::SqlName;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::error::{Cap, Error};
use crate::sql::replica::log::{LogError, Position};

/// The reasons whose cause is the client, as the counters have them; that it left is one more.
pub const OF_CLIENTS: [&str; 9] = [
    "bad-parameter",
    "bad-request",
    "cap-reached",
    "entry-too-large",
    "method-not-allowed",
    "sql-refused",
    "sql-syntax",
    "statement-failed",
    "unsupported-media-type",
];

/// The reasons whose cause is a node, or this program.
pub const OF_OTHERS: [&str; 11] = [
    "deadline",
    "half-committed",
    "internal",
    "log-failed",
    "log-in-doubt",
    "no-node",
    "nodes-differ",
    "nodes-failed",
    "not-acknowledged",
    "not-ready",
    "standby",
];

/// A problem.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// Who is the cause, and why, in a word.
    source: &'static str,
    reason: &'static str,
    detail: String,
    /// What is told beside the usual members.
    also: Map<String, Value>,
    /// The place of a write in the log.
    position: Option<Position>,
}

impl Problem {
    fn new((status, source, reason): (StatusCode, &'static str, &'static str), detail: impl Into<String>) -> Self {
        let known: &[&str] = if source == "client" { &OF_CLIENTS } else { &OF_OTHERS };
        debug_assert!(known.contains(&reason), "{reason} of {source} is not in the lists");
        Self { status, source, reason, detail: detail.into(), also: Map::new(), position: None }
    }

    /// A request that cannot be read.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new((StatusCode::BAD_REQUEST, "client", "bad-request"), detail)
    }

    /// Not a POST.
    pub(super) fn method_not_allowed() -> Self {
        let why = (StatusCode::METHOD_NOT_ALLOWED, "client", "method-not-allowed");
        Self::new(why, "a statement is sent with POST")
    }

    /// A body that is no JSON.
    pub(super) fn unsupported_media_type() -> Self {
        let why = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "client", "unsupported-media-type");
        Self::new(why, "a statement is sent as JSON: content-type: application/json")
    }

    /// What a failed statement comes to.
    pub(super) fn of(error: &Error) -> Self {
        let problem = Self::new(classify(error), detail(error));
        match error {
            Error::Syntax(syntax) => problem.saying("line", syntax.line).saying("column", syntax.column),
            Error::Refused(refusal) => {
                problem.saying("construct", refusal.construct.as_str()).saying("why", refusal.why.as_str())
            }
            Error::Cap(cap) => {
                let (name, most) = named(*cap);
                problem.saying("cap", name).saying("limit", most)
            }
            Error::Statement(failed) | Error::Nodes(failed) => problem.saying("nodes", faults(failed)),
            Error::Unlike(unlike) => problem
                .saying("what", unlike.what.as_str())
                .saying("nodes", json!([differing(&unlike.one, &unlike.this), differing(&unlike.other, &unlike.that)])),
            Error::Deadline { late } => problem.saying("nodes", late.as_slice()),
            Error::HalfCommitted { committed, missing, unknown } => problem
                .saying("committed", committed.as_slice())
                .saying("missing", faults(missing))
                .saying("unknown", faults(unknown)),
            Error::Declined { position, .. } => problem.at(Some(*position)),
            Error::Unacknowledged { position } => problem.at(*position),
            Error::Nobody(unready) => {
                let node = |(name, standing): &(String, String)| json!({ "name": name, "state": standing });
                problem.saying("nodes", unready.nodes.iter().map(node).collect::<Vec<_>>())
            }
            Error::Standby(who) => problem.saying("holder", who.as_str()),
            Error::BadParameter(_) | Error::Unready(_) | Error::Log(_) | Error::Internal(_) => problem,
        }
    }

    /// Why, in a word: the key of the counters.
    pub(super) fn reason(&self) -> &'static str {
        self.reason
    }

    /// The status of its response.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Tells the place of a write in the log.
    fn at(self, position: Option<Position>) -> Self {
        match position {
            Some(position) => Self { position: Some(position), ..self.saying("position", position.0) },
            None => self,
        }
    }

    fn saying(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.also.insert(member.to_owned(), value.into());
        self
    }

    /// The document.
    pub(super) fn document(&self, entry: &SqlName) -> String {
        let mut document = json!({
            "type": format!("urn:leverframe:problem:{}", self.reason),
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "cause": { "source": self.source, "entry": entry.as_str(), "reason": self.reason },
        });
        if let Value::Object(members) = &mut document {
            members.extend(self.also.clone());
        }
        document.to_string()
    }

    /// The response.
    pub(super) fn response(&self, entry: &SqlName) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.document(entry)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(position) = self.position {
            headers.insert(POSITION, HeaderValue::from(position.0));
        }
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            // Nodes come back within seconds, or not soon; less than a second cannot be said.
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// The status, who is the cause, and why in a word.
fn classify(error: &Error) -> (StatusCode, &'static str, &'static str) {
    match error {
        Error::Syntax(_) => (StatusCode::BAD_REQUEST, "client", "sql-syntax"),
        Error::BadParameter(_) => (StatusCode::BAD_REQUEST, "client", "bad-parameter"),
        Error::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "client", "sql-refused"),
        Error::Cap(_) => (StatusCode::PAYLOAD_TOO_LARGE, "client", "cap-reached"),
        Error::Statement(_) => (StatusCode::UNPROCESSABLE_ENTITY, "client", "statement-failed"),
        Error::Nodes(failed) if failed.iter().all(|(_, fault)| fault.kind == FaultKind::Busy) => {
            (StatusCode::SERVICE_UNAVAILABLE, "host", "no-node")
        }
        Error::Nodes(_) => (StatusCode::BAD_GATEWAY, "endpoint", "nodes-failed"),
        Error::Unlike(_) => (StatusCode::BAD_GATEWAY, "endpoint", "nodes-differ"),
        Error::Deadline { .. } => (StatusCode::GATEWAY_TIMEOUT, "endpoint", "deadline"),
        _ if is_late_write(error) => (StatusCode::GATEWAY_TIMEOUT, "endpoint", "deadline"),
        Error::HalfCommitted { .. } => (StatusCode::CONFLICT, "endpoint", "half-committed"),
        Error::Unready(_) => (StatusCode::SERVICE_UNAVAILABLE, "host", "not-ready"),
        Error::Standby(_) => (StatusCode::SERVICE_UNAVAILABLE, "host", "standby"),
        Error::Declined { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "client", "statement-failed"),
        Error::Unacknowledged { .. } => (StatusCode::GATEWAY_TIMEOUT, "endpoint", "not-acknowledged"),
        Error::Log(error) if error.is_in_doubt() => (StatusCode::INTERNAL_SERVER_ERROR, "host", "log-in-doubt"),
        Error::Log(LogError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, "client", "entry-too-large"),
        Error::Log(_) => (StatusCode::SERVICE_UNAVAILABLE, "host", "log-failed"),
        Error::Nobody(_) => (StatusCode::SERVICE_UNAVAILABLE, "endpoint", "no-node"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "host", "internal"),
    }
}

/// Whether a write ran out of time before anybody said that it is done: it has been done, or will be, or not at all.
fn is_late_write(error: &Error) -> bool {
    let Error::HalfCommitted { committed, missing, unknown } = error else { return false };
    let is_late = |(_, fault): &(String, Fault)| fault.kind == FaultKind::TimedOut;
    committed.is_empty() && missing.is_empty() && !unknown.is_empty() && unknown.iter().all(is_late)
}

fn detail(error: &Error) -> String {
    if let (true, Error::HalfCommitted { unknown, .. }) = (is_late_write(error), error) {
        let nodes: Vec<&str> = unknown.iter().map(|(name, _)| name.as_str()).collect();
        return format!("not done in time; it may have been done, or not, by {}", nodes.join(", "));
    }
    let advice = match error {
        Error::Cap(Cap::AnswerBytes(_)) => {
            "; with `accept: application/x-ndjson` it is streamed, and may be of any length"
        }
        Error::Cap(Cap::GatherRows(_) | Cap::GatherBytes(_) | Cap::EngineBytes(_)) => "; a narrower WHERE needs fewer",
        _ => "",
    };
    format!("{error}{advice}")
}

/// The name of a cap, which is that of its key in the file if it has one, and how much it is.
fn named(cap: Cap) -> (&'static str, usize) {
    match cap {
        Cap::StatementBytes(most) => ("statement_bytes", most),
        Cap::GatherRows(most) => ("gather_rows", most),
        Cap::GatherBytes(most) => ("gather_bytes", most),
        Cap::AnswerBytes(most) => ("answer_bytes", most),
        Cap::EngineBytes(most) => ("engine_bytes", most),
    }
}

fn faults(failed: &[(String, Fault)]) -> Vec<Value> {
    let fault =
        |(name, fault): &(String, Fault)| json!({ "name": name, "kind": kind(fault.kind), "message": fault.message });
    failed.iter().map(fault).collect()
}

fn differing(name: &str, has: &str) -> Value {
    json!({ "name": name, "has": has })
}

fn kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Connect => "connect",
        FaultKind::Busy => "busy",
        FaultKind::Lost => "lost",
        FaultKind::Failed => "failed",
        FaultKind::TooLarge => "too-large",
        FaultKind::TimedOut => "timeout",
        FaultKind::Statement => "statement",
        FaultKind::Conflict => "conflict",
        FaultKind::Overflow => "overflow",
        FaultKind::Unsupported => "unsupported",
    }
}
