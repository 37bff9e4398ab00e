//! How a cluster keeps serving: what the settings mean, and what is said about mistakes in them.

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};

use super::super::{
    BodyRate, Capacity, Check, CheckKind, Circuit, Cluster, Config, FailureRatio, Failures, Health, Hedge, HttpCheck,
    Limits, Overrides, PolicySpec, RequestRate, Retry, RetryBudget, load,
};
use super::{SOUND, config, mistakes};
use crate::model::{ClusterName, Failure, PanicChoice, PanicRule, PluginName, StatusSet};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn named(config: &Config, name: &str) -> Cluster {
    config.clusters[&ClusterName::new(name).unwrap()].clone()
}

/// The cluster of a sound text, with lines of its own.
fn web(lines: &str) -> Cluster {
    named(&config(&format!("{SOUND}{lines}\n")), "web")
}

fn limits(lines: &str) -> Limits {
    config(&SOUND.replace("[[listener.route]]", &format!("{lines}\n[[listener.route]]"))).listeners[0].limits
}

fn policy(plugin: &str, config: &str) -> PolicySpec {
    PolicySpec { plugin: PluginName::new(plugin).unwrap(), config: config.to_owned() }
}

fn sorts(failures: &Failures) -> [bool; 3] {
    [failures.connect, failures.timeout, failures.reset]
}

#[test]
fn what_the_file_leaves_out_has_a_default() {
    let web = web("");
    let health = Health {
        check: None,
        policies: vec![],
        window: seconds(10),
        panic: PanicRule { below_percent: 0, choose: PanicChoice::All },
        drain_timeout: seconds(30),
    };
    assert_eq!(web.health, health);
    let circuit = Circuit {
        consecutive_failures: Some(5),
        failure_ratio: None,
        open_for: seconds(30),
        open_at_most: seconds(300),
        trials: 3,
    };
    assert_eq!(web.circuit, Some(circuit));
    let retry = Retry {
        attempts: 3,
        per_try_timeout: None,
        statuses: StatusSet::of(&[(502, 504)]),
        backoff: None,
        buffer_bytes: 65_536,
        budget: RetryBudget { percent: 20, floor: 10 },
        hedge: None,
    };
    assert_eq!(web.retry, retry);
    let capacity = Capacity { in_flight: None, endpoint_in_flight: None, queue: 1000, queue_timeout: seconds(1) };
    assert_eq!(web.capacity, capacity);
    let rate = BodyRate { bytes_per_second: 240, grace: seconds(5) };
    let limits = limits("");
    assert_eq!(limits.body_rate, Some(rate));
    assert_eq!((limits.connections_per_client, limits.requests_per_client), (None, None));
}

#[test]
fn the_example_means_what_its_comments_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/resilient.toml");
    let example = load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let (hundred, two_hundred) = (100.try_into().unwrap(), 200.try_into().unwrap());
    let limits = Limits {
        connections_per_client: Some(100),
        requests_per_client: Some(RequestRate { per_second: hundred, burst: two_hundred }),
        ..Limits::default()
    };
    assert_eq!(example.listeners[0].limits, limits);

    let found = named(&example, "web");
    let asked = HttpCheck {
        method: Method::GET,
        path: "/health".parse().unwrap(),
        host: Some("web.example".into()),
        expect: StatusSet::of(&[(200, 200), (204, 204)]),
        body_contains: Some("healthy".into()),
    };
    let check = Check {
        kind: CheckKind::Http(asked),
        interval: seconds(5),
        timeout: seconds(2),
        jitter_percent: 10,
        before_traffic: true,
        port: None,
    };
    let policies = vec![policy("threshold", r#"{"fall":3,"rise":2}"#), policy("slow-start", r#"{"window_ms":30000}"#)];
    let panic = PanicRule { below_percent: 30, choose: PanicChoice::LastGood };
    assert_eq!(found.health, Health { check: Some(check), policies, panic, ..Health::default() });
    assert_eq!(found.failures, Failures::default());
    let ratio = FailureRatio { percent: 50, window: seconds(10), least_requests: 20 };
    assert_eq!(found.circuit, Some(Circuit { failure_ratio: Some(ratio), ..Circuit::default() }));
    let retry = Retry {
        per_try_timeout: Some(seconds(10)),
        backoff: Some(Duration::from_millis(25)),
        hedge: Some(Hedge { percentile: 95, after_at_least: Duration::from_millis(50) }),
        ..Retry::default()
    };
    assert_eq!(found.retry, retry);
    let capacity = Capacity { in_flight: Some(2000), endpoint_in_flight: Some(1000), ..Capacity::default() };
    assert_eq!(found.capacity, capacity);

    let db = named(&example, "db");
    assert_eq!(db.health.policies, [policy("threshold", r#"{"fall":3,"rise":2}"#)]);
    let check = db.health.check.unwrap();
    assert_eq!((check.kind, check.interval, check.timeout), (CheckKind::Tcp, seconds(1), seconds(1)));
    assert_eq!((sorts(&db.failures), db.failures.statuses), ([true; 3], StatusSet::of(&[(400, 599)])));
    assert_eq!(db.circuit, None);

    let (plain, bare) = (named(&example, "plain"), web(""));
    assert_eq!((plain.health, plain.failures), (bare.health, bare.failures));
    assert_eq!((plain.circuit, plain.retry, plain.capacity), (bare.circuit, bare.retry, bare.capacity));
}

#[test]
fn a_check_needs_only_its_path() {
    let health = web("health.check.path = '/health?deep=1'").health;
    let check = health.check.unwrap();
    let CheckKind::Http(asked) = &check.kind else { panic!("{check:?}") };
    assert_eq!((&asked.method, asked.path.as_str(), &asked.host), (&Method::GET, "/health?deep=1", &None));
    let good = |status: u16| asked.expect.contains(StatusCode::from_u16(status).unwrap());
    assert_eq!([199, 200, 399, 400].map(good), [false, true, true, false]);
    assert_eq!((check.interval, check.timeout, check.jitter_percent), (seconds(5), seconds(2), 10));
    assert_eq!((check.before_traffic, check.port, &asked.body_contains), (true, None, &None));
    assert_eq!(health.policies, [policy("threshold", "{}")]);
}

#[test]
fn a_check_asks_what_it_is_told() {
    let lines = "[cluster.web.health]\npolicies = []\n[cluster.web.health.check]\npath = '/'\nmethod = 'HEAD'\n\
                 host = 'a.example:81'\nexpect = [401]\nport = 81\njitter = 0\nbefore_traffic = false\n";
    let health = web(lines).health;
    assert_eq!(health.policies, []);
    let check = health.check.unwrap();
    let CheckKind::Http(asked) = &check.kind else { panic!("{check:?}") };
    assert_eq!((&asked.method, asked.host.as_deref()), (&Method::HEAD, Some("a.example:81")));
    assert_eq!(asked.expect, StatusSet::of(&[(401, 401)]));
    assert_eq!((check.port, check.jitter_percent, check.before_traffic), (Some(81), 0, false));
}

#[test]
fn of_two_times_that_belong_together_the_unsaid_one_gives_way() {
    let times = |lines: &str| {
        let check = web(&format!("health.check = {{ kind = 'tcp', {lines} }}")).health.check.unwrap();
        (check.interval, check.timeout)
    };
    assert_eq!(times("interval = '1s'"), (seconds(1), seconds(1)));
    assert_eq!(times("timeout = '8s'"), (seconds(8), seconds(8)));
    assert_eq!(times("interval = '4s', timeout = '4s'"), (seconds(4), seconds(4)));
    let times = |lines: &str| {
        let circuit = web(&format!("circuit = {{ {lines} }}")).circuit.unwrap();
        (circuit.open_for, circuit.open_at_most)
    };
    assert_eq!(times("open_for = '10m'"), (seconds(600), seconds(600)));
    assert_eq!(times("open_at_most = '5s'"), (seconds(5), seconds(5)));
    assert_eq!(times("open_for = '1s', open_at_most = '2s'"), (seconds(1), seconds(2)));
}

#[test]
fn policies_have_a_short_and_a_long_form() {
    let said = "health.policies = ['threshold', { plugin = 'slow_start', config = { window_ms = 1 } }]";
    let health = web(said).health;
    assert_eq!(health.policies, [policy("threshold", "{}"), policy("slow-start", r#"{"window_ms":1}"#)]);
}

#[test]
fn failures_are_what_the_list_says_and_nothing_else() {
    let failures = web("failures = ['timeout', 500, '502-503']").failures;
    assert_eq!(sorts(&failures), [false, true, false]);
    let judged = [500, 501, 503].map(|status| failures.judge(&Ok(StatusCode::from_u16(status).unwrap())));
    assert_eq!(judged, [Some(true), Some(false), Some(true)]);
    assert_eq!(failures.judge(&Err(Failure::Connect)), Some(false));
    let none = web("failures = []").failures;
    assert_eq!((sorts(&none), none.statuses), ([false; 3], StatusSet::default()));
}

#[test]
fn what_can_be_turned_off_is_and_true_turns_it_on() {
    assert_eq!(web("circuit = false").circuit, None);
    assert_eq!(web("circuit = true").circuit, Some(Circuit::default()));
    for off in ["0", "false"] {
        let said = format!("circuit = {{ consecutive_failures = {off}, failure_ratio = true }}");
        let circuit = web(&said).circuit.unwrap();
        assert_eq!((circuit.consecutive_failures, circuit.failure_ratio), (None, Some(FailureRatio::default())));
    }
    assert_eq!(web("retry.hedge = true").retry.hedge, Some(Hedge::default()));
    assert_eq!(web("retry.hedge = false").retry.hedge, None);
    assert_eq!(limits("limits.body_rate = false").body_rate, None);
    assert_eq!(limits("limits.body_rate = { grace = '1s' }").body_rate.unwrap().bytes_per_second, 240);
}

#[test]
fn a_burst_is_the_rate_unless_it_is_said() {
    let rate = limits("limits.requests_per_client = { per_second = 7 }").requests_per_client.unwrap();
    assert_eq!((rate.per_second.get(), rate.burst.get()), (7, 7));
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = SOUND.to_owned()
        + r#"failures = ["conect", 99, "5xx", true, "reset"]
[cluster.web.health]
policies = ["threshold", { plugn = "outlier" }, 3]
window = "1h"
panic = { below = 101, choose = "last" }
[cluster.web.health.check]
kind = "htp"
rise = 2
fall = 3
interval = "1s"
timeout = "1500ms"
jitter = 60
port = 0
[cluster.web.circuit]
consecutive_failures = -1
failure_ratio = { percent = 0 }
open_for = "10m"
open_at_most = "5m"
trials = 0
[cluster.web.retry]
attempts = 0
statuses = ["502-50"]
buffer_bytes = "1GiB"
budget = { percent = 200 }
hedge = { percentile = 100 }
[cluster.web.capacity]
queue = 10
"#;
    let expected = r#"8:13: cluster.web.failures[0]: `conect` is neither a status from 100 to 599 nor a range of them, as in `200-399` (did you mean `connect`?)
8:23: cluster.web.failures[1]: `99` is neither a status from 100 to 599 nor a range of them, as in `200-399`
8:27: cluster.web.failures[2]: `5xx` is neither a status from 100 to 599 nor a range of them, as in `200-399` (did you mean `500-599`?)
8:34: cluster.web.failures[3]: invalid type: boolean `true`, expected a string, or the number of a status
10:28: cluster.web.health.policies[1].plugn: there is no such setting (did you mean `plugin`?)
10:49: cluster.web.health.policies[2]: invalid type: integer `3`, expected the name of a health policy, or a table with `plugin` and `config`
11:10: cluster.web.health.window: 1h is not from 100ms to 10m
12:19: cluster.web.health.panic.below: invalid value: integer `101`, expected a whole number from 0 to 100
12:33: cluster.web.health.panic.choose: `last` is none of `all`, `none`, `last-good`
14:8: cluster.web.health.check.kind: `htp` is none of `http`, `tcp`, `sql` (did you mean `http`?)
15:8: cluster.web.health.check.rise: is only for a cluster without `policies`: with them, `rise` is a policy's (policies = [{ plugin = "threshold", config = { rise = 2 } }])
16:8: cluster.web.health.check.fall: is only for a cluster without `policies`: with them, `fall` is a policy's (policies = [{ plugin = "threshold", config = { fall = 3 } }])
18:11: cluster.web.health.check.timeout: 1500ms is longer than the interval, which is 1s (one check is to be over before the next)
19:10: cluster.web.health.check.jitter: invalid value: integer `60`, expected a whole number from 0 to 50
20:8: cluster.web.health.check.port: invalid value: integer `0`, expected a whole number from 1 to 65535
22:24: cluster.web.circuit.consecutive_failures: invalid value: integer `-1`, expected a whole number up to 10000000, or false to turn it off
23:29: cluster.web.circuit.failure_ratio.percent: invalid value: integer `0`, expected a whole number from 1 to 100
24:12: cluster.web.circuit.open_for: 10m is longer than `open_at_most`, which is 5m (a circuit is open for `open_for` the first time, and for longer each time that a trial fails)
26:10: cluster.web.circuit.trials: invalid value: integer `0`, expected a whole number from 1 to 10000000
28:12: cluster.web.retry.attempts: invalid value: integer `0`, expected a whole number from 1 to 100
29:13: cluster.web.retry.statuses[0]: `502-50` is neither a status from 100 to 599 nor a range of them, as in `200-399`
30:16: cluster.web.retry.buffer_bytes: 1073741824 bytes is over 16MiB
31:22: cluster.web.retry.budget.percent: invalid value: integer `200`, expected a whole number from 0 to 100
32:24: cluster.web.retry.hedge.percentile: invalid value: integer `100`, expected a whole number from 1 to 99
34:9: cluster.web.capacity.queue: nothing is limited, so no request ever waits (say how many there may be at a time: in_flight = 1000)
"#;
    assert_eq!(mistakes(&text), expected);
}

/// What is said of one line in the cluster, without where.
fn said(line: &str) -> String {
    mistakes(&format!("{SOUND}{line}\n"))
        .lines()
        .map(|line| line.splitn(4, ':').last().unwrap_or(line).trim())
        .collect()
}

#[test]
fn a_check_that_cannot_be_made_is_told_why() {
    let cases = [
        ("{}", r#"is missing (say what is asked: path = "/health"; or only connect: kind = "tcp")"#),
        ("{ path = 'health' }", "the path `health` does not begin with `/` (`/health`)"),
        (
            "{ path = 'http://a/b/c' }",
            "the path `http://a/b/c` does not begin with `/` (without scheme and host: `/b/c`)",
        ),
        (
            "{ path = '/a#b' }",
            "`/a#b` cannot be asked for (without fragment and blanks; other characters percent-encoded)",
        ),
        ("{ path = '/', method = 'get' }", "`get` is none of `GET`, `HEAD`, `OPTIONS`, `POST` (did you mean `GET`?)"),
        ("{ path = '/', host = 'a b' }", "`a b` is no host (as clients would say it, as in `example.com`)"),
        ("{ path = '/', expect = [] }", "there is no status in it: every check would fail"),
        (
            "{ path = '/', method = 'HEAD', body_contains = 'ok' }",
            r#"an answer to `HEAD` has no body (ask with method = "GET")"#,
        ),
        ("{ kind = 'tcp', path = '/' }", r#"a check by `tcp` only connects (take it out, or ask with kind = "http")"#),
        ("{ kind = 'tcp', interval = '1ms' }", "1ms is less than 10ms"),
    ];
    for (check, expected) in cases {
        assert_eq!(said(&format!("health.check = {check}")), expected, "{check}");
    }
}

#[test]
fn what_would_do_nothing_is_refused() {
    let never = "without failures in a row and without a failure ratio no circuit ever opens (if that is meant: \
                 circuit = false)";
    assert_eq!(said("circuit.consecutive_failures = false"), never);
    let limit = "nothing is limited, so no request ever waits (say how many there may be at a time: in_flight = 1000)";
    assert_eq!(said("capacity.queue_timeout = '1s'"), limit);
    assert_eq!(said("circuit.consecutive_failures = true").split(',').next(), Some("invalid value: boolean `true`"));
}

#[test]
fn lists_of_failures_are_told_from_their_names() {
    let near = "there is no list of failures that is called `every_error` (did you mean `every-error`?)";
    assert_eq!(said("failures = 'every_error'"), near);
    let word = r#"there is no list of failures that is called `connect` (as a list: ["connect"])"#;
    assert_eq!(said("failures = 'connect'"), word);
    let status = r#"there is no list of failures that is called `500-599` (as a list: ["500-599"])"#;
    assert_eq!(said("failures = '500-599'"), status);
    let forms = r#"expected "every-error", or an array as in ["connect", "timeout", "reset", "502-504"]"#;
    assert_eq!(said("failures = 500"), format!("invalid type: integer `500`, {forms}"));
}

#[test]
fn a_former_or_foreign_name_is_answered_with_ours_and_read_as_it() {
    let text = format!(
        "{SOUND}attempts = 0\ncircuit_breaker = false\n[cluster.web.health_check]\nuri = 'x'\nhealthy_threshold = 0\n\
         [cluster.b]\nendpoints = ['a:1']\nattempts = 2\nretry = {{ retries = 0 }}\n\
         [cluster.c]\nendpoints = ['a:1']\nattempts = 2\nretry = {{ attempts = 3 }}\n"
    );
    let expected = "\
8:1: cluster.web.attempts: there is no such setting (it is called `retry.attempts`)
8:12: cluster.web.retry.attempts: invalid value: integer `0`, expected a whole number from 1 to 100
9:1: cluster.web.circuit_breaker: there is no such setting (it is called `circuit`)
10:14: cluster.web.health_check: there is no such setting (it is called `health.check`)
11:1: cluster.web.health.check.uri: there is no such setting (it is called `path`)
11:7: cluster.web.health.check.path: the path `x` does not begin with `/` (`/x`)
12:1: cluster.web.health.check.healthy_threshold: there is no such setting (it is called `rise`)
12:21: cluster.web.health.check.rise: invalid value: integer `0`, expected a whole number from 1 to 10000000
15:1: cluster.b.attempts: there is no such setting (it is called `retry.attempts`)
16:11: cluster.b.retry.retries: there is no such setting (it is called `attempts`)
19:1: cluster.c.attempts: there is no such setting (it is called `retry.attempts`)
";
    assert_eq!(mistakes(&text), expected);
}

#[test]
fn limits_of_clients_say_what_they_lack() {
    let text = SOUND.replace(
        "[[listener.route]]",
        "limits = { connections_per_client = 0, requests_per_client = { burst = 3 }, body_rate = 240 }\n[[listener.route]]",
    );
    let expected = "\
4:37: listener[0].limits.connections_per_client: invalid value: integer `0`, expected a whole number from 1 to 10000000
4:62: listener[0].limits.requests_per_client.per_second: is missing (say how many each client may send: per_second = 100)
4:89: listener[0].limits.body_rate: invalid type: integer `240`, expected a table, or false to turn it off
";
    assert_eq!(mistakes(&text), expected);
}
