//! Pictures of what was measured, as SVG: throughput, latency against load, time against the number of mappings. One without
//! anything to show is not written.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::{GrowthRow, LatencyRow, ThroughputRow, count, micros};
use crate::{Error, Result};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 480;
/// Height of a bar with its margins, in pixels.
const BAR: i32 = 30;
/// Room for what bars are called, in pixels.
const NAMES: i32 = 430;
/// Room above the lines, as a factor: the names of what is drawn stand there.
const LEGEND_ROOM: f64 = 20.0;
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x8c, 0x56, 0x4b),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn failed(error: impl std::fmt::Display) -> Error {
    format!("a picture: {error}").into()
}

fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

/// Requests a second a core, a bar for each row.
///
/// # Errors
///
/// If the file cannot be written.
pub fn throughput(path: &Path, rows: &[ThroughputRow]) -> Result<()> {
    let Some(most) = rows.iter().map(ThroughputRow::per_core).max_by(f64::total_cmp) else { return Ok(()) };
    let height = BAR * i32::try_from(rows.len())? + 40;
    let root = SVGBackend::new(path, (WIDTH, u32::try_from(height)?)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    text(&root, "Requests a second a core, by time on the processor", (10, 10), 16)?;
    let full = f64::from(i32::try_from(WIDTH)? - NAMES - 90);
    for (place, row) in rows.iter().enumerate() {
        let top = 36 + BAR * i32::try_from(place)?;
        #[allow(clippy::cast_possible_truncation, reason = "pixels of a picture")]
        let length = (full * row.per_core() / most) as i32;
        text(&root, &format!("{} ({})", row.what, row.server), (10, top + 4), 12)?;
        let bar = Rectangle::new([(NAMES, top), (NAMES + length, top + BAR - 8)], colour(0).filled());
        root.draw(&bar).map_err(failed)?;
        text(&root, &format!("{:.0}", row.per_core()), (NAMES + length + 6, top + 4), 12)?;
    }
    root.present().map_err(failed)
}

/// Median and p99 against the load, a pair of lines for each thing that was measured.
///
/// # Errors
///
/// If the file cannot be written.
pub fn latency(path: &Path, rows: &[LatencyRow]) -> Result<()> {
    let millis = |row: &LatencyRow, share| (micros(row.latencies.quantile(share)) / 1e3).max(0.001);
    let highest = rows.iter().map(|row| millis(row, 0.99)).max_by(f64::total_cmp);
    let lowest = rows.iter().map(|row| millis(row, 0.5)).min_by(f64::total_cmp);
    let most = rows.iter().map(|row| row.rate).max_by(f64::total_cmp);
    let (Some(highest), Some(lowest), Some(most)) = (highest, lowest, most) else { return Ok(()) };
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Latency against load, from when a request was due", (FONT, 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..most * 1.02, (lowest / 1.5..highest * LEGEND_ROOM).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc("requests a second")
        .y_desc("milliseconds")
        .draw()
        .map_err(failed)?;
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.what.as_str()) {
            names.push(&row.what);
        }
    }
    for (place, name) in names.iter().enumerate() {
        for (share, called, size) in [(0.5, "p50", 0), (0.99, "p99", 4)] {
            let points: Vec<_> =
                rows.iter().filter(|row| row.what == *name).map(|row| (row.rate, millis(row, share))).collect();
            let (colour, width) = (colour(place), if size == 0 { 1 } else { 2 });
            let line = LineSeries::new(points, colour.stroke_width(width)).point_size(size);
            let drawn = chart.draw_series(line).map_err(failed)?;
            drawn
                .label(format!("{name}, {called}"))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(width)));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)?;
    root.present().map_err(failed)
}

/// Time on the processor against the number of mappings: a lookup in the store, a request at the gateway.
///
/// # Errors
///
/// If the file cannot be written.
pub fn growth(path: &Path, rows: &[GrowthRow]) -> Result<()> {
    let highest = rows.iter().map(|row| micros(row.gateway.max(row.lookup))).max_by(f64::total_cmp);
    let (least, most) = (rows.iter().map(|row| row.records).min(), rows.iter().map(|row| row.records).max());
    let (Some(highest), Some(least), Some(most)) = (highest, least, most) else { return Ok(()) };
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Time on the processor against the number of mappings", (FONT, 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(count(least).log10() - 0.1..count(most).log10() + 0.1, 0.0..highest * 1.2)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_labels(10)
        .x_label_formatter(&|x| format!("10^{x:.1}"))
        .x_desc("mappings")
        .y_desc("microseconds")
        .draw()
        .map_err(failed)?;
    for (place, name) in ["a lookup in the store", "a request at the gateway"].into_iter().enumerate() {
        let points = rows
            .iter()
            .map(|row| (count(row.records).log10(), micros(if place == 0 { row.lookup } else { row.gateway })));
        let colour = colour(place);
        let line = LineSeries::new(points, colour.stroke_width(2)).point_size(4);
        let drawn = chart.draw_series(line).map_err(failed)?;
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw().map_err(failed)?;
    root.present().map_err(failed)
}

fn text(root: &Area<'_>, what: &str, at: (i32, i32), size: u32) -> Result<()> {
    root.draw_text(what, &(FONT, size).into_text_style(root), at).map_err(failed)
}
