//! The route table of one listener: the best route for a request. Pure, and sorted once, so that the first match is the
//! best one.

use crate::config::{HostMatch, PathMatch, Route, RouteMatch, RouteTarget};
use crate::model::RequestHead;

/// The routes of a listener, best first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
}

impl RouteTable {
    /// Sorts routes by how closely they match: see `RouteMatch`.
    pub fn new(routes: &[Route]) -> Self {
        let mut routes = routes.to_vec();
        routes.sort_by_key(|route| std::cmp::Reverse(closeness(&route.matches)));
        Self { routes }
    }

    /// Where a request goes.
    pub fn find(&self, request: &RequestHead) -> Option<&RouteTarget> {
        self.routes.iter().find(|route| matches(&route.matches, request)).map(|route| &route.target)
    }
}

/// Orders matches: exact host, length of the host, exact path, length of the path, number of headers.
fn closeness(matches: &RouteMatch) -> (bool, usize, bool, usize, usize) {
    let (exact_path, path) = match &matches.path {
        PathMatch::Exact(path) => (true, path.len()),
        PathMatch::Prefix(path) => (false, path.trim_end_matches('/').len()),
    };
    let (exact_host, host) = match &matches.host {
        HostMatch::Exact(host) => (true, host.len()),
        HostMatch::Below(domain) => (false, domain.len()),
        HostMatch::Any => (false, 0),
    };
    (exact_host, host, exact_path, path, matches.headers.len())
}

fn matches(wanted: &RouteMatch, request: &RequestHead) -> bool {
    host_matches(&wanted.host, request.host.as_deref())
        && path_matches(&wanted.path, request.uri.path())
        && wanted.headers.iter().all(|(name, value)| request.headers.get_all(name).iter().any(|held| held == value))
}

fn host_matches(wanted: &HostMatch, host: Option<&str>) -> bool {
    match (wanted, host) {
        (HostMatch::Any, _) => true,
        (_, None) => false,
        (HostMatch::Exact(wanted), Some(host)) => wanted == host,
        (HostMatch::Below(domain), Some(host)) => {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
    }
}

fn path_matches(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(wanted) => wanted == path,
        PathMatch::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::model::{ClusterName, SqlName};

    fn route(host: HostMatch, path: PathMatch, headers: &[(&'static str, &'static str)], cluster: &str) -> Route {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let matches = RouteMatch { host, path, headers: headers.iter().map(header).collect() };
        let target = match cluster.strip_prefix("sql:") {
            Some(entry) => RouteTarget::Sql(SqlName::new(entry).unwrap()),
            None => RouteTarget::Cluster(ClusterName::new(cluster).unwrap()),
        };
        Route { matches, target }
    }

    fn found(table: &RouteTable, host: &str, path: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let head = RequestHead {
            method: Method::GET,
            uri: path.parse().unwrap(),
            headers: map,
            host: Some(host.to_owned()),
            client: IpAddr::from([127, 0, 0, 1]),
            statement: None,
        };
        table.find(&head).map(|target| match target {
            RouteTarget::Cluster(name) => name.to_string(),
            RouteTarget::Sql(name) => format!("sql:{name}"),
            RouteTarget::Admin => "admin".to_owned(),
        })
    }

    #[test]
    fn the_closest_match_wins_whatever_the_order() {
        let prefix = |path: &str| PathMatch::Prefix(path.into());
        let table = RouteTable::new(&[
            route(HostMatch::Any, prefix("/"), &[], "all"),
            route(HostMatch::Any, prefix("/api"), &[], "api"),
            route(HostMatch::Any, prefix("/api"), &[("x-beta", "1")], "beta"),
            route(HostMatch::Any, PathMatch::Exact("/api/v1".into()), &[], "v1"),
            route(HostMatch::Any, PathMatch::Exact("/query".into()), &[], "sql:people"),
            route(HostMatch::Exact("a.example.com".into()), prefix("/"), &[], "a"),
            route(HostMatch::Below("example.com".into()), prefix("/"), &[], "below"),
        ]);
        assert_eq!(found(&table, "x", "/", &[]).as_deref(), Some("all"));
        assert_eq!(found(&table, "x", "/apis", &[]).as_deref(), Some("all"));
        assert_eq!(found(&table, "x", "/query", &[]).as_deref(), Some("sql:people"));
        assert_eq!(found(&table, "x", "/api", &[]).as_deref(), Some("api"));
        assert_eq!(found(&table, "x", "/api/v1/x?y=1", &[("x-beta", "1")]).as_deref(), Some("beta"));
        assert_eq!(found(&table, "x", "/api/v1?y=1", &[("x-beta", "1")]).as_deref(), Some("v1"));
        assert_eq!(found(&table, "a.example.com", "/", &[]).as_deref(), Some("a"));
        assert_eq!(found(&table, "b.example.com", "/", &[]).as_deref(), Some("below"));
        assert_eq!(found(&table, "example.com", "/", &[]).as_deref(), Some("all"));
        assert_eq!(found(&table, "a.example.com", "/api", &[]).as_deref(), Some("a"), "the host goes first");
    }

    #[test]
    fn nothing_matches_nothing() {
        let table = RouteTable::new(&[route(HostMatch::Any, PathMatch::Prefix("/api".into()), &[], "api")]);
        assert_eq!(found(&table, "x", "/", &[]), None);
    }
}
