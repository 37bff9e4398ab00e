//! The dashboard and the alert rules in `config/`: both can be read, and name no metric and no label that the program does
//! not have.

use std::collections::BTreeSet;

use leverframe::sql::http::OF_CLIENTS;
use serde_json::Value;

use super::page::{Family, Page};
use super::promtool::{config, promtool};
use super::query::{OF_THE_TARGET, named};
use super::values;

/// Of Prometheus itself.
const FOREIGN: [&str; 2] = ["up", "ALERTS"];

/// Holds both files against a page of metrics.
pub(super) fn hold(page: &Page) {
    let mut findings = Vec::new();
    let dashboard = std::fs::read_to_string(config().join("grafana-dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    shape(&dashboard);
    let mut seen = BTreeSet::new();
    for (title, expression, legend) in targets(&dashboard) {
        findings.extend(wrong(page, &title, &expression, &legend, &mut seen));
    }
    let rules = std::fs::read_to_string(config().join("alerts.yml")).expect("the alert rules");
    let alerts = alerts(&rules);
    for (alert, expression, words) in &alerts {
        findings.extend(wrong(page, alert, expression, words, &mut seen));
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    // Whoever reads all of the dashboard has seen most of what there is.
    assert!(alerts.len() >= 15 && seen.len() >= 40, "{} alerts, {} metrics", alerts.len(), seen.len());

    let said = promtool(&["check", "rules", "alerts.yml"], "", &config());
    assert!(said.contains(&format!("SUCCESS: {} rules found", alerts.len())), "{said}");
    let said = promtool(&["test", "rules", "alerts-test.yml"], "", &config());
    assert!(said.contains("SUCCESS"), "{said}");
    // Each alert is tested, in both directions: one that never fires is none.
    let tests = std::fs::read_to_string(config().join("alerts-test.yml")).expect("the tests of the rules");
    for series in tests.lines().filter_map(|line| line.split_once("series: '")?.1.split_once("',")) {
        for (metric, labels) in named(series.0).metrics {
            for (label, value) in labels {
                let strange = values::strange(&metric, &label, &value).collect::<Vec<_>>();
                assert_eq!(strange, [""; 0], "alerts-test.yml: {metric} is never of this {label}");
            }
        }
    }
    // Nobody is called for what is a client's own fault.
    let excluded = alerts.iter().find(|(alert, ..)| alert == "LeverframeSqlErrors").map(|(_, expression, _)| {
        let picked = &named(expression).metrics[0].1["reason"];
        picked.split('|').map(str::to_owned).collect::<BTreeSet<_>>()
    });
    let own = OF_CLIENTS.iter().copied().chain(["client-gone"]).map(str::to_owned).collect();
    assert_eq!(excluded, Some(own));
    for (alert, ..) in &alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test in alerts-test.yml");
    }
}

/// What Grafana needs of it.
fn shape(dashboard: &Value) {
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36), "a schema version");
    for word in ["uid", "title"] {
        assert!(dashboard[word].as_str().is_some_and(|text| !text.is_empty()), "{word}");
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["type"] == "datasource"), "the data source is a variable");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "an id twice: {panel}");
        let place = &panel["gridPos"];
        let [x, w] = ["x", "w"].map(|key| place[key].as_u64().expect("a place"));
        assert!(x + w <= 24, "beyond the grid: {panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{}", panel["title"]);
            assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
        }
    }
}

/// Where it stands, what it asks, and what it shows of the labels.
fn targets(dashboard: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut targets = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            targets.push((text(&panel["title"]), text(&target["expr"]), text(&target["legendFormat"])));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        // label_values(METRIC, LABEL)
        let query = text(&variable["query"]["query"]);
        if let Some((metric, label)) = query.strip_prefix("label_values(").and_then(|rest| rest.split_once(", ")) {
            let label = label.trim_end_matches(')');
            targets.push((text(&variable["name"]), metric.to_owned(), format!("{{{{{label}}}}}")));
        }
    }
    assert!(targets.len() > 40, "{} questions", targets.len());
    targets
}

/// Each alert with its expression, and what its words take of the labels. Read line by line, as the file is written: whether
/// it is YAML, promtool says.
fn alerts(rules: &str) -> Vec<(String, String, String)> {
    let mut alerts: Vec<(String, String, String)> = Vec::new();
    for line in rules.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix("- alert: ") {
            alerts.push((name.to_owned(), String::new(), String::new()));
        } else if let Some(expression) = trimmed.strip_prefix("expr: ") {
            let (_, of, _) = alerts.last_mut().expect("an alert");
            assert!(!expression.starts_with(['|', '>', '\'', '"']), "in one line, without quotes: {line}");
            expression.clone_into(of);
        } else if trimmed.starts_with("summary:") || trimmed.starts_with("description:") {
            let (_, _, words) = alerts.last_mut().expect("an alert");
            words.push_str(trimmed);
        }
    }
    alerts
}

/// What an expression, and what is said of its outcome, name that there is not.
fn wrong(page: &Page, place: &str, expression: &str, words: &str, seen: &mut BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let named = named(expression);
    let mut labels: BTreeSet<&str> = OF_THE_TARGET.into();
    for (metric, picked) in &named.metrics {
        if FOREIGN.contains(&metric.as_str()) {
            continue;
        }
        let of = |family: &&Family| family.sample_names().contains(metric);
        let Some(family) = page.families.iter().find(of) else {
            findings.push(format!("{place}: no metric {metric}"));
            continue;
        };
        seen.insert(metric.clone());
        let known = family.label_names();
        for (label, value) in picked {
            findings.extend(
                values::strange(metric, label, value)
                    .map(|value| format!("{place}: {metric} is never of {label} {value}")),
            );
        }
        for label in picked.keys().filter(|label| !known.contains(label.as_str())) {
            // A label of a family without values cannot be known; it must be one of the list at least.
            let may_be = family.samples.is_empty() && super::lint::LABELS.iter().any(|(it, _)| it == label);
            if !may_be && !OF_THE_TARGET.contains(&label.as_str()) {
                findings.push(format!("{place}: {metric} has no label {label}"));
            }
        }
        labels.extend(known);
        if family.samples.is_empty() {
            labels.extend(super::lint::LABELS.map(|(label, _)| label));
        }
    }
    if named.metrics.is_empty() {
        findings.push(format!("{place}: asks for nothing: {expression}"));
    }
    let shown = words.split("{{").skip(1).filter_map(|part| part.split("}}").next());
    let shown = shown.flat_map(|part| {
        let part = part.trim();
        match part.contains("$labels.") {
            true => part.split("$labels.").skip(1).map(|rest| rest.split([' ', '|']).next().unwrap_or(rest)).collect(),
            false if part.starts_with('$') => Vec::new(),
            false => vec![part],
        }
    });
    for label in named.grouped.iter().map(String::as_str).chain(shown) {
        if !labels.contains(label) {
            findings.push(format!("{place}: no metric of it has the label {label}"));
        }
    }
    findings
}
