//! What an operator should know of a configuration although it can serve.

use super::settings::{Config, HostMatch, Listener, Route, RouteTarget};

/// What there is to know, one line for each thing.
pub fn warnings(config: &Config) -> Vec<String> {
    let has_token = config.admin.token.is_some() || config.admin.read_only_token.is_some();
    let shared = config.listeners.iter().filter(|listener| !has_token && shares_an_origin(listener));
    let warning = |listener: &Listener| {
        format!(
            "listener.{}: pages of its clusters are of the same origin as its admin API, which asks for no token: they can \
             command; set [admin] token_file, or give one of the two a `host` of its own, where such pages are not trusted",
            listener.name
        )
    };
    shared.map(warning).collect()
}

/// Whether what a cluster answers may be a page of the same origin as the admin API.
fn shares_an_origin(listener: &Listener) -> bool {
    let to_admin = listener.routes.iter().filter(|route| route.target == RouteTarget::Admin);
    let leads_to_cluster = |route: &&Route| matches!(route.target, RouteTarget::Cluster(_));
    let to_clusters = || listener.routes.iter().filter(leads_to_cluster);
    to_admin.into_iter().any(|admin| to_clusters().any(|route| meet(&admin.matches.host, &route.matches.host)))
}

/// Whether there is a host that both match.
fn meet(one: &HostMatch, other: &HostMatch) -> bool {
    let is_below = |host: &str, domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    match (one, other) {
        (HostMatch::Any, _) | (_, HostMatch::Any) => true,
        (HostMatch::Exact(one), HostMatch::Exact(other)) => one == other,
        (HostMatch::Exact(host), HostMatch::Below(domain)) | (HostMatch::Below(domain), HostMatch::Exact(host)) => {
            is_below(host, domain)
        }
        (HostMatch::Below(one), HostMatch::Below(other)) => {
            one == other || is_below(one, other) || is_below(other, one)
        }
    }
}
