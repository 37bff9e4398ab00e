//! The configuration: from a TOML file and a few environment variables to values that cannot be wrong.
//!
//! There are two sets of types. `file` is the file as written: private, read with serde, every unknown key refused.
//! `settings` is what the rest of the program holds: no serde, nothing left to check. `read` makes the first, `compile`
//! turns it into the second, and both go on after a mistake, so that one run names every mistake in the file with its
//! path, its line and what to write instead.
//!
//! [`Reloader`] follows the file while the program runs. Whether a new configuration can be put to work is not decided
//! here but by the `apply` that the application passes in; whatever fails, the last good configuration stays.
//!
//! Nothing here opens a socket, starts a plugin or reads the environment by itself. Of files, a text that is compiled may
//! have those read that hold passwords.

mod compile;
mod defaults;
mod document;
mod error;
mod file;
mod load;
mod overrides;
mod problems;
mod read;
mod recording;
mod reload;
mod resilience;
mod secret_file;
mod settings;
mod sources;
mod sql;
mod units;
mod warnings;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigErrors};
pub use load::{load, parse};
pub use overrides::{
    ADDRESS_VARIABLE, ADMIN_ADDRESS_VARIABLE, ADMIN_READ_TOKEN_VARIABLE, ADMIN_TOKEN_VARIABLE, BACKEND_LABEL_VARIABLE,
    BACKEND_NETWORK_VARIABLE, CONFIG_VARIABLE, DEFAULT_FILE, DOCKER_DISCOVERY_VARIABLE, DOCKER_HOST_VARIABLE,
    OTEL_SERVICE_NAME_VARIABLE, OTLP_ENDPOINT_VARIABLE, OTLP_TRACES_ENDPOINT_VARIABLE, Overrides, PLUGINS_VARIABLE,
    PORT_VARIABLE, REDIS_URL_VARIABLE, STATE_VARIABLE, TOTAL_RECORDS_VARIABLE, WORKERS_VARIABLE,
};
pub use recording::{AccessField, AccessFormat, AccessLog, AccessPiece, AccessTarget, Recording, Traces};
pub use reload::{ReloadError, ReloadFailure, ReloadHint, ReloadStatus, Reloader, is_change, keep_what_cannot_change};
pub use resilience::{
    Capacity, Check, CheckKind, Circuit, FailureRatio, Failures, Health, Hedge, HttpCheck, PolicySpec, Retry,
    RetryBudget, SqlCheck,
};
pub use secret_file::read_secret;
pub use settings::{
    Admin, BodyRate, Cluster, Config, HostMatch, Limits, Listener, PathMatch, PluginLimits, Plugins, Pool, RequestRate,
    Route, RouteMatch, RouteTarget, StrategySpec, Timeouts, TokenSpec,
};
pub use sources::{
    ContainerLabel, ContainerTemplate, DnsQuery, DnsSource, DockerEngine, DockerSource, DriverSpec, ProcessTemplate,
    RedisSource, Scaling, SourceSpec,
};
pub use sql::{
    Acknowledgement, BackendSpec, CollationSpec, DatabaseSpec, HoldingSpec, KeySpec, KeyValue, LeaseSpec,
    PartitionSpec, PartitionedSpec, PlacementSpec, RangeError, RangeSpec, ReplicatedSpec, Secret, SplitSpec, SqlEntry,
    SqlLimits, TableSpec, TopologySpec,
};
pub use units::{duration, written};
pub use warnings::warnings;
