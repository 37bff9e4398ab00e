//! What a demo node answers: the request goes in, the reply comes out. Knows no sockets and never waits; the server
//! does both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::model::EndpointName;

/// How long `/process` takes when the query does not say.
const USUAL_DELAY: Duration = Duration::from_millis(100);
/// The longest that `/process` may take: a client must not be able to hold a node for ever.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What the server is to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// A JSON body.
    Json(StatusCode, Value),
    /// A JSON body with status 200, after a pause.
    Later(Duration, Value),
    /// The request's own body.
    Echo,
}

/// A node's name and what it remembers between requests.
#[derive(Debug)]
pub(super) struct Handler {
    name: EndpointName,
    requests: AtomicU64,
    healthy: AtomicBool,
}

impl Handler {
    /// A healthy node that has answered nothing.
    pub(super) fn new(name: EndpointName) -> Self {
        Self { name, requests: AtomicU64::new(0), healthy: AtomicBool::new(true) }
    }

    /// Who answers.
    pub(super) fn name(&self) -> &EndpointName {
        &self.name
    }

    /// Requests answered. Health checks do not count: they would blur how the traffic is distributed.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What `/health` says.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Answers one request. A path that means nothing special is answered as `/` is, so that any route can be tried.
    pub(super) fn answer(&self, path: &str, query: Option<&str>) -> Reply {
        match path {
            "/health" => return self.health(),
            "/toggle-health" => {
                self.healthy.fetch_xor(true, Ordering::Relaxed);
                return self.health_as(StatusCode::OK);
            }
            _ => {}
        }
        let count = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        match path {
            "/api/v1/hello" => ok(json!({ "message": format!("hello from container: {}", self.name) })),
            "/process" => {
                let delay = delay(query);
                Reply::Later(delay, json!({ "node": self.name.as_str(), "processed_ms": whole_millis(delay) }))
            }
            "/echo" => Reply::Echo,
            _ => ok(json!({ "node": self.name.as_str(), "requests": count, "path": path })),
        }
    }

    fn health(&self) -> Reply {
        self.health_as(if self.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
    }

    fn health_as(&self, status: StatusCode) -> Reply {
        let word = if self.is_healthy() { "healthy" } else { "unhealthy" };
        Reply::Json(status, json!({ "node": self.name.as_str(), "status": word }))
    }
}

fn ok(body: Value) -> Reply {
    Reply::Json(StatusCode::OK, body)
}

/// The delay that `ms=` asks for, within bounds; the usual one when it asks for none or for no number.
fn delay(query: Option<&str>) -> Duration {
    let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("ms="));
    asked.and_then(|text| text.parse().ok()).map_or(USUAL_DELAY, Duration::from_millis).min(LONGEST_DELAY)
}

fn whole_millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler() -> Handler {
        Handler::new(EndpointName::new("node-1").unwrap())
    }

    #[test]
    fn the_root_names_the_node_and_counts() {
        let handler = handler();
        assert_eq!(handler.answer("/", None), ok(json!({ "node": "node-1", "requests": 1, "path": "/" })));
        assert_eq!(handler.answer("/any", None), ok(json!({ "node": "node-1", "requests": 2, "path": "/any" })));
        assert_eq!(handler.requests(), 2);
    }

    #[test]
    fn hello_says_which_container() {
        let expected = ok(json!({ "message": "hello from container: node-1" }));
        assert_eq!(handler().answer("/api/v1/hello", None), expected);
    }

    #[test]
    fn health_can_be_toggled_and_does_not_count() {
        let handler = handler();
        let sick = json!({ "node": "node-1", "status": "unhealthy" });
        assert_eq!(handler.answer("/toggle-health", None), ok(sick.clone()));
        assert_eq!(handler.answer("/health", None), Reply::Json(StatusCode::SERVICE_UNAVAILABLE, sick));
        handler.answer("/toggle-health", None);
        assert_eq!(handler.answer("/health", None), ok(json!({ "node": "node-1", "status": "healthy" })));
        assert_eq!(handler.requests(), 0);
    }

    #[test]
    fn the_delay_is_bounded() {
        for (query, expected) in [
            (None, 100),
            (Some("ms=5"), 5),
            (Some("a=b&ms=7"), 7),
            (Some("ms=soon"), 100),
            (Some("ms=999999999"), 10_000),
        ] {
            assert_eq!(delay(query), Duration::from_millis(expected), "{query:?}");
        }
    }
}
