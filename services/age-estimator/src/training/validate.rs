//! How good a model is on faces that it did not learn from.

use agespan_models::tch::Tensor;
use agespan_models::{AgeNet, label_distribution};
use serde::{Deserialize, Serialize};

use super::batch::plain_batch;
use super::faces::Face;
use super::spec::TrainSpec;

/// The temperatures that are tried. Label distributions are wide, and so are those that a network
/// learns from them: their mean is drawn towards the longer tail. A cooler one lies closer to the
/// median, which has the smallest absolute error.
const TEMPERATURES: [f64; 6] = [1.0, 0.8, 0.65, 0.5, 0.4, 0.3];

/// The figures of an epoch, and what was chosen by them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean absolute error in years, at that temperature.
    pub mae: f64,
    /// Share of faces whose error is at most five years.
    pub within_five: f64,
    /// The temperature of the distribution over ages with the smallest error; 1 leaves it as it is.
    #[serde(default = "as_it_is")]
    pub temperature: f64,
    /// P(female) from which the answer is "female": the one with the best balanced accuracy.
    pub gender_threshold: f64,
    /// Mean of the two genders' shares of right answers, at that threshold.
    pub gender_balanced_accuracy: f64,
}

/// Asks the network about every face.
pub(super) fn validate(net: &AgeNet, spec: &TrainSpec, faces: &[Face]) -> Validation {
    let (mut distributions, mut genders) = (Vec::new(), Vec::new());
    for chunk in faces.chunks(spec.batch_size) {
        let answer = net.answer(&plain_batch(spec, chunk).images, spec.mirrored);
        distributions.push(answer.distribution);
        let females = numbers(&answer.probability_female);
        genders.extend(females.into_iter().zip(chunk.iter().map(|face| face.female)));
    }
    let distribution = Tensor::cat(&distributions, 0);
    let (gender_threshold, gender_balanced_accuracy) = best_threshold(genders);
    let at = |temperature| {
        let errors = errors(&label_distribution::at_temperature(&distribution, temperature), faces);
        let count = errors.len() as f64;
        Validation {
            mae: errors.iter().sum::<f64>() / count,
            within_five: errors.iter().filter(|&&error| error <= 5.0).count() as f64 / count,
            temperature,
            gender_threshold,
            gender_balanced_accuracy,
        }
    };
    let cooler = TEMPERATURES[1..].iter().map(|&temperature| at(temperature));
    cooler.fold(at(TEMPERATURES[0]), |best, next| if next.mae < best.mae { next } else { best })
}

/// |Σ j · p_j − age| of each face, in years.
fn errors(distribution: &Tensor, faces: &[Face]) -> Vec<f64> {
    let ages = numbers(&label_distribution::expectation(distribution));
    ages.iter().zip(faces).map(|(age, face)| (age - f64::from(face.age)).abs()).collect()
}

fn as_it_is() -> f64 {
    TEMPERATURES[0]
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.numel() as i64).map(|index| tensor.double_value(&[index])).collect()
}

/// The threshold with the best balanced accuracy, half-way between two neighbouring
/// probabilities, and that accuracy. One half when a gender is missing.
fn best_threshold(mut genders: Vec<(f64, bool)>) -> (f64, f64) {
    let females = genders.iter().filter(|(_, female)| *female).count() as f64;
    let males = genders.len() as f64 - females;
    if females == 0.0 || males == 0.0 {
        return (0.5, 0.5);
    }
    genders.sort_by(|left, right| left.0.total_cmp(&right.0));
    // Everybody is "female" below the lowest probability; each step moves one face to "male".
    let (mut right_females, mut right_males) = (females, 0.0);
    let mut best = (0.0, 0.5);
    for (index, &(probability, female)) in genders.iter().enumerate() {
        if female {
            right_females -= 1.0
        } else {
            right_males += 1.0
        }
        let next = genders.get(index + 1).map_or(1.0, |face| face.0);
        let accuracy = (right_females / females + right_males / males) / 2.0;
        if accuracy > best.1 && next > probability {
            best = (f64::midpoint(probability, next), accuracy);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_separates_what_can_be_separated() {
        let (threshold, accuracy) =
            best_threshold(vec![(0.9, true), (0.1, false), (0.4, true), (0.2, false)]);
        assert!((threshold - 0.3).abs() < 1e-12 && accuracy == 1.0);
    }

    #[test]
    fn equal_probabilities_are_never_split() {
        let (_, accuracy) = best_threshold(vec![(0.5, false), (0.5, true)]);
        assert_eq!(accuracy, 0.5);
    }
}
