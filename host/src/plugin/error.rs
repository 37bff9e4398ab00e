//! Why a plugin is not taken. Every message is for the author or the operator: what was found, what was expected, and
//! where it helps, what to do.

use crate::model::{Fault, ImportError, PluginName};

/// The interface that a routing strategy exports, and so the version of the contract that this host speaks.
pub(super) const STRATEGY_EXPORT: &str = "leverframe:plugin/strategy@0.1.0";
/// The interface that a health policy exports.
pub(super) const POLICY_EXPORT: &str = "leverframe:plugin/policy@0.1.0";

/// Why bytes are no plugin that can be seated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Over the limit for files.
    #[error("the file has {size} bytes; at most {limit} are taken (plugins.limits.file_bytes)")]
    TooLarge {
        /// What it has.
        size: u64,
        /// What it may have.
        limit: u64,
    },
    /// Something else altogether.
    #[error("not WebAssembly: it does not begin with the bytes `\\0asm`")]
    NotWasm,
    /// WebAssembly, but not a component.
    #[error("a core module, not a component: build it with `--target wasm32-wasip2`")]
    NotAComponent,
    /// A component that cannot be read or compiled: cut off, or using what is not supported.
    #[error("not a sound component: {0}")]
    Malformed(String),
    /// A component for something else.
    #[error("exports no `{STRATEGY_EXPORT}` and no `{POLICY_EXPORT}`: not a Leverframe plugin (it exports: {0})")]
    WrongWorld(String),
    /// A plugin of the other kind.
    #[error("a health policy, where a routing strategy is needed")]
    NotAStrategy,
    /// A plugin of the other kind.
    #[error("a routing strategy, where a health policy is needed")]
    NotAPolicy,
    /// Built against another version of the contract.
    #[error("built for `{found}`; this host speaks `{STRATEGY_EXPORT}`: build it with the SDK of this version")]
    WrongVersion {
        /// What it exports.
        found: String,
    },
    /// Wants what a plugin does not get.
    #[error("imports `{0}`, which plugins are not given (no files, no network, no processes)")]
    ForbiddenImport(String),
    /// Imports or exports of the right name and the wrong shape.
    #[error("does not fit the contract: {0}")]
    Shape(String),
    /// It failed while it was tried out.
    #[error("failed in `{call}`: {fault}")]
    Faulty {
        /// The call it failed in.
        call: &'static str,
        /// How.
        fault: Fault,
    },
    /// It does not want this configuration.
    #[error("refused its configuration: {0}")]
    Configuration(String),
    /// It was taken back before; the same bytes are not tried again.
    #[error("these very bytes were taken back before: {0}")]
    TakenBack(String),
    /// It does not get on with the version before.
    #[error(transparent)]
    State(#[from] ImportError),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(String),
}

/// Why what an operator asked of a plugin is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No plugin of that name.
    #[error("no plugin is named `{0}`")]
    Unknown(PluginName),
    /// It was never replaced, or what it replaced is gone.
    #[error("plugin `{0}` has no version before the one that serves")]
    NoPrevious(PluginName),
    /// It chooses somewhere.
    #[error(
        "plugin `{name}` chooses in: {clusters}; switch these, or say `?force=true` to have `round-robin` choose there"
    )]
    Chooses {
        /// Which.
        name: PluginName,
        /// Where.
        clusters: String,
    },
    /// It judges somewhere.
    #[error("plugin `{name}` judges in: {clusters}; take it out of their `health.policies` in the file first")]
    Judges {
        /// Which.
        name: PluginName,
        /// Where.
        clusters: String,
    },
    /// It is the one that chooses where others are disabled.
    #[error("`round-robin` stands in for plugins that are disabled, and cannot be")]
    StandsIn,
    /// A version will not do.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A strategy cannot be seated.
    #[error(transparent)]
    Seat(#[from] SeatError),
}

/// Why a cluster cannot have a strategy or a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// No plugin of that name.
    #[error("no plugin is named `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: PluginName,
        /// What there is.
        known: String,
    },
    /// There is a file of that name, but it was never taken.
    #[error("plugin `{name}` has no version that can serve; its file was refused: {reason}")]
    Refused {
        /// What was asked for.
        name: PluginName,
        /// Why its file was refused.
        reason: String,
    },
    /// An operator has forbidden its use.
    #[error("plugin `{name}` is disabled; `POST /api/plugins/{name}/enable` allows its use again")]
    Disabled {
        /// What was asked for.
        name: PluginName,
    },
    /// The change did not come to its end.
    #[error("the change was stopped: {0}")]
    Stopped(String),
    /// The plugin will not do.
    #[error("plugin `{name}`: {error}")]
    Plugin {
        /// Which.
        name: PluginName,
        /// Why.
        error: LoadError,
    },
}

/// Why the engine does not start: address space that cannot be reserved, most often.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin engine does not start: {0}")]
pub struct EngineError(pub(super) String);
