//! How an API says no: problem details (RFC 9457), the same for every path, here and in the control plane.

use std::time::Duration;

use axum::body::Body;
use axum::http::{self, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The media type of problems.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// When it may be tried again.
    retry_after: Option<Duration>,
    /// What is said beside, or instead of, the usual members.
    also: Vec<(&'static str, Value)>,
}

/// What is wrong, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// Why, for whoever asked.
    detail: String,
    /// The status of the answer.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    status: u16,
    /// The name of the status.
    title: Option<&'static str>,
    /// What kind of problem it is: none with a page of its own.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after: None, also: Vec::new() }
    }

    /// Something that was asked about does not exist.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// It is not known who asks.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// It is not for the one who asks.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// More was sent than is taken.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// The request is understood, but what it asks for does not work out.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// As things stand it cannot be done.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// What it takes is away; later it may work.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Answering came to no end.
    pub(crate) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "answering broke down; the log says where")
    }

    /// It was asked for too soon.
    pub(crate) fn too_soon(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// What is wrong.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Says that beside, or instead of, the usual members.
    pub(crate) fn saying(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.also.push((member, value.into()));
        self
    }

    /// The answer that says so.
    pub(crate) fn into_http(self) -> http::Response<Bytes> {
        let details = Details {
            detail: self.detail,
            status: self.status.as_u16(),
            title: self.status.canonical_reason(),
            kind: "about:blank",
        };
        // A struct of text and numbers becomes an object.
        let mut body = serde_json::to_value(details).unwrap_or_default();
        if let Value::Object(members) = &mut body {
            members.extend(self.also.into_iter().map(|(member, value)| (member.to_owned(), value)));
        }
        let mut response = http::Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, and never one too few.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into_http().map(Body::from)
    }
}

pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is no `{}` here", uri.path()))
}

pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not answer to {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
