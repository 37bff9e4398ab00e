//! `GET /api/openapi.json`: what this API is, for programs. Each handler says what it takes and gives; what is the same for
//! all of them is said here: who may ask, and in what form a request is refused.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AnyOf, AnyOfBuilder, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Info, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, ResponseBuilder, Responses, Tag,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Details, PROBLEM_TYPE};
use super::server::Shared;

/// The name of the one way to show who asks.
const SCHEME: &str = "token";

/// What the paths are grouped by.
const TAGS: [(&str, &str); 8] = [
    ("health", "Whether Leverframe itself is well."),
    ("clusters", "Clusters, their endpoints, and who chooses and judges there."),
    ("plugins", "Strategies and health policies as components."),
    ("sql", "Databases that stand for many."),
    ("scaling", "How many nodes a cluster has."),
    ("config", "The configuration that serves."),
    ("events", "What changed and why."),
    ("console", "What the pages read."),
];

/// Schemas whose forms do not exclude each other.
const UNTAGGED: [&str; 1] = ["ReplicationDetails"];

/// A document without any path so far.
pub(super) fn begin() -> OpenApi {
    let mut info = Info::new("Leverframe admin API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "What operators ask and tell. Every refusal is a problem (RFC 9457). Where a token is set, every path but \
         `/health` and the pages needs one; the read-only token lets one ask and not command."
            .to_owned(),
    );
    let tags = TAGS.map(|(name, about)| {
        let mut tag = Tag::new(name);
        tag.description = Some(about.to_owned());
        tag
    });
    OpenApiBuilder::new().info(info).tags(Some(tags)).build()
}

/// Says of every path what is the same for all.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(
        "`Authorization: Bearer TOKEN`, with the token of `[admin] token_file` or `read_only_token_file`, or of \
         LEVERFRAME_ADMIN_TOKEN or LEVERFRAME_ADMIN_READ_TOKEN.",
    ));
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme.build()));
    components.schemas.insert(Details::name().into_owned(), Details::schema());
    document.paths.paths.values_mut().for_each(complete);
    for name in UNTAGGED {
        if let Some(schema) = components.schemas.get_mut(name) {
            any_of(schema);
        }
    }
    document
}

/// What one of several forms has without saying which may be what another one has, too.
fn any_of(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::OneOf(forms)) = schema {
        let any = AnyOf::builder().description(forms.description.take());
        let any = std::mem::take(&mut forms.items).into_iter().fold(any, AnyOfBuilder::item);
        *schema = any.into();
    }
}

fn complete(item: &mut PathItem) {
    if let Some(asks) = &mut item.get {
        refusals(asks, false);
    }
    let commands = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    commands.into_iter().flatten().for_each(|operation| refusals(operation, true));
}

/// Says who may ask, and gives every refusal its form.
fn refusals(operation: &mut Operation, commands: bool) {
    // One that says that it needs none is for everybody.
    let is_open = operation.security.as_ref().is_some_and(|needed| needed.contains(&SecurityRequirement::default()));
    if !is_open {
        operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, [])]);
        say(&mut operation.responses, "401", "There is a token, and it was not shown.");
    }
    if commands {
        say(&mut operation.responses, "403", "A read-only token, a page of another origin, or as with every question.");
    } else if !is_open {
        say(
            &mut operation.responses,
            "403",
            "There is no token, and it was asked for by a name other than `localhost`.",
        );
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = "As asked for.".to_owned();
        }
    }
    for (_, response) in operation.responses.responses.iter_mut().filter(|(status, _)| is_refusal(status)) {
        if let RefOr::T(response) = response
            && response.content.is_empty()
        {
            let schema = Ref::from_schema_name(Details::name());
            response.content.insert(PROBLEM_TYPE.to_owned(), ContentBuilder::new().schema(Some(schema)).into());
        }
    }
}

fn is_refusal(status: &str) -> bool {
    status.starts_with('4') || status.starts_with('5')
}

fn say(responses: &mut Responses, status: &str, why: &str) {
    let said = || RefOr::T(ResponseBuilder::new().description(why).build());
    responses.responses.entry(status.to_owned()).or_insert_with(said);
}

/// The text of the document, made once all of it is known.
#[derive(Clone, Default)]
pub(super) struct Document(Arc<OnceLock<String>>);

impl Document {
    /// Makes it.
    pub(super) fn set(&self, document: OpenApi) {
        // Its own types, without keys that are no text: there is always a JSON of it.
        self.0.get_or_init(|| document.to_json().unwrap_or_default());
    }
}

/// The path of the document.
pub(super) fn routes(text: &Document) -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(document)).with_state(text.clone())
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
async fn document(State(Document(text)): State<Document>) -> Response {
    let text = text.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
