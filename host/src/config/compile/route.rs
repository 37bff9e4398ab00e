//! Routes: which requests go to which cluster or SQL entry, or to the admin API. Refuses two that could both be the best match
//! of one request, since which of them won would be chance.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use http::{HeaderName, HeaderValue};

use super::super::document::At;
use super::super::file;
use super::super::problems::{Origin, Problems, Reported};
use super::super::read::closest;
use super::super::settings::{Admin, HostMatch, Listener, PathMatch, Route, RouteMatch, RouteTarget};
use super::admin;
use crate::model::{ClusterName, SqlName};

/// The handler that answers with the admin API.
const ADMIN: &str = "admin";

/// What the paths of the admin API and of the console begin with. Nothing is taken off a path on its way there.
const ADMIN_PATHS: [&str; 11] = [
    "add",
    "api",
    "console",
    "dashboard",
    "health",
    "metrics",
    "query-dashboard",
    "rep",
    "rm",
    "scaling-ui",
    "strategy",
];

/// The names that routes may use. By name, so that what has a mistake in it is not unknown as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targets<'a> {
    /// Of clusters.
    pub(super) clusters: &'a BTreeSet<String>,
    /// Of SQL entries.
    pub(super) sql: &'a BTreeSet<String>,
}

/// Compiles the routes of one listener.
pub(super) fn all(
    files: Vec<file::Route>,
    at: &At,
    targets: Targets<'_>,
    problems: &mut Problems<'_>,
) -> Result<Vec<Route>, Reported> {
    if files.is_empty() {
        return Err(match problems.spoiled(at) {
            Some(reported) => reported,
            None => problems.advise(
                at,
                "there is none: every request would be refused",
                "add [[listener.route]] with a cluster; without host and path it takes every request",
            ),
        });
    }
    let mut routes = Vec::new();
    for (nth, file) in files.into_iter().enumerate() {
        let at = at.index(nth);
        let route = match problems.spoiled(&at) {
            Some(reported) => Err(reported),
            None => one(file, &at, targets, problems),
        };
        routes.push(route);
    }
    refuse_ties(&routes, at, problems);
    routes.into_iter().collect()
}

fn one(file: file::Route, at: &At, targets: Targets<'_>, problems: &mut Problems<'_>) -> Result<Route, Reported> {
    let host = host(file.host.as_deref(), &at.key("host"), problems);
    let path = path(file.path.as_deref(), file.path_prefix.as_deref(), at, problems);
    let headers = headers(&file.headers, &at.key("headers"), problems);
    let target = target((file.cluster, file.sql, file.handler), at, targets, problems);
    if let (Ok(RouteTarget::Admin), Ok(path)) = (&target, &path) {
        admin_path(path, at, problems)?;
    }
    Ok(Route { matches: RouteMatch { host: host?, path: path?, headers: headers? }, target: target? })
}

fn target(
    (cluster, sql, handler): (Option<String>, Option<String>, Option<String>),
    at: &At,
    targets: Targets<'_>,
    problems: &mut Problems<'_>,
) -> Result<RouteTarget, Reported> {
    if let Some(handler) = handler {
        return match (handler.as_str(), cluster.is_some() || sql.is_some()) {
            (ADMIN, false) => Ok(RouteTarget::Admin),
            (ADMIN, true) => {
                let advice = "a route with a `handler` has neither `cluster` nor `sql`";
                Err(problems.advise(&at.key("handler"), "a route leads to one place", advice))
            }
            (other, _) => {
                let advice = "there is only `admin`: the admin API and the console";
                Err(problems.advise(&at.key("handler"), format!("there is no handler `{other}`"), advice))
            }
        };
    }
    // A name of the file's that cannot be one is reported there, at what has it.
    match (cluster, sql) {
        (Some(_), Some(_)) => {
            let advice = "`cluster` is for requests that its endpoints answer, `sql` for statements";
            Err(problems.advise(&at.key("sql"), "a route leads to either a `cluster` or a `sql` entry", advice))
        }
        (None, Some(name)) => {
            let at = at.key("sql");
            known(&name, ("sql", "SQL entry", targets.sql), &at, problems)?;
            SqlName::new(&name).map(RouteTarget::Sql).map_err(|wrong| problems.report(&at, wrong))
        }
        (name, None) => {
            let at = at.key("cluster");
            let name = problems.required(name, &at, "say where the requests go: cluster = \"NAME\"")?;
            known(&name, ("cluster", "cluster", targets.clusters), &at, problems)?;
            ClusterName::new(&name).map(RouteTarget::Cluster).map_err(|wrong| problems.report(&at, wrong))
        }
    }
}

/// Refuses a route to the admin API below which that has no path.
fn admin_path(path: &PathMatch, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let (key, path) = match path {
        PathMatch::Prefix(path) => ("path_prefix", path),
        PathMatch::Exact(path) => ("path", path),
    };
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if path == "/" || ADMIN_PATHS.contains(&first) {
        return Ok(());
    }
    let advice =
        "a path arrives there as it is: path_prefix = \"/\", or one of its own, as in \"/api\" or \"/metrics\"";
    Err(problems.advise(&at.key(key), format!("the admin API has nothing below `{path}`"), advice))
}

/// Refuses routes to the admin API on listeners that other machines may reach, where it would ask nobody for a token.
pub(super) fn guarded(listeners: &[Listener], settings: &Admin, problems: &mut Problems<'_>) -> Result<(), Reported> {
    let mut all = Ok(());
    for (nth, listener) in listeners.iter().enumerate() {
        let Some(route) = listener.routes.iter().position(|route| route.target == RouteTarget::Admin) else { continue };
        let at = At::root().key("listener").index(nth).key("route").index(route).key("handler");
        all = all.and(admin::guarded(listener.address, settings, &Origin::File(at), problems));
    }
    all
}

/// Sees whether there is something of a name in a table of the file.
fn known(
    name: &str,
    (table, kind, names): (&str, &str, &BTreeSet<String>),
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<(), Reported> {
    if let Some(reported) = problems.spoiled(&At::root().key(table).key(name)) {
        return Err(reported);
    }
    if names.contains(name) {
        return Ok(());
    }
    let advice = match closest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add [{table}.{name}]"),
    };
    Err(problems.advise(at, format!("there is no {kind} `{name}`"), advice))
}

fn host(text: Option<&str>, at: &At, problems: &mut Problems<'_>) -> Result<HostMatch, Reported> {
    let Some(text) = text else { return Ok(HostMatch::Any) };
    let host = text.to_ascii_lowercase();
    let is_name = |host: &str| {
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        host.split('.').all(label)
    };
    let is_v6 = |host: &str| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bare.is_some_and(|bare| bare.parse::<Ipv6Addr>().is_ok())
    };
    if host == "*" {
        return Ok(HostMatch::Any);
    }
    if let Some(domain) = host.strip_prefix("*.").filter(|domain| is_name(domain)) {
        return Ok(HostMatch::Below(domain.to_owned()));
    }
    if is_name(&host) || is_v6(&host) {
        return Ok(HostMatch::Exact(host));
    }
    let advice = match host.rsplit_once(':') {
        Some((before, port)) if port.parse::<u16>().is_ok() && (is_name(before) || is_v6(before)) => {
            format!("without the port: `{before}`")
        }
        _ if host.contains("://") => "without the scheme".to_owned(),
        _ => "a name as in `example.com`, or `*.example.com` for everything below it".to_owned(),
    };
    Err(problems.advise(at, format!("`{text}` is no host"), advice))
}

fn path(
    exact: Option<&str>,
    prefix: Option<&str>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<PathMatch, Reported> {
    let (text, at) = match (exact, prefix) {
        (None, None) => return Ok(PathMatch::Prefix("/".to_owned())),
        (Some(_), Some(_)) => {
            let message = "a route has either a `path` or a `path_prefix`";
            let advice = "`path` is for that path only, `path_prefix` also for everything below it";
            return Err(problems.advise(&at.key("path"), message, advice));
        }
        (Some(exact), None) => (exact, at.key("path")),
        (None, Some(prefix)) => (prefix, at.key("path_prefix")),
    };
    if !text.starts_with('/') {
        let bare = text.trim_end_matches('*');
        return Err(problems.advise(&at, format!("the path `{text}` does not begin with `/`"), format!("`/{bare}`")));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        let message = format!("no path of a request contains {odd:?}");
        return Err(problems.advise(&at, message, "without query and fragment; other characters percent-encoded"));
    }
    if text.ends_with('*') {
        let bare = text.trim_end_matches('*');
        let advice = format!("for everything below it: path_prefix = \"{bare}\"");
        return Err(problems.advise(&at, "a path has no wildcards", advice));
    }
    Ok(match exact {
        Some(_) => PathMatch::Exact(text.to_owned()),
        // `/api/` and `/api` are the same prefix, as in the Gateway API.
        None => match text.trim_end_matches('/') {
            "" => PathMatch::Prefix("/".to_owned()),
            trimmed => PathMatch::Prefix(trimmed.to_owned()),
        },
    })
}

fn headers(
    file: &BTreeMap<String, String>,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Reported> {
    let mut seen = BTreeSet::new();
    let mut headers = Vec::new();
    for (name, value) in file {
        let at = at.key(name);
        let header = match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Err(_), _) => Err(problems.report(&at, format!("`{name}` is no header name"))),
            (_, Err(_)) => Err(problems.report(&at, "a header value has no control characters")),
            (Ok(name), Ok(_)) if !seen.insert(name.to_string()) => {
                Err(problems.advise(&at, format!("the header `{name}` is there twice"), "header names have no case"))
            }
            (Ok(name), Ok(mut value)) => {
                // What lets a request in elsewhere is often a secret: no log is to show it.
                value.set_sensitive(true);
                Ok((name, value))
            }
        };
        headers.push(header);
    }
    headers.into_iter().collect()
}

/// Reports each route that ties with an earlier one.
fn refuse_ties(routes: &[Result<Route, Reported>], at: &At, problems: &mut Problems<'_>) {
    for (later, route) in routes.iter().enumerate() {
        let Ok(route) = route else { continue };
        let tie = routes.iter().take(later).enumerate().find_map(|(nth, earlier)| {
            let earlier = earlier.as_ref().ok()?;
            tied(&earlier.matches, &route.matches).then_some((nth, earlier))
        });
        let Some((nth, earlier)) = tie else { continue };
        let first = at.index(nth);
        let line = problems.line(&first).map(|line| format!(", line {line}")).unwrap_or_default();
        let advice = if earlier.matches.headers == route.matches.headers {
            "the two match the same requests: take one out, or tell them apart by host, path or headers"
        } else {
            "a request may have the headers of both: give both the same header with different values, or one more header \
             to the one that is to win"
        };
        problems.advise(&at.index(later), format!("ties with {first}{line}"), advice);
    }
}

/// Whether one request could match both, with nothing to choose between them. Paths and hosts that differ never tie: of
/// two that match the same request one is longer, or exact, or narrower.
fn tied(one: &RouteMatch, other: &RouteMatch) -> bool {
    let contradict = one.headers.iter().any(|(name, value)| {
        let theirs = other.headers.iter().find(|(theirs, _)| theirs == name);
        theirs.is_some_and(|(_, theirs)| theirs != value)
    });
    one.path == other.path && one.host == other.host && one.headers.len() == other.headers.len() && !contradict
}
