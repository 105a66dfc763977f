//! Answers of yes and no: genders and age checks, with their plots.

use agespan_page::{ACCENT, Drawn, INK, figure, plot};
use maud::{Markup, html};
use plotters::prelude::*;

use super::plots::{self, percent};
use crate::metrics::{AgeCheck, Bounded, Decided, Gender, Year};

const LOW: (u32, u32) = (760, 280);

pub(super) fn gender(gender: &Gender) -> Markup {
    html! {
        h2 { "Gender" }
        table {
            tr { th { "labelled" } th { "answered female" } th { "answered male" } th { "F1" } }
            tr {
                td { "female" } td { (gender.female_as_female) } td { (gender.female_as_male) }
                td { (format!("{:.3}", gender.f1)) }
            }
            tr {
                td { "male" } td { (gender.male_as_female) } td { (gender.male_as_male) }
                td { (format!("{:.3}", gender.f1_male)) }
            }
        }
        @if let Some(roc) = &gender.roc {
            (figure(
                plots::roc(roc),
                format!(
                    "What other thresholds would give. The area below is {:.3} ({:.3}–{:.3}).",
                    roc.area.value, roc.area.lower, roc.area.upper
                ),
            ))
        }
    }
}

pub(super) fn age_check(check: &AgeCheck) -> Markup {
    let rate = check.rate * 100.0;
    html! {
        h2 { "At least " (check.age) "?" }
        @match &check.found {
            None => p { "Not decided: " (check.refusal) "." },
            Some(found) => (decided(check.age, rate, found)),
        }
    }
}

fn decided(age: u32, rate: f64, found: &Decided) -> Markup {
    html! {
        p {
            "Wrong passes of " (format!("{rate:.1} %")) " at most are promised over all who are younger. "
            "Estimates above " (format!("{:.1}", found.pass_above)) " pass and those below "
            (format!("{:.1}", found.fail_below)) " fail. Of " (found.younger) " who are younger "
            b { (found.false_pass.percent(1)) } " passed; of " (found.older) " of that age or older "
            (found.false_fail.percent(1)) " failed and " (found.challenged.percent(1))
            " were asked for another proof."
        }
        (figure(
            plot(LOW, |svg| draw_years(svg, age, &found.years)),
            "Who passes, by true age, with exact bounds. The promise is over all who are younger: it says \
             nothing of the last years below the line alone.",
        ))
    }
}

fn draw_years<'a>(svg: SVGBackend<'a>, age: u32, years: &[Year]) -> Drawn<'a> {
    let (Some(first), Some(last)) = (years.first(), years.last()) else { return Ok(()) };
    let area = svg.into_drawing_area();
    let across = f64::from(first.year) - 0.7..f64::from(last.year) + 0.7;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(across, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("true age, years")
        .y_desc("pass")
        .x_label_formatter(&|year| format!("{year:.0}"))
        .y_label_formatter(&percent)
        .draw()?;
    let line = f64::from(age) - 0.5;
    chart.draw_series(LineSeries::new([(line, 0.0), (line, 1.0)], ACCENT.stroke_width(2)))?;
    chart.draw_series(years.iter().map(|year| {
        let Bounded { value, lower, upper } = year.passed;
        ErrorBar::new_vertical(f64::from(year.year), lower, value, upper, INK.filled(), 8)
    }))?;
    area.present()
}
