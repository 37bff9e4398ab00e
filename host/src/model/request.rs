//! The head of a request as routing sees it: everything that a decision may rest on, nothing of the body.

use std::net::IpAddr;

use http::{HeaderMap, Method, Uri, header};

use super::endpoint::EndpointId;

/// The head of a request. Shared between the forwarding code and a strategy while it decides.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target as the client sent it.
    pub uri: Uri,
    /// The headers as the client sent them.
    pub headers: HeaderMap,
    /// The host that the client asked for, in lower case and without the port.
    pub host: Option<String>,
    /// The client's address.
    pub client: IpAddr,
    /// What the SQL front end found out, when the request is a statement.
    pub statement: Option<Statement>,
}

impl RequestHead {
    /// The first value of a header, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first cookie of that exact name, over all `Cookie` headers.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// Which attempt at a request a pick is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt<'a> {
    /// 0 for the first.
    pub number: u32,
    /// The endpoints that were tried already.
    pub excluded: &'a [EndpointId],
}

/// Whether a statement changes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementClass {
    /// May be sent to any node, and again.
    Read,
    /// Changes data.
    Write,
}

/// What the SQL front end tells a strategy about a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Read or write.
    pub class: StatementClass,
    /// The tables it names, as written.
    pub tables: Vec<String>,
    /// The shard it belongs to, when it belongs to just one.
    pub shard: Option<String>,
    /// A hash of the statement with its literals taken out.
    pub fingerprint: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_exact_name_over_all_lines() {
        let mut head = RequestHead {
            method: Method::GET,
            uri: Uri::from_static("/"),
            headers: HeaderMap::new(),
            host: None,
            client: IpAddr::from([127, 0, 0, 1]),
            statement: None,
        };
        head.headers.append(header::COOKIE, "xid=1; id=two".parse().unwrap());
        head.headers.append(header::COOKIE, "id=three; q=\"quoted\"".parse().unwrap());
        assert_eq!(head.cookie("id"), Some("two"));
        assert_eq!(head.cookie("q"), Some("quoted"));
        assert_eq!(head.cookie("i"), None);
    }
}
