//! Plots of single faces as SVG text.

use agespan_page::{ACCENT, Drawn, INK, plot};
use plotters::prelude::*;

use crate::metrics::Row;

const SIZE: (u32, u32) = (760, 460);
const LOW: (u32, u32) = (760, 280);
/// More points than this hide each other, and make a page that opens slowly.
const MOST: usize = 1500;
/// Years of a class of estimates.
const CLASS: usize = 5;

/// Estimates with their intervals over true ages.
pub(super) fn estimates(rows: &[Row]) -> String {
    plot(SIZE, |svg| draw_estimates(svg, rows))
}

/// Mean width by estimated age, with the middle eighty percent.
pub(super) fn widths(rows: &[Row]) -> String {
    plot(LOW, |svg| draw_widths(svg, rows))
}

fn oldest(rows: &[Row]) -> f64 {
    rows.iter().map(|row| row.age.max(row.estimate)).fold(1.0, f64::max) + 3.0
}

fn draw_estimates<'a>(svg: SVGBackend<'a>, rows: &[Row]) -> Drawn<'a> {
    let (area, oldest) = (svg.into_drawing_area(), oldest(rows));
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..oldest, 0.0..oldest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("true age, years")
        .y_desc("estimated age, years")
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .draw()?;
    // Faces of one year lie beside each other instead of over each other.
    let shown = rows.iter().step_by(rows.len().div_ceil(MOST).max(1));
    let placed: Vec<(f64, &Row)> =
        shown.enumerate().map(|(place, row)| (row.age + (place % 9) as f64 * 0.09, row)).collect();
    chart.draw_series(placed.iter().map(|&(x, row)| {
        let (lower, upper) = row.interval;
        PathElement::new(vec![(x, lower), (x, upper.min(oldest))], INK.mix(0.12))
    }))?;
    let point = |&(x, row): &(f64, &Row)| {
        let colour = if row.is_covered() { INK } else { ACCENT };
        Circle::new((x, row.estimate), 1, colour.filled())
    };
    chart.draw_series(placed.iter().map(point))?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (oldest, oldest)], BLACK.mix(0.5)))?;
    area.present()
}

fn draw_widths<'a>(svg: SVGBackend<'a>, rows: &[Row]) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let classes = classes(rows);
    let widest = classes.iter().map(|class| class.highest).fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..oldest(rows), 0.0..widest)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("estimated age, years")
        .y_desc("width, years")
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .draw()?;
    chart.draw_series(classes.iter().map(|class| {
        let Class { center, lowest, mean, highest } = *class;
        ErrorBar::new_vertical(center, lowest, mean, highest, INK.filled(), 8)
    }))?;
    area.present()
}

/// The widths of faces whose estimates lie within five years.
struct Class {
    center: f64,
    lowest: f64,
    mean: f64,
    highest: f64,
}

fn classes(rows: &[Row]) -> Vec<Class> {
    let mut widths: Vec<Vec<f64>> = Vec::new();
    for row in rows {
        let class = row.estimate.max(0.0) as usize / CLASS;
        widths.resize_with(widths.len().max(class + 1), Vec::new);
        widths[class].push(row.width());
    }
    let class = |(index, mut widths): (usize, Vec<f64>)| {
        widths.sort_by(f64::total_cmp);
        let at = |tenth: usize| widths.get((widths.len() * tenth / 10).min(widths.len() - 1));
        Some(Class {
            center: (index as f64 + 0.5) * CLASS as f64,
            lowest: *at(1)?,
            mean: widths.iter().sum::<f64>() / widths.len() as f64,
            highest: *at(9)?,
        })
    };
    let filled = widths.into_iter().enumerate().filter(|(_, widths)| !widths.is_empty());
    filled.filter_map(class).collect()
}

fn whole(years: &f64) -> String {
    format!("{years:.0}")
}
