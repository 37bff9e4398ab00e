//! `top`: a Leverframe that runs, watched in the terminal. `link` is the connection, `frames` and `said` are how what comes
//! over it is read, `model` is what is known and what the keys have chosen, `view` draws it. Here is the loop around them: it
//! knows the terminal, and leaves it as it was found, however it ends.

mod frames;
mod keys;
mod link;
mod model;
mod rows;
mod said;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;

use self::keys::Next;
use self::link::Link;
use self::model::Model;
use super::ask::Whom;
use super::control_runtime;
use super::run::Stop;

/// How often the thread that reads the keys looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(200);

/// How often the screen is drawn at least: what is cut off by a broken terminal comes back.
const REDRAW: Duration = Duration::from_secs(1);

/// What can be said.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// Seconds over which rates are taken, from 1 to 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
}

/// Shows it until `q`.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        bail!("`top` draws on a terminal, and there is none; `leverframe status --json` is for programs");
    }
    let ask = options.whom.ask_to_write()?;
    let model = Model::new(ask.address(), options.interval);
    // Left again when this panics, too: whoever starts a terminal so has it restored before the message is printed.
    let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on")?;
    let done = control_runtime().map_err(anyhow::Error::from).and_then(|runtime| {
        let done = runtime.block_on(watch(&mut terminal, model, ask));
        runtime.shutdown_background();
        done
    });
    ratatui::restore();
    done
}

async fn watch(terminal: &mut DefaultTerminal, mut model: Model, ask: super::ask::Ask) -> anyhow::Result<()> {
    let (tell, mut news) = mpsc::channel(64);
    let link = Link::new(ask, tell);
    let following = tokio::spawn(link.clone().follow());
    let mut keys = keyboard()?;
    let mut stop = Stop::new()?;
    let mut redraw = tokio::time::interval(REDRAW);
    loop {
        terminal.draw(|frame| view::draw(frame, &mut model))?;
        tokio::select! {
            Some(news) = news.recv() => model.take(news),
            key = keys.recv() => {
                let Some(key) = key else { bail!("the keyboard cannot be read") };
                match key {
                    Event::Key(key) if key.kind != KeyEventKind::Release => match keys::press(&mut model, key) {
                        Next::Stay => {}
                        Next::Quit => break,
                        Next::Command(command) => {
                            let link = link.clone();
                            tokio::spawn(async move { link.command(command).await });
                        }
                    },
                    // A new size, above all: it is drawn anew.
                    _ => {}
                }
            }
            () = stop.requested() => break,
            _ = redraw.tick() => {}
        }
        // What came at the same time is drawn at once.
        while let Ok(more) = news.try_recv() {
            model.take(more);
        }
    }
    following.abort();
    Ok(())
}

/// The keys, read on a thread of its own, which ends when nobody listens any more.
fn keyboard() -> std::io::Result<mpsc::UnboundedReceiver<Event>> {
    let (tell, keys) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        while !tell.is_closed() {
            let read = match event::poll(LOOK) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let Ok(read) = read else { return };
            if tell.send(read).is_err() {
                return;
            }
        }
    })?;
    Ok(keys)
}
