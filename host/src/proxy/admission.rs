//! Whether a request is one that can be passed on at all: exactly one host, no contradiction between target and host, a
//! framing that the next server cannot read otherwise. Pure.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version, header, uri::Authority};

use super::error::ClientFault;

/// What a request that may pass asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The host in lower case and without the port; none for an HTTP/1.0 request that names none.
    pub(super) host: Option<String>,
}

/// Checks a request's head.
pub(super) fn admit(head: &Parts, max_headers: usize) -> Result<Admitted, ClientFault> {
    if head.method == Method::CONNECT {
        return Err(ClientFault::NotImplemented("CONNECT is not offered"));
    }
    if head.headers.len() > max_headers {
        return Err(ClientFault::TooManyHeaders(max_headers));
    }
    let whole_server = head.method == Method::OPTIONS && head.uri.path() == "*";
    if !whole_server && !head.uri.path().starts_with('/') {
        return Err(ClientFault::BadRequest("the target is no path"));
    }
    framing(&head.headers)?;
    expectation(&head.headers)?;
    host(head).map(|host| Admitted { host })
}

/// The length that a request gives for its body.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn framing(headers: &HeaderMap) -> Result<(), ClientFault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(ClientFault::NotImplemented("the only transfer coding that is understood is chunked")),
    }
}

fn expectation(headers: &HeaderMap) -> Result<(), ClientFault> {
    match headers.get(header::EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(ClientFault::Expectation),
        _ => Ok(()),
    }
}

fn host(head: &Parts) -> Result<Option<String>, ClientFault> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(ClientFault::BadRequest("more than one Host is given"));
    }
    match (line, head.uri.authority()) {
        (None, None) if head.version == Version::HTTP_10 => Ok(None),
        (None, Some(target)) if head.version >= Version::HTTP_2 => named(target.as_str().as_bytes()).map(Some),
        (None, _) => Err(ClientFault::BadRequest("no Host is given")),
        (Some(line), None) => named(line.as_bytes()).map(Some),
        (Some(line), Some(target)) => agreeing(line, target).map(Some),
    }
}

fn agreeing(line: &HeaderValue, target: &Authority) -> Result<String, ClientFault> {
    if line.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()) {
        named(line.as_bytes())
    } else {
        Err(ClientFault::BadRequest("the target and the Host differ"))
    }
}

/// The host of a `host[:port]`, in lower case.
fn named(text: &[u8]) -> Result<String, ClientFault> {
    const BAD: ClientFault = ClientFault::BadRequest("the Host is no host name");
    let end = match text {
        [b'[', ..] => text.iter().position(|byte| *byte == b']').ok_or(BAD)? + 1,
        _ => text.iter().position(|byte| *byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(end).ok_or(BAD)?;
    let port_is_sound = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%[]:".contains(byte);
    if !port_is_sound || host.is_empty() || !host.iter().all(allowed) {
        return Err(BAD);
    }
    let mut host = String::from_utf8(host.to_vec()).map_err(|_| BAD)?;
    host.make_ascii_lowercase();
    Ok(host)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn admitted(version: Version, target: &str, headers: &[(&str, &str)]) -> Result<Option<String>, ClientFault> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        admit(&head, 3).map(|admitted| admitted.host)
    }

    const V1: Version = Version::HTTP_11;

    #[test]
    fn the_host_is_read_in_lower_case_without_its_port() {
        for (line, host) in [("Example.COM:8080", "example.com"), ("[::1]:80", "[::1]"), ("a", "a"), ("a:", "a")] {
            assert_eq!(admitted(V1, "/", &[("host", line)]), Ok(Some(host.to_owned())));
        }
        assert_eq!(admitted(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(admitted(Version::HTTP_2, "http://A/", &[]), Ok(Some("a".to_owned())));
        assert_eq!(admitted(V1, "http://a/", &[("host", "A")]), Ok(Some("a".to_owned())));
    }

    #[test]
    fn a_host_that_is_missing_doubled_or_contradicted_is_refused() {
        let refused: [(&str, &[(&str, &str)]); 7] = [
            ("/", &[]),
            ("/", &[("host", "a"), ("host", "a")]),
            ("http://b/", &[("host", "a")]),
            ("/", &[("host", "")]),
            ("/", &[("host", "a b")]),
            ("/", &[("host", "user@a")]),
            ("/", &[("host", "a:b")]),
        ];
        for (target, headers) in refused {
            assert!(matches!(admitted(V1, target, headers), Err(ClientFault::BadRequest(_))), "{target} {headers:?}");
        }
    }

    #[test]
    fn what_this_proxy_does_not_do_is_refused() {
        let host = ("host", "a");
        let coding = admitted(V1, "/", &[host, ("transfer-encoding", "gzip, chunked")]);
        assert!(matches!(coding, Err(ClientFault::NotImplemented(_))));
        assert_eq!(admitted(V1, "/", &[host, ("expect", "200-ok")]), Err(ClientFault::Expectation));
        let many = [host, ("a", "1"), ("a", "2"), ("a", "3")];
        assert_eq!(admitted(V1, "/", &many), Err(ClientFault::TooManyHeaders(3)));
        assert_eq!(admitted(V1, "a:80", &[host]), Err(ClientFault::BadRequest("the target is no path")));
    }
}
