//! Plots as SVG text.

use agespan_page::{ACCENT, Drawn, INK, plot};
use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::diagnostics::LevelCoverage;
use crate::metrics::{Bounded, Group, Roc};

const SIZE: (u32, u32) = (760, 320);
const SQUARE: (u32, u32) = (460, 420);

/// Coverage of groups with their bounds, and the promise as a line.
pub(super) fn coverage(groups: &[Group], nominal: f64) -> String {
    plot(SIZE, |svg| draw_coverage(svg, groups, nominal))
}

/// Observed over promised coverage.
pub(super) fn curve(points: &[LevelCoverage]) -> String {
    plot(SQUARE, |svg| draw_curve(svg, points))
}

/// What other thresholds of a gender would give.
pub(super) fn roc(roc: &Roc) -> String {
    plot(SQUARE, |svg| draw_roc(svg, roc))
}

fn draw_coverage<'a>(svg: SVGBackend<'a>, groups: &[Group], nominal: f64) -> Drawn<'a> {
    if groups.is_empty() {
        return Ok(());
    }
    let area = svg.into_drawing_area();
    let least = groups.iter().map(|group| group.coverage.lower).fold(nominal, f64::min);
    let across = (0..groups.len() - 1).into_segmented();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(across, (least - 0.03).max(0.0)..1.0)?;
    let name = |value: &SegmentValue<usize>| match value {
        SegmentValue::CenterOf(index) => {
            groups.get(*index).map(|group| group.name.clone()).unwrap_or_default()
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(groups.len())
        .x_label_formatter(&name)
        .y_label_formatter(&percent)
        .draw()?;
    let ends = [SegmentValue::Exact(0), SegmentValue::Last];
    chart.draw_series(LineSeries::new(ends.map(|x| (x, nominal)), ACCENT.stroke_width(2)))?;
    chart.draw_series(groups.iter().enumerate().map(|(index, group)| {
        let Bounded { value, lower, upper } = group.coverage;
        let x = SegmentValue::CenterOf(index);
        ErrorBar::new_vertical(x, lower, value, upper, INK.filled(), 12)
    }))?;
    area.present()
}

fn draw_curve<'a>(svg: SVGBackend<'a>, points: &[LevelCoverage]) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let mut chart = shares(&area, "promised", "observed")?;
    chart.draw_series(points.iter().map(|point| {
        let Bounded { value, lower, upper } = point.coverage;
        ErrorBar::new_vertical(point.level, lower, value, upper, INK.filled(), 6)
    }))?;
    area.present()
}

fn draw_roc<'a>(svg: SVGBackend<'a>, roc: &Roc) -> Drawn<'a> {
    let area = svg.into_drawing_area();
    let mut chart = shares(&area, "males answered female", "females answered female")?;
    let points = roc.points.iter().map(|point| (point.false_rate, point.true_rate));
    chart.draw_series(LineSeries::new(points, INK.stroke_width(2)))?;
    area.present()
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// An empty plot of one share over another, with the line where both are equal.
fn shares<'b, 'a>(
    area: &'b Area<'a>,
    across: &str,
    up: &str,
) -> Result<ChartContext<'b, SVGBackend<'a>, Plane>, Failed<'a>> {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], ACCENT.stroke_width(1)))?;
    Ok(chart)
}

pub(super) fn percent(share: &f64) -> String {
    format!("{:.0} %", share * 100.0)
}
