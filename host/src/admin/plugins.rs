//! `GET /api/plugins`: every plugin with its versions, what their work came to, and what was refused and why.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::server::Shared;
use crate::health::PolicyReading;
use crate::model::PluginName;
use crate::plugin::{PluginEntry, Refusal, Version, World};
use crate::routing::{PICK_TIME_BOUNDS_NS, SeatReading};

/// All plugins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugins {
    pub(crate) plugins: Vec<Plugin>,
}

/// One plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugin {
    /// Where it chooses or judges.
    pub(crate) clusters: Vec<String>,
    /// Whether an operator has forbidden its use.
    pub(crate) disabled: bool,
    pub(crate) name: String,
    /// What an operator should know beside that.
    pub(crate) note: Option<String>,
    /// The last bytes that were not taken, until better ones come.
    pub(crate) refused: Option<Refused>,
    pub(crate) state: PluginState,
    /// The one that serves, and the one before it.
    pub(crate) versions: Vec<PluginVersion>,
}

/// How a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PluginState {
    /// The last bytes that came were not taken.
    Refused,
    /// A version of it can serve.
    Loaded,
    /// It is built in and nobody has used it.
    Available,
}

impl PluginState {
    pub(super) fn of(entry: &PluginEntry) -> Self {
        match (&entry.current, &entry.refused) {
            (_, Some(_)) => Self::Refused,
            (Some(_), None) => Self::Loaded,
            (None, None) => Self::Available,
        }
    }
}

/// A version of a plugin, and what its work came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginVersion {
    pub(crate) compile_ms: u64,
    pub(crate) hash: String,
    pub(crate) last_error: Option<LastError>,
    pub(crate) loaded_at: String,
    /// `embedded`, or the file.
    pub(crate) origin: String,
    /// Counts the versions that this process loaded.
    pub(crate) revision: u64,
    pub(crate) size_bytes: usize,
    /// `serving` or `replaced`.
    pub(crate) state: &'static str,
    pub(crate) summary: String,
    pub(crate) version: String,
    /// `routing-strategy` or `health-policy`.
    pub(crate) world: &'static str,
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// What the work of a version came to: of a strategy or of a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PluginWork)]
pub(crate) enum Work {
    Chosen(Choosing),
    Judged(Judging),
}

/// What a strategy's work came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choosing {
    pub(crate) bad_answers: u64,
    pub(crate) deadlines: u64,
    /// Decisions that the host took itself.
    pub(crate) fallbacks: u64,
    pub(crate) pick_time: PickTime,
    pub(crate) picks: u64,
    pub(crate) rejections: u64,
    pub(crate) traps: u64,
}

/// What a policy's work came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Judging {
    pub(crate) bad_answers: u64,
    pub(crate) deadlines: u64,
    /// Judgements that were made without it.
    pub(crate) fallbacks: u64,
    pub(crate) judgements: u64,
    pub(crate) mean_judge_ns: Option<u64>,
    pub(crate) traps: u64,
}

/// How long picks took: a sample of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PickTime {
    pub(crate) buckets: Vec<PickBucket>,
    pub(crate) mean_ns: Option<u64>,
    pub(crate) sampled: u64,
}

/// Picks that took at most so long, and longer than those of the bucket before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PickBucket {
    pub(crate) count: u64,
    /// Null for all that took longer.
    pub(crate) le_ns: Option<u64>,
}

/// A failure of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastError {
    pub(crate) at: String,
    pub(crate) reason: String,
}

/// Bytes that were not taken, or were taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refused {
    pub(crate) at: String,
    pub(crate) hash: Option<String>,
    pub(crate) origin: String,
    pub(crate) reason: String,
}

/// All plugins with their versions and figures.
#[utoipa::path(get, path = "/api/plugins", tag = "plugins", responses((status = 200, body = Plugins)))]
pub(super) async fn plugins(State(shared): State<Shared>) -> Json<Plugins> {
    Json(read(&shared))
}

/// All plugins as they are now.
pub(crate) fn read(shared: &Shared) -> Plugins {
    let plugins = shared.supervisor.registry().read();
    Plugins { plugins: plugins.iter().map(|(name, entry)| plugin(shared, name, entry)).collect() }
}

/// One plugin as it is now.
pub(super) fn plugin(shared: &Shared, name: &PluginName, entry: &PluginEntry) -> Plugin {
    let current = entry.current.as_deref().map(|current| version(current, "serving"));
    let previous = entry.previous.as_deref().map(|previous| version(previous, "replaced"));
    Plugin {
        clusters: used_by(shared, name),
        disabled: entry.disabled,
        name: name.to_string(),
        note: entry.note.clone(),
        refused: entry.refused.as_ref().map(refused),
        state: PluginState::of(entry),
        versions: current.into_iter().chain(previous).collect(),
    }
}

/// The clusters in which a plugin chooses, then those in which it judges.
pub(super) fn used_by(shared: &Shared, name: &PluginName) -> Vec<String> {
    let (assignments, policies) = (shared.supervisor.assignments(), shared.supervisor.policies());
    let chooses = assignments.iter().filter(|(_, spec)| spec.plugin == *name).map(|(cluster, _)| cluster);
    let judges = policies.iter().filter(|(_, specs)| specs.iter().any(|spec| spec.plugin == *name));
    chooses.chain(judges.map(|(cluster, _)| cluster)).map(ToString::to_string).collect()
}

fn version(version: &Version, state: &'static str) -> PluginVersion {
    let world = version.artifact.world();
    let work = match world {
        World::RoutingStrategy => Work::Chosen(choosing(&version.figures.read())),
        World::HealthPolicy => Work::Judged(judging(&version.figures.read_policies())),
    };
    PluginVersion {
        compile_ms: version.compile_time.as_millis() as u64,
        hash: version.artifact.hash().to_string(),
        last_error: version.last_error().map(|(at, reason)| LastError { at: at.to_string(), reason }),
        loaded_at: version.loaded_at.to_string(),
        origin: version.origin.to_string(),
        revision: version.revision,
        size_bytes: version.artifact.size(),
        state,
        summary: version.about.summary.clone(),
        version: version.about.version.clone(),
        world: world.name(),
        work,
    }
}

fn choosing(reading: &SeatReading) -> Choosing {
    Choosing {
        bad_answers: reading.bad_answers,
        deadlines: reading.deadlines,
        fallbacks: reading.fallbacks,
        pick_time: pick_time(reading),
        picks: reading.picks,
        rejections: reading.rejections,
        traps: reading.traps,
    }
}

fn judging(reading: &PolicyReading) -> Judging {
    Judging {
        bad_answers: reading.bad_answers,
        deadlines: reading.deadlines,
        fallbacks: reading.fallbacks,
        judgements: reading.judged,
        mean_judge_ns: reading.judged_ns.checked_div(reading.judged),
        traps: reading.traps,
    }
}

fn pick_time(reading: &SeatReading) -> PickTime {
    let bounds = PICK_TIME_BOUNDS_NS.iter().copied().map(Some).chain([None]);
    let buckets = bounds.zip(reading.timed_picks).map(|(le_ns, count)| PickBucket { count, le_ns });
    let count: u64 = reading.timed_picks.iter().sum();
    PickTime { buckets: buckets.collect(), mean_ns: reading.timed_ns.checked_div(count), sampled: count }
}

fn refused(refusal: &Refusal) -> Refused {
    Refused {
        at: refusal.at.to_string(),
        hash: refusal.hash.map(|hash| hash.to_string()),
        origin: refusal.origin.to_string(),
        reason: refusal.reason.clone(),
    }
}
