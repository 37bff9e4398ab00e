//! Writes the head that an endpoint gets: the client's, without what was meant for this hop, with what tells of this
//! proxy. Pure, but for the request id's random bits.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version};

use super::headers;
use super::http1::encode;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";
const REQUEST_ID: &str = "x-request-id";

/// What the outgoing request says of the incoming one.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// The version that the client speaks.
    pub(super) version: Version,
    /// The client's address, as text.
    pub(super) client: &'a HeaderValue,
    pub(super) body: Length,
    /// The protocol that the client wants to change to.
    pub(super) upgrade: Option<&'a HeaderValue>,
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    None,
    /// What `Content-Length` says.
    Given,
    /// It comes in chunks.
    Unknown,
}

/// Which of the headers that this proxy would add are there.
#[derive(Default)]
struct Seen {
    length: bool,
    cookies: bool,
    forwarded_for: bool,
    forwarded_proto: bool,
    forwarded_host: bool,
    request_id: bool,
}

/// Writes the whole head.
pub(super) fn write(incoming: &Incoming<'_>, out: &mut Vec<u8>) {
    let headers = incoming.headers;
    encode::request_line(out, incoming.method, incoming.uri.path_and_query().map_or("/", |target| target.as_str()));
    let named = match headers.contains_key(header::CONNECTION) {
        true => headers::named_by_connection(headers),
        false => Vec::new(),
    };
    let mut seen = Seen::default();
    for (name, value) in headers {
        if !named.contains(name) && seen.passes(name, value, incoming) {
            encode::line(out, name.as_str(), value.as_bytes());
        }
    }
    write_hop(incoming, out);
    write_own(incoming, &seen, out);
    encode::end(out);
}

impl Seen {
    /// Whether a header is passed on as it is; those that are changed are noted, and written in the end.
    fn passes(&mut self, name: &HeaderName, value: &HeaderValue, incoming: &Incoming<'_>) -> bool {
        match *name {
            header::EXPECT => return false,
            header::CONTENT_LENGTH => {
                let first = !std::mem::replace(&mut self.length, true);
                return first
                    && match incoming.body {
                        Length::None => value == "0",
                        Length::Given => true,
                        Length::Unknown => false,
                    };
            }
            // HTTP/2 may send cookies in pieces.
            header::COOKIE if incoming.version == Version::HTTP_2 => {
                self.cookies = true;
                return false;
            }
            _ => {}
        }
        match name.as_str() {
            FORWARDED_FOR => {
                self.forwarded_for = true;
                return false;
            }
            FORWARDED_PROTO => self.forwarded_proto = true,
            FORWARDED_HOST => self.forwarded_host = true,
            REQUEST_ID => self.request_id = true,
            _ => return !headers::is_hop(name),
        }
        true
    }
}

/// What is said on this hop.
fn write_hop(incoming: &Incoming<'_>, out: &mut Vec<u8>) {
    let headers = incoming.headers;
    if let Some(protocol) = incoming.upgrade {
        encode::line(out, "connection", b"upgrade");
        encode::line(out, "upgrade", protocol.as_bytes());
    } else if headers.contains_key(header::TE)
        && headers::tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
    {
        encode::line(out, "te", b"trailers");
        encode::line(out, "connection", b"te");
    }
    if incoming.body == Length::Unknown {
        encode::line(out, "transfer-encoding", b"chunked");
    }
}

/// What tells of the client and of this proxy.
fn write_own(incoming: &Incoming<'_>, seen: &Seen, out: &mut Vec<u8>) {
    let headers = incoming.headers;
    let authority = incoming.uri.authority().filter(|_| incoming.version == Version::HTTP_2);
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    if let (None, Some(authority)) = (host, authority) {
        encode::line(out, "host", authority.as_str().as_bytes());
    }
    if seen.cookies {
        encode::joined(out, "cookie", "; ", headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes));
    }
    if seen.forwarded_for {
        let earlier = headers.get_all(FORWARDED_FOR).iter();
        let all = earlier.chain(std::iter::once(incoming.client)).map(HeaderValue::as_bytes);
        encode::joined(out, FORWARDED_FOR, ", ", all);
    } else {
        encode::line(out, FORWARDED_FOR, incoming.client.as_bytes());
    }
    if !seen.forwarded_proto {
        encode::line(out, FORWARDED_PROTO, b"http");
    }
    let host = host.or(authority.map(|authority| authority.as_str().as_bytes()));
    if let (false, Some(host)) = (seen.forwarded_host, host) {
        encode::line(out, FORWARDED_HOST, host);
    }
    encode::line(out, "via", headers::via(incoming.version).as_bytes());
    if !seen.request_id {
        encode::line(out, REQUEST_ID, &request_id());
    }
}

/// 128 random bits in hexadecimal: an id, not a secret.
fn request_id() -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..).to_be_bytes();
    let mut text = [b'0'; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        if let [high, low] = pair {
            *high = DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
            *low = DIGITS.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (&'static str, &'static str);

    fn sent_to(uri: &str, lines: &[Line], version: Version, body: Length) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let (client, uri) = (HeaderValue::from_static("192.0.2.1"), uri.parse().unwrap());
        let mut out = Vec::new();
        let (method, headers, client, uri) = (&Method::GET, &headers, &client, &uri);
        write(&Incoming { method, uri, headers, version, client, body, upgrade: None }, &mut out);
        let text = String::from_utf8(out).unwrap();
        let head = text.strip_suffix("\r\n\r\n").unwrap();
        head.split("\r\n").map(|line| line.split_once(' ').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
    }

    fn sent(lines: &[Line], version: Version) -> Vec<(String, String)> {
        sent_to("http://h2.example/a?b", lines, version, Length::None)
    }

    fn get<'a>(sent: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        let name = format!("{name}:");
        sent.iter().filter(|(held, _)| *held == name).map(|(_, value)| value.as_str()).collect()
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
                ("expect", "100-continue"),
                ("x-kept", "1"),
            ],
            Version::HTTP_11,
        );
        assert_eq!(sent[0], ("GET".to_owned(), "/a?b HTTP/1.1".to_owned()));
        let mut names: Vec<_> = sent.iter().skip(1).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let expected = [
            "host:",
            "via:",
            "x-forwarded-for:",
            "x-forwarded-host:",
            "x-forwarded-proto:",
            "x-kept:",
            "x-request-id:",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn trailers_are_asked_for_when_the_client_does() {
        let sent = sent(&[("host", "a"), ("te", "trailers, deflate")], Version::HTTP_11);
        assert_eq!((get(&sent, "te"), get(&sent, "connection")), (vec!["trailers"], vec!["te"]));
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
        assert_eq!(get(&sent, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 192.0.2.1"]);
        assert_eq!((get(&sent, "x-forwarded-proto"), get(&sent, "x-forwarded-host")), (vec!["https"], vec!["b"]));
        assert_eq!((get(&sent, "x-request-id"), get(&sent, "via")), (vec!["mine"], vec!["1.1 x", "1.1 leverframe"]));
    }

    #[test]
    fn http2_becomes_http1() {
        let sent = sent(&[("cookie", "a=1"), ("cookie", "b=2")], Version::HTTP_2);
        assert_eq!((get(&sent, "host"), get(&sent, "cookie")), (vec!["h2.example"], vec!["a=1; b=2"]));
        assert_eq!(get(&sent, "via"), ["2 leverframe"]);
        assert_eq!(get(&sent, "x-request-id")[0].len(), 32);
    }

    #[test]
    fn a_body_is_framed_in_one_way_only() {
        let with = |body| {
            let sent = sent_to("/", &[("content-length", "5"), ("transfer-encoding", "x")], Version::HTTP_11, body);
            [get(&sent, "content-length").join(","), get(&sent, "transfer-encoding").join(",")]
        };
        assert_eq!(with(Length::None), ["", ""]);
        assert_eq!(with(Length::Given), ["5", ""]);
        assert_eq!(with(Length::Unknown), ["", "chunked"]);
    }

    #[test]
    fn an_empty_path_is_the_root() {
        assert_eq!(sent_to("http://a?b", &[], Version::HTTP_2, Length::None)[0].1, "/?b HTTP/1.1");
        assert_eq!(sent_to("*", &[], Version::HTTP_11, Length::None)[0].1, "* HTTP/1.1");
    }
}
