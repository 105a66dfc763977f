//! Plots as SVG text.

use agespan_page::{ACCENT, Drawn, INK, plot};
use plotters::prelude::*;

use crate::images::{Floor, Infinity};

const SIZE: (u32, u32) = (620, 300);

/// A number over the share of pairs that have less.
pub(super) fn quantiles(values: &[f64], name: &str) -> String {
    plot(SIZE, |svg| draw_quantiles(svg, values, name))
}

/// Distances over 1/N with the line through them.
pub(super) fn extrapolation(found: &Infinity, floor: Option<&Floor>) -> String {
    plot(SIZE, |svg| draw_extrapolation(svg, found, floor))
}

fn draw_quantiles<'a>(svg: SVGBackend<'a>, values: &[f64], name: &str) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..1.0, range(values.iter().copied()))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("share of the pairs")
        .y_desc(name)
        .x_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .draw()?;
    let last = values.len().saturating_sub(1).max(1) as f64;
    let points = values.iter().enumerate().map(|(place, &value)| (place as f64 / last, value));
    chart.draw_series(LineSeries::new(points, INK.stroke_width(2)))?;
    area.present()
}

fn draw_extrapolation<'a>(
    svg: SVGBackend<'a>,
    found: &Infinity,
    floor: Option<&Floor>,
) -> Drawn<'a> {
    let points: Vec<(f64, f64)> =
        found.points.iter().map(|&(count, value)| (1.0 / count as f64, value)).collect();
    let widest = points.iter().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    let values = points.iter().map(|point| point.1);
    let all = values.chain([found.value, 0.0]).chain(floor.map(|floor| floor.value));
    let area = svg.into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..widest, range(all))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("1 / candidates")
        .y_desc("FID")
        .x_label_formatter(&|share| format!("{share:.5}"))
        .draw()?;
    let line = [0.0, widest].map(|x| (x, found.value + found.slope * x));
    chart.draw_series(LineSeries::new(line, INK.stroke_width(1)))?;
    chart.draw_series(points.iter().map(|&point| Circle::new(point, 4, INK.filled())))?;
    if let Some(floor) = floor {
        let line = [0.0, widest].map(|x| (x, floor.value));
        chart.draw_series(LineSeries::new(line, ACCENT.stroke_width(2)))?;
    }
    area.present()
}

/// From the least to the greatest with some room, never empty.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(v), most.max(v)));
    if !(least.is_finite() && most.is_finite()) {
        return 0.0..1.0;
    }
    let room = ((most - least) * 0.08).max(least.abs().max(most.abs()) * 1e-3).max(1e-9);
    least - room..most + room
}
