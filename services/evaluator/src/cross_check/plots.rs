//! Plots of a cross-check as SVG text.

use std::collections::BTreeMap;

use agespan_page::{ACCENT, Drawn, INK, plot};
use plotters::prelude::*;

use super::{CrossCheck, Row};

const SIZE: (u32, u32) = (760, 460);
/// In years; older ages are not drawn often.
const LARGEST: f64 = 105.0;

/// Estimates with their intervals over prompted ages.
pub(super) fn estimates(found: &CrossCheck) -> String {
    plot(SIZE, |svg| draw_estimates(svg, found))
}

/// Where each image stands: those of one prompted age beside each other instead of over each other.
fn places(rows: &[Row]) -> Vec<f64> {
    let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.age).or_default() += 1.0);
    let mut before: BTreeMap<u32, f64> = BTreeMap::new();
    let place = |row: &Row| {
        let before = before.entry(row.age).or_default();
        let place = f64::from(row.age) + ((*before + 0.5) / counts[&row.age] - 0.5) * 3.6;
        *before += 1.0;
        place
    };
    rows.iter().map(place).collect()
}

fn draw_estimates<'a>(svg: SVGBackend<'a>, found: &CrossCheck) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..LARGEST, 0.0..LARGEST)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("prompted age, years")
        .y_desc("estimated age, years")
        .x_label_formatter(&|years| format!("{years:.0}"))
        .y_label_formatter(&|years| format!("{years:.0}"))
        .draw()?;
    let placed: Vec<(f64, &Row)> = places(&found.rows).into_iter().zip(&found.rows).collect();
    chart.draw_series(placed.iter().map(|&(x, row)| {
        PathElement::new(vec![(x, row.interval.0), (x, row.interval.1)], INK.mix(0.25))
    }))?;
    let point = |&(x, row): &(f64, &Row)| Circle::new((x, row.estimate), 2, INK.filled());
    chart.draw_series(placed.iter().map(point))?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (LARGEST, LARGEST)], INK.mix(0.4)))?;
    let fitted = |x: f64| (x, found.line.intercept + found.line.slope.value * x);
    let ends = [fitted(0.0), fitted(LARGEST)].map(|(x, y)| (x, y.clamp(0.0, LARGEST)));
    chart.draw_series(LineSeries::new(ends, ACCENT.stroke_width(2)))?;
    area.present()
}
