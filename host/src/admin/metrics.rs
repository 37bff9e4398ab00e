//! `GET /metrics`: all figures, as one of the texts that Prometheus reads or as JSON for everyone else.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::problem::Problem;
use super::server::Shared;
use crate::observe::{Family, Scaled, Sources, TextFormat, collect, to_json, to_text};
use crate::scaling::{NodeState, Status};

/// In which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In which form; without, as `Accept` asks.
    #[param(value_type = Option<Format>, inline)]
    format: Option<String>,
}

/// The forms that figures come in.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Format {
    Json,
    Openmetrics,
    Prometheus,
    Text,
}

/// How the figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Text(TextFormat),
}

/// All figures, as one of the texts that Prometheus reads or as JSON for everyone else.
///
/// In the form that the query says in `format`, or that `Accept` asks for where it says nothing.
#[utoipa::path(get, path = "/metrics", tag = "health", params(Wanted), responses(
    (status = 200, description = "All figures; as JSON by their names.", content(
        (String = "text/plain"),
        (String = "application/openmetrics-text"),
        (Object = "application/json"),
    )),
    (status = 400, description = "No such form."),
))]
pub(super) async fn metrics(
    State(shared): State<Shared>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = match wanted.format.as_deref() {
        Some("json") => Form::Json,
        Some("prometheus" | "text") => Form::Text(TextFormat::Prometheus),
        Some("openmetrics") => Form::Text(TextFormat::OpenMetrics),
        Some(other) => {
            let message = format!("format is `prometheus`, `openmetrics` or `json`, not `{other}`");
            return Err(Problem::bad_request(message));
        }
        None => accepted(headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok())),
    };
    let families = read(&shared);
    let vary = (header::VARY, "accept");
    Ok(match form {
        Form::Json => ([vary], Json(to_json(&families))).into_response(),
        Form::Text(format) => {
            ([vary, (header::CONTENT_TYPE, format.media_type())], to_text(&families, format)).into_response()
        }
    })
}

/// The form that is wanted most, by what these lines of `Accept` say (RFC 9110, section 12.5.1); of several that are wanted
/// alike, the one that is named first. Who names none, or refuses all, gets the older text.
fn accepted<'a>(lines: impl Iterator<Item = &'a str>) -> Form {
    let (mut best, mut most) = (Form::Text(TextFormat::Prometheus), 0.0);
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => Form::Text(TextFormat::OpenMetrics),
            "application/json" => Form::Json,
            "text/plain" | "text/*" | "*/*" => Form::Text(TextFormat::Prometheus),
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        if quality > most {
            (best, most) = (form, quality);
        }
    }
    best
}

/// All figures of this moment.
pub(super) fn read(shared: &Shared) -> Vec<Family> {
    let (served, traffic, guests) = (shared.served(), shared.traffic(), shared.supervisor.shared());
    let scalers = Arc::clone(&shared.scalers.borrow());
    let reload = shared.reload.borrow().clone();
    collect(&Sources {
        served: &served,
        traffic: &traffic,
        plugins: shared.supervisor.registry(),
        shared: &guests,
        events: &shared.events,
        sightings: &shared.directory.sightings(),
        reload: &reload,
        scaled: &scalers.values().map(|scaler| scaled(scaler.status())).collect::<Vec<_>>(),
    })
}

fn scaled(status: Status) -> Scaled {
    // That none runs is worth a line, too.
    let mut nodes = BTreeMap::from([(NodeState::Running.as_str(), 0)]);
    for node in &status.nodes {
        *nodes.entry(node.state.as_str()).or_default() += 1;
    }
    Scaled { cluster: status.cluster, desired: status.desired.len(), nodes, cooldown_left: status.cooldown_left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_is_given() {
        let (plain, open) = (Form::Text(TextFormat::Prometheus), Form::Text(TextFormat::OpenMetrics));
        for (lines, form) in [
            (&[][..], plain),
            (&["*/*"], plain),
            (&["application/json"], Form::Json),
            (&["application/json;q=0, text/plain"], plain),
            (&["application/json;q=0"], plain),
            (&["application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"], open),
            (&["text/plain;q=0.9", "application/openmetrics-text"], open),
            (&["text/html", "Application/JSON; Q=0.4, application/openmetrics-text;q=0.3"], Form::Json),
        ] {
            assert_eq!(accepted(lines.iter().copied()), form, "{lines:?}");
        }
    }
}
