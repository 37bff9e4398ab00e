//! The program's configuration: types that cannot be wrong. No serde, no file paths into TOML; whoever holds a `Config`
//! need not check anything again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::resilience::{Capacity, Circuit, Failures, Health, Retry};
use super::sources::{Scaling, SourceSpec};
use super::sql::{Secret, SqlEntry};
use crate::model::{ClusterName, EndpointSpec, ListenerName, PluginName, SqlName};

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many data-path threads run. Fixed for the life of the process.
    pub workers: NonZeroUsize,
    /// How long a shutdown waits for requests in flight.
    pub shutdown_timeout: Duration,
    /// Where clients connect; their names and addresses are distinct.
    pub listeners: Vec<Listener>,
    /// What requests are sent to. Every route names one of these, or a SQL entry.
    pub clusters: BTreeMap<ClusterName, Cluster>,
    /// Databases that stand for many. Every one names one of the clusters.
    pub sql: BTreeMap<SqlName, SqlEntry>,
    /// The plugin folder and the limits that plugins live under.
    pub plugins: Plugins,
    /// Where operators connect.
    pub admin: Admin,
    /// The folder for what must outlast the process; none keeps nothing.
    pub state: Option<PathBuf>,
}

/// A socket that clients connect to, and where its requests go.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Unique.
    pub name: ListenerName,
    /// Unique.
    pub address: SocketAddr,
    /// No two of them can both be the best match of one request.
    pub routes: Vec<Route>,
    /// What a client may send.
    pub limits: Limits,
    /// How long a client may take to send a request's headers.
    pub header_timeout: Duration,
    /// How long a connection may stay idle between requests.
    pub keep_alive_timeout: Duration,
}

/// What a client may send before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Headers of one request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Bytes of a request's body; none is no limit.
    pub body_bytes: Option<u64>,
    /// Connections open at a time, over all workers.
    pub connections: usize,
    /// Connections that one client address may have open at a time, over all workers; none is no limit.
    pub connections_per_client: Option<u32>,
    /// Requests that one client address may send, over all workers; none is no limit.
    pub requests_per_client: Option<RequestRate>,
    /// How fast the body of an HTTP/1.1 request must come; none lets it be as slow as it likes.
    pub body_rate: Option<BodyRate>,
}

/// How many requests there may be in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRate {
    /// Requests in a second.
    pub per_second: NonZeroU32,
    /// So many may come at once.
    pub burst: NonZeroU32,
}

/// How fast a body must come, on average over all the time that was waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRate {
    /// Bytes in a second, not counting the time in which nobody waits for them: the endpoint takes none, say.
    pub bytes_per_second: u32,
    /// So much may be waited for in any case.
    pub grace: Duration,
}

/// Sends the requests that match somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which requests.
    pub matches: RouteMatch,
    /// Where to.
    pub target: RouteTarget,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// To a cluster: an endpoint of it answers.
    Cluster(ClusterName),
    /// To a SQL entry: the request holds a statement.
    Sql(SqlName),
    /// To the admin API.
    Admin,
}

/// What a request must look like. An exact host goes before a wildcard, a longer wildcard before a shorter one; then an
/// exact path before a prefix, a longer prefix before a shorter one; then more headers before fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The host.
    pub host: HostMatch,
    /// The path.
    pub path: PathMatch,
    /// Headers that must have these very values.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Which hosts match; always in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// Every host, and requests that name none.
    Any,
    /// Every host below a domain: `example.com` for `*.example.com`.
    Below(String),
    /// This host.
    Exact(String),
}

/// Which paths match; always beginning with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathMatch {
    /// The path itself and everything below it: `/api` matches `/api` and `/api/x`, not `/apis`.
    Prefix(String),
    /// This path.
    Exact(String),
}

/// Endpoints that can stand in for each other, and how one is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Unique.
    pub name: ClusterName,
    /// Who chooses.
    pub strategy: StrategySpec,
    /// The endpoints that the file names; names and addresses are distinct.
    pub endpoints: Vec<EndpointSpec>,
    /// Where more come from; none of a kind twice. Without any, and without scaling, the file names at least one endpoint.
    pub sources: Vec<SourceSpec>,
    /// Who keeps up their number; none leaves it to others.
    pub scaling: Option<Scaling>,
    /// How connections are kept.
    pub pool: Pool,
    /// How long an endpoint may take.
    pub timeouts: Timeouts,
    /// How the endpoints are watched and judged.
    pub health: Health,
    /// What counts as a failure of an endpoint: for its circuit, its figures and its policies.
    pub failures: Failures,
    /// When an endpoint's circuit opens; none keeps all circuits closed.
    pub circuit: Option<Circuit>,
    /// When a request is sent again.
    pub retry: Retry,
    /// How many requests there may be at a time.
    pub capacity: Capacity,
}

/// A plugin and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySpec {
    /// Which plugin.
    pub plugin: PluginName,
    /// The configuration table, as JSON text.
    pub config: String,
}

/// How connections to the endpoints of a cluster are kept, for each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Idle connections kept to one endpoint.
    pub max_idle: usize,
    /// How long a connection is kept idle.
    pub idle_timeout: Duration,
    /// Connections open to one endpoint at a time; none is no limit.
    pub max_connections: Option<usize>,
}

/// How long an endpoint may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// From the sent request to the head of the response.
    pub response_header: Duration,
    /// Between two pieces of a body, in either direction.
    pub idle_stream: Duration,
}

/// Where plugins come from, and the limits that each lives under.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugins {
    /// The drop-in folder; none when there is no such folder to watch.
    pub folder: Option<PathBuf>,
    /// Where compiled code is kept between runs; none keeps nothing.
    pub cache: Option<PathBuf>,
    /// The limits of a plugin that has none of its own.
    pub limits: PluginLimits,
    /// Limits by plugin.
    pub overrides: BTreeMap<PluginName, PluginLimits>,
}

impl Plugins {
    /// The limits that a plugin lives under.
    pub fn limits_of(&self, plugin: &PluginName) -> PluginLimits {
        self.overrides.get(plugin).copied().unwrap_or(self.limits)
    }
}

/// What one instance of a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// For `pick` and `on-outcome`.
    pub pick_deadline: Duration,
    /// For every other call.
    pub call_deadline: Duration,
    /// Linear memory, in bytes.
    pub memory_bytes: usize,
    /// Elements in its tables.
    pub table_elements: usize,
    /// Bytes of shared state, over all instances.
    pub state_bytes: usize,
    /// The size of the `.wasm` file.
    pub file_bytes: u64,
}

impl PluginLimits {
    /// The largest memory that can be granted: each instance reserves address space for it.
    pub const MOST_MEMORY: usize = 1 << 30;
    /// The largest table that can be granted.
    pub const MOST_TABLE_ELEMENTS: usize = 100_000;
}

/// Where operators connect, and what lets them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address; none serves no admin API at an address of its own. Other machines reach it only where there is a token,
    /// or where that was said not to matter.
    pub address: Option<SocketAddr>,
    /// Lets one read and command.
    pub token: Option<TokenSpec>,
    /// Lets one read.
    pub read_only_token: Option<TokenSpec>,
    /// Other machines may reach it without any token.
    pub allow_without_token: bool,
}

/// Where a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSpec {
    /// Here: the environment said it.
    Given(Secret),
    /// In a file, which may get another while the program runs.
    File(PathBuf),
}
