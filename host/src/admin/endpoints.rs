//! `POST /api/endpoints/{endpoint}/{command}[?cluster=C]`: takes an endpoint out of the traffic, puts it back, or gives it
//! another weight. What is said here holds until it is taken back: edits of the configuration and rediscovery do not change
//! it.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, InPath};
use super::clusters::{self, Endpoint};
use super::problem::Problem;
use super::server::Shared;
use crate::cluster::{LiveCluster, Member};
use crate::model::{AdminState, EndpointId, EndpointName, Weight};

/// Which endpoint exactly, and which weight.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The cluster, where several have an endpoint of that name.
    cluster: Option<String>,
    /// For `weight`: the weight; without, that of its source again.
    #[param(value_type = Option<u16>, minimum = 1)]
    weight: Option<String>,
}

/// What can be done to an endpoint, as the path says it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum CommandName {
    Drain,
    Undrain,
    Enable,
    Disable,
    Weight,
}

/// An endpoint after a command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Commanded {
    cluster: String,
    endpoint: Endpoint,
}

/// Takes an endpoint out of the traffic, puts it back, or gives it another weight.
///
/// `drain` sends nothing new and goes on checking, `disable` does neither; `undrain` and `enable` take either back.
/// `weight` with `?weight=N` gives it that weight, without one that of its source again.
#[utoipa::path(post, path = "/api/endpoints/{endpoint}/{command}", tag = "clusters",
    params(
        ("endpoint" = String, Path, description = "Its name, or its number."),
        ("command" = inline(CommandName), Path),
        Wanted,
    ),
    responses(
        (status = 200, body = Commanded),
        (status = 400, description = "No weight, or several endpoints of that name."),
        (status = 404, description = "No such endpoint, or no such command."),
    ))]
pub(super) async fn command(
    State(shared): State<Shared>,
    InPath((endpoint, command)): InPath<(String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Commanded>, Problem> {
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
    Ok(Json(Commanded { cluster: live.name().to_string(), endpoint }))
}

/// What can be done to an endpoint.
enum Command {
    State(AdminState),
    Weight(Option<Weight>),
}

impl Command {
    fn read(command: &str, weight: Option<&str>) -> Result<Self, Problem> {
        let weighed = |text: &str| {
            let weight = text.parse().ok().and_then(Weight::new);
            weight.ok_or_else(|| Problem::bad_request(format!("`{text}` is no weight: a whole number from 1 to 65535")))
        };
        let weight = weight.map(weighed).transpose()?;
        match (command, weight) {
            ("drain", _) => Ok(Self::State(AdminState::Draining)),
            ("disable", _) => Ok(Self::State(AdminState::Disabled)),
            ("undrain" | "enable", _) => Ok(Self::State(AdminState::Enabled)),
            ("weight", weight) => Ok(Self::Weight(weight)),
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
