//! Turns an error into the answer that the client gets: the one place where statuses and problem documents (RFC 9457)
//! are written.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use super::body::ResponseBody;
use super::error::{Error, HostFault};

/// The answer to a request that no endpoint answered.
pub(super) fn response(error: &Error) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(Bytes::from(document(error))));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.closes_connection() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The same answer in the form in which it goes over the wire, for a client that is turned away before it is heard.
pub(super) fn wire(error: &Error) -> Vec<u8> {
    let (status, body) = (error.status(), document(error));
    let reason = status.canonical_reason().unwrap_or_default();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        status.as_str(),
        body.len()
    )
    .into_bytes()
}

fn document(error: &Error) -> String {
    let status = error.status();
    let reason = error.reason().as_str();
    json!({
        "type": format!("urn:leverframe:problem:{reason}"),
        "title": status.canonical_reason().unwrap_or("Refused"),
        "status": status.as_u16(),
        "detail": error.to_string(),
        "cause": cause(error, reason),
    })
    .to_string()
}

fn cause(error: &Error, reason: &str) -> Value {
    let source = error.blame().as_str();
    match error {
        Error::Endpoint { cluster, endpoint, fault } => json!({
            "source": source,
            "cluster": cluster.as_str(),
            "endpoint": endpoint.as_str(),
            "reason": reason,
            "message": fault.to_string(),
        }),
        Error::Rejected { cluster, reason: said, .. } => json!({
            "source": source,
            "cluster": cluster.as_str(),
            "reason": reason,
            "message": said,
        }),
        Error::Host(
            HostFault::NoEndpoint(cluster)
            | HostFault::CircuitOpen { cluster, .. }
            | HostFault::Overloaded { cluster, .. }
            | HostFault::OutOfResources { cluster, .. },
        ) => json!({
            "source": source,
            "cluster": cluster.as_str(),
            "reason": reason,
        }),
        Error::Client(_) | Error::Host(_) => json!({ "source": source, "reason": reason }),
    }
}
