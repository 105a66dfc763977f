//! A report as a page: one HTML file with its tables and plots inside, and no photos.

mod decisions;
mod faces;
mod plots;

use agespan_page::figure;
use maud::{Markup, html};

use crate::diagnostics::{Diagnostics, LevelCoverage};
use crate::metrics::{Bounded, Comparison, Gap, Group, Row};
use crate::reports::Report;

const STYLE: &str = "
tr.below td { background: var(--bad) }
";

/// The page of a report and its faces, without photos. Plots of single faces are left out where the
/// faces are not given.
pub fn page(report: &Report, rows: &[Row]) -> String {
    let metrics = &report.metrics;
    let overall = &metrics.overall;
    let gender = &metrics.gender;
    let body = html! {
        h1 { "How well ages are estimated" }
        p {
            (overall.count) " faces of " code { (report.dataset) } " answered by "
            code { (report.model) } " with " code { (report.calibration) } ". "
            (report.refused) " were refused. "
            @if report.range_labelled > 0 {
                (report.range_labelled) " have a range for an age and are in no figure. "
            }
            "All bounds are 95 %."
        }
        p {
            "Mean absolute error " b { (overall.mae.words(2)) } ", median "
            (format!("{:.2}", overall.median_error)) "; within three years "
            (overall.within_three.percent(1)) ", five " (overall.within_five.percent(1)) ", ten "
            (overall.within_ten.percent(1)) ". "
            @if let Some(line) = &metrics.line {
                "Estimates grow by " (line.slope.words(3)) " for each year of age, with a correlation of "
                (line.correlation.words(3)) ". "
            }
            "Intervals that promise "
            (format!("{:.1} %", report.coverage * 100.0)) " hold " b { (overall.coverage.percent(1)) }
            " of the ages, " (format!("{:.1}", overall.mean_width)) " years wide in the mean. Gender is "
            (gender.accuracy.percent(1)) " right."
        }
        @if let Some(comparison) = &report.comparison { (compared(comparison)) }
        @if !rows.is_empty() {
            (figure(
                faces::estimates(rows),
                "Each face with its interval, some of them where there are very many. Orange: the interval \
                 does not hold the age.",
            ))
            (figure(
                faces::widths(rows),
                "Mean width of the intervals by estimated age, with the middle eighty percent.",
            ))
        }
        @if metrics.by_predicted_group.is_empty() {
            p { "The calibration is too small to be divided: all faces share one threshold." }
        } @else {
            h2 { "By predicted group: what is promised" }
            (figure(
                plots::coverage(&metrics.by_predicted_group, report.coverage),
                "Coverage with exact bounds; the line is the promise.",
            ))
            (groups(&metrics.by_predicted_group, report.coverage))
        }
        h2 { "By true decade: worth knowing" }
        (figure(
            plots::coverage(&metrics.by_true_decade, report.coverage),
            "Who is truly of an age is not known in service; the promise is for predicted groups.",
        ))
        (groups(&metrics.by_true_decade, report.coverage))
        @if let Some(found) = &report.diagnostics { (diagnostics(found)) }
        @for check in &report.age_checks { (decisions::age_check(check)) }
        (decisions::gender(gender))
        @if !metrics.gaps.is_empty() { (gaps(&metrics.gaps)) }
        @for division in &metrics.divisions {
            h2 { "By " (division.by) }
            (groups(&division.groups, report.coverage))
        }
        p.note {
            "Rows are shaded where the upper bound lies below the promise. The bounds are for each row "
            "alone: of forty rows that all keep their promise, one is expected to be shaded by chance."
        }
    };
    agespan_page::page(&format!("Agespan: {} on {}", report.model, report.dataset), STYLE, &body)
}

fn diagnostics(found: &Diagnostics) -> Markup {
    html! {
        h2 { "Over all levels" }
        (figure(
            plots::curve(&found.curve),
            "Observed over promised coverage with exact bounds; on the line they are equal. Intervals hold \
             the estimate and may end on whole years, so that low levels are kept more often.",
        ))
        h2 { "By the width of the interval" }
        (levels(&found.by_width))
        @if let Some(slab) = &found.worst_slab {
            p {
                "The worst slab of predicted age, its sigma and P(female), sought on half of the faces: "
                b { (slab.coverage.percent(1)) } " on " (slab.count) " of the other half."
            }
        }
    }
}

fn groups(groups: &[Group], nominal: f64) -> Markup {
    html! {
        table {
            tr {
                th { "faces" } th { "n" } th { "error, years" } th { "bias" } th { "within 5" }
                th { "coverage" } th { "mean width" } th { "median width" }
            }
            @for group in groups {
                tr.below[group.coverage.upper < nominal] {
                    td { (group.name) } td { (group.count) } td { (group.mae.words(2)) }
                    td { (format!("{:+.1}", group.bias)) } td { (group.within_five.percent(1)) }
                    td { (group.coverage.percent(1)) } td { (format!("{:.1}", group.mean_width)) }
                    td { (format!("{:.1}", group.median_width)) }
                }
            }
        }
    }
}

fn levels(rows: &[LevelCoverage]) -> Markup {
    html! {
        table {
            tr { th { "width" } th { "n" } th { "coverage" } th { "mean width" } }
            @for row in rows {
                tr.below[row.coverage.upper < row.level] {
                    td { (row.name) } td { (row.count) } td { (row.coverage.percent(1)) }
                    td { (format!("{:.1}", row.mean_width)) }
                }
            }
        }
    }
}

fn compared(found: &Comparison) -> Markup {
    let rows: [(&str, &Bounded, f64); 5] = [
        ("error, years", &found.error, 1.0),
        ("coverage, points", &found.coverage, 100.0),
        ("width, years", &found.width, 1.0),
        ("interval score, years", &found.interval_score, 1.0),
        ("right genders, points", &found.gender, 100.0),
    ];
    html! {
        h2 { "Beside the baseline" }
        p {
            "Less " code { (found.model) } " with " code { (found.calibration) } ", face by face, on "
            (found.count) " faces. Where the bounds hold zero, which of the two is better was not shown."
        }
        table {
            tr { th { "difference of" } th { "mean" } th { "from" } th { "to" } }
            @for (name, figure, scale) in rows {
                tr {
                    td { (name) } td { (format!("{:+.2}", figure.value * scale)) }
                    td { (format!("{:+.2}", figure.lower * scale)) }
                    td { (format!("{:+.2}", figure.upper * scale)) }
                }
            }
        }
    }
}

fn gaps(gaps: &[Gap]) -> Markup {
    html! {
        h2 { "For whom it is worst" }
        table {
            tr { th { "by" } th { "figure" } th { "worst" } th { "" } th { "best" } th { "" } th { "gap" } }
            @for gap in gaps {
                tr {
                    td { (gap.by) } td { (gap.figure) }
                    td { (gap.worst) } td { (format!("{:.2}", gap.worst_value)) }
                    td { (gap.best) } td { (format!("{:.2}", gap.best_value)) }
                    td { (gap.gap.words(2)) }
                }
            }
        }
        p.note {
            "Groups of thirty faces or more. Errors and widths are in years, the rest are shares. Which \
             group is the worst was found on the same faces, so that gaps are a little too large."
        }
    }
}
