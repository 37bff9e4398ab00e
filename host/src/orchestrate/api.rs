//! The HTTP API of the control plane: who is registered, registering, removing. Each request has a connection to Redis of its
//! own, since they are few; so it answers the same whether this process leads or stands by.

use std::num::NonZeroU16;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::keeper::Role;
use super::round::Checks;
use crate::admin::{self, Problem};
use crate::discovery::SourceError;
use crate::discovery::redis::{Backend, NoBackend, RegistryAt};
use crate::model::{Labels, NameError, Reported, Weight};

/// The most of a registration that is read: its labels are for people and policies, not for documents.
const MOST_BYTES: usize = 16 << 10;

/// What the handlers need.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) at: RegistryAt,
    pub(super) checks: Checks,
    pub(super) role: watch::Receiver<Role>,
}

pub(super) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/backends", get(list).post(register))
        .route("/backends/{id}", delete(remove))
        .fallback(admin::no_such_path)
        .method_not_allowed_fallback(admin::no_such_method)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn(admin::check_origin))
        .with_state(shared)
}

/// `GET /health`: 503 while Redis is away, since nothing is checked or registered then.
async fn health(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let role = shared.role.borrow().as_str();
    let entries = async { shared.at.connect().await?.read_all().await }.await;
    match entries {
        Ok(entries) => {
            let of = |wanted| entries.values().flatten().filter(|backend| backend.reported() == wanted).count();
            let backends = json!({
                "up": of(Reported::Up),
                "down": of(Reported::Down),
                "stopping": of(Reported::Stopping),
                "skipped": entries.values().filter(|entry| entry.is_err()).count(),
            });
            (StatusCode::OK, Json(json!({ "status": "ok", "role": role, "redis": "ok", "backends": backends })))
        }
        Err(error) => {
            let body = json!({ "status": "degraded", "role": role, "redis": error.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

/// `GET /backends`: all that are registered, and what is there and cannot be used.
async fn list(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    let entries = shared.at.connect().await?.read_all().await?;
    let skipped =
        entries.iter().filter_map(|(id, entry)| Some(json!({ "id": id, "why": entry.as_ref().err()?.to_string() })));
    let skipped: Vec<_> = skipped.collect();
    let backends: Vec<_> = entries.values().flatten().map(shown).collect();
    Ok(Json(json!({ "backends": backends, "skipped": skipped })))
}

/// What is sent to register a backend.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    id: Option<String>,
    url: String,
    #[serde(default)]
    labels: Labels,
    weight: Option<NonZeroU16>,
}

impl Registration {
    fn backend(self) -> Result<Backend, NoBackend> {
        let backend = Backend::new(self.id.as_deref(), &self.url)?.with_labels(self.labels)?;
        if matches!(backend.id.as_str(), "." | "..") {
            // A path that ends in these is another path: it could not be removed again.
            return Err(NoBackend::Id(NameError::Character('.')));
        }
        Ok(Backend {
            weight: self.weight.and_then(|weight| Weight::new(weight.get())).unwrap_or(Weight::ONE),
            ..backend
        })
    }
}

/// `POST /backends`: registers a backend, or another version of one (201 or 200). It is checked at once, so that one which
/// answers is in the traffic when this does. One that does not is registered as well, and is `DOWN` until a round finds it
/// well. What is registered like this already is neither written nor published.
async fn register(
    State(shared): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let registration: Registration = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("no registration as in {{\"url\": \"http://host:port\"}}: {error}"))
    })?;
    let mut backend = registration.backend()?;
    let good = shared.checks.ask(&backend.address).await.is_ok();
    backend.status = if good { Backend::UP } else { Backend::DOWN }.to_owned();
    let registry = shared.at.connect().await?;
    let found = registry.read(&[backend.id.to_string()]).await?.into_values().next();
    if let Some(Ok(found)) = found {
        backend.last_checked = found.last_checked;
        if !good && backend.url == found.url {
            // One bad check is not enough to take it out: that is for the rounds to say.
            backend.status.clone_from(&found.status);
        }
        if backend == found {
            return Ok((StatusCode::OK, Json(shown(&found))));
        }
    }
    backend.last_checked = Some(jiff::Timestamp::now());
    let is_new = registry.put(&backend).await?;
    tracing::info!(backend = %backend.id, url = backend.url, status = backend.status, is_new, "registered");
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(shown(&backend))))
}

/// `DELETE /backends/{id}`: 204, and 404 when there is none, as when it is removed again.
async fn remove(State(shared): State<Shared>, id: Result<Path<String>, PathRejection>) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|error| Problem::bad_request(error.body_text()))?;
    if !shared.at.connect().await?.remove(&id).await? {
        return Err(Problem::not_found(format!("no backend `{id}` is registered")));
    }
    tracing::info!(backend = id, "removed");
    Ok(StatusCode::NO_CONTENT)
}

fn shown(backend: &Backend) -> Value {
    json!({
        "id": backend.id.as_str(),
        "url": backend.url,
        "status": backend.status,
        "last_checked": backend.last_checked.map(|at| at.to_string()),
        "weight": backend.weight.get(),
        "labels": backend.labels,
    })
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        Self::unavailable(format!("the registry in Redis {error}"))
    }
}

impl From<NoBackend> for Problem {
    fn from(why: NoBackend) -> Self {
        Self::unprocessable(format!("this cannot be a backend: {why}"))
    }
}
