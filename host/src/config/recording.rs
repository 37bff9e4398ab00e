//! What is recorded of requests: which are traced and where their spans go, and the access log with its lines.

use std::path::PathBuf;

use http::Uri;

use crate::model::Sampling;

/// What is recorded; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Traces, if any are made.
    pub traces: Option<Traces>,
    /// The access log, if there is one.
    pub access_log: Option<AccessLog>,
}

/// Where spans go, and of which requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Where the collector takes them, by OTLP over HTTP: the whole address, its path included.
    pub endpoint: Uri,
    /// Of the requests that say nothing of it themselves, so many are traced.
    pub sample: Sampling,
    /// What this program is called there.
    pub service_name: String,
}

/// A line for each request.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: AccessTarget,
    /// What is in them.
    pub format: AccessFormat,
    /// So many requests have one.
    pub sample: Sampling,
    /// Those that end with a status of 500 or above have one in any case.
    pub errors: bool,
}

/// Where the lines of the access log go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// To the end of a file.
    File(PathBuf),
    /// To standard output.
    Stdout,
    /// To standard error.
    Stderr,
}

/// What is in a line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object with all that is known.
    Json,
    /// These, one after another.
    Text(Vec<AccessPiece>),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessPiece {
    /// As it stands.
    Text(String),
    /// What is known of the request.
    Field(AccessField),
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Something that is known of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AccessField {
            $($(#[$doc])* $name,)*
        }

        impl AccessField {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What stands for it in a format, and its key in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

fields! {
    /// When it began: RFC 3339 with milliseconds, UTC.
    Time => "time",
    /// The same as the Common Log Format has it.
    TimeCommon => "time_common",
    /// The client's address.
    Client => "client",
    /// The method.
    Method => "method",
    /// The path, without the query.
    Path => "path",
    /// The query, without the question mark.
    Query => "query",
    /// The version of HTTP that the client spoke.
    Protocol => "protocol",
    /// The host that the client asked for, as it wrote it.
    Host => "host",
    /// The status of the answer; 499 where the client left before there was one.
    Status => "status",
    /// Bytes of the body that were handed to the client's connection.
    BytesSent => "bytes_sent",
    /// From the request's head to the end of the answer's body, in milliseconds.
    DurationMs => "duration_ms",
    /// The listener.
    Listener => "listener",
    /// The cluster.
    Cluster => "cluster",
    /// The SQL entry.
    Sql => "sql",
    /// The endpoint that answered, or failed last.
    Endpoint => "endpoint",
    /// The plugin that chose it.
    Plugin => "plugin",
    /// How often the request was sent.
    Attempts => "attempts",
    /// Why there is no answer of an endpoint, or not all of one.
    Error => "error",
    /// `User-Agent`.
    UserAgent => "user_agent",
    /// `Referer`.
    Referer => "referer",
    /// The trace that the request belongs to, where traces are on.
    TraceId => "trace_id",
}
