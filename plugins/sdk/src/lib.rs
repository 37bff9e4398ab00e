//! Write Leverframe plugins in Rust: routing strategies and health policies.
//!
//! A plugin is a type that implements [`RoutingStrategy`] or [`HealthPolicy`], and one line of [`export!`] that makes a
//! component of it. This is a whole strategy, with the request's own test:
//!
//! ```
//! use leverframe_sdk::{Candidates, Choice, RoutingHost, RoutingStrategy, host::Request};
//! use serde::Deserialize;
//!
//! /// Sends the requests of testers to endpoints of their own.
//! struct Canary {
//!     config: Config,
//! }
//!
//! /// `[clusters.shop.strategy.config]` in the configuration file.
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Endpoints whose name starts with this take the testers.
//!     prefix: String,
//! }
//!
//! impl RoutingStrategy for Canary {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, String> {
//!         if config.prefix.is_empty() { Err("prefix is empty".to_owned()) } else { Ok(Self { config }) }
//!     }
//!
//!     fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
//!         let tester = host.request().header("x-tester").is_some();
//!         let chosen = candidates.available().find(|one| one.name.starts_with(&self.config.prefix) == tester);
//!         chosen.map(|one| one.id).into()
//!     }
//! }
//!
//! leverframe_sdk::export!(strategy: Canary);
//!
//! // In a #[test]:
//! use leverframe_sdk::testing::{FakeRequest, Trial, candidates};
//!
//! let mut trial = Trial::<Canary>::new(r#"{"prefix": "canary"}"#, candidates(&[("canary-1", 1), ("main-1", 1)]))?;
//! assert_eq!(trial.pick_name(), Some("main-1"));
//! trial.host.request = FakeRequest::get("/").header("X-Tester", "yes");
//! assert_eq!(trial.pick_name(), Some("canary-1"));
//! # Ok::<(), String>(())
//! ```
//!
//! Build it with `crate-type = ["cdylib"]` (add `"rlib"` to test it from outside) for the target `wasm32-wasip2`.
//!
//! What the host offers during a call is behind the traits of [`host`], so that the doubles of [`testing`] can take its
//! place and `cargo test` needs no WebAssembly. [`key`], [`rotation`], [`smooth`], [`snapshot`], [`memory`],
//! [`draw`] and [`hash`] are what the plugins that come with Leverframe share; use them as you like.
//!
//! This crate must not decide anything by itself and must not touch files, network, environment or standard output:
//! each of these would show up in the component's imports, and the host refuses what is not on its list.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod component;
mod config;
pub mod draw;
pub mod hash;
pub mod host;
mod imports;
pub mod key;
pub mod memory;
mod policy;
pub mod rotation;
pub mod smooth;
pub mod snapshot;
mod strategy;
pub mod testing;
mod verdict;

pub use bindings::policy::leverframe::plugin::health_types::{Circuit, HealthState, Observations, Verdict};
pub use bindings::routing::exports::leverframe::plugin::strategy::{Choice, Rejection, Routed, Wants};
pub use bindings::routing::leverframe::plugin::request::{SqlStatement as Statement, StatementClass};
pub use bindings::routing::leverframe::plugin::runtime::Level;
pub use bindings::routing::leverframe::plugin::state::StateError;
pub use bindings::routing::leverframe::plugin::types::{Endpoint, EndpointId, FailureKind, Load, Outcome};
pub use config::NoConfig;
pub use host::{PolicyHost, RoutingHost};
pub use policy::{HealthPolicy, PolicyInstance};
pub use strategy::{Candidates, RoutingStrategy, StrategyInstance};
