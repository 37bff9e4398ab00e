//! The pages: a table each.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Cell, Row, Table, TableState};

use super::{short, time};
use crate::cli::top::model::{Model, Tab};
use crate::cli::top::rows::{Column, EndpointRow, NodeRow, severity};
use crate::cli::top::said::{Cluster, Happened, Plugin};

/// From so many columns on, the state of an endpoint's circuit is not cut off.
const ROOM_FOR_CIRCUIT: u16 = 100;

/// A page before it is drawn.
struct Page<'p> {
    head: Vec<String>,
    widths: Vec<Constraint>,
    rows: Vec<Row<'p>>,
}

/// Draws the page that is chosen, and notes how much of it there is.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &mut Model) {
    if model.tab == Tab::Endpoints {
        model.keep_chosen();
    }
    let page = match model.tab {
        Tab::Clusters => clusters(model),
        Tab::Endpoints => endpoints(model, area.width),
        Tab::Plugins => plugins(model),
        Tab::Sql => sql(model),
        Tab::Events => events(model),
    };
    let count = page.rows.len();
    let chosen = model.chosen.min(count.saturating_sub(1));
    let head = Row::new(page.head).style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED));
    let table = Table::new(page.rows, page.widths).header(head).column_spacing(1);
    let table = table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected((count > 0).then_some(chosen));
    frame.render_stateful_widget(table, area, &mut state);
    (model.chosen, model.shown) = (chosen, (count, area.height.saturating_sub(1).into()));
}

fn clusters(model: &Model) -> Page<'_> {
    let row = |cluster: &Cluster| {
        let flow = model.tick.clusters.get(&cluster.name).map(|of| of.flow).unwrap_or_default();
        let ready = format!("{}/{}", cluster.ready, cluster.endpoints.len());
        let (ready, colour) = match (cluster.panic, cluster.ready) {
            (true, _) => (format!("{ready} PANIC"), Color::Red),
            (false, 0) => (format!("{ready} NONE"), Color::Red),
            (false, all) if all == cluster.endpoints.len() as u64 => (ready, Color::Green),
            _ => (ready, Color::Yellow),
        };
        let policies = cluster.policies.iter().flatten().map(|policy| policy.plugin.as_str()).collect::<Vec<_>>();
        Row::new([
            Cell::from(cluster.name.clone()),
            Cell::from(ready).style(Style::new().fg(colour)),
            Cell::from(short(flow.per_second)),
            errors(flow.errors_per_second),
            Cell::from(flow.in_flight.to_string()),
            Cell::from(time(flow.p50_ms)),
            Cell::from(time(flow.p99_ms)),
            Cell::from(cluster.strategy.as_ref().map(|of| of.plugin.clone()).unwrap_or_default()),
            Cell::from(policies.join(", ")),
        ])
    };
    Page {
        head: titles(["CLUSTER", "READY", "REQ/S", "ERR/S", "NOW", "P50", "P99", "STRATEGY", "POLICIES"]),
        widths: widths([12, 10, 7, 6, 4, 7, 7, 12, 0]),
        rows: model.overview.clusters.iter().map(row).collect(),
    }
}

fn endpoints(model: &Model, width: u16) -> Page<'_> {
    let row = |row: EndpointRow<'_>| {
        let of = row.endpoint;
        let state = match of.circuit.as_str() {
            "closed" | "" => of.state.clone(),
            circuit => format!("{} {circuit}", of.state),
        };
        let weight = match of.effective_weight {
            share if share < 1.0 => format!("{:.1}", of.weight * share),
            _ => format!("{:.0}", of.weight),
        };
        Row::new([
            Cell::from(row.cluster.to_owned()),
            Cell::from(of.name.clone()),
            Cell::from(state).style(colour(&of.state)),
            Cell::from(short(row.rates.0)),
            errors(row.rates.1),
            Cell::from(row.in_flight.to_string()),
            Cell::from(time(Some(row.latency_ms))),
            Cell::from(weight),
            Cell::from(if of.reason.is_empty() { of.address.clone() } else { of.reason.clone() }),
        ])
    };
    let mut head =
        titles(["CLUSTER", "ENDPOINT", "STATE", "REQ/S", "ERR/S", "NOW", "LATENCY", "WEIGHT", "ADDRESS, REASON"]);
    let sorted = match model.order.by {
        Column::Name => 1,
        Column::State => 2,
        Column::Rate => 3,
        Column::Errors => 4,
        Column::InFlight => 5,
        Column::Latency => 6,
    };
    if let Some(title) = head.get_mut(sorted) {
        title.push(if model.order.reversed { '▲' } else { '▼' });
    }
    Page {
        head,
        // With room for what its circuit does.
        widths: widths([10, 13, if width < ROOM_FOR_CIRCUIT { 12 } else { 20 }, 6, 6, 4, 8, 6, 0]),
        rows: model.endpoints().into_iter().map(row).collect(),
    }
}

fn plugins(model: &Model) -> Page<'_> {
    let row = |plugin: &Plugin| {
        let (state, level) = match plugin {
            Plugin { disabled: true, .. } => ("DISABLED", Color::Yellow),
            Plugin { refused: Some(_), .. } => ("REFUSED", Color::Red),
            _ if plugin.state == "loaded" => ("LOADED", Color::Green),
            _ => ("AVAILABLE", Color::DarkGray),
        };
        let refused = plugin.refused.as_ref().map(|refused| refused.reason.clone());
        Row::new([
            Cell::from(plugin.name.clone()),
            Cell::from(state).style(Style::new().fg(level)),
            Cell::from(plugin.world.clone().unwrap_or_default()),
            Cell::from(plugin.version.clone().unwrap_or_default()),
            Cell::from(plugin.revision.map(|revision| revision.to_string()).unwrap_or_default()),
            Cell::from(plugin.clusters.join(", ")),
            Cell::from(refused.or_else(|| plugin.note.clone()).unwrap_or_default()),
        ])
    };
    // Those that are used, or in trouble, come first.
    let mut all: Vec<_> = model.overview.plugins.iter().collect();
    all.sort_by_key(|plugin| plugin.clusters.is_empty() && plugin.refused.is_none());
    Page {
        head: titles(["PLUGIN", "STATE", "WORLD", "VERSION", "REV", "CLUSTERS", "NOTE"]),
        widths: widths([18, 9, 16, 7, 3, 12, 0]),
        rows: all.into_iter().map(row).collect(),
    }
}

fn sql(model: &Model) -> Page<'_> {
    let mut rows = Vec::new();
    for entry in &model.overview.sql {
        let flow = model.tick.sql.get(&entry.name);
        let log = entry.replication.as_ref().map(|of| format!("log {}", of.log.to_uppercase())).unwrap_or_default();
        let state = entry.unready.as_ref().map_or(log, |_| "NOT READY".to_owned());
        let position = entry.replication.as_ref().and_then(|of| of.position);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        rows.push(
            Row::new([
                Cell::from(entry.name.clone()),
                Cell::from(entry.topology.clone()),
                Cell::from(state),
                Cell::from(number(position)),
                Cell::from(""),
                Cell::from(short(flow.map_or(0.0, |flow| flow.per_second))),
                errors(flow.map_or(0.0, |flow| flow.failed_per_second)),
                Cell::from(time(flow.and_then(|flow| flow.p50_ms))),
                Cell::from(time(flow.and_then(|flow| flow.p99_ms))),
                Cell::from(entry.unready.clone().unwrap_or_default()),
            ])
            .style(bold),
        );
        rows.extend(model.nodes().into_iter().filter(|row| row.entry == entry.name).map(node));
    }
    Page {
        head: titles(["ENTRY", "NODE", "STATE", "POSITION", "LAG", "STMT/S", "ERR/S", "P50/AVG", "P99", "WHY"]),
        widths: widths([8, 10, 14, 8, 5, 6, 5, 7, 6, 0]),
        rows,
    }
}

fn node(row: NodeRow<'_>) -> Row<'static> {
    Row::new([
        Cell::from(""),
        Cell::from(row.node.to_owned()),
        Cell::from(row.state.to_owned()).style(colour(row.state)),
        Cell::from(number(row.position)),
        Cell::from(number(row.lag)),
        Cell::from(short(row.rates.0)),
        errors(row.rates.1),
        Cell::from(time(Some(row.average_ms))),
        Cell::from(""),
        Cell::from(row.why.to_owned()),
    ])
}

fn events(model: &Model) -> Page<'_> {
    let row = |of: &Happened| {
        // The time of day: 2026-01-02T03:04:05.678Z
        let at = of.at.as_deref().and_then(|at| at.get(11..19)).unwrap_or_default().to_owned();
        let what = match (&of.from, &of.to) {
            (Some(from), Some(to)) => format!("{} {from} → {to}", of.kind),
            _ => of.kind.clone(),
        };
        let whom = of.endpoint.as_ref().or(of.plugin.as_ref()).cloned().unwrap_or_default();
        let state = of.to.clone().unwrap_or_default();
        Row::new([
            Cell::from(at),
            Cell::from(of.cluster.clone()),
            Cell::from(whom),
            Cell::from(what).style(colour(&state)),
            Cell::from(of.cause.clone()),
        ])
    };
    Page {
        head: titles(["TIME", "CLUSTER", "WHO", "WHAT", "CAUSE"]),
        widths: widths([8, 10, 14, 26, 0]),
        rows: model.events.iter().map(row).collect(),
    }
}

/// Red where something is.
fn errors(per_second: f64) -> Cell<'static> {
    let style = if per_second > 0.0 { Style::new().fg(Color::Red) } else { Style::new() };
    Cell::from(short(per_second)).style(style)
}

fn colour(state: &str) -> Style {
    let colour = match severity(state) {
        4 => Color::Red,
        3 => Color::Yellow,
        2 => Color::Cyan,
        1 => Color::Magenta,
        _ if state.is_empty() => return Style::new(),
        _ => Color::Green,
    };
    Style::new().fg(colour)
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn titles<const N: usize>(titles: [&str; N]) -> Vec<String> {
    titles.map(str::to_owned).to_vec()
}

/// Each column's; 0 is for what takes the rest.
fn widths<const N: usize>(widths: [u16; N]) -> Vec<Constraint> {
    let width = |width| if width == 0 { Constraint::Fill(1) } else { Constraint::Length(width) };
    widths.map(width).to_vec()
}
