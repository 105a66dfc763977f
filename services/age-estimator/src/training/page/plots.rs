//! Plots as SVG text.

use agespan_page::{ACCENT, Drawn, INK, plot};
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 260);

/// One figure of some epochs, counted from 0.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<(usize, f64)>,
}

/// A figure over the epochs, the kept one marked.
pub(super) fn by_epoch(curve: &Curve, kept: Option<usize>) -> String {
    plot(SIZE, |svg| draw(svg, curve, kept))
}

fn draw<'a>(svg: SVGBackend<'a>, curve: &Curve, kept: Option<usize>) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let values = || curve.points.iter().map(|(_, value)| *value);
    let (least, most) =
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let room = ((most - least) * 0.08).max(most.abs() * 1e-3);
    let last = curve.points.last().map_or(1, |(epoch, _)| epoch + 1) as f64;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.5..last + 0.5, least - room..most + room)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("epoch")
        .y_desc(curve.name)
        .x_labels((last as usize).min(20))
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|value| format!("{value:.2}"))
        .draw()?;
    let points = curve.points.iter().map(|&(epoch, value)| (epoch as f64 + 1.0, value));
    chart.draw_series(LineSeries::new(points, INK.stroke_width(2)).point_size(3))?;
    let marked = curve.points.iter().filter(|(epoch, _)| Some(*epoch) == kept);
    chart.draw_series(
        marked.map(|&(epoch, value)| Circle::new((epoch as f64 + 1.0, value), 6, ACCENT.filled())),
    )?;
    area.present()
}
