//! Why a request could not be answered by an endpoint: who is to blame, whether another attempt may help, and with which
//! status the client is told. Knows nothing of bodies and connections; `problem` writes the answer.

use std::fmt;

use http::StatusCode;

use crate::cluster::Overload;
use crate::model::{ClusterName, EndpointName, Failure};

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The client's request.
    Client,
    /// The endpoint, or the way to it.
    Endpoint,
    /// A plugin decided so.
    Plugin,
    /// Leverframe, or how it is configured.
    Host,
}

impl Source {
    /// The word that problems and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Endpoint => "endpoint",
            Self::Plugin => "plugin",
            Self::Host => "host",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Every reason to answer a request without an endpoint's response; the key of the refusal counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that problems and metrics use.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// The request breaks the protocol.
    BadRequest => "bad-request",
    /// Too many headers, or too large.
    HeadersTooLarge => "headers-too-large",
    /// The body is over the limit.
    BodyTooLarge => "body-too-large",
    /// Something that this proxy does not do.
    NotImplemented => "not-implemented",
    /// An expectation other than `100-continue`.
    Expectation => "expectation-failed",
    /// The client was too slow.
    ClientTimeout => "client-timeout",
    /// More connections than the listener takes.
    TooManyConnections => "too-many-connections",
    /// More connections than one client may have.
    TooManyConnectionsOfClient => "too-many-connections-of-client",
    /// More requests than one client may send.
    TooManyRequests => "too-many-requests",
    /// No route matches.
    NoRoute => "no-route",
    /// A strategy turned the request away.
    Rejected => "rejected",
    /// The cluster has no endpoint.
    NoEndpoint => "no-endpoint",
    /// The circuits of all endpoints that may be chosen are open.
    CircuitOpen => "circuit-open",
    /// As many requests wait for their turn as may.
    QueueFull => "queue-full",
    /// The request's turn did not come in time.
    QueueTimeout => "queue-timeout",
    /// The host has no room for one more connection to an endpoint.
    OutOfResources => "out-of-resources",
    /// No connection could be made.
    Connect => "connect-failed",
    /// No connection was made in time.
    ConnectTimeout => "connect-timeout",
    /// All connections to the endpoint stayed in use.
    PoolExhausted => "pool-exhausted",
    /// No response in time.
    ResponseTimeout => "response-timeout",
    /// The endpoint stopped reading or sending.
    IdleTimeout => "idle-timeout",
    /// The connection broke before the response came.
    Reset => "connection-reset",
    /// What came was no sound response.
    Protocol => "bad-response",
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// It breaks the protocol; the text says how.
    BadRequest(&'static str),
    /// More headers than the listener takes.
    TooManyHeaders(usize),
    /// A body over the limit, in bytes.
    BodyTooLarge(u64),
    /// Something that this proxy does not do.
    NotImplemented(&'static str),
    /// An expectation other than `100-continue`.
    Expectation,
    /// The body stopped coming.
    Timeout,
    /// The body comes more slowly than the listener allows, in bytes a second.
    TooSlow(u32),
    /// More connections than one client may have.
    TooManyConnections(u32),
    /// More requests than one client may send.
    TooManyRequests {
        /// In how many seconds there is room again.
        retry_after: u64,
    },
}

/// What went wrong at an endpoint, or on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// No connection could be made.
    Connect(String),
    /// No connection was made in time.
    ConnectTimeout,
    /// All connections stayed in use for the time that a connection may take.
    PoolExhausted,
    /// The host had not what a connection needs: descriptors, ports, memory. The client is told that it is the host's.
    OutOfResources(String),
    /// No response in time.
    ResponseTimeout,
    /// The endpoint stopped reading or sending.
    IdleTimeout,
    /// The connection broke before the response came.
    Reset(String),
    /// What came was no sound response.
    Protocol(String),
}

/// What the host itself cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostFault {
    /// No route matches.
    NoRoute,
    /// The cluster has no endpoint that may be chosen.
    NoEndpoint(ClusterName),
    /// The circuits of all endpoints that may be chosen are open.
    CircuitOpen {
        /// The cluster.
        cluster: ClusterName,
        /// In how many seconds the first lets a request pass.
        retry_after: u64,
    },
    /// The cluster has as many requests as it may.
    Overloaded {
        /// The cluster.
        cluster: ClusterName,
        /// Why the request did not get its turn.
        why: Overload,
    },
    /// More connections than the listener takes.
    TooManyConnections(usize),
    /// It has not what a connection to an endpoint needs.
    OutOfResources {
        /// The cluster.
        cluster: ClusterName,
        /// What is missing.
        why: String,
    },
}

/// Why a request could not be answered by an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request is at fault.
    Client(ClientFault),
    /// A strategy turned the request away.
    Rejected {
        /// The cluster whose strategy it was.
        cluster: ClusterName,
        /// The status that it chose.
        status: StatusCode,
        /// What it says.
        reason: String,
    },
    /// An endpoint is at fault.
    Endpoint {
        /// Its cluster.
        cluster: ClusterName,
        /// Which one.
        endpoint: EndpointName,
        /// What went wrong.
        fault: EndpointFault,
    },
    /// The host is at fault.
    Host(HostFault),
}

impl Error {
    /// Who is to blame.
    pub fn blame(&self) -> Source {
        match self {
            Self::Client(_) => Source::Client,
            Self::Rejected { .. } => Source::Plugin,
            Self::Endpoint { .. } => Source::Endpoint,
            Self::Host(_) => Source::Host,
        }
    }

    /// In how many seconds the client may try again, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Client(ClientFault::TooManyRequests { retry_after }) => Some(*retry_after),
            Self::Host(HostFault::CircuitOpen { retry_after, .. }) => Some(*retry_after),
            // A queue that is full now may have room in a moment; less than a second cannot be said.
            Self::Host(HostFault::Overloaded { .. } | HostFault::OutOfResources { .. }) => Some(1),
            _ => None,
        }
    }

    /// Whether the client's connection cannot be used again.
    pub fn closes_connection(&self) -> bool {
        match self {
            Self::Client(ClientFault::Expectation | ClientFault::TooManyRequests { .. }) => false,
            Self::Client(_) => true,
            Self::Endpoint { .. } | Self::Rejected { .. } | Self::Host(_) => false,
        }
    }

    /// The reason, for counters.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Client(fault) => match fault {
                ClientFault::BadRequest(_) => Reason::BadRequest,
                ClientFault::TooManyHeaders(_) => Reason::HeadersTooLarge,
                ClientFault::BodyTooLarge(_) => Reason::BodyTooLarge,
                ClientFault::NotImplemented(_) => Reason::NotImplemented,
                ClientFault::Expectation => Reason::Expectation,
                ClientFault::Timeout | ClientFault::TooSlow(_) => Reason::ClientTimeout,
                ClientFault::TooManyConnections(_) => Reason::TooManyConnectionsOfClient,
                ClientFault::TooManyRequests { .. } => Reason::TooManyRequests,
            },
            Self::Rejected { .. } => Reason::Rejected,
            Self::Endpoint { fault, .. } => fault.reason(),
            Self::Host(HostFault::NoRoute) => Reason::NoRoute,
            Self::Host(HostFault::NoEndpoint(_)) => Reason::NoEndpoint,
            Self::Host(HostFault::CircuitOpen { .. }) => Reason::CircuitOpen,
            Self::Host(HostFault::Overloaded { why: Overload::QueueFull, .. }) => Reason::QueueFull,
            Self::Host(HostFault::Overloaded { why: Overload::QueueTimeout, .. }) => Reason::QueueTimeout,
            Self::Host(HostFault::TooManyConnections(_)) => Reason::TooManyConnections,
            Self::Host(HostFault::OutOfResources { .. }) => Reason::OutOfResources,
        }
    }

    /// The status that tells the client.
    pub fn status(&self) -> StatusCode {
        match self.reason() {
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Reason::Expectation => StatusCode::EXPECTATION_FAILED,
            Reason::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Reason::TooManyRequests | Reason::TooManyConnectionsOfClient => StatusCode::TOO_MANY_REQUESTS,
            Reason::NoRoute => StatusCode::NOT_FOUND,
            Reason::Rejected => match self {
                Self::Rejected { status, .. } => *status,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
            Reason::NoEndpoint
            | Reason::CircuitOpen
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::PoolExhausted
            | Reason::OutOfResources
            | Reason::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Connect | Reason::Reset | Reason::Protocol => StatusCode::BAD_GATEWAY,
            Reason::ConnectTimeout | Reason::ResponseTimeout | Reason::IdleTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl EndpointFault {
    /// Whether nothing of the request was sent.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout | Self::PoolExhausted)
    }

    /// What the strategy and the figures are told; what the host lacks says nothing about the endpoint.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Connect(_) | Self::ConnectTimeout => Failure::Connect,
            Self::PoolExhausted | Self::OutOfResources(_) => Failure::Cancelled,
            Self::ResponseTimeout | Self::IdleTimeout => Failure::Timeout,
            Self::Reset(_) => Failure::Reset,
            Self::Protocol(_) => Failure::Protocol,
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) => Reason::Connect,
            Self::ConnectTimeout => Reason::ConnectTimeout,
            Self::PoolExhausted => Reason::PoolExhausted,
            Self::OutOfResources(_) => Reason::OutOfResources,
            Self::ResponseTimeout => Reason::ResponseTimeout,
            Self::IdleTimeout => Reason::IdleTimeout,
            Self::Reset(_) => Reason::Reset,
            Self::Protocol(_) => Reason::Protocol,
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(how) | Self::NotImplemented(how) => f.write_str(how),
            Self::TooManyHeaders(limit) => write!(f, "a request may have at most {limit} headers"),
            Self::BodyTooLarge(limit) => write!(f, "a body may have at most {limit} bytes"),
            Self::Expectation => f.write_str("the only expectation that can be met is 100-continue"),
            Self::Timeout => f.write_str("the request's body stopped coming"),
            Self::TooSlow(least) => write!(f, "the request's body comes at less than {least} bytes a second"),
            Self::TooManyConnections(limit) => write!(f, "a client may have at most {limit} connections"),
            Self::TooManyRequests { .. } => f.write_str("the client sends more requests than it may"),
        }
    }
}

impl fmt::Display for EndpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection could be made: {why}"),
            Self::ConnectTimeout => f.write_str("no connection was made in time"),
            Self::PoolExhausted => f.write_str("all connections to it stayed in use"),
            Self::OutOfResources(why) => write!(f, "the host has not what a connection needs: {why}"),
            Self::ResponseTimeout => f.write_str("it did not answer in time"),
            Self::IdleTimeout => f.write_str("it stopped reading or sending"),
            Self::Reset(why) => write!(f, "the connection broke before the response came: {why}"),
            Self::Protocol(why) => write!(f, "its response breaks the protocol: {why}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(fault) => fault.fmt(f),
            Self::Rejected { cluster, reason, .. } => write!(f, "the strategy of {cluster} turned it away: {reason}"),
            Self::Endpoint { cluster, endpoint, fault } => write!(f, "endpoint {endpoint} of {cluster}: {fault}"),
            Self::Host(HostFault::NoRoute) => f.write_str("no route matches the request"),
            Self::Host(HostFault::NoEndpoint(cluster)) => write!(f, "cluster {cluster} has no endpoint"),
            Self::Host(HostFault::CircuitOpen { cluster, .. }) => {
                write!(f, "the circuits of all endpoints of cluster {cluster} are open")
            }
            Self::Host(HostFault::Overloaded { cluster, why }) => {
                write!(f, "cluster {cluster} has as many requests as it may, and {why}")
            }
            Self::Host(HostFault::TooManyConnections(limit)) => {
                write!(f, "the listener takes at most {limit} connections")
            }
            Self::Host(HostFault::OutOfResources { why, .. }) => {
                write!(f, "there is no room for one more connection to an endpoint: {why}")
            }
        }
    }
}

impl std::error::Error for Error {}
