//! Commands from other web pages are refused: a page that an operator has open somewhere must not be able to change
//! anything here. Browsers say where a request comes from; programs such as curl do not, and need not. A page that had its
//! own name lead here would look like one of ours: so from a browser only an address is taken for us, or `localhost`. By
//! another name nobody is answered, where neither a token nor a word of the operator's says otherwise.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Lets a request pass that changes nothing, or that comes from no other page.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_foreign(request.headers()) {
        return next.run(request).await;
    }
    refused().into_response()
}

/// How such a request is refused.
pub(super) fn refused() -> Problem {
    Problem::forbidden("a page of another origin cannot command this")
}

/// Whether a request comes from another page than one of ours.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_borrowed = text(header::HOST).is_none_or(|host| !is_address(host));
    match (headers.get("sec-fetch-site"), text(header::ORIGIN), text(header::HOST)) {
        (Some(site), _, _) => is_borrowed || site != "same-origin" && site != "none",
        (None, Some(origin), host) => is_borrowed || origin.split_once("://").map(|(_, authority)| authority) != host,
        (None, None, _) => false,
    }
}

/// How a request is refused that asks for another name.
pub(super) fn unnamed() -> Problem {
    Problem::forbidden(
        "without a token only an IP address or `localhost` is answered to: ask by one of these, or set a token, or say \
         [admin] allow_without_token = true",
    )
}

/// Whether a request asks for a name that somebody may have lead here. One that asks for none comes from no page.
pub(super) fn is_named(uri: &Uri, headers: &HeaderMap) -> bool {
    asked_for(uri, headers).is_some_and(|host| !is_address(host))
}

/// The host that a request asks for, without the port.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    asked_for(uri, headers).map(without_port)
}

fn asked_for<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let said = || headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    uri.authority().map(|authority| authority.as_str()).or_else(said)
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name)
}

/// Whether a `Host` is one that nobody can have lead elsewhere.
fn is_address(host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    bare == "localhost" || bare.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
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
            vec![("host", "localhost:9900"), ("origin", "http://localhost:9900")],
            vec![("host", "[::1]:9900"), ("sec-fetch-site", "same-origin")],
            vec![("host", "proxy.example:9900")],
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
            // Its own name leads here now.
            vec![("host", "evil.example:9900"), ("origin", "http://evil.example:9900")],
            vec![("host", "evil.example:9900"), ("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "same-origin")],
        ] {
            assert!(is_foreign(&headers(&foreign)), "{foreign:?}");
        }
    }
}
