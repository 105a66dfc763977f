//! A cross-check as one HTML file, with every picture inside. The pictures are synthetic.

use agespan_page::figure;
use maud::{Markup, html};

use super::{CrossCheck, Row, Second, answer, plots};
use crate::metrics::Group;

const STYLE: &str = "
.sheet { display: flex; flex-wrap: wrap; gap: 6px }
.sheet figure { margin: 0; width: 96px; font-size: 11px; line-height: 1.25 }
.sheet img { width: 96px; height: 96px; object-fit: cover; image-rendering: auto }
.sheet .outside figcaption { color: light-dark(#b3401f, #ff9a7a) }
";

/// Beyond these a page would open slowly; the table has every image's figures.
const MOST_PICTURES: usize = 1000;

/// The page.
pub fn page(found: &CrossCheck) -> String {
    let overall = &found.agreement.overall;
    let body = html! {
        h1 { "Is the estimator to be trusted on drawn faces?" }
        @for sentence in answer(found) { p { (sentence) } }
        p.note {
            (overall.count) " images of " code { (found.generated) } ", estimated by "
            code { (found.model) } " with " code { (found.calibration) } ", drawn by "
            code { (found.pipeline) } ". " (found.refused)
            " were refused. Bounds are 95 %. A prompt is no true age, so that nothing here is coverage."
        }
        (figure(
            plots::estimates(found),
            "Each image with its interval; the thin line is where estimate and prompt are equal, the \
             thick one the straight line through all points.",
        ))
        h2 { "The pictures" }
        p.note { "Prompted age, then estimate and interval. Red: the interval does not hold the prompt." }
        div.sheet { @for row in found.rows.iter().take(MOST_PICTURES) { (picture(row)) } }
        @if found.rows.len() > MOST_PICTURES {
            p.note { "These are the first " (MOST_PICTURES) " of " (found.rows.len()) "." }
        }
        h2 { "By prompted decade" }
        (groups(&found.agreement.by_true_decade))
        @for division in found.agreement.divisions.iter().filter(|part| part.groups.len() <= 12) {
            h2 { "By prompted " (division.by) }
            (groups(&division.groups))
        }
        @if let Some(second) = &found.second {
            h2 { "Both predictors" }
            (both(found, second))
        }
        h2 { "Gender" }
        (gender(found))
        h2 { "Every image" }
        (every(&found.rows))
    };
    agespan_page::page(&format!("Agespan: {} on {}", found.model, found.generated), STYLE, &body)
}

fn holds(row: &Row) -> bool {
    (row.interval.0..=row.interval.1).contains(&f64::from(row.age))
}

fn image(row: &Row) -> Markup {
    let words = format!("drawn: {} years, {}, {}", row.age, gender_word(row.female), row.race);
    html! { img src={ "data:image/png;base64," (row.image) } alt=(words); }
}

fn anchor(row: &Row) -> String {
    format!("image-{}", row.index)
}

fn gender_word(female: bool) -> &'static str {
    if female { "female" } else { "male" }
}

fn picture(row: &Row) -> Markup {
    html! {
        figure.outside[!holds(row)] id=(anchor(row)) {
            (image(row))
            figcaption {
                (row.age) ": " (format!("{:.0}", row.estimate)) " ("
                (format!("{:.0}–{:.0}", row.interval.0, row.interval.1)) ")"
            }
        }
    }
}

fn groups(groups: &[Group]) -> Markup {
    html! {
        table {
            tr {
                th { "prompted" } th { "n" } th { "difference, years" } th { "estimate less prompt" }
                th { "prompt inside" } th { "mean width" }
            }
            @for group in groups {
                tr {
                    td { (group.name) } td { (group.count) }
                    td { (group.mae.words(1)) }
                    td { (format!("{:+.1}", group.bias)) } td { (group.coverage.percent(0)) }
                    td { (format!("{:.1}", group.mean_width)) }
                }
            }
        }
    }
}

fn both(found: &CrossCheck, second: &Second) -> Markup {
    let first = &found.agreement;
    let rows = [
        (&found.model, &found.line, &first.overall, &first.gender),
        (&second.model, &second.line, &second.overall, &second.gender),
    ];
    html! {
        table {
            tr {
                th { "model" } th { "n" } th { "slope" } th { "correlation" } th { "difference, years" }
                th { "prompt inside" } th { "mean width" } th { "gender as prompted" }
            }
            @for (model, line, overall, gender) in rows {
                tr {
                    td { code { (model) } } td { (overall.count) } td { (line.slope.words(2)) }
                    td { (line.correlation.words(2)) } td { (overall.mae.words(1)) }
                    td { (overall.coverage.percent(0)) } td { (format!("{:.1}", overall.mean_width)) }
                    td { (gender.accuracy.percent(0)) }
                }
            }
        }
    }
}

fn gender(found: &CrossCheck) -> Markup {
    let gender = &found.agreement.gender;
    html! {
        table {
            tr { th { "prompted" } th { "estimated female" } th { "estimated male" } }
            tr { td { "female" } td { (gender.female_as_female) } td { (gender.female_as_male) } }
            tr { td { "male" } td { (gender.male_as_female) } td { (gender.male_as_male) } }
        }
    }
}

fn every(rows: &[Row]) -> Markup {
    html! {
        table {
            tr {
                th { "image" } th { "seed" } th { "prompted age" } th { "gender" } th { "race" }
                th { "estimate" } th { "interval" } th { "half-width" } th { "gender" } th { "P(female)" }
            }
            @for row in rows {
                tr {
                    td { a href={ "#" (anchor(row)) } { (format!("{:06}", row.index)) } } td { (row.seed) }
                    td { (row.age) } td { (gender_word(row.female)) } td { (row.race) }
                    td { (format!("{:.1}", row.estimate)) }
                    td { (format!("{:.1}–{:.1}", row.interval.0, row.interval.1)) }
                    td { (format!("{:.1}", (row.interval.1 - row.interval.0) / 2.0)) }
                    td { (gender_word(row.answered_female)) }
                    td { (format!("{:.2}", row.probability_female)) }
                }
            }
        }
    }
}
