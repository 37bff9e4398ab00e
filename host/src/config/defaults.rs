//! What holds where the file says nothing, each with its reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::settings::{Limits, PluginLimits, Pool, Timeouts};

/// Where operators connect: this machine only, since the admin API changes things and asks nobody who they are.
pub(super) const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// The drop-in folder, next to the file.
pub(super) const PLUGIN_FOLDER: &str = "plugins";

/// The strategy of a cluster that names none: the one that needs no configuration and that everyone expects.
pub(super) const STRATEGY: &str = "round-robin";

/// Three: one endpoint may be down and the next going down.
pub(super) const ATTEMPTS: u32 = 3;

/// As long as the usual grace of what stops services (Kubernetes: 30 s).
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that needs longer to send a few hundred bytes is broken or holds the connection on purpose.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What nginx and most servers keep (`keepalive_timeout 75s`).
pub(super) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// One worker for each core that the process may use: the data path never waits for anything but the network.
pub(super) fn workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Default for Limits {
    /// 100 headers, as hyper and Apache have it; 64 KiB of them, eight times what browsers and origins commonly accept;
    /// bodies are streamed, so their size costs nothing; 10,000 connections fit the memory and the file limits of a
    /// small machine.
    fn default() -> Self {
        Self { headers: 100, header_bytes: 64 << 10, body_bytes: None, connections: 10_000 }
    }
}

impl Default for Pool {
    /// 128 idle connections keep a busy endpoint warm and cost little memory; 60 s is below the 75 s after which most
    /// origins close, so that it is this side that closes first; open connections are bounded by those of the clients.
    fn default() -> Self {
        Self { max_idle: 128, idle_timeout: Duration::from_secs(60), max_connections: None }
    }
}

impl Default for Timeouts {
    /// A second is a hundred round trips within a data centre; 30 s and 60 s are what origins that compute an answer,
    /// and streams that are quiet for a while, are commonly given.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            response_header: Duration::from_secs(30),
            idle_stream: Duration::from_secs(60),
        }
    }
}

impl Default for PluginLimits {
    /// A pick takes less than a microsecond: 2 ms forgive a busy core, and a client hardly notices them. Other calls may
    /// build tables. 16 MiB hold the largest table of the first-party strategies many times over.
    fn default() -> Self {
        Self {
            pick_deadline: Duration::from_millis(2),
            call_deadline: Duration::from_millis(100),
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            state_bytes: 1 << 20,
            file_bytes: 16 << 20,
        }
    }
}
