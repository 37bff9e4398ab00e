//! What the host offers to a plugin, as traits: in a component the real host stands behind them, in a test a double.
//!
//! Each call crosses from the plugin to the host and costs about 0.2 µs, so ask for what you need, once. The traits must
//! say exactly what `wit/` says; a convenience on top of them belongs in a module of its own.

use crate::{EndpointId, Level, Load, Observations, StateError, Statement};

/// The request that is being routed. Outside of `pick` every method answers as for an empty request.
pub trait Request {
    /// The method, in capitals.
    fn method(&self) -> String;
    /// The path, still percent-encoded, without the query.
    fn path(&self) -> String;
    /// What stands after the `?`, still percent-encoded.
    fn query(&self) -> Option<String>;
    /// The first value of a header, in any capitalisation; none when it is missing or not UTF-8.
    fn header(&self, name: &str) -> Option<String>;
    /// The first cookie of exactly this name.
    fn cookie(&self, name: &str) -> Option<String>;
    /// The client's address, without its port.
    fn client_ip(&self) -> String;
    /// The host that the client asked for, without the port.
    fn host(&self) -> Option<String>;
    /// 0 for the first attempt at this request, then 1, 2, ...
    fn attempt(&self) -> u32;
    /// The SQL statement, when the request is one.
    fn statement(&self) -> Option<Statement>;
}

/// Live figures of the candidates.
pub trait Cluster {
    /// The figures of one candidate; none when it is not a candidate.
    fn load_of(&self, id: EndpointId) -> Option<Load>;
    /// The figures of all candidates, in the order of the last `candidates_changed`. One such call costs far less than
    /// one [`load_of`](Cluster::load_of) for each.
    fn loads(&self) -> Vec<Load>;
}

/// The other endpoints of the cluster, for a policy that judges one against all.
pub trait Peers {
    /// The same window of every endpoint in the cluster, the judged one included.
    fn all(&self) -> Vec<(EndpointId, Observations)>;
}

/// A small store that all instances of the plugin share, on all workers and across versions. Every call is atomic.
pub trait State {
    /// The value under a key, unless it is missing or its time is over.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Writes a value, which goes away after `ttl_ms` milliseconds, or stays when there is no limit.
    ///
    /// # Errors
    ///
    /// The key is over 256 bytes, the value is over 64 KiB, or the plugin's share of the store is used up.
    fn set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), StateError>;
    /// Adds to a whole number (0 when missing) and returns the sum, which stops at the ends of its range.
    /// [`get`](State::get) shows it as eight bytes, little-endian. A limit replaces the key's limit; none leaves it.
    ///
    /// # Errors
    ///
    /// As for [`set`](State::set), and when the key holds a value that `add` did not write.
    fn add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, StateError>;
}

/// Time, chance, and what operators see. All of it goes through the host, so that a run can be replayed.
pub trait Runtime {
    /// Writes a line to the host's log, with the plugin's name. Rate-limited.
    fn log(&self, level: Level, message: &str);
    /// Microseconds on a clock that never goes back; its zero means nothing.
    fn now_us(&self) -> u64;
    /// An unpredictable number; not for keys or tokens.
    fn random_u64(&self) -> u64;
    /// Adds to a counter of the plugin's own. At most 64 names of metrics; later ones are ignored.
    fn counter(&self, name: &str, delta: u64);
    /// Sets a gauge of the plugin's own.
    fn gauge(&self, name: &str, value: f64);
    /// Records a value in a histogram of the plugin's own.
    fn histogram(&self, name: &str, value: f64);
}

/// All that a routing strategy may use: whatever is each part of it is all of it.
pub trait RoutingHost {
    /// The request that is being routed.
    fn request(&self) -> &impl Request;
    /// Live figures of the candidates.
    fn cluster(&self) -> &impl Cluster;
    /// The plugin's shared store.
    fn state(&self) -> &impl State;
    /// Time, chance, log and metrics.
    fn runtime(&self) -> &impl Runtime;
}

impl<T: Request + Cluster + State + Runtime> RoutingHost for T {
    fn request(&self) -> &impl Request {
        self
    }

    fn cluster(&self) -> &impl Cluster {
        self
    }

    fn state(&self) -> &impl State {
        self
    }

    fn runtime(&self) -> &impl Runtime {
        self
    }
}

/// All that a health policy may use: whatever is each part of it is all of it.
pub trait PolicyHost {
    /// The other endpoints of the cluster.
    fn peers(&self) -> &impl Peers;
    /// The plugin's shared store.
    fn state(&self) -> &impl State;
    /// Time, chance, log and metrics.
    fn runtime(&self) -> &impl Runtime;
}

impl<T: Peers + State + Runtime> PolicyHost for T {
    fn peers(&self) -> &impl Peers {
        self
    }

    fn state(&self) -> &impl State {
        self
    }

    fn runtime(&self) -> &impl Runtime {
        self
    }
}
