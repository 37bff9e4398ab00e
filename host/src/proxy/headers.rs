//! Which headers are meant for one hop only, and what a client gets to see of an endpoint's response. Pure.

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The protocol that a request wants to change to, if that is possible: HTTP/1.1 only, and never to HTTP/2, which would
/// carry requests past every check.
pub(super) fn wanted_upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(header::UPGRADE)?;
    let named = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let http2 = wanted.as_bytes().split_at_checked(2).is_some_and(|(start, _)| start.eq_ignore_ascii_case(b"h2"));
    (version == Version::HTTP_11 && named && !http2).then(|| wanted.clone())
}

/// Whether a header is meant for one hop only. `Connection` may name others: see `removable`.
pub(super) fn is_hop(name: &HeaderName) -> bool {
    match *name {
        header::CONNECTION | header::TE | header::TRANSFER_ENCODING | header::UPGRADE | header::PROXY_AUTHORIZATION => {
            true
        }
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
    }
}

/// The header that a word of `Connection` names; none for one that a message could not do without.
pub(super) fn removable(token: &[u8]) -> Option<HeaderName> {
    let kept = [&b"close"[..], b"keep-alive", b"host", b"content-length"];
    if kept.iter().any(|kept| token.eq_ignore_ascii_case(kept)) {
        return None;
    }
    HeaderName::from_bytes(token).ok()
}

/// What `Connection` names in all its lines.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION).filter_map(|token| removable(token.as_bytes())).collect()
}

/// Adds to a response what the client gets to see beside the endpoint's own headers.
pub(super) fn to_client(headers: &mut HeaderMap, version: Version, added: Vec<(HeaderName, HeaderValue)>) {
    headers.append(header::VIA, HeaderValue::from_static(via(version)));
    for (name, value) in added {
        headers.append(name, value);
    }
}

/// Adds to a response that changes the protocol what says so.
pub(super) fn to_upgraded_client(headers: &mut HeaderMap, version: Version, protocol: Option<HeaderValue>) {
    to_client(headers, version, Vec::new());
    if let Some(protocol) = protocol {
        headers.insert(header::UPGRADE, protocol);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

/// What this proxy adds to `Via`, by the version in which it was spoken to.
pub(super) fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2 leverframe",
        Version::HTTP_10 => "1.0 leverframe",
        _ => "1.1 leverframe",
    }
}

/// The words of a header that lists words.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_upgrade_is_passed_on_but_not_to_http2() {
        let wanted = |lines: &[(&'static str, &'static str)]| wanted_upgrade(Version::HTTP_11, &map(lines));
        assert!(wanted(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]).is_some());
        assert!(wanted(&[("connection", "upgrade"), ("upgrade", "h2c")]).is_none());
        assert!(wanted(&[("upgrade", "websocket")]).is_none());
        let mut response = map(&[("x", "1")]);
        to_upgraded_client(&mut response, Version::HTTP_11, Some(HeaderValue::from_static("websocket")));
        assert_eq!(
            (&response["connection"], &response["upgrade"]),
            (&HeaderValue::from_static("upgrade"), &HeaderValue::from_static("websocket"))
        );
    }

    #[test]
    fn what_a_message_needs_is_not_removed() {
        let named = named_by_connection(&map(&[("connection", "close, X-Secret , host,content-length, b ad")]));
        assert_eq!(named, [HeaderName::from_static("x-secret")]);
    }
}
