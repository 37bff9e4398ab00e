//! Draws the model: a head with what matters most, a page with rows, a line with what the keys do. Says in words what it
//! says in colours. Fits 80 columns and 24 rows; what is smaller loses the throughput first.

mod pages;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline, Tabs};

use super::keys::HELP;
use super::model::{Model, Standing, Tab};
use super::said::Work;

/// Below so many rows the throughput is left out.
const ROOM_FOR_THROUGHPUT: u16 = 14;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model) {
    let throughput = if frame.area().height >= ROOM_FOR_THROUGHPUT { 3 } else { 0 };
    let works = u16::from(!model.works.is_empty());
    let [head, work, spark, tabs, page, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(works),
        Constraint::Length(throughput),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(vec![about(model), rates(model)]), head);
    frame.render_widget(Paragraph::new(under_way(model)), work);
    let seconds: Vec<u64> = model.throughput.iter().take(spark.width.into()).copied().collect();
    // The newest are at the right.
    let newest_last: Vec<u64> = seconds.into_iter().rev().collect();
    let bars =
        Rect { x: spark.right().saturating_sub(newest_last.len() as u16), width: newest_last.len() as u16, ..spark };
    frame.render_widget(Sparkline::default().data(newest_last).style(Style::new().fg(Color::Cyan)), bars);
    let titles = Tab::ALL.iter().zip(1..).map(|(tab, nth)| format!("{nth} {}", tab.title()));
    let selected = Tab::ALL.iter().position(|tab| *tab == model.tab);
    let highlight = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
    frame.render_widget(Tabs::new(titles).select(selected).highlight_style(highlight).divider("│"), tabs);
    pages::draw(frame, page, model);
    frame.render_widget(Paragraph::new(foot_line(model)), foot);
    if model.help {
        help(frame);
    }
}

/// Who it is, and whether it is well.
fn about(model: &Model) -> Line<'static> {
    let health = &model.overview.health;
    let mut spans = vec![format!("Leverframe {}", health.version).bold(), format!("  {}", model.address).into()];
    match &model.standing {
        Standing::Looking => spans.push("  connecting …".yellow()),
        // Why, it says at the foot, where there is room.
        Standing::Lost(_) => spans.push("  LOST, looking for it".red().bold()),
        Standing::Found => {
            if let Some(uptime) = model.uptime() {
                spans.push(format!("  up {uptime}").into());
            }
            let status = health.status.to_uppercase();
            let colour = if health.status == "ok" { Color::Green } else { Color::Red };
            spans.push(Span::styled(format!("  {status}"), Style::new().fg(colour)));
            let generation = model.overview.config.generation;
            let colour = if health.config == "current" { Color::Green } else { Color::Red };
            spans.push("  config ".into());
            spans.push(Span::styled(health.config.to_uppercase(), Style::new().fg(colour)));
            spans.push(format!(" #{generation}").into());
        }
    }
    Line::from(spans)
}

/// What goes through it now.
fn rates(model: &Model) -> Line<'static> {
    let total = &model.total;
    let errors = format!("{} errors/s", short(total.errors_per_second));
    Line::from(vec![
        format!("{} req/s", short(total.per_second)).bold(),
        "  ".into(),
        if total.errors_per_second > 0.0 { errors.red() } else { errors.into() },
        format!("  {} under way", total.in_flight).into(),
        format!("  p50 {}  p95 {}  p99 {}", time(total.p50_ms), time(total.p95_ms), time(total.p99_ms)).into(),
    ])
}

/// What is under way that takes longer: the oldest, and how many more.
fn under_way(model: &Model) -> Line<'static> {
    let Some(work) = model.works.first() else { return Line::default() };
    let Work { kind, subject, done, total, unit } = work;
    let far = match total {
        Some(total) => {
            let percent = (*done as f64 / (*total).max(1) as f64 * 100.0).min(100.0);
            format!("{percent:.0} %, {done} of {total} {unit}")
        }
        None if *done > 0 => format!("{done} {unit}"),
        None => "…".to_owned(),
    };
    let more = match model.works.len() {
        1 => String::new(),
        several => format!("  and {} more", several - 1),
    };
    Line::from(vec![format!("{kind} {subject}: {far}").cyan(), more.into()])
}

fn foot_line(model: &Model) -> Line<'static> {
    if let Some(command) = &model.asks {
        let question = format!("y/n: {} {} of {}?", command.what, command.endpoint, command.cluster);
        return Line::from(question.black().on_yellow());
    }
    if !model.note.is_empty() {
        return Line::from(model.note.clone().yellow());
    }
    if let Standing::Lost(why) = &model.standing {
        return Line::from(why.clone().red());
    }
    let keys = match model.tab {
        Tab::Endpoints => "Tab page  ↑↓ row  s sort  r reverse  d drain  u undrain  ? help  q quit",
        _ => "Tab page  ↑↓ row  ? help  q quit",
    };
    Line::from(keys.dark_gray())
}

fn help(frame: &mut Frame<'_>) {
    let all = frame.area();
    let (width, height) = (all.width.min(76), all.height.min(HELP.len() as u16 + 2));
    let area = Rect { x: (all.width - width) / 2, y: (all.height - height) / 2, width, height };
    let lines: Vec<Line<'_>> =
        HELP.iter().map(|(keys, what)| Line::from(vec![format!("{keys:<28}").bold(), (*what).into()])).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), area);
}

/// A number in few characters.
pub(super) fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.1}k", n / 1e3),
        n if n >= 100.0 || n == 0.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// A time in milliseconds in few characters; a dash where there is none.
pub(super) fn time(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms >= 1000.0 => format!("{:.2}s", ms / 1000.0),
        Some(ms) if ms >= 10.0 => format!("{ms:.0}ms"),
        Some(ms) => format!("{ms:.2}ms"),
    }
}
