//! `POST /api/endpoints/{endpoint}/{command}[?cluster=C]`: takes an endpoint out of the traffic, puts it back, or gives it
//! another weight. What is said here holds until it is taken back: edits of the configuration and rediscovery do not change
//! it.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::Asked;
use super::clusters;
use super::problem::Problem;
use super::server::Shared;
use crate::cluster::{LiveCluster, Member};
use crate::model::{AdminState, EndpointId, EndpointName, Weight};

#[derive(Deserialize)]
pub(super) struct Wanted {
    cluster: Option<String>,
    weight: Option<String>,
}

/// `drain` sends nothing new and goes on checking, `disable` does neither; `undrain` and `enable` take either back.
/// `weight` with `?weight=N` gives it that weight, without one that of its source again.
pub(super) async fn command(
    State(shared): State<Shared>,
    Path((endpoint, command)): Path<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let command = Command::read(&command, wanted.weight.as_deref())?;
    let (live, member) = find(&shared, &endpoint, wanted.cluster.as_deref())?;
    let gone = || Problem::not_found(format!("the endpoint `{endpoint}` has just left"));
    let found = match command {
        Command::State(state) => live.command(member.id(), state),
        Command::Weight(weight) => live.weigh(member.id(), weight),
    };
    if !found {
        return Err(gone());
    }
    let served = shared.served();
    let keeper = served.keepers.get(live.name());
    // One that is put back need not wait for the next round to be checked.
    keeper.inspect(|keeper| keeper.look());
    let readings = keeper.map(|keeper| keeper.readings()).unwrap_or_default();
    let roster = live.roster();
    let member = roster.get(member.id()).ok_or_else(gone)?;
    let checked = readings.iter().find(|reading| reading.endpoint == member.endpoint().spec.name);
    let endpoint = clusters::endpoint(member, checked, Instant::now());
    Ok(Json(json!({ "cluster": live.name().as_str(), "endpoint": endpoint })))
}

/// What can be done to an endpoint.
enum Command {
    State(AdminState),
    Weight(Option<Weight>),
}

impl Command {
    fn read(command: &str, weight: Option<&str>) -> Result<Self, Problem> {
        let weighed = |text: &str| text.parse().ok().and_then(Weight::new);
        match (command, weight) {
            ("drain", _) => Ok(Self::State(AdminState::Draining)),
            ("disable", _) => Ok(Self::State(AdminState::Disabled)),
            ("undrain" | "enable", _) => Ok(Self::State(AdminState::Enabled)),
            ("weight", None) => Ok(Self::Weight(None)),
            ("weight", Some(text)) => match weighed(text) {
                Some(weight) => Ok(Self::Weight(Some(weight))),
                None => Err(Problem::bad_request(format!("`{text}` is no weight: a whole number from 1 to 65535"))),
            },
            (other, _) => {
                let known = "drain, undrain, enable, disable, weight";
                Err(Problem::not_found(format!("an endpoint cannot `{other}`; it can: {known}")))
            }
        }
    }
}

/// One endpoint of a cluster: that of this name, or that of this number when none has such a name.
fn named(live: &LiveCluster, wanted: &str) -> Option<Arc<Member>> {
    let roster = live.roster();
    let by_id = || wanted.parse().ok().and_then(|id| roster.get(EndpointId(id)));
    EndpointName::new(wanted).ok().and_then(|name| roster.named(&name)).or_else(by_id).cloned()
}

/// The endpoint of that name or number; the cluster is needed only when several have one.
fn find(shared: &Shared, wanted: &str, cluster: Option<&str>) -> Result<(Arc<LiveCluster>, Arc<Member>), Problem> {
    let served = shared.served();
    if let Some(cluster) = cluster.filter(|name| !served.clusters.contains_key(*name)) {
        return Err(Problem::not_found(format!("no cluster is named `{cluster}`")));
    }
    let asked = served.clusters.iter().filter(|(name, _)| cluster.is_none_or(|wanted| name.as_str() == wanted));
    let mut found: Vec<_> = asked.filter_map(|(_, live)| Some((Arc::clone(live), named(live, wanted)?))).collect();
    match (found.pop(), found.as_slice()) {
        (Some(found), []) => Ok(found),
        (Some((last, _)), others) => {
            let names = others.iter().map(|(live, _)| live.name().as_str()).chain([last.name().as_str()]);
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Problem::bad_request(format!("`{wanted}` is in several clusters: say `?cluster=`, one of: {names}")))
        }
        (None, _) => Err(Problem::not_found(format!("no endpoint is named `{wanted}`"))),
    }
}
