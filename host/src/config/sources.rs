//! Where a cluster's endpoints come from besides the file, and who keeps up their number: types that cannot be wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

/// One source of the endpoints of a cluster. Equal ones see the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// Containers of a Docker Engine.
    Docker(DockerSource),
    /// A registry in Redis.
    Redis(RedisSource),
    /// Names in the DNS.
    Dns(DnsSource),
}

/// Containers of a Docker Engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerSource {
    /// Where the engine is.
    pub engine: DockerEngine,
    /// Which containers.
    pub label: ContainerLabel,
    /// The network whose addresses are used; none takes the one network of a container that has only one, and the first by
    /// name of one that has several.
    pub network: Option<String>,
    /// The port of containers that name none by label and expose not exactly one.
    pub port: Option<NonZeroU16>,
    /// How often everything is read anew, in case an event was lost.
    pub resync: Duration,
}

/// Where a Docker Engine is: `unix:///var/run/docker.sock` or `tcp://host:2375`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEngine(pub String);

/// A label that containers carry: with this value, or with any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLabel {
    /// Its key.
    pub key: String,
    /// Its value; none stands for any.
    pub value: Option<String>,
}

/// A registry in Redis: the set `backends`, a hash `backend:<id>` for each, the channel `backend_changes`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSource {
    /// Where it is: `redis://[user:password@]host:port/database`.
    pub url: String,
    /// What stands before the names of all keys and of the channel.
    pub prefix: String,
    /// How often everything is read anew, in case a message was lost.
    pub resync: Duration,
}

impl fmt::Debug for RedisSource {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSource")
            .field("prefix", &self.prefix)
            .field("resync", &self.resync)
            .finish_non_exhaustive()
    }
}

/// Names in the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSource {
    /// What is asked for.
    pub query: DnsQuery,
    /// The server that is asked; none asks those of the system.
    pub server: Option<SocketAddr>,
    /// The shortest and the longest time between two questions; between them the answer's time to live decides.
    pub least_interval: Duration,
    /// The longest.
    pub most_interval: Duration,
}

/// What is asked of the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsQuery {
    /// The addresses (A and AAAA) of a name, each with this port.
    Addresses {
        /// The name.
        name: String,
        /// The port.
        port: NonZeroU16,
    },
    /// Services (SRV) with their ports, weights and priorities.
    Services {
        /// The name, as in `_http._tcp.example.com`.
        name: String,
    },
}

/// Who keeps up the number of a cluster's endpoints, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// How many there are to be, until an operator says otherwise.
    pub count: u32,
    /// The fewest that may be asked for.
    pub least: u32,
    /// The most that may be asked for.
    pub most: NonZeroU32,
    /// How long after one change by `/api/scale` the next is refused.
    pub cooldown: Duration,
    /// The path that a sound node answers with a status of 200 to 299.
    pub check_path: PathAndQuery,
    /// Between two checks of a node.
    pub check_interval: Duration,
    /// How long a node may take to answer one.
    pub check_timeout: Duration,
    /// How long a node that is dead or unsound is left before it is replaced.
    pub replace_after: Duration,
    /// Who makes the nodes.
    pub driver: DriverSpec,
}

/// Who makes nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverSpec {
    /// Demo nodes as child processes.
    Process(ProcessTemplate),
    /// Containers of a Docker Engine.
    Docker(ContainerTemplate),
}

/// What child processes are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTemplate {
    /// The port of the first one; the others have those that follow. None takes free ones.
    pub base_port: Option<NonZeroU16>,
    /// How long they take for a request, on average.
    pub average_delay: Duration,
    /// How many of a hundred requests they fail.
    pub failure_percent: u8,
    /// Where they keep their statistics; none keeps none.
    pub statistics: Option<PathBuf>,
}

/// What containers are like.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerTemplate {
    /// Where the engine is.
    pub engine: DockerEngine,
    /// The image; it must be there.
    pub image: String,
    /// What is run in it; empty runs what the image says.
    pub command: Vec<String>,
    /// The network that they are in, and whose addresses are used; none is the engine's default one.
    pub network: Option<String>,
    /// The port that they listen on.
    pub port: NonZeroU16,
    /// Their environment.
    pub environment: BTreeMap<String, String>,
    /// Their labels, besides those that say whose they are.
    pub labels: BTreeMap<String, String>,
    /// Ports published on the host: container port, and the host port of the first one; the others have those that follow.
    pub publish: BTreeMap<NonZeroU16, NonZeroU16>,
}

impl fmt::Debug for ContainerTemplate {
    /// Without what their environment says, which may be what only they are to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerTemplate")
            .field("engine", &self.engine)
            .field("image", &self.image)
            .field("network", &self.network)
            .field("port", &self.port)
            .field("environment", &self.environment.keys())
            .finish_non_exhaustive()
    }
}
