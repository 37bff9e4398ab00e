//! Which routes tie, and what hosts and paths are.

use super::super::{HostMatch, PathMatch, RouteMatch, RouteTarget, warnings};
use super::{config, mistakes, parsed};

/// A text with these routes, each the inside of a table.
fn with_routes(routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|route| format!("[[listener.route]]\ncluster = 'web'\n{route}\n")).collect();
    format!("[[listener]]\naddress = '127.0.0.1:1'\n{routes}[cluster.web]\nendpoints = ['a:1']\n")
}

fn matches(route: &str) -> RouteMatch {
    config(&with_routes(&[route])).listeners[0].routes[0].matches.clone()
}

#[test]
fn routes_that_one_request_could_take_both_are_refused() {
    let ties = [
        ["", ""],
        ["", "host = '*'"],
        ["", "path_prefix = '/'"],
        ["path = '/a'", "path = '/a'"],
        ["path_prefix = '/a'", "path_prefix = '/a/'"],
        ["host = 'a.example'", "host = 'A.Example'"],
        ["host = '*.example'", "host = '*.EXAMPLE'"],
        ["headers = { x = '1' }", "headers = { X = '1' }"],
        ["headers = { x = '1' }", "headers = { y = '1' }"],
        ["headers = { x = '1', y = '1' }", "headers = { x = '1', z = '1' }"],
    ];
    for routes in ties {
        let said = mistakes(&with_routes(&routes));
        assert!(said.contains("listener[0].route[1]: ties with listener[0].route[0], line 3 ("), "{routes:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{routes:?}: {said}");
    }
}

#[test]
fn routes_between_which_there_is_a_choice_are_not() {
    let choices = [
        ["path = '/a'", "path_prefix = '/a'"],
        ["path_prefix = '/a'", "path_prefix = '/b'"],
        ["path_prefix = '/a'", "path_prefix = '/a/b'"],
        ["path = '/a'", "path = '/a/'"],
        ["host = 'a.example'", "host = '*.example'"],
        ["host = '*.example'", "host = '*.a.example'"],
        ["host = '*.example'", ""],
        ["headers = { x = '1' }", ""],
        ["headers = { x = '1' }", "headers = { x = '2' }"],
        ["headers = { x = '1' }", "headers = { y = '1', z = '1' }"],
        ["headers = { x = '1', y = '1' }", "headers = { x = '2', z = '1' }"],
        ["headers = { x = '1' }\npath = '/a'", "headers = { x = '1' }\npath = '/b'"],
    ];
    for routes in choices {
        parsed(&with_routes(&routes)).unwrap_or_else(|errors| panic!("{routes:?}: {errors}"));
    }
}

#[test]
fn each_tie_is_told_once() {
    let said = mistakes(&with_routes(&["", "path = '/a'", "", "path = '/a'", ""]));
    let ties: Vec<_> = said.lines().filter_map(|line| Some(line.split_once(" (")?.0)).collect();
    let expected = [
        "9:1: listener[0].route[2]: ties with listener[0].route[0], line 3",
        "12:1: listener[0].route[3]: ties with listener[0].route[1], line 6",
        "15:1: listener[0].route[4]: ties with listener[0].route[0], line 3",
    ];
    assert_eq!(ties, expected);
}

#[test]
fn the_same_route_on_two_listeners_is_no_tie() {
    let second = "[[listener]]\naddress = '127.0.0.1:2'\n[[listener.route]]\ncluster = 'web'\n";
    assert_eq!(config(&(with_routes(&[""]) + second)).listeners.len(), 2);
}

#[test]
fn hosts_and_paths_are_taken_in_one_form() {
    assert_eq!(matches("host = 'Shop.Example'").host, HostMatch::Exact("shop.example".into()));
    assert_eq!(matches("host = '*.Example'").host, HostMatch::Below("example".into()));
    assert_eq!(matches("host = '[::1]'").host, HostMatch::Exact("[::1]".into()));
    assert_eq!(matches("").path, PathMatch::Prefix("/".into()));
    assert_eq!(matches("path_prefix = '/api/'").path, PathMatch::Prefix("/api".into()));
    assert_eq!(matches("path = '/api/'").path, PathMatch::Exact("/api/".into()));
}

#[test]
fn what_no_request_has_is_refused_with_what_to_write() {
    let cases = [
        ("path = 'a'", "5:8: listener[0].route[0].path: the path `a` does not begin with `/` (`/a`)"),
        ("path = '/a?b'", "no path of a request contains '?' (without query and fragment"),
        ("path_prefix = '/ä'", "no path of a request contains 'ä'"),
        ("path = '/a/*'", "a path has no wildcards (for everything below it: path_prefix = \"/a/\")"),
        ("path = '/a'\npath_prefix = '/a'", "a route has either a `path` or a `path_prefix`"),
        ("host = 'a.example:80'", "`a.example:80` is no host (without the port: `a.example`)"),
        ("host = 'http://a.example'", "(without the scheme)"),
        ("host = 'a.*'", "`*.example.com` for everything below it"),
        ("host = ''", "`` is no host"),
        ("sql = 'x'", "listener[0].route[0].sql: a route leads to either a `cluster` or a `sql` entry"),
        ("headers = { 'a b' = '1' }", "listener[0].route[0].headers.\"a b\": `a b` is no header name"),
        ("headers = { a = \"\\n\" }", "a header value has no control characters"),
        ("headers = { x = '1', X = '1' }", "the header `x` is there twice"),
    ];
    for (route, expected) in cases {
        let said = mistakes(&with_routes(&[route]));
        assert!(said.contains(expected), "{route}: {said}");
        assert_eq!(said.lines().count(), 1, "{route}: {said}");
    }
}

#[test]
fn a_route_leads_to_an_entry_that_there_is() {
    let text = "[[listener]]\naddress = '127.0.0.1:1'\n[[listener.route]]\nsql = 'shop'\n[cluster.a]\nendpoints = ['127.0.0.1:2']\n";
    assert_eq!(mistakes(text), "4:7: listener[0].route[0].sql: there is no SQL entry `shop` (add [sql.shop])\n");
}

/// A listener at an address with routes, each a whole table.
fn listening(address: &str, routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|route| format!("[[listener.route]]\n{route}\n")).collect();
    format!("[[listener]]\naddress = '{address}'\n{routes}[cluster.web]\nendpoints = ['a:1']\n")
}

#[test]
fn a_route_leads_to_one_place() {
    let admin = "handler = 'admin'\npath_prefix = '/'";
    let routes = [admin, "handler = 'admin'\npath = '/metrics'", "cluster = 'web'\npath_prefix = '/web'"];
    config(&listening("127.0.0.1:1", &["handler = 'admin'\npath_prefix = '/api/sql'"]));
    let targets = config(&listening("127.0.0.1:1", &routes)).listeners[0].routes.clone();
    assert_eq!(targets[1].target, RouteTarget::Admin);
    for (route, said) in [
        ("handler = 'metrics'", "there is no handler `metrics` (there is only `admin`: the admin API and the console)"),
        ("handler = 'admin'\ncluster = 'web'", "a route leads to one place (a route with a `handler` has neither"),
        ("handler = 'admin'\nsql = 'shop'", "a route leads to one place (a route with a `handler` has neither"),
        ("path = '/'", "say where the requests go: cluster"),
        (
            "handler = 'admin'\npath_prefix = '/admin'",
            "path_prefix: the admin API has nothing below `/admin` (a path arrives",
        ),
        ("handler = 'admin'\npath = '/stats'", "path: the admin API has nothing below `/stats` (a path arrives"),
    ] {
        let mistakes = mistakes(&listening("127.0.0.1:1", &[route]));
        assert!(mistakes.contains(said), "{route}: {mistakes}");
    }
}

#[test]
fn the_admin_api_is_not_for_other_machines_without_a_token() {
    let open = listening("0.0.0.0:1", &["cluster = 'web'", "handler = 'admin'\npath = '/metrics'"]);
    let said = mistakes(&open);
    assert!(said.contains("listener[0].route[1].handler") && said.contains("ask nobody for a token"), "{said}");
    config(&format!("{open}[admin]\nallow_without_token = true\n"));
    config(&format!("{open}[admin]\naddress = false\ntoken_file = 'admin.token'\n"));
}

#[test]
fn pages_of_a_cluster_beside_an_admin_api_without_a_token_are_warned_of() {
    let warned = |routes: &[&str], more: &str| warnings(&config(&(listening("127.0.0.1:1", routes) + more)));
    let admin = "handler = 'admin'\npath_prefix = '/'";
    let said = warned(&[admin, "cluster = 'web'\npath_prefix = '/web'"], "");
    assert!(said.len() == 1 && said[0].contains("of the same origin"), "{said:?}");
    let (apart, below) = ("host = 'lb.example'\nhandler = 'admin'", "host = '*.example'\ncluster = 'web'");
    assert_eq!(warned(&[apart, below], "").len(), 1);
    for (routes, more) in [
        ([admin, "cluster = 'web'\npath_prefix = '/web'"], "[admin]\ntoken_file = 'admin.token'\n"),
        ([apart, "host = 'shop.example'\ncluster = 'web'"], ""),
        ([apart, "host = '*.other'\ncluster = 'web'"], ""),
        ([admin, "handler = 'admin'\npath = '/metrics'"], ""),
    ] {
        assert_eq!(warned(&routes, more), Vec::<String>::new(), "{routes:?}");
    }
}
