//! wrk, the load generator: started without an end in sight, ended by the signal upon which it prints what it counted.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::programs::Program;

/// Longer than any test: the signal ends it.
const DURATION: &str = "10m";
/// An answer that takes longer counts as lost. Far above what a busy machine takes, far below for ever.
const TIMEOUT: &str = "10s";

/// A wrk at work.
pub(super) struct Wrk(Program);

/// What it counted.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    /// Answers that are neither 2xx nor 3xx.
    pub(super) bad_answers: u64,
    /// The line on what went wrong with connections, if anything did.
    pub(super) socket_errors: Option<String>,
}

impl Wrk {
    /// Puts so many connections to work, each with one request after the other: GET of `/`, or what a script makes.
    pub(super) fn start(at: SocketAddr, connections: usize, script: Option<&Path>) -> Self {
        // It takes what the processor has left: all of it, while nothing is compiled.
        let mut command = Command::new("nice");
        command.args(["-n", "10", "wrk", "-t1", &format!("-c{connections}"), "-d", DURATION]);
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        command.args(["--timeout", TIMEOUT, &format!("http://{at}/")]);
        Self(Program::start(&mut command))
    }

    /// Ends it, and returns what it counted.
    pub(super) async fn finish(self) -> Report {
        let (status, output) = self.0.end("INT").await;
        assert!(status.success(), "wrk: {status}:\n{output}");
        report(&output).unwrap_or_else(|| panic!("no report of wrk:\n{output}"))
    }
}

fn report(text: &str) -> Option<Report> {
    let line = |begin: &str| text.lines().map(str::trim).find_map(|line| Some(line.strip_prefix(begin)?.trim()));
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())?;
    Some(Report {
        requests,
        per_second: line("Requests/sec:")?.parse().ok()?,
        bad_answers: line("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?,
        socket_errors: line("Socket errors:").map(str::to_owned),
    })
}

#[test]
fn the_report_is_read_with_and_without_errors() {
    let good = "  2000 requests in 1.00s, 300.00KB read\nRequests/sec:   1999.50\nTransfer/sec:    300.00KB\n";
    let mut expected = Report { requests: 2000, per_second: 1999.5, bad_answers: 0, socket_errors: None };
    assert_eq!(report(good).as_ref(), Some(&expected));
    let errors = "  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\n";
    (expected.bad_answers, expected.socket_errors) = (7, Some("connect 0, read 3, write 0, timeout 1".into()));
    assert_eq!(report(&good.replace("Requests/sec", &format!("{errors}Requests/sec"))), Some(expected));
    assert_eq!(report("unable to connect"), None);
}
