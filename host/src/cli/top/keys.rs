//! What the keys do. Pure: a key and the model in, what is to be done out.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::link::Command;
use super::model::{Model, Tab};
use super::rows::Order;

/// What follows from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Only what is shown may have changed.
    Stay,
    /// It is over.
    Quit,
    /// It was asked and confirmed.
    Command(Command),
}

/// The keys and what they do, as the help shows them.
pub(super) const HELP: [(&str, &str); 9] = [
    ("Tab, ←, →, 1 to 5", "another page"),
    ("↑, ↓, PgUp, PgDn, Home, End", "another row"),
    ("s", "sort the endpoints by the next column"),
    ("r", "the other way round"),
    ("d", "drain the endpoint: it gets nothing new"),
    ("u", "undrain it"),
    ("y, n", "yes, no"),
    ("?", "this"),
    ("q, Ctrl-C", "quit"),
];

/// A key was pressed.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> Next {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Next::Quit } else { Next::Stay };
    }
    if let Some(command) = model.asks.take() {
        return match key.code {
            KeyCode::Char('y' | 'Y') => {
                model.note = format!("{} {} of {} …", command.what, command.endpoint, command.cluster);
                Next::Command(command)
            }
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Next::Stay,
            _ => {
                model.asks = Some(command);
                Next::Stay
            }
        };
    }
    if model.help {
        model.help = false;
        return Next::Stay;
    }
    model.note.clear();
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
        KeyCode::Char('?' | 'h') => model.help = true,
        KeyCode::Char('s') => model.order = model.order.next(),
        KeyCode::Char('r') => model.order = Order { reversed: !model.order.reversed, ..model.order },
        KeyCode::Char('d') => ask(model, "drain"),
        KeyCode::Char('u') => ask(model, "undrain"),
        KeyCode::Tab | KeyCode::Right => turn(model, model.tab.further(1)),
        KeyCode::BackTab | KeyCode::Left => turn(model, model.tab.further(Tab::ALL.len() - 1)),
        KeyCode::Char(digit @ '1'..='5') => {
            let at = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(1) - 1;
            turn(model, Tab::Clusters.further(at));
        }
        other => travel(model, other),
    }
    Next::Stay
}

fn turn(model: &mut Model, tab: Tab) {
    (model.tab, model.chosen) = (tab, 0);
    model.mark();
}

/// Another row.
fn travel(model: &mut Model, key: KeyCode) {
    let (rows, fit) = model.shown;
    let (last, page) = (rows.saturating_sub(1), fit.max(1));
    model.chosen = match key {
        KeyCode::Down => model.chosen.saturating_add(1),
        KeyCode::Up => model.chosen.saturating_sub(1),
        KeyCode::PageDown => model.chosen.saturating_add(page),
        KeyCode::PageUp => model.chosen.saturating_sub(page),
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => model.chosen,
    }
    .min(last);
    model.mark();
}

/// Asks whether that is meant, where it can be done.
fn ask(model: &mut Model, what: &'static str) {
    if model.tab != Tab::Endpoints {
        "endpoints are drained on their own page".clone_into(&mut model.note);
    } else if !model.may_write() {
        "the token only lets one read".clone_into(&mut model.note);
    } else {
        model.asks = model.marked().map(|row| {
            let (cluster, endpoint) = (row.cluster.to_owned(), row.endpoint.name.clone());
            Command { cluster, endpoint, what }
        });
        if model.asks.is_none() {
            "that endpoint is gone".clone_into(&mut model.note);
        }
    }
}
