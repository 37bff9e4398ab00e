//! What a request asks for: in its query, its path, its body. As axum's own, but what cannot be read is answered like every
//! other problem.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The query, read.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// What the path names, read.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(named)| Self(named)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// The body, whole; or why it cannot be had.
pub(super) struct Sent(pub(super) Result<Bytes, Problem>);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Bytes::from_request(request, state).await.map_err(|error| unread(&error))))
    }
}

impl Sent {
    /// The body as a value. What kind of content the request says it is does not matter: it is JSON or it is not.
    pub(super) fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let body = self.0?;
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))
    }
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("the body is longer than is taken here"),
        _ => Problem::bad_request(format!("the body cannot be read: {}", error.body_text())),
    }
}
