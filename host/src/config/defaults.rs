//! What holds where the file says nothing, each with its reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::resilience::{Capacity, Circuit, FailureRatio, Failures, Health, Hedge, Retry, RetryBudget};
use super::settings::{BodyRate, Limits, PluginLimits, Pool, Timeouts};
use super::sql::SqlLimits;
use crate::model::{PanicRule, StatusSet};

/// Where operators connect: this machine only, since the admin API changes things and asks nobody who they are.
pub(super) const ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// Where a collector or an agent on this machine takes spans by HTTP: the port that OTLP has for it.
pub(super) const TRACES_ENDPOINT: &str = "http://127.0.0.1:4318/v1/traces";

/// One request of a hundred tells where time goes, and costs next to nothing.
pub(super) const TRACES_SAMPLE: f64 = 0.01;

/// What this program is called in traces.
pub(super) const SERVICE_NAME: &str = "leverframe";

/// The lines that every tool for access logs reads.
pub(super) const ACCESS_FORMAT: &str = "combined";

/// The drop-in folder, next to the file.
pub(super) const PLUGIN_FOLDER: &str = "plugins";

/// The strategy of a cluster that names none: the one that needs no configuration and that everyone expects.
pub(super) const STRATEGY: &str = "round-robin";

/// The health policy of a cluster that has checks and names none: the one that is also built in.
pub(super) const POLICY: &str = "threshold";

/// From one check to the next: an endpoint that dies is known before most clients give up, and a check every 5 s is no
/// load (HAProxy 2 s, nginx 5 s, Kubernetes 10 s).
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// What a check may take: one that takes longer would be slow for a request as well.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Enough that the checks of several load balancers do not fall into step.
pub(super) const CHECK_JITTER_PERCENT: u8 = 10;

/// Success, or a redirection, which is what many answer at `/` (HAProxy and Kubernetes have the same).
pub(super) const CHECK_EXPECT: &[(u16, u16)] = &[(200, 399)];

/// What every database answers, whatever is in it.
pub(super) const CHECK_STATEMENT: &str = "SELECT 1";

/// What a gateway answers for an endpoint that is not there or not ready. 500 and 501 come of the request as often.
const GATEWAY_ERRORS: &[(u16, u16)] = &[(502, 504)];

/// Every status that is an error.
pub(super) const EVERY_ERROR: &[(u16, u16)] = &[(400, 599)];

/// The folder for what must outlast the process, next to the file.
pub(super) const STATE_FOLDER: &str = "state";

/// The log of a replicated database holds what a node missed: at some hundred bytes an entry, millions of them.
pub(super) const LOG_BYTES: u64 = 1 << 30;

/// As long as that of the control plane: long enough for a holder to miss extending it some times.
pub(super) const LEASE_TERM: Duration = Duration::from_secs(6);

/// What else is kept in the same Redis has other names.
pub(super) const LEASE_PREFIX: &str = "leverframe:";

/// A statement of the log that takes longer is tried again with twice as much, as its node may hang.
pub(super) const APPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where Debian's and Docker's own packages put the engine's socket.
pub(super) const DOCKER_ENGINE: &str = "unix:///var/run/docker.sock";

/// The containers of a demo, and a label that people do set.
pub(super) const DOCKER_LABEL: &str = "app=db-backend";

/// The port that a Redis has by itself.
pub(super) const REDIS_URL: &str = "redis://127.0.0.1:6379";

/// How often a source that tells of changes is read as a whole: what one lost message costs at the most.
pub(super) const RESYNC: Duration = Duration::from_secs(10);

/// Between two questions to the DNS at the least: a time to live of 0 would ask without a pause.
pub(super) const DNS_LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// And at the most, whatever the time to live: containers that come and go are followed sooner than names are cached.
pub(super) const DNS_MOST_INTERVAL: Duration = Duration::from_secs(30);

/// The fewest nodes that may be asked for: a slip does not end all of them.
pub(super) const LEAST_NODES: u32 = 1;

/// The most: more than a machine needs, and few enough that a slip does not fill it.
pub(super) const MOST_NODES: u32 = 64;

/// After a change of the number of nodes: new ones take about as long to start and to take their share.
pub(super) const SCALING_COOLDOWN: Duration = Duration::from_secs(30);

/// What a node is asked for.
pub(super) const NODE_CHECK_PATH: &str = "/health";

/// From one check of a node to the next. It decides on replacing one, which is slower than leaving it out; the checks of
/// `health` do that (Kubernetes probes every 10 s too).
pub(super) const NODE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// What a node may take: one that is only slow is not replaced.
pub(super) const NODE_CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a node that is gone is left: whoever ended it on purpose may want to look.
pub(super) const REPLACE_AFTER: Duration = Duration::from_secs(2);

/// Enough workers of a pool to see them share.
pub(super) const POOL_WORKERS: u32 = 3;

/// One balancer, which is what most look at.
pub(super) const POOL_BALANCERS: u32 = 1;

/// Where the first worker of a pool listens; out of the way of the admin API and of the usual ports of services.
pub(super) const POOL_WORKER_PORT: u16 = 9100;

/// Where the first balancer of a pool listens: the port that is usual where 80 is taken.
pub(super) const POOL_BALANCER_PORT: u16 = 8080;

/// Where the balancers of a pool listen: it is for trying things out, on one machine.
pub(super) const POOL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// From one check of a pool's worker to the next, and what one may take: processes of one machine answer at once.
pub(super) const POOL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

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
    /// small machine. Clients are not limited one by one: behind another proxy all of them have one address.
    fn default() -> Self {
        Self {
            headers: 100,
            header_bytes: 64 << 10,
            body_bytes: None,
            connections: 10_000,
            connections_per_client: None,
            requests_per_client: None,
            body_rate: Some(BodyRate::default()),
        }
    }
}

impl Default for BodyRate {
    /// As Kestrel has it (`MinRequestBodyDataRate`): 240 bytes a second on average, after 5 s.
    fn default() -> Self {
        Self { bytes_per_second: 240, grace: Duration::from_secs(5) }
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
    /// A lost SYN is sent again after a second (RFC 6298), and must have the time to be answered; 30 s and 60 s are what
    /// origins that compute an answer, and streams that are quiet for a while, are commonly given.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            response_header: Duration::from_secs(30),
            idle_stream: Duration::from_secs(60),
        }
    }
}

impl Default for Health {
    /// No checks and no policies: what an endpoint does to its requests opens its circuit. 10 s hold enough requests to
    /// judge by and forget soon enough; 30 s are what a shutdown gives requests too.
    fn default() -> Self {
        Self {
            check: None,
            policies: Vec::new(),
            window: Duration::from_secs(10),
            panic: PanicRule::default(),
            drain_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

impl Default for Failures {
    /// What tells of the endpoint and not of the request.
    fn default() -> Self {
        Self { connect: true, timeout: true, reset: true, statuses: StatusSet::of(GATEWAY_ERRORS) }
    }
}

impl Default for Circuit {
    /// Five failures in a row are no accident, and after 30 s a restart is over (Envoy's outlier detection has both
    /// numbers); three that pass are no accident either. An endpoint that came back is left idle for 5 minutes at most.
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            failure_ratio: None,
            open_for: Duration::from_secs(30),
            open_at_most: Duration::from_secs(300),
            trials: 3,
        }
    }
}

impl Default for FailureRatio {
    /// Half of at least 20 (the minimum that Hystrix made usual) within 10 s.
    fn default() -> Self {
        Self { percent: 50, window: Duration::from_secs(10), least_requests: 20 }
    }
}

impl Default for Retry {
    /// Three attempts: one endpoint may be down and the next going down. 64 KiB hold most bodies that are no uploads.
    /// Another endpoint is tried at once: it has done nothing that asks for a wait.
    fn default() -> Self {
        Self {
            attempts: 3,
            per_try_timeout: None,
            statuses: StatusSet::of(GATEWAY_ERRORS),
            backoff: None,
            buffer_bytes: 64 << 10,
            budget: RetryBudget::default(),
            hedge: None,
        }
    }
}

impl Default for RetryBudget {
    /// A fifth more load at the most (as Envoy and Finagle have it), and so many that a quiet cluster can retry at all
    /// (Finagle has 10 a second, Envoy 3 at a time).
    fn default() -> Self {
        Self { percent: 20, floor: 10 }
    }
}

impl Default for Hedge {
    /// The 95th percentile, as in "The Tail at Scale" (Dean and Barroso, 2013): about 5 % more requests at the most.
    /// Answers within 50 ms are not worth a second one.
    fn default() -> Self {
        Self { percentile: 95, after_at_least: Duration::from_millis(50) }
    }
}

impl Default for Capacity {
    /// No limit: what a cluster can bear, nobody knows but its operator. With one, 1,000 may wait, and a second, about
    /// as long as a person waits without a second thought.
    fn default() -> Self {
        Self { in_flight: None, endpoint_in_flight: None, queue: 1000, queue_timeout: Duration::from_secs(1) }
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

impl Default for SqlLimits {
    /// 30 s are what a response may take otherwise, too, and 5 minutes what a report may. 16 connections keep the cores of
    /// a usual server busy, and six hosts of this kind within the 100 that PostgreSQL takes. 64 KiB hold any statement
    /// that a person wrote. 300,000 rows of 64 MiB are gathered in about a second; an answer that is larger than 256 MiB
    /// is one to stream.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(300),
            connections: 16,
            body_bytes: 1 << 20,
            statement_bytes: 64 << 10,
            gather_rows: 300_000,
            gather_bytes: 64 << 20,
            answer_bytes: 256 << 20,
            max_shards: None,
            forbid_scatter: false,
            cached_plans: 1024,
        }
    }
}
