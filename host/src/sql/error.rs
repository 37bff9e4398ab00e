//! Why a statement has no answer. Says who is the cause (the client, the statement, the nodes, the host); what status that is
//! in a protocol is for who speaks it.

use std::fmt;

use super::backend::{Fault, FaultKind};
use super::parse::{ParseError, SyntaxError};
use super::plan::Refusal;
use super::replica::log::{LogError, Position};
use super::{route, topology};

/// Why a statement has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The text is not one statement of the dialect.
    #[error("{0}")]
    Syntax(#[from] SyntaxError),
    /// A parameter is missing, too many or of no use.
    #[error("{0}")]
    BadParameter(String),
    /// The statement cannot be answered rightly, or may not be asked.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A bound of the entry is reached.
    #[error("{0}")]
    Cap(Cap),
    /// The databases refused the statement itself; each node that did, with what it said.
    #[error("{}", named(.0))]
    Statement(Vec<(String, Fault)>),
    /// Nodes failed; each of them, with why.
    #[error("{}", named(.0))]
    Nodes(Vec<(String, Fault)>),
    /// Nodes that should be alike are not.
    #[error("{0}")]
    Unlike(Unlike),
    /// It was not done in time.
    #[error("not done in time{}", by(.late))]
    Deadline {
        /// The nodes that were not done; none where it is not known or none was asked.
        late: Vec<String>,
    },
    /// A write was made lasting on some nodes and not, or not for certain, on others.
    #[error("{}", half(.committed, .missing, .unknown))]
    HalfCommitted {
        /// Where it is lasting.
        committed: Vec<String>,
        /// Where it is not for certain, with why.
        missing: Vec<(String, Fault)>,
        /// Where nobody knows: the connection was lost, or time ran out, while it was made lasting.
        unknown: Vec<(String, Fault)>,
    },
    /// The databases refused a write that is in the log: nothing was changed anywhere.
    #[error("{message}")]
    Declined {
        /// Its place in the log.
        position: Position,
        /// What they said.
        message: String,
    },
    /// A write was not acknowledged in time.
    #[error("{}", unacknowledged(.position))]
    Unacknowledged {
        /// Its place in the log: it will be done. None where it is not known whether it has one.
        position: Option<Position>,
    },
    /// The log of writes has failed.
    #[error("{0}")]
    Log(LogError),
    /// Too few of the nodes that all hold everything may be asked, or written to, now: nothing was done.
    #[error("{0}")]
    Nobody(Unready),
    /// Another proxy has the lease of the log: writes are taken there, and nothing was done here.
    #[error("another proxy has the lease of the log, and takes the writes: {0}")]
    Standby(String),
    /// The nodes that there are now do not make up the topology.
    #[error("{0}")]
    Unready(String),
    /// A fault of this program.
    #[error("{0}")]
    Internal(String),
}

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// The statement is longer than so many bytes.
    StatementBytes(usize),
    /// More than so many rows would have to be gathered.
    GatherRows(usize),
    /// More than so many bytes would have to be gathered.
    GatherBytes(usize),
    /// The answer has more than so many bytes.
    AnswerBytes(usize),
    /// The final statement would write down more than so many bytes for the time being.
    EngineBytes(usize),
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatementBytes(most) => write!(f, "the statement is longer than {most} bytes"),
            Self::GatherRows(most) => write!(f, "more than {most} rows would have to be gathered"),
            Self::GatherBytes(most) => write!(f, "more than {most} bytes of rows would have to be gathered"),
            Self::EngineBytes(most) => write!(f, "the final statement would need more than {most} bytes of room"),
            Self::AnswerBytes(most) => write!(f, "the answer is longer than {most} bytes"),
        }
    }
}

/// Two nodes that should be alike and are not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} differ: {one} has {this}, {other} has {that}")]
pub struct Unlike {
    /// What was compared, such as `the columns of users`.
    pub what: String,
    /// One node.
    pub one: String,
    /// What it has.
    pub this: String,
    /// The other node.
    pub other: String,
    /// What that one has.
    pub that: String,
}

/// Why nodes that all hold everything are of no use now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", standing(.nodes))]
pub struct Unready {
    /// Why.
    pub why: String,
    /// How each of them stands.
    pub nodes: Vec<(String, String)>,
}

impl Error {
    /// The error of nodes that failed with these faults: the statement's where all refused it, the deadline's where all
    /// ran out of time.
    pub fn of_nodes(failed: Vec<(String, Fault)>) -> Self {
        let all = |kinds: &[FaultKind]| failed.iter().all(|(_, fault)| kinds.contains(&fault.kind));
        if all(&[FaultKind::TimedOut]) {
            Self::Deadline { late: failed.into_iter().map(|(name, _)| name).collect() }
        } else if all(&[FaultKind::Statement, FaultKind::Conflict, FaultKind::Overflow, FaultKind::Unsupported]) {
            Self::Statement(failed)
        } else {
            Self::Nodes(failed)
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Syntax(error) => Self::Syntax(error),
            ParseError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<route::Refusal> for Error {
    fn from(refusal: route::Refusal) -> Self {
        let why = refusal.to_string();
        let construct = match refusal {
            route::Refusal::OutOfRange { out_of_range: topology::OutOfRange(key), .. } => format!("the key {key}"),
            route::Refusal::UnknownTable(table) => format!("table {table}"),
            route::Refusal::NoKey { table, .. } => format!("INSERT INTO {table}"),
            route::Refusal::ZeroKey { table, key } => format!("INSERT INTO {table} with {key} = 0"),
            route::Refusal::KeyChange { table, .. } => format!("UPDATE {table}"),
            route::Refusal::Construct(construct) => construct.to_owned(),
        };
        Self::Refused(Refusal { construct, why })
    }
}

fn standing(nodes: &[(String, String)]) -> String {
    let each = nodes.iter().map(|(name, standing)| format!("; {name}: {standing}"));
    each.collect()
}

fn unacknowledged(position: &Option<Position>) -> String {
    match position {
        Some(position) => format!(
            "not acknowledged in time: it is entry {position} of the log, and will be applied to every node; a read at this \
             position sees it, or that it was refused"
        ),
        None => "not acknowledged in time; it may be in the log, and will then be applied to every node".to_owned(),
    }
}

fn named(failed: &[(String, Fault)]) -> String {
    let each: Vec<String> = failed.iter().map(|(name, fault)| format!("{name}: {fault}")).collect();
    each.join("; ")
}

fn by(nodes: &[String]) -> String {
    if nodes.is_empty() { String::new() } else { format!(" by {}", nodes.join(", ")) }
}

fn half(committed: &[String], missing: &[(String, Fault)], unknown: &[(String, Fault)]) -> String {
    let mut parts = vec!["not done everywhere, or not for certain".to_owned()];
    if !committed.is_empty() {
        parts.push(format!("done on {}", committed.join(", ")));
    }
    if !missing.is_empty() {
        parts.push(format!("not done on {}", named(missing)));
    }
    if !unknown.is_empty() {
        parts.push(format!("done or not on {}", named(unknown)));
    }
    parts.join("; ")
}
