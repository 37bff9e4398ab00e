//! `POST /api/sql/{entry}/query`: a statement, asked as at a listener's route to the entry and answered by the same code: the
//! same limits, the same forms of answer. One who may only look may have a statement explained.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use utoipa::ToSchema;

use super::asked::InPath;
use super::problem::Problem;
use super::server::Shared;
use super::tokens::Allowed;
use super::{origin, sql};
use crate::model::RequestHead;
use crate::sql::http;

/// How long the last piece of an answer that is broken off may take to leave: it says why.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A statement, or several that are one transaction; for the document: it is read where listeners have theirs read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is of use here")]
pub(super) struct Question {
    /// The statement, where there is one.
    sql: Option<String>,
    /// The statements of a transaction, where there are several.
    statements: Option<Vec<Statement>>,
    /// The values bound to it, by place.
    params: Option<Vec<serde_json::Value>>,
    /// Whether to tell what would be done, and do nothing.
    explain: Option<bool>,
    /// How long it may take.
    timeout_ms: Option<u64>,
    /// Whether rows of nodes that fail may be missing.
    allow_partial: Option<bool>,
    /// Where in the log a read is to be, at least.
    position: Option<u64>,
}

/// One of several statements that are one transaction.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is of use here")]
struct Statement {
    /// The statement.
    sql: String,
    /// The values bound to it, by place.
    params: Option<Vec<serde_json::Value>>,
}

/// What a body says of this.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    explain: bool,
}

/// Answers a statement: rows, what was written, or what would be done.
#[utoipa::path(post, path = "/api/sql/{entry}/query", tag = "sql",
    params(("entry" = String, Path, description = "The entry's name.")),
    request_body(content = Question, description = "A statement, as `POST /query` of a listener takes it."),
    responses(
        (status = 200, description = "As a listener's route to the entry answers; line by line where `Accept` asks for `application/x-ndjson`.", body = serde_json::Value),
        (status = 400, description = "The body or the statement cannot be read."),
        (status = 404, description = "No such entry."),
        (status = 409, description = "A transaction was committed by some nodes and not by others."),
        (status = 413, description = "More than the entry takes, or more rows than it gathers."),
        (status = 415, description = "The body is not said to be `application/json`."),
        (status = 422, description = "The statement cannot be distributed, or a node refused it."),
        (status = 500, description = "It is not known what came of it: the log, or the program itself, is at fault."),
        (status = 502, description = "A node failed."),
        (status = 503, description = "No node can answer now."),
        (status = 504, description = "It took too long."),
    ))]
pub(super) async fn query(
    State(shared): State<Shared>,
    InPath(entry): InPath<String>,
    Extension(allowed): Extension<Allowed>,
    request: Request,
) -> Result<Response, Problem> {
    let service = sql::find(&shared, &entry)?.service;
    let (mut parts, body) = request.into_parts();
    let client = parts.extensions.get().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(at)| SocketAddr::ip(at));
    let most = service.body_bytes();
    let body = Limited::new(body, most).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
        true => Problem::too_large(format!("the body is over the limit of {most} bytes")),
        false => Problem::bad_request(format!("the body cannot be read: {error}")),
    })?;
    let body = body.to_bytes();
    if allowed == Allowed::Read && !serde_json::from_slice(&body).is_ok_and(|asked: Asked| asked.explain) {
        return Err(Problem::forbidden(
            "the token may only look: with `\"explain\": true` a statement is only explained",
        ));
    }
    withhold(&mut parts.headers);
    let head = Arc::new(RequestHead {
        host: origin::host(&parts.uri, &parts.headers).map(str::to_ascii_lowercase),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        client,
        statement: None,
    });
    Ok(answer(service, head, body).await.map(|body| match body {
        http::Body::Whole(bytes) => Body::from(bytes),
        http::Body::Coming(pieces) => Body::from_stream(stream::unfold(Some(pieces), next)),
    }))
}

/// Takes what lets one in here out of a head that strategies see.
fn withhold(headers: &mut HeaderMap) {
    for secret in [header::AUTHORIZATION, header::COOKIE] {
        headers.remove(secret);
    }
}

/// The answer, also where answering breaks down. Dropped, it ends what it runs.
async fn answer(service: Arc<http::Service>, head: Arc<RequestHead>, body: Bytes) -> Response<http::Body> {
    let mut task = JoinSet::new();
    let asked = Arc::clone(&service);
    task.spawn(async move { asked.call(head, &body).await });
    match task.join_next().await {
        Some(Ok(response)) => response,
        Some(Err(_)) | None => service.broke_down(),
    }
}

/// The pieces of an answer as they come.
type Pieces = mpsc::Receiver<Option<Bytes>>;

/// The next piece; an error, which breaks off the response, where they stop without an end.
async fn next(pieces: Option<Pieces>) -> Option<(Result<Bytes, &'static str>, Option<Pieces>)> {
    let mut pieces = pieces?;
    match pieces.recv().await {
        Some(Some(piece)) => Some((Ok(piece), Some(pieces))),
        Some(None) => None,
        None => {
            sleep(LAST_WORDS).await;
            Some((Err("the answer is not complete"), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_lets_one_in_is_for_no_strategy() {
        let names = [header::AUTHORIZATION, header::COOKIE, header::COOKIE, header::ACCEPT];
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(name, HeaderValue::from_static("hush"));
        }
        withhold(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header::ACCEPT]);
    }
}
