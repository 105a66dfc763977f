//! What the figures say, in words: each sentence is chosen by a figure and its bounds.

use std::collections::BTreeMap;

use super::{CrossCheck, Row, Second};
use crate::metrics::Bounded;

/// The slope from which estimates are said to follow prompts over the whole range.
const FOLLOWS: f64 = 0.8;
/// From so many years of mean difference, with certainty, a prompted decade is called out.
const APART: f64 = 5.0;
/// The error of the best published models on real faces, in years: MiVOLO on UTKFace (Kuprashevich and
/// Tolstykh 2023, arXiv 2307.04616).
const ON_REAL_FACES: f64 = 4.23;

/// Can the estimator be trusted on these faces?
pub fn answer(found: &CrossCheck) -> Vec<String> {
    let overall = &found.agreement.overall;
    let shown = format!(
        "On {} drawn faces the estimate differs from the prompted age by {:.1} years in the mean \
         ({:.1}–{:.1}; about {ON_REAL_FACES} is the best on real faces), and grows by {:.2} \
         ({:.2}–{:.2}) for each prompted year, with a correlation of {:.2} ({:.2}–{:.2}).",
        overall.count,
        overall.mae.value,
        overall.mae.lower,
        overall.mae.upper,
        found.line.slope.value,
        found.line.slope.lower,
        found.line.slope.upper,
        found.line.correlation.value,
        found.line.correlation.lower,
        found.line.correlation.upper,
    );
    let mut answer = vec![shown];
    let worst = worst_decade(&found.rows);
    answer.push(follows(&found.line.slope, worst.is_none()));
    answer.extend(worst);
    answer.extend([holds(found), gender(found)]);
    if let Some(shifted) = &found.shifted {
        answer.push(format!(
            "Intervals that are weighted for the shift hold {} of the prompted ages and are {:.1} years \
             wide; the real faces behind them are worth {:.0} drawn ones{}.",
            shifted.inside.percent(0),
            shifted.mean_width,
            shifted.effective_sample_size,
            if shifted.effective_sample_size < 50.0 { ", too few to lean on" } else { "" },
        ));
    }
    answer.extend(found.second.as_ref().map(|second| by_second(found, second)));
    answer.push(
        "From drawn faces alone it cannot be told who is wrong where prompt and estimate differ: the \
         generator, which may draw another age than it was asked for, or the estimator."
            .to_owned(),
    );
    answer
}

fn follows(slope: &Bounded, everywhere: bool) -> String {
    if slope.lower >= FOLLOWS && everywhere {
        "Estimates follow the prompts over the whole range.".to_owned()
    } else if slope.lower >= FOLLOWS {
        "Estimates grow with the prompts from end to end, but not evenly.".to_owned()
    } else if slope.upper < FOLLOWS {
        "Estimates follow the prompts only in part: the young come out older and the old younger than \
         asked for."
            .to_owned()
    } else {
        "Whether estimates follow the prompts over the whole range cannot be said from so few faces."
            .to_owned()
    }
}

/// The prompted decade whose estimates are furthest from it, if that is far and certain.
fn worst_decade(rows: &[Row]) -> Option<String> {
    let mut decades: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for row in rows {
        decades.entry(row.age / 10 * 10).or_default().push(row.estimate - f64::from(row.age));
    }
    let biases = decades.into_iter().map(|(decade, off)| (decade, Bounded::mean(&off)));
    let apart = biases.filter(|(_, bias)| bias.lower > APART || bias.upper < -APART);
    let (decade, bias) = apart.max_by(|(_, a), (_, b)| a.value.abs().total_cmp(&b.value.abs()))?;
    let [value, lower, upper] = [bias.value, bias.lower, bias.upper].map(f64::abs);
    Some(format!(
        "Faces asked to be {decade}–{} come out {value:.0} years ({:.0}–{:.0}) {} than asked for.",
        decade + 9,
        lower.min(upper),
        lower.max(upper),
        if bias.value < 0.0 { "younger" } else { "older" },
    ))
}

fn holds(found: &CrossCheck) -> String {
    let overall = &found.agreement.overall;
    let (inside, promised) = (&overall.coverage, found.coverage);
    let held = format!(
        "the {:.0} % intervals, {:.1} years wide in the mean, hold {} of the prompted ages",
        promised * 100.0,
        overall.mean_width,
        inside.percent(0)
    );
    if inside.upper < promised {
        format!(
            "No, not as it is on real faces: {held}. The promise is for faces like those at \
             calibration, and these are not."
        )
    } else if inside.lower > promised {
        format!("Yes, and more: {held}.")
    } else {
        format!("Yes, as far as so many faces can tell: {held}.")
    }
}

fn by_second(found: &CrossCheck, second: &Second) -> String {
    let apart = &second.apart;
    let said = format!(
        "A second predictor, {}, differs from the prompts by {} years in the mean, and from the first by {}",
        second.model,
        second.overall.mae.words(1),
        apart.words(1)
    );
    let (first, second) = (&found.agreement.overall.mae, &second.overall.mae);
    if apart.upper < first.lower.min(second.lower) {
        format!(
            "{said}: they agree with each other more than with the prompts, which points at the generator."
        )
    } else {
        format!(
            "{said}: so many faces cannot tell whether that is the generator's doing or theirs."
        )
    }
}

fn gender(found: &CrossCheck) -> String {
    let accuracy = found.agreement.gender.accuracy.percent(0);
    format!("The estimated gender is the prompted one in {accuracy}.")
}
