//! An endpoint: who it is, where it listens, what share of the traffic it takes.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use super::names::EndpointName;

/// Free key-value pairs, sorted by key.
pub type Labels = BTreeMap<String, String>;

/// The label that names the shard of a database that an endpoint holds.
const SHARD_LABEL: &str = "shard";

/// Identifies an endpoint within its cluster, for as long as it stays; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u32);

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A share of the traffic relative to the other endpoints of the cluster, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(NonZeroU16);

impl Weight {
    /// The weight of an endpoint that has none given.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// Takes a weight from 1 to 65535.
    pub fn new(weight: u16) -> Option<Self> {
        NonZeroU16::new(weight).map(Self)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The port is missing or no number from 1 to 65535.
    #[error("an address is `host:port` with a port from 1 to 65535")]
    Port,
    /// The host is missing or contains what no host contains.
    #[error("an address is `host:port`; `{0}` is no host name and no IP address")]
    Host(String),
}

/// Where an endpoint is: a host name or IP address, and a port; or a file of this machine, which only a database that is
/// a file has. Whatever connects must refuse a file by [`Address::file_path`]; that one has no host and no port is the
/// second bar, since such a connection cannot be made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Place);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Socket { host: String, port: u16 },
    File(PathBuf),
}

impl Address {
    /// Reads `host:port`; an IPv6 host stands in brackets. Never a file: what registries say must not open any.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Port)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let sound = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')),
        };
        if !sound {
            return Err(AddressError::Host(host.to_owned()));
        }
        Ok(Self(Place::Socket { host: bare.unwrap_or(host).to_owned(), port }))
    }

    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// The file, when it is one: nothing can connect to it.
    pub fn file_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Socket { .. } => None,
        }
    }

    /// Another port of the same host; a file has none, and stays what it is.
    pub fn with_port(&self, port: u16) -> Self {
        match &self.0 {
            Place::Socket { host, .. } => Self(Place::Socket { host: host.clone(), port }),
            Place::File(_) => self.clone(),
        }
    }

    /// The host, without brackets; empty for a file.
    pub fn host(&self) -> &str {
        match &self.0 {
            Place::Socket { host, .. } => host,
            Place::File(_) => "",
        }
    }

    /// The port; 0 for a file.
    pub fn port(&self) -> u16 {
        match &self.0 {
            Place::Socket { port, .. } => *port,
            Place::File(_) => 0,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Socket { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Socket { host, port } => write!(f, "{host}:{port}"),
            Place::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the source of an endpoint says of it. Whoever follows the source goes by it at once, whatever checks and policies
/// say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reported {
    /// It serves; also where the source says nothing.
    #[default]
    Up,
    /// It was told to stop, and finishes what it has.
    Stopping,
    /// It does not serve.
    Down,
}

impl Reported {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Down => "down",
        }
    }
}

/// An endpoint as a source of endpoints describes it, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Unique in the cluster. With the address it is the endpoint's identity.
    pub name: EndpointName,
    /// Where it listens.
    pub address: Address,
    /// Its share of the traffic.
    pub weight: Weight,
    /// What else is known of it.
    pub labels: Labels,
    /// Whether it serves, as far as its source knows.
    pub reported: Reported,
}

impl EndpointSpec {
    /// An endpoint of which no more is known.
    pub fn new(name: EndpointName, address: Address) -> Self {
        Self { name, address, weight: Weight::ONE, labels: Labels::new(), reported: Reported::Up }
    }

    /// The shard of a database that it holds: what its label `shard` says, or else its own name.
    pub fn shard(&self) -> &str {
        self.labels.get(SHARD_LABEL).map_or(self.name.as_str(), String::as_str)
    }
}

/// An endpoint of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Stable while the endpoint stays.
    pub id: EndpointId,
    /// Everything else.
    pub spec: EndpointSpec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:80", "db-1.internal:5432", "[::1]:8080"] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_file_has_neither_host_nor_port_and_is_never_read_from_text() {
        let file = Address::file("/srv/a.db");
        assert_eq!((file.host(), file.port(), file.with_port(80)), ("", 0, file.clone()));
        assert_eq!(file.to_string(), "file:/srv/a.db");
        assert_eq!(file.file_path(), Some(Path::new("/srv/a.db")));
        assert!(Address::parse("file:/srv/a.db").is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Address::parse("localhost"), Err(AddressError::Port));
        assert_eq!(Address::parse("localhost:0"), Err(AddressError::Port));
        assert_eq!(Address::parse("a b:80"), Err(AddressError::Host("a b".into())));
        assert_eq!(Address::parse("::1:80"), Err(AddressError::Host("::1".into())));
    }
}
