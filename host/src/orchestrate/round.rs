//! One round: asks every backend once, many at a time. What follows from it is not its business.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use http::uri::PathAndQuery;
use tokio::time::timeout;

use crate::config::HttpCheck;
use crate::discovery::redis::Backend;
use crate::health::{CheckError, Checker, http_checker};
use crate::model::Address;

/// Checks under way at a time: each holds a descriptor, of which a process has 1024 most often.
const MOST_AT_ONCE: usize = 256;

/// How backends are asked.
#[derive(Clone)]
pub(super) struct Checks {
    checker: Arc<dyn Checker>,
    patience: Duration,
}

impl Checks {
    /// By a `GET` of this path, which is to be answered within that time with a status of 200 to 299.
    pub(super) fn new(path: PathAndQuery, patience: Duration) -> Self {
        Self { checker: http_checker(HttpCheck::get(path)), patience }
    }

    /// Asks one.
    pub(super) async fn ask(&self, at: &Address) -> Result<(), CheckError> {
        let asked = timeout(self.patience, self.checker.check(at)).await;
        asked.unwrap_or(Err(CheckError::Timeout(self.patience)))
    }

    /// Asks all.
    pub(super) async fn ask_all(&self, backends: Vec<Backend>) -> Vec<(Backend, Result<(), CheckError>)> {
        let asked = backends.into_iter().map(|backend| async {
            let result = self.ask(&backend.address).await;
            (backend, result)
        });
        stream::iter(asked).buffer_unordered(MOST_AT_ONCE).collect().await
    }
}
