//! The TCP check: an endpoint is sound when a connection can be made. Nothing is sent on it.

use tokio::net::TcpStream;

use super::check::{CheckError, Checker, Checking};
use crate::model::Address;

/// Connects, and closes again.
pub(super) struct TcpChecker;

impl Checker for TcpChecker {
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a> {
        Box::pin(async move { connect(at).await.map(drop) })
    }
}

/// A connection of its own: one from a pool would tell how the endpoint was, not how it is. A name is looked up each
/// time, and the first of its addresses that answers is taken.
pub(super) async fn connect(at: &Address) -> Result<TcpStream, CheckError> {
    TcpStream::connect((at.host(), at.port())).await.map_err(|error| CheckError::Connect(error.to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_accepts_is_sound_and_who_refuses_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        assert_eq!(TcpChecker.check(&at).await, Ok(()));
        drop(listener);
        let refused = TcpChecker.check(&at).await.unwrap_err();
        assert!(refused.to_string().starts_with("cannot connect: Connection refused"), "{refused}");
    }
}
