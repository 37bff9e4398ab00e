//! The figures as pictures. Only draws; what is in them was computed elsewhere.

use std::error::Error;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, IntoTextStyle, RGBColor, WHITE};

use super::Measured;
use super::figures::{Figures, Spread};
use super::run::{Hash, REQUESTS};

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Numbers, RangedCoordf64>>;

const SIZE: (u32, u32) = (800, 500);
const FONT: &str = "sans-serif";
/// What is compared with: a thin grey line.
const IDEAL: RGBColor = RGBColor(70, 70, 70);

/// Whole numbers along an axis, with half a step to spare at both ends. They alone have ticks.
struct Numbers(RangeInclusive<usize>);

impl Ranged for Numbers {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.0.clone().map(|number| number as f64).collect()
    }

    fn range(&self) -> Range<f64> {
        *self.0.start() as f64 - 0.5..*self.0.end() as f64 + 0.5
    }
}

/// What the axis across shows, and how it writes a number.
struct Across<'a> {
    title: &'a str,
    numbers: Numbers,
    write: &'a dyn Fn(&f64) -> String,
}

/// What the axis upwards shows, in what range, and where that leaves room for the legend.
struct Upwards {
    title: &'static str,
    range: Range<f64>,
    labels: usize,
    legend: SeriesLabelPosition,
}

/// Over numbers of servers.
type Points = Vec<(f64, f64)>;

/// One curve for each hash, and what they are compared with.
struct Curves<'a> {
    name: &'a str,
    measured: Vec<(Hash, Points)>,
    ideal: (&'a str, Points),
}

/// Orange and blue of the palette by Okabe and Ito, which are told apart with every kind of sight.
const fn color(hash: Hash) -> RGBColor {
    match hash {
        Hash::Polynomial => RGBColor(213, 94, 0),
        Hash::Mixed => RGBColor(0, 114, 178),
    }
}

/// For each server a bar of each hash, side by side, and the mean as a line.
pub(super) fn loads(file: &Path, both: &[Measured], servers: usize) -> Drawn {
    let area = area(file)?;
    let most = both.iter().map(|one| one.with(servers).spread.most()).max().unwrap_or(0) as f64;
    let across = Across { title: "server", numbers: Numbers(1..=servers), write: &|at| format!("node-{at}") };
    let title = format!("consistent-hash: {REQUESTS} requests over {servers} servers");
    let upwards = requests_up_to(most);
    let legend = upwards.legend.clone();
    let mut chart = chart(&area, &title, across, upwards)?;
    let text = (FONT, 15).into_text_style(&area);
    let within = text.color(&WHITE).pos(Pos::new(HPos::Center, VPos::Center));
    let above = text.color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
    for (nth, measured) in both.iter().enumerate() {
        let spread = &measured.with(servers).spread;
        let bar = color(measured.hash).filled();
        // Two bars of 0.36 with a gap of 0.04 between them.
        let bars: Vec<_> = (1..)
            .zip(spread.loads())
            .map(|(server, load)| (f64::from(server) - 0.38 + 0.4 * nth as f64, *load as f64))
            .collect();
        let rectangles = bars.iter().map(|(left, load)| Rectangle::new([(*left, 0.0), (left + 0.36, *load)], bar));
        let name = format!("{}: standard deviation {:.0}", measured.hash.as_str(), spread.deviation());
        let series = chart.draw_series(rectangles)?.label(name);
        series.legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], bar));
        // In the middle of its bar a count is clear of the mean; a bar of less than a tenth is too short for that.
        chart.draw_series(bars.iter().map(|&(left, load)| match load < 0.1 * most {
            true => Text::new(load.to_string(), (left + 0.18, load), above.clone()),
            false => Text::new(load.to_string(), (left + 0.18, load / 2.0), within.clone()),
        }))?;
    }
    let mean = both[0].with(servers).spread.mean();
    ideal_line(&mut chart, &format!("mean {mean:.0}"), vec![(0.5, mean), (servers as f64 + 0.5, mean)])?;
    finish(chart, &area, legend)
}

/// The mean load and the standard deviations over the number of servers.
pub(super) fn spreads(file: &Path, both: &[Measured]) -> Drawn {
    let means = points(&both[0], |figures| figures.spread.mean());
    let deviations = |one: &Measured| points(one, |figures| Spread::deviation(&figures.spread));
    let highest = both.iter().flat_map(deviations).chain(means.iter().copied()).map(|(_, y)| y).fold(0.0, f64::max);
    let measured = both.iter().map(|one| (one.hash, deviations(one))).collect();
    let curves = Curves { name: "standard deviation", measured, ideal: ("mean load of a server", means) };
    lines(file, "consistent-hash: standard deviation of the servers' loads", requests_up_to(highest), curves)
}

/// The share of keys that moved, beside 1/N.
pub(super) fn moved(file: &Path, both: &[Measured]) -> Drawn {
    let shares = |one: &Measured| points(one, |figures| 100.0 * figures.moved.share());
    let measured = both.iter().map(|one| (one.hash, shares(one))).collect();
    let ideal = ("ideal: 1/N", points(&both[0], |figures| 100.0 / figures.servers() as f64));
    let legend = SeriesLabelPosition::MiddleRight;
    let upwards = Upwards { title: "keys (%)", range: 0.0..100.0, labels: 6, legend };
    let title = "consistent-hash: keys that move when the most loaded server leaves";
    lines(file, title, upwards, Curves { name: "moved", measured, ideal })
}

fn points(measured: &Measured, value: impl Fn(&Figures) -> f64) -> Points {
    measured.all.iter().map(|figures| (figures.servers() as f64, value(figures))).collect()
}

/// A line with points for each hash, and the ideal on top, over the number of servers.
fn lines(file: &Path, title: &str, y: Upwards, curves: Curves<'_>) -> Drawn {
    let area = area(file)?;
    let Curves { name, measured, ideal: (ideal_name, ideal) } = curves;
    let whole = |at: Option<&(f64, f64)>| at.map_or(0, |(servers, _)| *servers as usize);
    let numbers = Numbers(whole(ideal.first())..=whole(ideal.last()));
    let across = Across { title: "number of servers, N", numbers, write: &f64::to_string };
    let legend = y.legend.clone();
    let mut chart = chart(&area, title, across, y)?;
    for (hash, points) in measured {
        let color = color(hash);
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
        let series = series.label(format!("{}: {name}", hash.as_str()));
        series.legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, color.filled())))?;
    }
    ideal_line(&mut chart, ideal_name, ideal)?;
    finish(chart, &area, legend)
}

fn ideal_line(chart: &mut Chart<'_>, name: &str, points: Points) -> Drawn {
    let series = chart.draw_series(LineSeries::new(points, IDEAL.stroke_width(1)))?.label(name);
    series.legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], IDEAL.stroke_width(1)));
    Ok(())
}

fn area(file: &Path) -> Result<Area<'_>, Box<dyn Error>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

fn chart<'a>(area: &Area<'a>, title: &str, x: Across<'_>, y: Upwards) -> Result<Chart<'a>, Box<dyn Error>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(16).caption(title, (FONT, 20)).x_label_area_size(48).y_label_area_size(72);
    let mut chart = builder.build_cartesian_2d(x.numbers, y.range)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().light_line_style(WHITE).label_style((FONT, 14)).axis_desc_style((FONT, 16));
    let whole = |value: &f64| format!("{value:.0}");
    mesh.x_desc(x.title).x_label_formatter(x.write);
    mesh.y_desc(y.title).y_labels(y.labels).y_label_formatter(&whole);
    mesh.draw()?;
    Ok(chart)
}

fn finish(mut chart: Chart<'_>, area: &Area<'_>, position: SeriesLabelPosition) -> Drawn {
    let mut legend = chart.configure_series_labels();
    legend.position(position).label_font((FONT, 14));
    legend.background_style(WHITE).border_style(BLACK.mix(0.3)).draw()?;
    Ok(area.present()?)
}

/// An axis of requests, with room for the legend above the highest.
fn requests_up_to(highest: f64) -> Upwards {
    let legend = SeriesLabelPosition::UpperRight;
    Upwards { title: "requests", range: 0.0..1.3 * highest, labels: 8, legend }
}
