//! What a step makes small.

use agespan_models::tch::{Kind, Reduction, Tensor};
use agespan_models::{AgeAnswer, AgeOutput, label_distribution};

use super::batch::Batch;
use super::mixup::Mix;
use super::spec::TrainSpec;

/// What the network should say of a batch of `n` faces.
pub(super) struct Labels {
    /// `[n, bins]`: label distributions.
    pub(super) target: Tensor,
    /// `[n]`: ages in years.
    pub(super) age: Tensor,
    /// `[n]`: 1 for female, 0 for male, between them for a mixture.
    pub(super) female: Tensor,
}

impl Labels {
    /// Of a batch, with the label distribution of each age `[bins, bins]`.
    pub(super) fn of(batch: &Batch, targets: &Tensor) -> Self {
        Self {
            target: targets.index_select(0, &batch.ages),
            age: batch.ages.to_kind(Kind::Float),
            female: batch.female.shallow_clone(),
        }
    }

    pub(super) fn mixed(self, mix: &Mix) -> Self {
        Self { target: mix.of(&self.target), age: mix.of(&self.age), female: mix.of(&self.female) }
    }
}

/// The loss of a step: against the labels and, with teachers, against their answer in the share
/// that the settings say.
pub(super) fn loss(
    spec: &TrainSpec,
    output: &AgeOutput,
    labels: &Labels,
    taught: Option<&AgeAnswer>,
) -> Tensor {
    let hard = from_labels(spec, output, labels);
    let (Some(answer), Some(distillation)) = (taught, &spec.distillation) else { return hard };
    let weight = distillation.weight;
    hard * (1.0 - weight) + from_answer(spec, output, answer) * weight
}

/// KL of the label distributions, plus the error of the expectation, plus the gender's cross
/// entropy with smoothed labels, each gender weighing the same in the batch.
fn from_labels(spec: &TrainSpec, output: &AgeOutput, labels: &Labels) -> Tensor {
    let kl = label_distribution::kl_loss(&labels.target, &output.age_logits);
    let expectation = label_distribution::expectation(&output.age_distribution());
    let error = (expectation - &labels.age).abs().mean(Kind::Float);

    let smooth = &labels.female * (1.0 - 2.0 * spec.gender_smoothing) + spec.gender_smoothing;
    let females = labels.female.mean(Kind::Float).clamp(0.1, 0.9);
    let males: Tensor = 1.0 - &females;
    let weight = &labels.female / (&females * 2.0) + (1.0 - &labels.female) / (males * 2.0);
    let gender = output.female_logit.binary_cross_entropy_with_logits(
        &smooth,
        Some(&weight),
        None,
        Reduction::Mean,
    );
    kl + error * spec.expectation_weight + gender * spec.gender_weight
}

/// KL(teachers ‖ student) of the ages' distributions and of the genders.
fn from_answer(spec: &TrainSpec, output: &AgeOutput, answer: &AgeAnswer) -> Tensor {
    let kl = label_distribution::kl_loss(&answer.distribution, &output.age_logits);
    let female = &answer.probability_female;
    // The gradient is the cross entropy's; without the teachers' own entropy it ends at zero.
    let cross = |logit: &Tensor| {
        logit.binary_cross_entropy_with_logits(female, None::<&Tensor>, None, Reduction::Mean)
    };
    let gender = cross(&output.female_logit) - cross(&female.logit(1e-6));
    kl + gender * spec.gender_weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Distillation;

    fn output() -> AgeOutput {
        AgeOutput {
            age_logits: Tensor::from_slice(&[0.1f32, 0.9, -0.4, 2.0, 0.0, 0.3]).view([2, 3]),
            female_logit: Tensor::from_slice(&[0.7f32, -1.2]),
        }
    }

    fn labels() -> Labels {
        Labels {
            target: Tensor::from_slice(&[0.5f32, 0.5, 0.0, 0.0, 0.1, 0.9]).view([2, 3]),
            age: Tensor::from_slice(&[0.5f32, 1.9]),
            female: Tensor::from_slice(&[1.0f32, 0.0]),
        }
    }

    fn taught(weight: f64, answer: &AgeAnswer) -> f64 {
        let distillation = Some(Distillation { weight, ..Distillation::default() });
        let spec = TrainSpec { distillation, ..TrainSpec::default() };
        loss(&spec, &output(), &labels(), Some(answer)).double_value(&[])
    }

    #[test]
    fn a_student_who_answers_as_the_teacher_has_nothing_to_learn_from_it() {
        let (output, hard) = (output(), taught(0.0, &other()));
        let same = AgeAnswer {
            distribution: output.age_distribution(),
            probability_female: output.probability_female(),
        };
        assert!(taught(1.0, &same).abs() < 1e-6);
        assert!((taught(0.25, &same) - 0.75 * hard).abs() < 1e-6);
        assert!(taught(1.0, &other()) > 0.1);
    }

    fn other() -> AgeAnswer {
        AgeAnswer {
            distribution: Tensor::from_slice(&[0.2f32, 0.3, 0.5, 0.1, 0.1, 0.8]).view([2, 3]),
            probability_female: Tensor::from_slice(&[0.3f32, 0.9]),
        }
    }

    #[test]
    fn the_teachers_part_equals_its_definition() {
        let spec = TrainSpec::default();
        let (output, answer) = (output(), other());
        let kl =
            |p: &[f64], q: &[f64]| -> f64 { p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum() };
        let rows = |tensor: Tensor| Vec::<f64>::try_from(tensor.to_kind(Kind::Double)).unwrap();
        let student = rows(output.age_distribution().reshape([-1]));
        let teacher = rows(answer.distribution.reshape([-1]));
        let ages = (kl(&teacher[..3], &student[..3]) + kl(&teacher[3..], &student[3..])) / 2.0;
        let (student, teacher) =
            (rows(output.probability_female()), rows(answer.probability_female.shallow_clone()));
        let gender =
            |i: usize| kl(&[teacher[i], 1.0 - teacher[i]], &[student[i], 1.0 - student[i]]);
        let expected = ages + (gender(0) + gender(1)) / 2.0;
        let found = from_answer(&spec, &output, &answer).double_value(&[]);
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}
