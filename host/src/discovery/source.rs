//! What a source of endpoints is: something that tells, for one cluster, the whole set of endpoints that it sees, again on
//! each change, until it loses sight. How often it is called again, and what holds meanwhile, is not its business.

use std::future::Future;
use std::pin::Pin;

use crate::model::EndpointSpec;

/// Everything that a source sees at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The endpoints, in any order.
    pub endpoints: Vec<EndpointSpec>,
    /// What looks like an endpoint and cannot be one.
    pub skipped: Vec<Skipped>,
}

/// Something that a source had to leave out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// What the source calls it.
    pub what: String,
    /// Why: one line for the operator.
    pub why: String,
}

/// Why a source lost sight: one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or the connection to it broke.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answered, but not with what it was asked for.
    #[error("did not answer as expected: {0}")]
    Answer(String),
}

/// Following a source; ends only when sight is lost.
pub type Following<'a> = Pin<Box<dyn Future<Output = SourceError> + Send + 'a>>;

/// Where endpoints of one cluster come from. Dropping the future of `follow` at any moment must leave nothing behind.
pub trait Source: Send + Sync + 'static {
    /// Tells everything that it sees, at once and after each change, and from time to time without one, so that it is
    /// known to be fresh. Called again, after a pause, once it has returned.
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a>;
}

/// Whom a source tells.
pub struct Sight(Box<dyn Fn(Seen) + Send + Sync>);

impl Sight {
    /// Tells a listener, which must not wait.
    pub fn to(listener: impl Fn(Seen) + Send + Sync + 'static) -> Self {
        Self(Box::new(listener))
    }

    /// This is all there is now.
    pub fn sees(&self, seen: Seen) {
        (self.0)(seen);
    }
}
