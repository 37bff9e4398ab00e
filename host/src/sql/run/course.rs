//! Owns telling a plan in words, for `explain` and for the report of an answer.

use std::sync::Arc;

use super::entry::Asked;
use super::nodes::Nodes;
use super::report::{Course, Explanation, NodePlan, NodeReport, NodeStatus, Report, Step, Summary};
use crate::sql::plan::{Class, FinalStage, KeyColumn, MergeKey, Plan, Tier, Window};
use crate::sql::write::Change;

/// How a plan answers.
pub(super) fn course(plan: &Plan) -> Course {
    let class = match plan.class {
        Class::Single => "single",
        Class::Partial => "partial",
        Class::Full => "full",
    };
    let tier = match plan.tier {
        Tier::PassThrough => "pass-through",
        Tier::Merge => "merge",
        Tier::Gather => "gather",
    };
    Course { class, tier, why: plan.why.clone(), merge: steps(&plan.last) }
}

/// The report of a plan before anything was asked; a shard stands in for the node that will be chosen.
pub(super) fn unasked(plan: &Plan, asked: &Asked) -> Arc<Report> {
    let node = |node: &crate::sql::plan::NodeStatement| NodeReport {
        name: asked.nodes.shard_name(node.shard),
        sql: node.sql.clone(),
        rows: 0,
        elapsed: std::time::Duration::ZERO,
        status: NodeStatus::Stopped,
    };
    Arc::new(Report::new(Summary {
        course: course(plan),
        nodes: plan.nodes.iter().map(node).collect(),
        partial: false,
        steps: vec![(Step::Plan, asked.began.elapsed())],
        position: None,
    }))
}

/// What a plan would do.
pub(super) fn explained(plan: &Plan, nodes: &Nodes) -> Explanation {
    let node = |node: &crate::sql::plan::NodeStatement| NodePlan {
        name: nodes.holder_names(node.shard),
        shard: nodes.shard_name(node.shard),
        sql: node.sql.clone(),
    };
    let last = match &plan.last {
        FinalStage::Sql { sql, .. } => Some(sql.clone()),
        FinalStage::PassThrough | FinalStage::Concat(_) | FinalStage::Merge { .. } => None,
    };
    Explanation { course: course(plan), nodes: plan.nodes.iter().map(node).collect(), last }
}

/// How a write is carried out.
pub(super) fn write_course(change: &Change, nodes: &Nodes) -> Course {
    let mut shards: Vec<_> = change.statements.iter().map(|statement| statement.shard).collect();
    shards.dedup();
    let class = match shards.len() {
        0 | 1 => "single",
        some if some < nodes.layout().shards.len() => "partial",
        _ => "full",
    };
    let merge = match shards.len() {
        0 | 1 => Vec::new(),
        _ => vec!["a transaction on each shard; all are carried out, then all committed".into()],
    };
    Course { class, tier: "write", why: String::new(), merge }
}

/// What a write would do.
pub(super) fn explained_write(change: &Change, nodes: &Nodes) -> Explanation {
    let node = |statement: &crate::sql::write::ShardStatement| NodePlan {
        name: nodes.holder_names(statement.shard),
        shard: nodes.shard_name(statement.shard),
        sql: statement.sql.clone(),
    };
    Explanation { course: write_course(change, nodes), nodes: change.statements.iter().map(node).collect(), last: None }
}

/// What becomes of the rows of the nodes, step by step.
fn steps(last: &FinalStage) -> Vec<String> {
    let mut steps = Vec::new();
    match last {
        FinalStage::PassThrough => {}
        FinalStage::Concat(window) => {
            steps.push("take the rows of all nodes as they come".into());
            cut(*window, &mut steps);
        }
        FinalStage::Merge { keys, hidden, window } => {
            let keys: Vec<String> = keys.iter().map(key).collect();
            steps.push(format!("merge the sorted rows of all nodes by {}", keys.join(", ")));
            cut(*window, &mut steps);
            if *hidden > 0 {
                steps.push(format!("cut off the last {hidden} columns"));
            }
        }
        FinalStage::Sql { loads, guards, .. } => {
            for load in loads {
                let columns: Vec<&str> = load.columns.iter().map(|column| column.name.as_str()).collect();
                steps.push(format!("load {} ({})", load.name, columns.join(", ")));
            }
            for guard in guards {
                steps.push(format!("check that {} can be merged exactly", guard.construct));
            }
            steps.push("run the final statement over what was loaded".into());
        }
    }
    steps
}

fn key(key: &MergeKey) -> String {
    let column = match key.column {
        KeyColumn::Visible(at) => format!("column {}", at + 1),
        KeyColumn::Hidden(at) => format!("hidden column {}", at + 1),
    };
    let direction = if key.descending { "descending" } else { "ascending" };
    let nulls = if key.nulls_first { "first" } else { "last" };
    format!("{column} {direction}, NULL {nulls}")
}

fn cut(window: Window, steps: &mut Vec<String>) {
    if window.offset > 0 {
        steps.push(format!("leave out the first {} rows", window.offset));
    }
    if let Some(limit) = window.limit {
        steps.push(format!("stop after {limit} rows"));
    }
}
