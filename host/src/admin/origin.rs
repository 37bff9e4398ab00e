//! Commands from other web pages are refused: a page that an operator has open somewhere must not be able to change
//! anything here. Browsers say where a request comes from; programs such as curl do not, and need not.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Lets a request pass that changes nothing, or that comes from no other page.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_foreign(request.headers()) {
        return next.run(request).await;
    }
    Problem::forbidden("a page of another origin cannot command this").into_response()
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (headers.get("sec-fetch-site"), text(header::ORIGIN), text(header::HOST)) {
        (Some(site), _, _) => site != "same-origin" && site != "none",
        (None, Some(origin), host) => origin.split_once("://").map(|(_, authority)| authority) != host,
        (None, None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn programs_and_the_own_pages_pass() {
        let host = ("host", "127.0.0.1:9900");
        for own in [
            vec![host],
            vec![host, ("origin", "http://127.0.0.1:9900")],
            vec![host, ("sec-fetch-site", "same-origin")],
            vec![host, ("sec-fetch-site", "none")],
        ] {
            assert!(!is_foreign(&headers(&own)), "{own:?}");
        }
    }

    #[test]
    fn other_pages_do_not() {
        let host = ("host", "127.0.0.1:9900");
        for foreign in [
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://127.0.0.1:8080")],
            vec![host, ("sec-fetch-site", "cross-site")],
            vec![host, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9900")],
        ] {
            assert!(is_foreign(&headers(&foreign)), "{foreign:?}");
        }
    }
}
