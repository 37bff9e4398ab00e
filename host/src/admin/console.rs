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
const SVG: &str = "image/svg+xml";

/// Every file: its path, its type, and what is in it.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/", HTML, include_bytes!("console/index.html")),
    ("/dashboard", HTML, include_bytes!("console/dashboard.html")),
    ("/scaling-ui", HTML, include_bytes!("console/scaling-ui.html")),
    ("/query-dashboard", HTML, include_bytes!("console/query-dashboard.html")),
    ("/console/api.js", JS, include_bytes!("console/api.js")),
    ("/console/app.css", CSS, include_bytes!("console/app.css")),
    ("/console/app.js", JS, include_bytes!("console/app.js")),
    ("/console/backends.js", JS, include_bytes!("console/backends.js")),
    ("/console/bars.js", JS, include_bytes!("console/bars.js")),
    ("/console/basics.js", JS, include_bytes!("console/basics.js")),
    ("/console/chart.js", JS, include_bytes!("console/chart.js")),
    ("/console/compared.js", JS, include_bytes!("console/compared.js")),
    ("/console/dashboard.js", JS, include_bytes!("console/dashboard.js")),
    ("/console/dialogs.js", JS, include_bytes!("console/dialogs.js")),
    ("/console/dom.js", JS, include_bytes!("console/dom.js")),
    ("/console/editor.js", JS, include_bytes!("console/editor.js")),
    ("/console/endpoints.js", JS, include_bytes!("console/endpoints.js")),
    ("/console/events.js", JS, include_bytes!("console/events.js")),
    ("/console/figures.js", JS, include_bytes!("console/figures.js")),
    ("/console/flow.js", JS, include_bytes!("console/flow.js")),
    ("/console/format.js", JS, include_bytes!("console/format.js")),
    ("/console/highlight.js", JS, include_bytes!("console/highlight.js")),
    ("/console/history.js", JS, include_bytes!("console/history.js")),
    ("/console/jobs.js", JS, include_bytes!("console/jobs.js")),
    ("/console/logo.svg", SVG, include_bytes!("console/logo.svg")),
    ("/console/monitoring.js", JS, include_bytes!("console/monitoring.js")),
    ("/console/notice.js", JS, include_bytes!("console/notice.js")),
    ("/console/panels.css", CSS, include_bytes!("console/panels.css")),
    ("/console/plan.js", JS, include_bytes!("console/plan.js")),
    ("/console/plugins.js", JS, include_bytes!("console/plugins.js")),
    ("/console/queries.js", JS, include_bytes!("console/queries.js")),
    ("/console/query.css", CSS, include_bytes!("console/query.css")),
    ("/console/query.js", JS, include_bytes!("console/query.js")),
    ("/console/ranges.js", JS, include_bytes!("console/ranges.js")),
    ("/console/replicas.js", JS, include_bytes!("console/replicas.js")),
    ("/console/results.js", JS, include_bytes!("console/results.js")),
    ("/console/scaled.js", JS, include_bytes!("console/scaled.js")),
    ("/console/scaling.js", JS, include_bytes!("console/scaling.js")),
    ("/console/shares.js", JS, include_bytes!("console/shares.js")),
    ("/console/states.js", JS, include_bytes!("console/states.js")),
    ("/console/storage.js", JS, include_bytes!("console/storage.js")),
    ("/console/store.js", JS, include_bytes!("console/store.js")),
    ("/console/strategies.js", JS, include_bytes!("console/strategies.js")),
    ("/console/stream.js", JS, include_bytes!("console/stream.js")),
    ("/console/theme.js", JS, include_bytes!("console/theme.js")),
    ("/console/tiles.js", JS, include_bytes!("console/tiles.js")),
    ("/console/upload.js", JS, include_bytes!("console/upload.js")),
    ("/console/windowed.js", JS, include_bytes!("console/windowed.js")),
];

/// Nothing comes from elsewhere, nothing is written into a page, and no other page shows one of these.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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

    /// A file that nobody put into the table would be missed first by a browser.
    #[test]
    fn the_table_has_every_file_of_the_folder_and_every_file_that_one_names() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/console");
        let has = |path: &str| FILES.iter().any(|(known, ..)| *known == path);
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_page = name.ends_with(".html");
            assert!(is_page || has(&format!("/console/{name}")), "{name}");
        }
        for (path, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let imported =
                text.split("from \"./").skip(1).map(|rest| format!("/console/{}", &rest[..rest.find('"').unwrap()]));
            let linked =
                text.split("=\"/console/").skip(1).map(|rest| format!("/console/{}", &rest[..rest.find('"').unwrap()]));
            imported.chain(linked).for_each(|named| assert!(has(&named), "{path} names {named}"));
        }
    }
}
