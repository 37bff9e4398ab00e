//! How a cluster keeps serving: checks, policies, circuit, retries, limits. As `settings`: types that cannot be wrong.

use std::time::Duration;

use http::StatusCode;

use super::sql::BackendSpec;
use crate::model::{Address, Failure, PanicRule, PluginName, StatusSet};

/// How the health of a cluster's endpoints is watched and judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Active checks; none checks nothing.
    pub check: Option<Check>,
    /// Who judges, in this order: each sees the verdict of the one before.
    pub policies: Vec<PolicySpec>,
    /// Over how long a time traffic is summed up for them.
    pub window: Duration,
    /// What to do when most endpoints are out.
    pub panic: PanicRule,
    /// How long an endpoint that left may finish what it has.
    pub drain_timeout: Duration,
}

/// A health policy and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySpec {
    /// Which plugin.
    pub plugin: PluginName,
    /// The configuration table, as JSON text.
    pub config: String,
}

/// An active check, made on every endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// From one check of an endpoint to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How much of the interval a check may come earlier or later, in percent.
    pub jitter_percent: u8,
    /// A new endpoint waits for its first good check before it takes traffic.
    pub before_traffic: bool,
    /// The port that is asked, when it is not the endpoint's own.
    pub port: Option<u16>,
}

impl Check {
    /// Where an endpoint is asked.
    pub fn target(&self, endpoint: &Address) -> Address {
        self.port.map_or_else(|| endpoint.clone(), |port| endpoint.with_port(port))
    }
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Whether a connection can be made.
    Tcp,
    /// An HTTP request.
    Http(HttpCheck),
    /// A statement of SQL.
    Sql(SqlCheck),
}

/// A SQL check: sound is who answers the statement, whatever the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlCheck {
    /// What is asked, and who asks: those of the entry that the cluster stands behind.
    pub backend: BackendSpec,
    /// The statement.
    pub statement: String,
}

/// An HTTP check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// The method.
    pub method: http::Method,
    /// The path, with its query.
    pub path: http::uri::PathAndQuery,
    /// The `Host`; the endpoint's address when there is none.
    pub host: Option<String>,
    /// The statuses that are good.
    pub expect: StatusSet,
    /// A text that the body must hold.
    pub body_contains: Option<String>,
}

impl HttpCheck {
    /// A `GET` of a path, which is to be answered with a status of 200 to 299.
    pub fn get(path: http::uri::PathAndQuery) -> Self {
        let expect = StatusSet::of(&[(200, 299)]);
        Self { method: http::Method::GET, path, host: None, expect, body_contains: None }
    }
}

/// When the circuit of an endpoint opens, and how it closes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// Failures in a row that open it; none is no such rule.
    pub consecutive_failures: Option<u32>,
    /// The share of failures that opens it; none is no such rule.
    pub failure_ratio: Option<FailureRatio>,
    /// How long it stays open the first time; twice as long each time that a trial fails.
    pub open_for: Duration,
    /// The longest that it stays open.
    pub open_at_most: Duration,
    /// Trial requests that a half-open circuit admits; all must pass.
    pub trials: u32,
}

/// A share of failures over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRatio {
    /// This share of failures, or more, in percent ...
    pub percent: u8,
    /// ... over this time ...
    pub window: Duration,
    /// ... when there were at least so many requests.
    pub least_requests: u32,
}

/// What counts as a failure of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// No connection could be made.
    pub connect: bool,
    /// A deadline passed.
    pub timeout: bool,
    /// The connection broke, or the response was none.
    pub reset: bool,
    /// These statuses.
    pub statuses: StatusSet,
}

impl Failures {
    /// Whether an attempt failed; none when it says nothing about the endpoint.
    pub fn judge(&self, result: &Result<StatusCode, Failure>) -> Option<bool> {
        match result {
            Ok(status) => Some(self.statuses.contains(*status)),
            Err(Failure::Connect) => Some(self.connect),
            Err(Failure::Timeout) => Some(self.timeout),
            Err(Failure::Reset | Failure::Protocol) => Some(self.reset),
            Err(Failure::Cancelled) => None,
        }
    }
}

/// When a request is sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// How long one attempt may take to bring the head of a response; none leaves it to the other timeouts.
    pub per_try_timeout: Option<Duration>,
    /// Statuses after which an idempotent request is sent again.
    pub statuses: StatusSet,
    /// The wait before the first retry, which doubles with each one that follows, shortened by chance; none waits not.
    pub backoff: Option<Duration>,
    /// The most of a request's body that is kept so that it can be sent again, in bytes.
    pub buffer_bytes: usize,
    /// How many retries there may be at a time.
    pub budget: RetryBudget,
    /// A second request when the first takes long; none sends none.
    pub hedge: Option<Hedge>,
}

/// How many requests of a cluster may be retries, at a time and over all workers; those that wait for their turn count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// A share of the requests under way, in percent.
    pub percent: u32,
    /// But at least so many.
    pub floor: u32,
}

/// A second request, for idempotent reads, when the first has no response after a time that most need less than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// That share of the requests, in percent: 95 for the 95th percentile.
    pub percentile: u8,
    /// But not before this time.
    pub after_at_least: Duration,
}

/// How much of a cluster's traffic there may be at a time, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Requests under way in the cluster; none is no limit.
    pub in_flight: Option<u32>,
    /// Requests under way at one endpoint; none is no limit.
    pub endpoint_in_flight: Option<u32>,
    /// Requests that may wait for their turn.
    pub queue: u32,
    /// How long one may wait.
    pub queue_timeout: Duration,
}
