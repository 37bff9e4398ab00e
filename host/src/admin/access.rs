//! Who may ask and who may command. Where there is a token, every path but those that are for everybody takes one: in the
//! header `Authorization`, nowhere else. Where there is none, pages of other origins still can neither command nor, by a name
//! of their own that they have lead here, ask: see `origin`.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::origin;
use super::problem::Problem;
use super::server::Shared;
use super::tokens::{Allowed, Tokens};

/// Says how it is, to everybody and by every name.
const HEALTH: &str = "/health";
/// Paths that are for everybody: how it is, and pages, which show nothing before they have asked with a token.
const OPEN: [&str; 5] = ["/", "/dashboard", HEALTH, "/query-dashboard", "/scaling-ui"];
/// The files of the pages are below this.
const OPEN_BELOW: &str = "/console/";

/// What whoever asks may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    access: Allowed,
    /// Whether there are tokens at all.
    tokens: bool,
}

/// Lets a request pass if whoever sends it may.
pub(super) async fn check(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    match judge(&shared.tokens(), request.method(), request.uri(), request.headers()) {
        Ok(allowed) => {
            request.extensions_mut().insert(allowed);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// What whoever sends a request may do; why it may not be carried out.
pub(super) fn judge(tokens: &Tokens, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Allowed, Problem> {
    let path = uri.path();
    if !tokens.any() {
        // Nobody is asked who they are; but a page that an operator has open somewhere is not the operator.
        return match () {
            () if !method.is_safe() && origin::is_foreign(headers) => Err(origin::refused()),
            () if !tokens.is_open() && path != HEALTH && origin::is_named(uri, headers) => Err(origin::unnamed()),
            () => Ok(Allowed::Write),
        };
    }
    // A token that is shown cannot come from a page that does not know it: the origin need not be asked about.
    let allowed = shown(headers).map(|shown| tokens.allow(shown));
    let is_open = method.is_safe() && (OPEN.contains(&path) || path.starts_with(OPEN_BELOW));
    match allowed {
        Some(Some(Allowed::Read)) if !method.is_safe() && statement_entry(path).is_none() => {
            Err(Problem::forbidden("this token lets one read; to command takes the other one"))
        }
        Some(Some(allowed)) => Ok(allowed),
        _ if is_open => Ok(Allowed::Read),
        Some(None) => Err(Problem::unauthorized("this is not the token")),
        None => Err(Problem::unauthorized("a token is needed: `Authorization: Bearer TOKEN`")),
    }
}

/// What whoever sent these headers to the stream may do now; none when that is nothing any more.
pub(super) fn still_allowed(shared: &Shared, headers: &HeaderMap) -> Option<Allowed> {
    judge(&shared.tokens(), &Method::GET, &Uri::from_static("/api/stream"), headers).ok()
}

/// The entry that a path asks with a statement. What answers there sees for itself what one who may only read may have: a
/// statement explained.
pub(super) fn statement_entry(path: &str) -> Option<&str> {
    let entry = path.strip_prefix("/api/sql/")?.strip_suffix("/query")?;
    (!entry.is_empty() && !entry.contains('/')).then_some(entry)
}

/// The token that a request shows; none when it shows none, or several.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What you may do here.
#[utoipa::path(get, path = "/api/session", tag = "console", responses((status = 200, body = Session)))]
pub(super) async fn session(State(shared): State<Shared>, request: Request) -> Json<Session> {
    let access = request.extensions().get().copied().unwrap_or(Allowed::Read);
    Json(Session { access, tokens: shared.tokens().any() })
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::{READER, WRITER, admin, given};
    use super::*;
    use crate::config::Admin;

    fn asks(tokens: &Tokens, method: Method, path: &str, pairs: &[(&'static str, &str)]) -> Result<Allowed, u16> {
        let headers = pairs.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        });
        let headers = headers.collect::<HeaderMap>();
        let judged = judge(tokens, &method, &path.parse().unwrap(), &headers);
        judged.map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn each_token_lets_one_do_what_it_is_for() {
        let tokens = Tokens::read(&admin(given(WRITER), given(READER))).unwrap();
        let (write, read) = (format!("Bearer {WRITER}"), format!("bearer {READER}"));
        let (write, read) = ([("authorization", write.as_str())], [("authorization", read.as_str())]);
        for path in ["/api/clusters", "/metrics", "/nowhere", "/consoles"] {
            assert_eq!(asks(&tokens, Method::GET, path, &write), Ok(Allowed::Write));
            assert_eq!(asks(&tokens, Method::GET, path, &read), Ok(Allowed::Read));
            assert_eq!(asks(&tokens, Method::POST, path, &write), Ok(Allowed::Write));
            assert_eq!(asks(&tokens, Method::PUT, path, &read), Err(403));
            let wrong = ["Bearer other", "Bearer ", "Bearer", WRITER].map(str::to_owned);
            let near = [format!("Basic {WRITER}"), format!("Bearer {WRITER}r"), format!("Bearer {}", &WRITER[1..])];
            for wrong in wrong.iter().chain(&near) {
                assert_eq!(asks(&tokens, Method::GET, path, &[("authorization", wrong)]), Err(401), "{wrong}");
                assert_eq!(asks(&tokens, Method::POST, path, &[("authorization", wrong)]), Err(401), "{wrong}");
            }
            assert_eq!(asks(&tokens, Method::GET, path, &[]), Err(401));
        }
        for path in ["/health", "/", "/dashboard", "/console/page.js"] {
            assert_eq!(asks(&tokens, Method::GET, path, &[]), Ok(Allowed::Read));
            assert_eq!(asks(&tokens, Method::POST, path, &[]), Err(401));
        }
        let only_read = Tokens::read(&admin(None, given(READER))).unwrap();
        assert_eq!(asks(&only_read, Method::POST, "/strategy", &read), Err(403));
        assert_eq!(asks(&only_read, Method::POST, "/strategy", &[]), Err(401));
    }

    #[test]
    fn a_path_is_a_question_only_with_one_name_in_it() {
        assert_eq!(statement_entry("/api/sql/shop/query"), Some("shop"));
        for path in ["/api/sql/query", "/api/sql//query", "/api/sql/shop/rebuild/query", "/api/sql/shop/query/", "/x"] {
            assert_eq!(statement_entry(path), None, "{path}");
        }
    }

    #[test]
    fn without_tokens_pages_of_other_origins_can_neither_command_nor_ask() {
        let none = Tokens::default();
        let foreign = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert_eq!(asks(&none, Method::POST, "/strategy", &foreign), Err(403));
        assert_eq!(asks(&none, Method::GET, "/api/clusters", &foreign[..1]), Err(403));
        assert_eq!(asks(&none, Method::POST, "/strategy", &foreign[..1]), Err(403));
        assert_eq!(asks(&none, Method::GET, "http://evil.example/metrics", &[("host", "127.0.0.1")]), Err(403));
        assert_eq!(asks(&none, Method::GET, "/health", &foreign[..1]), Ok(Allowed::Write));
        for own in ["127.0.0.1:9900", "[::1]:9900", "localhost:9900", "LocalHost", "lb.localhost:9900", "10.0.0.1"] {
            assert_eq!(asks(&none, Method::POST, "/strategy", &[("host", own)]), Ok(Allowed::Write), "{own}");
            assert_eq!(asks(&none, Method::GET, "/api/clusters", &[("host", own)]), Ok(Allowed::Write), "{own}");
        }
        assert_eq!(asks(&none, Method::GET, "/metrics", &[]), Ok(Allowed::Write));
    }

    #[test]
    fn with_a_token_or_a_word_any_name_will_do() {
        let foreign = [("host", "evil.example"), ("origin", "http://evil.example")];
        let tokens = Tokens::read(&admin(given(WRITER), None)).unwrap();
        let write = format!("Bearer {WRITER}");
        let shown = [foreign[0], foreign[1], ("authorization", write.as_str())];
        assert_eq!(asks(&tokens, Method::POST, "/strategy", &shown), Ok(Allowed::Write));
        let open = Tokens::read(&Admin { allow_without_token: true, ..admin(None, None) }).unwrap();
        assert_eq!(asks(&open, Method::GET, "/metrics", &foreign[..1]), Ok(Allowed::Write));
        assert_eq!(asks(&open, Method::POST, "/strategy", &foreign), Err(403));
    }
}
