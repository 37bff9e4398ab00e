//! The values that a label may have, where the program has a closed list of them.

use leverframe::model::{CircuitState, EndpointState};
use leverframe::proxy::{Reason, RetryReason, STATUS_CLASSES};
use leverframe::scaling::NodeState;
use leverframe::sql::http::{OF_CLIENTS, OF_OTHERS};

/// The values that a query picks by and that there never are; none where they cannot be known. A query may pick by several,
/// with bars between them.
pub(super) fn strange<'v>(metric: &str, label: &str, picked: &'v str) -> impl Iterator<Item = &'v str> {
    let known = known(metric, label);
    let picked = if picked.contains('$') { "" } else { picked };
    let named = picked.split('|').filter(|value| !value.is_empty());
    named.filter(move |value| known.as_ref().is_some_and(|known| !known.contains(value)))
}

fn known(metric: &str, label: &str) -> Option<Vec<&'static str>> {
    let circuit =
        || [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen].map(CircuitState::as_str).to_vec();
    Some(match (metric, label) {
        ("leverframe_sql_failures_total", "reason") => {
            OF_CLIENTS.into_iter().chain(OF_OTHERS).chain(["client-gone"]).collect()
        }
        ("leverframe_refused_requests_total", "reason") => Reason::ALL.iter().map(|reason| reason.as_str()).collect(),
        ("leverframe_retries_total", "reason") => RetryReason::ALL.iter().map(|reason| reason.as_str()).collect(),
        ("leverframe_traces_dropped_total", "reason") => vec!["no-room", "not-taken"],
        ("leverframe_access_log_dropped_total", "reason") => vec!["no-room", "not-written"],
        ("leverframe_plugin_failures_total", "reason") => vec!["trap", "deadline", "bad-answer"],
        ("leverframe_responses_total", "status") => STATUS_CLASSES.to_vec(),
        ("leverframe_circuit_state" | "leverframe_circuit_transitions_total", "state") => circuit(),
        ("leverframe_endpoint_state", "state") => [
            EndpointState::Healthy,
            EndpointState::Degraded,
            EndpointState::Failed,
            EndpointState::Recovering,
            EndpointState::Draining,
            EndpointState::Disabled,
        ]
        .map(EndpointState::as_str)
        .to_vec(),
        ("leverframe_scale_nodes", "state") => [
            NodeState::Starting,
            NodeState::Running,
            NodeState::Unhealthy,
            NodeState::Replacing,
            NodeState::Draining,
            NodeState::Failed,
        ]
        .map(NodeState::as_str)
        .to_vec(),
        ("leverframe_sql_log_node_state", "state") => {
            vec!["UP", "DOWN", "RECOVERING", "INCONSISTENT", "REBUILD NEEDED", "REBUILDING"]
        }
        ("leverframe_sql_log_stage", "stage") => vec!["opening", "standby", "failed", "open", "closed"],
        ("leverframe_checks_total", "result") => vec!["ok", "failed"],
        ("leverframe_sql_cache_lookups_total", "result") => vec!["hit", "miss"],
        _ => return None,
    })
}

#[test]
fn what_is_never_told_is_strange() {
    let strange = |picked| strange("leverframe_sql_failures_total", "reason", picked).collect::<Vec<_>>();
    assert_eq!(strange("nodes-failed|sql-syntax|$reason"), [""; 0]);
    assert_eq!(strange("client-gone|node-failed"), ["node-failed"]);
}
