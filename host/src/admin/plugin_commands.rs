//! What operators have done about plugins: another version is sent, the one before serves again, one is not to be used. And
//! what a plugin's guests logged.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, InPath};
use super::plugins::{self, Plugin};
use super::problem::Problem;
use super::server::Shared;
use crate::model::PluginName;
use crate::plugin::{CommandError, LoadError, Swap, Uploaded};

/// A component: WebAssembly of the component model, for `wasm32-wasip2`.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only its schema is used")]
struct Component(Vec<u8>);

/// What came of bytes that were sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginVerdict)]
pub(super) struct Verdict {
    /// On how many seats state went over from the version before.
    carried: usize,
    /// Where it chooses or judges.
    clusters: Vec<String>,
    /// Whether it is in the plugin folder, and so there after a restart.
    kept: bool,
    name: String,
    /// What an operator should know beside that.
    note: Option<String>,
    /// Counts the versions that this process loaded.
    revision: Option<u64>,
    verdict: Outcome,
    version: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PluginOutcome)]
enum Outcome {
    /// It serves wherever it is used.
    Seated,
    /// The same bytes serve already.
    Unchanged,
    /// It can be used, and is not used anywhere yet.
    Available,
}

/// By force or not.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Forcing {
    /// Has `round-robin` choose wherever it chooses now.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// The last lines that the guests of a plugin logged, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLog)]
pub(crate) struct Logs {
    pub(crate) lines: Vec<Line>,
}

/// A line that a guest logged.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLogLine)]
pub(crate) struct Line {
    pub(crate) at: String,
    /// The cluster that the guest decides for, where it does.
    pub(crate) cluster: Option<String>,
    /// `debug`, `info`, `warn` or `error`.
    pub(crate) level: &'static str,
    pub(crate) message: String,
}

/// Takes another version of a plugin, or a new plugin.
///
/// It is compiled, tried out and seated wherever the plugin is used, or nowhere. Once taken it is written into the plugin
/// folder; what is refused is written nowhere.
#[utoipa::path(put, path = "/api/plugins/{name}", tag = "plugins", params(("name" = String, Path)),
    request_body(content = inline(Component), description = "The component.", content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Verdict),
        (status = 400, description = "No name of a plugin, or the body broke off."),
        (status = 413, description = "More bytes than plugins.limits.file_bytes."),
        (status = 422, description = "The component is not taken: `detail` says why."),
        (status = 503, description = "It could not be tried out."),
    ))]
pub(super) async fn upload(
    State(shared): State<Shared>,
    InPath(name): InPath<String>,
    body: Body,
) -> Result<Json<Verdict>, Problem> {
    let name = named(&name)?;
    let limit = shared.supervisor.limits(&name).file_bytes;
    let bytes = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX)).collect().await;
    let bytes = bytes.map_err(|error| match error.is::<LengthLimitError>() {
        true => Problem::too_large(format!("more than {limit} bytes are not taken (plugins.limits.file_bytes)")),
        false => Problem::bad_request(format!("the body broke off: {error}")),
    })?;
    let uploaded = shared.supervisor.upload(name.clone(), bytes.to_bytes().into()).await;
    let Uploaded { swap, unkept } = uploaded.map_err(|error| refused(error.into()))?;
    Ok(Json(verdict(&shared, &name, swap, unkept.is_none())))
}

/// Has the version before serve again.
#[utoipa::path(post, path = "/api/plugins/{name}/rollback", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 200, body = Verdict),
    (status = 400, description = "No name of a plugin."),
    (status = 404, description = "No such plugin."),
    (status = 409, description = "There is no version before this one."),
    (status = 422, description = "The version before cannot be seated any more."),
    (status = 503, description = "The change was stopped."),
))]
pub(super) async fn rollback(
    State(shared): State<Shared>,
    InPath(name): InPath<String>,
) -> Result<Json<Verdict>, Problem> {
    let name = named(&name)?;
    let swap = shared.supervisor.roll_back(name.clone()).await.map_err(refused)?;
    Ok(Json(verdict(&shared, &name, swap, false)))
}

/// Forbids the use of a plugin until it is enabled again, or until the process ends.
///
/// Nobody can switch to it meanwhile. One that chooses somewhere is refused with the clusters named; by force, `round-robin`
/// chooses there from then on. A policy that judges somewhere is taken out of the file first.
#[utoipa::path(post, path = "/api/plugins/{name}/disable", tag = "plugins",
    params(("name" = String, Path), Forcing),
    responses(
        (status = 200, body = Plugin),
        (status = 400, description = "No name of a plugin."),
        (status = 404, description = "No such plugin."),
        (status = 409, description = "It is used: `detail` says where."),
        (status = 422, description = "What would choose in its place cannot be seated."),
        (status = 503, description = "The change was stopped."),
    ))]
pub(super) async fn disable(
    State(shared): State<Shared>,
    InPath(name): InPath<String>,
    Asked(Forcing { force }): Asked<Forcing>,
) -> Result<Json<Plugin>, Problem> {
    let name = named(&name)?;
    shared.supervisor.disable(name.clone(), force).await.map_err(refused)?;
    one(&shared, &name).map(Json)
}

/// Allows the use of a plugin again.
#[utoipa::path(post, path = "/api/plugins/{name}/enable", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 200, body = Plugin),
    (status = 400, description = "No name of a plugin."),
    (status = 404, description = "No such plugin."),
))]
pub(super) async fn enable(
    State(shared): State<Shared>,
    InPath(name): InPath<String>,
) -> Result<Json<Plugin>, Problem> {
    let name = named(&name)?;
    shared.supervisor.enable(&name).await.map_err(refused)?;
    one(&shared, &name).map(Json)
}

/// The last lines that a plugin's guests logged.
#[utoipa::path(get, path = "/api/plugins/{name}/logs", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 200, body = Logs),
    (status = 400, description = "No name of a plugin."),
    (status = 404, description = "No such plugin."),
))]
pub(super) async fn logs(State(shared): State<Shared>, InPath(name): InPath<String>) -> Result<Json<Logs>, Problem> {
    let name = named(&name)?;
    one(&shared, &name)?;
    let guests = shared.supervisor.shared();
    let lines = guests.iter().find(|guests| guests.plugin == name).map(|guests| guests.lines.read());
    let line = |line: &crate::plugin::LogLine| Line {
        at: line.at.to_string(),
        cluster: line.cluster.as_ref().map(ToString::to_string),
        level: line.level,
        message: line.message.clone(),
    };
    Ok(Json(Logs { lines: lines.unwrap_or_default().iter().map(|one| line(one)).collect() }))
}

fn named(name: &str) -> Result<PluginName, Problem> {
    PluginName::new(name).map_err(|error| Problem::bad_request(format!("no name of a plugin: {error}")))
}

fn one(shared: &Shared, name: &PluginName) -> Result<Plugin, Problem> {
    let known = shared.supervisor.registry().read();
    let entry = known.get(name).ok_or_else(|| Problem::not_found(format!("no plugin is named `{name}`")))?;
    Ok(plugins::plugin(shared, name, entry))
}

fn verdict(shared: &Shared, name: &PluginName, swap: Swap, kept: bool) -> Verdict {
    let (verdict, carried) = match swap {
        Swap::Unchanged => (Outcome::Unchanged, 0),
        Swap::Seated { clusters: 0, .. } => (Outcome::Available, 0),
        Swap::Seated { carried, .. } => (Outcome::Seated, carried),
    };
    let entry = shared.supervisor.registry().read().get(name).cloned().unwrap_or_default();
    Verdict {
        carried,
        clusters: plugins::used_by(shared, name),
        kept,
        name: name.to_string(),
        note: entry.note,
        revision: entry.current.as_ref().map(|current| current.revision),
        verdict,
        version: entry.current.as_ref().map(|current| current.about.version.clone()),
    }
}

fn refused(error: CommandError) -> Problem {
    let detail = error.to_string();
    match error {
        CommandError::Unknown(_) => Problem::not_found(detail),
        CommandError::NoPrevious(_)
        | CommandError::Chooses { .. }
        | CommandError::Judges { .. }
        | CommandError::StandsIn => Problem::conflict(detail),
        CommandError::Load(LoadError::Io(_)) => Problem::unavailable(detail),
        CommandError::Load(_) | CommandError::Seat(_) => Problem::unprocessable(detail),
    }
}
