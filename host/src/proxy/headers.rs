//! What each side gets to see of the other's headers: the ones of the single hop go, the ones that tell of this proxy
//! come. Pure, but for the request id's random bits.

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the outgoing request says of the incoming one.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    /// The client's address, as text.
    pub(super) client: &'a HeaderValue,
    /// The version that the client speaks.
    pub(super) version: Version,
    /// The `:authority` of an HTTP/2 request.
    pub(super) authority: Option<&'a str>,
    /// A body comes whose length is not known.
    pub(super) chunked: bool,
    /// The protocol that the client wants to change to.
    pub(super) upgrade: Option<HeaderValue>,
}

/// The protocol that a request wants to change to, if that is possible: HTTP/1.1 only, and never to HTTP/2, which would
/// carry requests past every check.
pub(super) fn wanted_upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(header::UPGRADE)?;
    let named = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let http2 = wanted.as_bytes().split_at_checked(2).is_some_and(|(start, _)| start.eq_ignore_ascii_case(b"h2"));
    (version == Version::HTTP_11 && named && !http2).then(|| wanted.clone())
}

/// Makes the headers of an incoming request those of the outgoing one.
pub(super) fn to_endpoint(headers: &mut HeaderMap, incoming: Incoming<'_>) {
    let trailers = strip_hop(headers);
    headers.remove(header::EXPECT);
    if incoming.version == Version::HTTP_2 {
        from_http2(headers, incoming.authority);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = incoming.upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    if incoming.chunked {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    match headers.entry(FORWARDED_FOR) {
        header::Entry::Vacant(entry) => {
            entry.insert(incoming.client.clone());
        }
        header::Entry::Occupied(mut entry) => {
            let joined = joined(entry.iter(), ", ", Some(incoming.client));
            entry.insert(joined);
        }
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    headers.append(header::VIA, via(incoming.version));
    headers.entry(REQUEST_ID).or_insert_with(request_id);
}

/// Makes the headers of an endpoint's response those of the client's.
pub(super) fn to_client(headers: &mut HeaderMap, version: Version, added: Vec<(HeaderName, HeaderValue)>) {
    strip_hop(headers);
    headers.append(header::VIA, via(version));
    for (name, value) in added {
        headers.append(name, value);
    }
}

/// Makes the headers of a response that changes the protocol those of the client's.
pub(super) fn to_upgraded_client(headers: &mut HeaderMap, version: Version) {
    let upgrade = headers.get(header::UPGRADE).cloned();
    to_client(headers, version, Vec::new());
    if let Some(protocol) = upgrade {
        headers.insert(header::UPGRADE, protocol);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

fn via(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_2 => HeaderValue::from_static("2 leverframe"),
        Version::HTTP_10 => HeaderValue::from_static("1.0 leverframe"),
        _ => HeaderValue::from_static("1.1 leverframe"),
    }
}

/// Removes what is meant for one hop only; tells whether trailers are welcome.
fn strip_hop(headers: &mut HeaderMap) -> bool {
    // One pass over the names; most messages have at most a `Connection`.
    let mut found = [false; 3];
    let [connection, te, others] = &mut found;
    for name in headers.keys() {
        match *name {
            header::CONNECTION => *connection = true,
            header::TE => *te = true,
            header::TRANSFER_ENCODING | header::UPGRADE | header::PROXY_AUTHORIZATION => *others = true,
            _ => *others |= matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
        }
    }
    let [connection, te, others] = found;
    let trailers = te && tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    if connection {
        strip_named(headers);
    }
    if te {
        headers.remove(header::TE);
    }
    if others {
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::UPGRADE);
        headers.remove(header::PROXY_AUTHORIZATION);
        for name in ["keep-alive", "proxy-connection", "http2-settings"] {
            headers.remove(name);
        }
    }
    trailers
}

/// Removes `Connection` and the headers that it names, but for those that the request could not do without.
fn strip_named(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::CONNECTION).iter();
    let plain = lines.next().is_some_and(|line| line == "keep-alive" || line == "close") && lines.next().is_none();
    if plain {
        // What nearly every endpoint says: there is nothing to be looked up.
        headers.remove(header::CONNECTION);
        return;
    }
    let kept = |name: &str| {
        ["close", "keep-alive", "host", "content-length"].iter().any(|kept| name.eq_ignore_ascii_case(kept))
    };
    let named: Vec<_> = tokens(headers, &header::CONNECTION)
        .filter(|name| !kept(name))
        .filter_map(|name| HeaderName::try_from(name).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(header::CONNECTION);
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// HTTP/2 names the host apart from the headers, and may send cookies in pieces.
fn from_http2(headers: &mut HeaderMap, authority: Option<&str>) {
    if let (false, Some(host)) =
        (headers.contains_key(header::HOST), authority.and_then(|host| HeaderValue::from_str(host).ok()))
    {
        headers.insert(header::HOST, host);
    }
    if let header::Entry::Occupied(mut cookies) = headers.entry(header::COOKIE) {
        let joined = joined(cookies.iter(), "; ", None);
        cookies.insert(joined);
    }
}

fn joined<'a>(
    values: impl Iterator<Item = &'a HeaderValue>,
    separator: &str,
    last: Option<&'a HeaderValue>,
) -> HeaderValue {
    let mut bytes = Vec::new();
    for value in values.chain(last) {
        if !bytes.is_empty() {
            bytes.extend_from_slice(separator.as_bytes());
        }
        bytes.extend_from_slice(value.as_bytes());
    }
    // Values and separators are fit for a header, so the whole is.
    HeaderValue::try_from(bytes).unwrap_or(HeaderValue::from_static(""))
}

/// 128 random bits in hexadecimal: an id, not a secret.
fn request_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..).to_be_bytes();
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        if let [high, low] = pair {
            *high = DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
            *low = DIGITS.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
        }
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn sent(lines: &[(&'static str, &'static str)], version: Version) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let client = HeaderValue::from_static("192.0.2.1");
        let incoming =
            Incoming { client: &client, version, authority: Some("h2.example"), chunked: false, upgrade: None };
        to_endpoint(&mut headers, incoming);
        headers
    }

    #[test]
    fn what_is_meant_for_one_hop_goes() {
        let sent = sent(
            &[
                ("host", "a"),
                ("connection", "x-secret, close, host"),
                ("x-secret", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAA"),
                ("x-kept", "1"),
            ],
            Version::HTTP_11,
        );
        let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected =
            ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-kept", "x-request-id"];
        assert_eq!(names, expected);
    }

    #[test]
    fn trailers_are_asked_for_when_the_client_does() {
        let sent = sent(&[("host", "a"), ("te", "trailers, deflate")], Version::HTTP_11);
        assert_eq!(
            (&sent["te"], &sent["connection"]),
            (&HeaderValue::from_static("trailers"), &HeaderValue::from_static("te"))
        );
    }

    #[test]
    fn the_way_is_told_and_earlier_hops_are_kept() {
        let sent = sent(
            &[
                ("host", "a:80"),
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "2.2.2.2"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "b"),
                ("x-request-id", "mine"),
                ("via", "1.1 x"),
            ],
            Version::HTTP_11,
        );
        assert_eq!(sent["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.1");
        assert_eq!(
            (&sent["x-forwarded-proto"], &sent["x-forwarded-host"]),
            (&HeaderValue::from_static("https"), &HeaderValue::from_static("b"))
        );
        assert_eq!(sent["x-request-id"], "mine");
        assert_eq!(sent.get_all("via").iter().collect::<Vec<_>>(), ["1.1 x", "1.1 leverframe"]);
    }

    #[test]
    fn http2_becomes_http1() {
        let sent = sent(&[("cookie", "a=1"), ("cookie", "b=2")], Version::HTTP_2);
        assert_eq!(
            (&sent["host"], &sent["cookie"]),
            (&HeaderValue::from_static("h2.example"), &HeaderValue::from_static("a=1; b=2"))
        );
        assert_eq!(sent["via"], "2 leverframe");
        assert_eq!(sent["x-request-id"].len(), 32);
    }

    #[test]
    fn an_upgrade_is_passed_on_but_not_to_http2() {
        let wanted = |lines: &[(&'static str, &'static str)]| wanted_upgrade(Version::HTTP_11, &map(lines));
        assert!(wanted(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]).is_some());
        assert!(wanted(&[("connection", "upgrade"), ("upgrade", "h2c")]).is_none());
        assert!(wanted(&[("upgrade", "websocket")]).is_none());
        let mut response = map(&[("connection", "upgrade"), ("upgrade", "websocket"), ("x", "1")]);
        to_upgraded_client(&mut response, Version::HTTP_11);
        assert_eq!(
            (&response["connection"], &response["upgrade"]),
            (&HeaderValue::from_static("upgrade"), &HeaderValue::from_static("websocket"))
        );
    }
}
