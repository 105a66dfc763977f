//! A run as a page: one HTML file with its plots inside.

mod plots;

use agespan_page::figure;
use maud::{Markup, html};

use super::history::EpochFigures;
use super::spec::TrainSpec;
use plots::Curve;

const STYLE: &str = "
tr.best td { background: color-mix(in srgb, #3a9a3a 18%, transparent) }
pre { font-size: 12px; background: color-mix(in srgb, #888 12%, transparent); padding: .8rem; overflow-x: auto }
";

/// The page of the run that made `model` from `dataset`.
pub fn page(model: &str, dataset: &str, spec: &TrainSpec, history: &[EpochFigures]) -> String {
    let best = best(history);
    let body = html! {
        h1 { "How " code { (model) } " was trained" }
        @match best.map(|epoch| (epoch, &history[epoch].validation)) {
            None => p { "This model came without the figures of its epochs." },
            Some((epoch, figures)) => p {
                "On " code { (dataset) } ", " (history.len()) " of at most " (spec.epochs)
                " epochs. Epoch " (epoch + 1) " is the one that was kept, with the lowest validation error: "
                b { (format!("{:.2} years", figures.mae)) } ", " (percent(figures.within_five))
                " within five years, gender " (percent(figures.gender_balanced_accuracy)) " (balanced)."
            },
        }
        @for (curve, caption) in curves(history) {
            (figure(plots::by_epoch(&curve, best), caption))
        }
        (table(history, best))
        h2 { "Settings" }
        pre { (serde_json::to_string_pretty(spec).unwrap_or_default()) }
    };
    agespan_page::page(&format!("Agespan: the training of {model}"), STYLE, &body)
}

/// The epoch with the lowest validation error.
fn best(history: &[EpochFigures]) -> Option<usize> {
    let mae = |&epoch: &usize| history[epoch].validation.mae;
    (0..history.len()).min_by(|left, right| mae(left).total_cmp(&mae(right)))
}

fn curves(history: &[EpochFigures]) -> Vec<(Curve, &'static str)> {
    let curve = |name, of: &dyn Fn(&EpochFigures) -> Option<f64>| {
        let points = history.iter().enumerate();
        let points = points.filter_map(|(epoch, figures)| Some((epoch, of(figures)?))).collect();
        Curve { name, points }
    };
    let all = vec![
        (
            curve("loss", &|figures| figures.loss),
            "Mean loss of an epoch's steps, on faces that were changed at random.",
        ),
        (
            curve("mean absolute error, years", &|figures| Some(figures.validation.mae)),
            "On the validation split at the end of each epoch; the epoch that was kept is marked.",
        ),
        (
            curve("gender, balanced accuracy", &|figures| {
                Some(figures.validation.gender_balanced_accuracy)
            }),
            "At the threshold that was best on the same faces.",
        ),
    ];
    all.into_iter().filter(|(curve, _)| !curve.points.is_empty()).collect()
}

fn table(history: &[EpochFigures], best: Option<usize>) -> Markup {
    html! {
        table {
            tr {
                th { "epoch" } th { "loss" } th { "error, years" } th { "within 5" }
                th { "gender, balanced" } th { "gender threshold" }
            }
            @for (epoch, figures) in history.iter().enumerate() {
                @let validation = &figures.validation;
                tr.best[Some(epoch) == best] {
                    td { (epoch + 1) }
                    td { (figures.loss.map(|loss| format!("{loss:.3}")).unwrap_or_default()) }
                    td { (format!("{:.2}", validation.mae)) } td { (percent(validation.within_five)) }
                    td { (percent(validation.gender_balanced_accuracy)) }
                    td { (format!("{:.2}", validation.gender_threshold)) }
                }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Validation;

    fn epoch(loss: Option<f64>, mae: f64) -> EpochFigures {
        let validation = Validation {
            mae,
            within_five: 0.5,
            temperature: 1.0,
            gender_threshold: 0.4,
            gender_balanced_accuracy: 0.9,
        };
        EpochFigures { loss, validation }
    }

    #[test]
    fn the_kept_epoch_is_named_and_each_figure_has_a_plot() {
        let history = [epoch(Some(3.0), 9.0), epoch(Some(2.0), 5.25), epoch(Some(1.5), 5.5)];
        let page = page("models/a<b", "datasets/x", &TrainSpec::default(), &history);
        assert!(page.contains("Epoch 2 is the one") && page.contains("5.25 years"), "{page}");
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("models/a&lt;b") && !page.contains("a<b"));
    }

    #[test]
    fn a_run_of_an_older_program_has_what_it_kept() {
        let spec = TrainSpec::default();
        assert_eq!(page("m", "d", &spec, &[]).matches("<svg").count(), 0);
        let page = page("m", "d", &spec, &[epoch(None, 9.0)]);
        assert_eq!(page.matches("<svg").count(), 2);
    }
}
