//! What an active check is: one question to one endpoint. How often, how long and what follows is not its business.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::http::HttpChecker;
use super::tcp::TcpChecker;
use crate::config::{CheckKind, HttpCheck, SqlCheck};
use crate::model::Address;

/// A check under way. Dropped, it closes whatever it opened.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send + 'a>>;

/// Asks endpoints one kind of question.
pub trait Checker: Send + Sync {
    /// Asks the endpoint that listens there. Takes as long as the endpoint does: whoever asks keeps the time.
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a>;
}

/// Why a check failed: one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// No connection could be made.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// There was no answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection broke, or what came is no answer.
    #[error("no sound answer: {0}")]
    Answer(String),
    /// It refused what it was asked.
    #[error("refused to answer: {0}")]
    Refused(String),
    /// It answered, but not as expected.
    #[error("answered with the status {0}, which is not expected")]
    Status(StatusCode),
    /// It answered, but its body does not hold the text.
    #[error("the first {1} bytes of the body do not hold `{0}`")]
    Body(String, usize),
    /// The check itself failed: says nothing of the endpoint, but nothing good either.
    #[error("the check itself broke down")]
    BrokeDown,
}

/// Makes the checkers that ask by a statement: which databases there are is not known here.
pub type SqlCheckers = Arc<dyn Fn(&SqlCheck) -> Arc<dyn Checker> + Send + Sync>;

/// The checker that asks over HTTP.
pub fn http_checker(check: HttpCheck) -> Arc<dyn Checker> {
    Arc::new(HttpChecker::new(check))
}

/// The checker of a kind.
pub(super) fn checker(kind: &CheckKind, sql: &SqlCheckers) -> Arc<dyn Checker> {
    match kind {
        CheckKind::Tcp => Arc::new(TcpChecker),
        CheckKind::Http(check) => http_checker(check.clone()),
        CheckKind::Sql(check) => sql(check),
    }
}
