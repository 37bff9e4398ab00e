//! `plugin check`: what the host would say of a component, before it is dropped in.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::say;
use crate::config::PluginLimits;
use crate::plugin::{Artifact, PluginEngine, World, probe};

pub(super) fn run(file: &Path, config: &str) -> anyhow::Result<()> {
    let table: serde_json::Value = serde_json::from_str(config).context("--config is a JSON object")?;
    if !table.is_object() {
        bail!("--config is a JSON object, not {table}");
    }
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let engine = PluginEngine::new(None)?;
    let limits = PluginLimits::default();
    let artifact = Artifact::compile(&engine, &bytes, &limits).with_context(|| file.display().to_string())?;
    say(&format!("world    {}", artifact.world().name()));
    say(&format!("size     {} bytes", artifact.size()));
    say(&format!("hash     {}", artifact.hash()));
    say(&format!("imports  {}", artifact.imports().join("\n         ")));
    let report = probe(&engine, &artifact, &limits, config).with_context(|| file.display().to_string())?;
    say(&format!("version  {} ({})", report.about.version, report.about.summary));
    let (decision, decisions) = match artifact.world() {
        World::RoutingStrategy => ("pick", "picks"),
        World::HealthPolicy => ("judgement", "judgements"),
    };
    say(&format!("dry run  {} {decisions}, {} of them left to the host", report.decisions, report.fallbacks));
    say(&format!("cost     {} ns per {decision}, the host's checks included", report.time_per_decision.as_nanos()));
    Ok(())
}
