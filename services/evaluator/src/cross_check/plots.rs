//! Plots of a cross-check as SVG text.

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

/// Genders and races of one prompted age stand beside each other instead of over each other.
fn place(rows: &[Row], index: usize) -> f64 {
    let age = rows[index].age;
    let of_age = |row: &&Row| row.age == age;
    let count = rows.iter().filter(of_age).count().max(1) as f64;
    let before = rows[..index].iter().filter(of_age).count() as f64;
    f64::from(age) + ((before + 0.5) / count - 0.5) * 3.6
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
    let bar = |index: usize| {
        let row = &found.rows[index];
        let x = place(&found.rows, index);
        PathElement::new(vec![(x, row.interval.0), (x, row.interval.1)], INK.mix(0.25))
    };
    chart.draw_series((0..found.rows.len()).map(bar))?;
    let point = |index: usize| {
        let at = (place(&found.rows, index), found.rows[index].estimate);
        Circle::new(at, 2, INK.filled())
    };
    chart.draw_series((0..found.rows.len()).map(point))?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (LARGEST, LARGEST)], INK.mix(0.4)))?;
    let fitted = |x: f64| (x, found.line.intercept + found.line.slope.value * x);
    let ends = [fitted(0.0), fitted(LARGEST)].map(|(x, y)| (x, y.clamp(0.0, LARGEST)));
    chart.draw_series(LineSeries::new(ends, ACCENT.stroke_width(2)))?;
    area.present()
}
