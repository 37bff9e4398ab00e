//! The configuration, as operators see it. `GET /api/config`: when the one that serves was loaded, and why the file as it is
//! now does not serve. `POST /api/config/validate`: what would be wrong with another.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Sent;
use super::problem::Problem;
use super::server::Shared;
use crate::config::{ConfigError, ReloadError, ReloadFailure, keep_what_cannot_change, parse};

/// The longest text that is looked at: a hundred times the longest of the examples.
const MOST_BYTES: usize = 1 << 20;

/// What became of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reload {
    /// Counts configurations that were put to work.
    pub(crate) generation: u64,
    /// Why the file as it is now does not serve; null when it does.
    pub(crate) last_error: Option<Failure>,
    pub(crate) loaded_at: String,
    /// What in the file has no effect yet, and why.
    pub(crate) warnings: Vec<String>,
}

/// Why a file does not serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReloadFailure)]
pub(crate) struct Failure {
    pub(crate) at: String,
    pub(crate) message: String,
    pub(crate) mistakes: Vec<Mistake>,
}

/// One mistake in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Mistake {
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
    /// The setting, as in `cluster.web.endpoints[2].weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

/// What was found in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Validity {
    mistakes: Vec<Mistake>,
    /// Whether it could serve, as far as the text and the passwords that it names tell.
    valid: bool,
    /// What in it would have no effect before the next start.
    warnings: Vec<String>,
}

/// When the configuration that serves was loaded, and why the file as it is now does not serve.
#[utoipa::path(get, path = "/api/config", tag = "config", responses((status = 200, body = Reload)))]
pub(super) async fn config(State(shared): State<Shared>) -> Json<Reload> {
    Json(read(&shared))
}

/// How the configuration stands now.
pub(crate) fn read(shared: &Shared) -> Reload {
    let status = shared.reload.borrow();
    Reload {
        generation: status.generation,
        last_error: status.last_error.as_ref().map(failure),
        loaded_at: status.loaded_at.to_string(),
        warnings: status.warnings.clone(),
    }
}

fn failure(failure: &ReloadFailure) -> Failure {
    let mistakes = match &failure.error {
        ReloadError::Config(errors) => errors.iter().map(mistake).collect(),
        ReloadError::Apply(reason) => vec![Mistake { message: reason.clone(), ..Mistake::default() }],
    };
    Failure { at: failure.at.to_string(), message: failure.error.to_string(), mistakes }
}

fn mistake(mistake: &ConfigError) -> Mistake {
    Mistake {
        advice: mistake.advice.clone(),
        column: mistake.column,
        line: mistake.line,
        message: mistake.message.clone(),
        path: Some(mistake.path.clone()),
    }
}

/// What would be wrong with a configuration: every mistake at once. Changes nothing, and asks nobody; of the files that it names
/// only those with passwords are read.
#[utoipa::path(post, path = "/api/config/validate", tag = "config",
    request_body(content = String, description = "The text of a configuration, in TOML; at most 1 MiB.", content_type = "text/plain"),
    responses(
        (status = 200, body = Validity),
        (status = 400, description = "There is no text, or it is not UTF-8."),
        (status = 413, description = "The text is longer than 1 MiB."),
    ))]
pub(super) async fn validate(State(shared): State<Shared>, Sent(body): Sent) -> Result<Json<Validity>, Problem> {
    let body = body?;
    if body.is_empty() {
        return Err(Problem::bad_request("the body is the text of a configuration, and there is none"));
    }
    if body.len() > MOST_BYTES {
        return Err(Problem::too_large(format!("the text has {} bytes; at most {MOST_BYTES} are read", body.len())));
    }
    let text = std::str::from_utf8(&body)
        .map_err(|error| Problem::bad_request(format!("the text is not UTF-8: {error}")))?
        .to_owned();
    // As if it stood in the place of the file. A long text takes a moment, and so does a file with a password that it names:
    // others are not to wait for that.
    let (file, overrides) = (Arc::clone(&shared.file), Arc::clone(&shared.overrides));
    let parsed = tokio::task::spawn_blocking(move || parse(&text, &file, &overrides)).await;
    let parsed = parsed.map_err(|stopped| Problem::unavailable(format!("the text could not be read: {stopped}")))?;
    let running = &shared.served().config;
    Ok(Json(match parsed {
        Ok(mut wanted) => {
            let warnings = keep_what_cannot_change(&mut wanted, running);
            Validity { mistakes: Vec::new(), valid: true, warnings }
        }
        Err(errors) => Validity { mistakes: errors.iter().map(mistake).collect(), valid: false, warnings: Vec::new() },
    }))
}
