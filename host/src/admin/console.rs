//! The console's pages and the files that they need, embedded in the program: a browser gets them from the address of the
//! API and from nowhere else. They hold nothing of what is served, so they need no token.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::server::Shared;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Every file: its path, its type, and what is in it.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/", HTML, include_bytes!("console/index.html")),
    ("/dashboard", HTML, include_bytes!("console/dashboard.html")),
    ("/scaling-ui", HTML, include_bytes!("console/scaling-ui.html")),
    ("/query-dashboard", HTML, include_bytes!("console/query-dashboard.html")),
    ("/console/app.css", CSS, include_bytes!("console/app.css")),
    ("/console/app.js", JS, include_bytes!("console/app.js")),
];

/// Nothing comes from elsewhere, nothing is written into a page, and no other page shows one of these.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What each file is sent with, besides its type and its tag. `no-cache`: kept by a browser, but asked about each time, so
/// that the pages are those of the version that answers.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// The paths.
pub(super) fn routes() -> Router<Shared> {
    FILES.iter().fold(Router::new(), |router, (path, kind, bytes)| {
        let tag: Arc<str> = tag(bytes).into();
        router.route(path, get(move |asked: HeaderMap| async move { answer(&asked, kind, bytes, &tag) }))
    })
}

/// What tells this content from every other.
fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let short: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

/// The file, or that the one which the browser has is still the same.
fn answer(asked: &HeaderMap, kind: &'static str, bytes: &'static [u8], tag: &str) -> Response {
    let mut response = match knows(asked, tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.extend(HeaderValue::from_str(tag).ok().map(|tag| (header::ETAG, tag)));
    response
}

/// Whether one of the tags that a browser names is this one.
fn knows(asked: &HeaderMap, tag: &str) -> bool {
    let named = asked.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut named = named.flat_map(|tags| tags.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    named.any(|one| one == tag || one == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(tags: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(tags).unwrap())])
    }

    #[test]
    fn a_file_that_a_browser_has_is_not_sent_again() {
        let (_, kind, bytes) = FILES[0];
        let tag = tag(bytes);
        assert_eq!(answer(&HeaderMap::new(), kind, bytes, &tag).status(), StatusCode::OK);
        assert_eq!(answer(&asking("\"other\""), kind, bytes, &tag).status(), StatusCode::OK);
        let again = answer(&asking(&format!("\"other\", W/{tag}")), kind, bytes, &tag);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], tag);
    }

    /// The policy lets a browser neither run nor show what stands in a page itself.
    #[test]
    fn no_page_holds_a_script_or_a_style() {
        for (path, kind, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            if *kind == HTML {
                assert!(!text.contains("style="), "{path}");
                assert!(!text.contains("<style"), "{path}");
                assert!(!text.contains("<script>") && !text.contains("javascript:"), "{path}");
            }
        }
    }

    #[test]
    fn each_file_has_a_path_of_its_own() {
        assert!(FILES.iter().all(|(path, ..)| FILES.iter().filter(|(other, ..)| other == path).count() == 1));
    }
}
