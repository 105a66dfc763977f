//! Bar charts as SVG text.

use std::ops::Range;

use agespan_page::{Drawn, plot};
use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 300);
/// Height of a lying bar and of the axis below, in pixels.
const ROW: u32 = 26;
const AXIS: u32 = 44;

/// In the order of series; told apart by lightness as well as by hue.
const COLOURS: [RGBColor; 4] = [
    RGBColor(31, 92, 153),
    RGBColor(236, 157, 70),
    RGBColor(120, 176, 140),
    RGBColor(160, 90, 150),
];

/// Numbers of faces with what they have in common.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// One for each category.
    pub(super) counts: Vec<u64>,
}

/// The colour of a series, as style sheets write it.
pub(super) fn web_colour(series: usize) -> String {
    let RGBColor(red, green, blue) = COLOURS[series % COLOURS.len()];
    format!("rgb({red}, {green}, {blue})")
}

/// Standing bars, one series on the other.
pub(super) fn stacked(categories: &[String], series: &[Series]) -> String {
    plot(SIZE, |svg| draw_stacked(svg, categories, series))
}

/// Lying bars, the first on top, with their counts.
pub(super) fn lying(categories: &[String], series: &Series) -> String {
    let height = categories.len() as u32 * ROW + AXIS;
    plot((SIZE.0, height), |svg| draw_lying(svg, categories, series))
}

fn draw_stacked<'a>(svg: SVGBackend<'a>, categories: &[String], series: &[Series]) -> Drawn<'a> {
    let total = |at: usize| series.iter().map(|series| series.counts[at]).sum::<u64>();
    let most = (0..categories.len()).map(total).max().unwrap_or(0).max(1);
    let area = svg.into_drawing_area();
    let mut chart =
        ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(slots(categories.len()).into_segmented(), 0..most + most / 20)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(categories.len().max(2))
        .x_label_formatter(&|value| name(categories, value))
        .draw()?;
    let mut below = vec![0; categories.len()];
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let bars = series.counts.iter().zip(&mut below).enumerate().map(|(at, (count, below))| {
            let (from, to) = (*below, *below + count);
            *below = to;
            let ends = [(SegmentValue::Exact(at), from), (SegmentValue::Exact(at + 1), to)];
            let mut bar = Rectangle::new(ends, colour.filled());
            bar.set_margin(0, 0, 4, 4);
            bar
        });
        chart.draw_series(bars)?;
    }
    area.present()
}

fn draw_lying<'a>(svg: SVGBackend<'a>, categories: &[String], series: &Series) -> Drawn<'a> {
    let most = series.counts.iter().copied().max().unwrap_or(0).max(1);
    let count = categories.len();
    let area = svg.into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(60)
        .x_label_area_size(24)
        .y_label_area_size(190)
        .build_cartesian_2d(0..most, slots(count).into_segmented())?;
    let upside_down = |value: &SegmentValue<usize>| match value {
        SegmentValue::CenterOf(at) if *at < count => categories[count - 1 - at].clone(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .y_labels(count.max(2))
        .y_label_formatter(&upside_down)
        .draw()?;
    chart.draw_series(series.counts.iter().rev().enumerate().map(|(at, &faces)| {
        let ends = [(0, SegmentValue::Exact(at)), (faces, SegmentValue::Exact(at + 1))];
        let mut bar = Rectangle::new(ends, COLOURS[0].filled());
        bar.set_margin(4, 4, 0, 0);
        bar
    }))?;
    let style = ("sans-serif", 12).into_font().color(&RGBColor(60, 60, 60));
    chart.draw_series(series.counts.iter().rev().enumerate().map(|(at, &faces)| {
        EmptyElement::at((faces, SegmentValue::CenterOf(at)))
            + Text::new(faces.to_string(), (6, -6), style.clone())
    }))?;
    area.present()
}

/// A place for each category. plotters draws nothing in a single one, so there are two at least.
fn slots(categories: usize) -> Range<usize> {
    0..categories.max(2) - 1
}

fn name(categories: &[String], value: &SegmentValue<usize>) -> String {
    match value {
        SegmentValue::CenterOf(at) => categories.get(*at).cloned().unwrap_or_default(),
        _ => String::new(),
    }
}
