//! Plugins: the one folder that names wasmtime. It turns bytes into checked components, components into instances that
//! live under limits, and instances into strategies that `routing` can call and policies that `health` can. It watches the
//! drop-in folder, swaps versions under traffic, restarts what failed and takes back what keeps failing.
//!
//! The way of a file: `folder` reads it, `artifact` checks and compiles it, `probe` tries it out, `supervisor` seats it
//! through `seating`, `registry` shows what is there; `recovery` is for what fails later. `instance` is the boundary that
//! every call crosses; `host` is what a guest can reach.

mod artifact;
mod bindings;
mod builtin;
mod change;
mod commands;
mod engine;
mod error;
mod figures;
mod folder;
mod host;
mod imports;
mod instance;
mod lines;
mod probe;
mod recovery;
mod registry;
mod restart;
mod seating;
mod shared_state;
mod supervisor;
mod version;
mod wasi;
mod work;
mod workshop;

pub use artifact::{Artifact, ContentHash};
pub use builtin::builtins;
pub use change::Change;
pub use commands::Uploaded;
pub use engine::PluginEngine;
pub use error::{CommandError, EngineError, LoadError, SeatError};
pub use figures::{CustomMetric, CustomMetrics};
pub use folder::Folder;
pub use host::Shared;
pub use imports::World;
pub use instance::{About, InstanceSetup, PolicyInstance, StrategyInstance};
pub use lines::{LogLine, LogLines};
pub use probe::{ProbeReport, probe};
pub use recovery::{Lost, Place};
pub use registry::{Failures, PluginEntry, Refusal, Registry};
pub use seating::Judging;
pub use shared_state::SharedState;
pub use supervisor::{Supervisor, Swap};
pub use version::{Origin, Version, VersionFigures};
pub use work::{Call, Work, WorkReading};
