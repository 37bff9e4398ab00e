//! What lets one listen to a stream, for as long as it holds: tokens are taken back and changed, and places are given up,
//! while somebody listens.

use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use super::access::still_allowed;
use super::server::Shared;
use super::tokens::Allowed;

/// How often a listener who hears nothing looks whether its permit holds; a connection that goes on would hold up the end.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// How often it is judged anew whether it may listen.
const JUDGED: Duration = Duration::from_secs(2);

/// What lets one listen.
pub(super) struct Permit {
    shared: Shared,
    allowed: Allowed,
    /// What it has shown.
    headers: HeaderMap,
    judged: Instant,
}

impl Permit {
    /// Of one who came with these headers, and was let in.
    pub(super) fn new(shared: Shared, allowed: Allowed, headers: HeaderMap) -> Self {
        Self { shared, allowed, headers, judged: Instant::now() }
    }

    /// Whether it may still do what it might when it came, and this place goes on.
    pub(super) fn holds(&mut self) -> bool {
        if self.shared.is_ending() {
            return false;
        }
        if self.judged.elapsed() < JUDGED {
            return true;
        }
        self.judged = Instant::now();
        still_allowed(&self.shared, &self.headers) == Some(self.allowed)
    }
}
