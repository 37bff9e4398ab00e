//! Gathers the metrics: reads what the other folders have counted and gives each figure its name. Names follow the
//! conventions of Prometheus: `leverframe_`, base units, and labels whose values are bounded: by the configuration,
//! by the endpoints that are there, by what is known to the program, or to 64 names for each plugin.

mod config;
mod discovery;
mod endpoints;
mod logs;
mod plugins;
mod process;
mod recording;
mod sql;
mod traffic;

use std::sync::Arc;

pub use self::config::Scaled;
pub use self::discovery::Sightings;
use super::events::EventLog;
use super::families::{Family, Kind, Value};
use super::served::Served;
use crate::config::ReloadStatus;
use crate::plugin::{Registry, Shared};
use crate::proxy::Snapshot;

const MICROSECONDS: f64 = 1e6;
const NANOSECONDS: f64 = 1e9;

/// What tells a value from the others of its family.
type Labels<'a> = &'a [(&'static str, &'a dyn ToString)];

/// What is read.
pub struct Sources<'a> {
    /// What is being served.
    pub served: &'a Served,
    /// What the workers counted, together.
    pub traffic: &'a Snapshot,
    /// The plugins.
    pub plugins: &'a Registry,
    /// What the guests of each plugin count of their own.
    pub shared: &'a [Arc<Shared>],
    /// What changed.
    pub events: &'a EventLog,
    /// What the sources of endpoints see.
    pub sightings: &'a Sightings,
    /// What became of the configuration file.
    pub reload: &'a ReloadStatus,
    /// The clusters whose nodes are kept up.
    pub scaled: &'a [Scaled],
}

/// All metrics of this moment.
pub fn collect(sources: &Sources<'_>) -> Vec<Family> {
    let mut families = traffic::clusters(sources.traffic);
    families.extend(traffic::trouble(sources.traffic));
    families.extend(traffic::listeners(sources.traffic));
    families.extend(endpoints::load(&sources.served.clusters));
    families.extend(endpoints::health(&sources.served.clusters));
    families.extend(endpoints::transitions(sources.events));
    families.extend(endpoints::checks(sources.served));
    families.extend(plugins::strategies(sources.plugins));
    families.extend(plugins::policies(sources.plugins));
    families.extend(plugins::work(sources.plugins));
    families.extend(plugins::failures(sources.plugins));
    families.push(plugins::refused(sources.plugins));
    families.extend(plugins::custom(sources.shared));
    families.extend(discovery::sources(sources.sightings));
    families.extend(sql::entries(sources.served));
    families.extend(recording::recording(&sources.served.recorded));
    families.extend(config::reload(sources.reload));
    families.extend(config::scaled(sources.scaled));
    families.extend(process::process());
    families.push(build());
    families
}

fn build() -> Family {
    let mut build = Family::new(Kind::Gauge, "leverframe_build_info", "The version that is running.");
    build.push(&[("version", &env!("CARGO_PKG_VERSION"))], Value::Level(1.0));
    build
}
