//! The loss of faces of which less is known than an age and a gender.
//!
//! **An age that is a range** is interval-censored: its likelihood is the mass that the prediction
//! puts into the range, and its loss −ln of that (Turnbull 1976, doi 10.1111/j.2517-6161.1976.tb01597.x).
//! Nothing is asked of how the mass lies inside. Beside it the expectation is drawn towards the
//! range as far as it lies outside. A face whose age is exact has the loss that it has anywhere.
//!
//! **An unknown gender** takes no part in the gender's loss.

use agespan_models::tch::{Kind, Reduction, Tensor};
use agespan_models::{AgeOutput, label_distribution};

use super::faces::{AgeLabel, Face};
use super::loss::Labels;
use super::spec::TrainSpec;

/// Which faces of a batch have a range for an age, or no gender.
pub(super) struct Unknown {
    /// `[n]`: 1 where the age is a range.
    ranged: Tensor,
    /// `[n, bins]`: 1 for the possible ages.
    possible: Tensor,
    /// `[n]`: the lowest and the highest possible age.
    ends: (Tensor, Tensor),
    /// `[n]`: 1 where the gender is known.
    gendered: Tensor,
}

impl Unknown {
    /// `None` where every age is exact and every gender known.
    pub(super) fn of<'a>(faces: impl Iterator<Item = &'a Face> + Clone, bins: i64) -> Option<Self> {
        let is_range = |face: &Face| matches!(face.age, AgeLabel::Range(..));
        faces.clone().find(|face| !face.is_fully_labelled())?;
        let marks = |mark: &dyn Fn(&Face) -> bool| -> Tensor {
            let marks: Vec<f32> =
                faces.clone().map(|face| f32::from(u8::from(mark(face)))).collect();
            Tensor::from_slice(&marks)
        };
        let ends = faces.clone().map(|face| {
            let (lower, upper) = face.age.ends();
            (i64::from(lower).min(bins - 1), i64::from(upper).min(bins - 1))
        });
        let (lower, upper): (Vec<i64>, Vec<i64>) = ends.unzip();
        let column = |ages: &[i64]| Tensor::from_slice(ages).to_kind(Kind::Float);
        let (lower, upper) = (column(&lower), column(&upper));
        let bins = Tensor::arange(bins, (Kind::Float, lower.device()));
        let possible = bins.ge_tensor(&lower.unsqueeze(1)) * bins.le_tensor(&upper.unsqueeze(1));
        Some(Self {
            ranged: marks(&is_range),
            possible: possible.to_kind(Kind::Float),
            ends: (lower, upper),
            gendered: marks(&|face| face.female.is_some()),
        })
    }

    /// The batch's loss, with the weights of the loss of exact labels.
    pub(super) fn loss(&self, spec: &TrainSpec, labels: &Labels, output: &AgeOutput) -> Tensor {
        let fit = self.fit(&labels.target, &output.age_logits);
        let expectation = label_distribution::expectation(&output.age_distribution());
        let error = self.distance(&expectation);
        let gender = self.gender(spec, labels, output);
        fit.mean(Kind::Float)
            + error.mean(Kind::Float) * spec.expectation_weight
            + gender * spec.gender_weight
    }

    /// `[n]`: −ln of the mass in the range, or the KL of the label distribution.
    fn fit(&self, target: &Tensor, logits: &Tensor) -> Tensor {
        let log_prediction = logits.log_softmax(-1, Kind::Float);
        // −∞ would make no number of 0 · ∞ on the way back; e^−1e4 is nothing all the same.
        let outside = (&self.possible - 1.0) * 1e4;
        let mass = -(&log_prediction + outside).logsumexp([-1i64].as_slice(), false);
        let log_target = target.clamp_min(1e-30).log();
        let divergence = (target * (log_target - log_prediction)).sum_dim_intlist(
            [-1i64].as_slice(),
            false,
            Kind::Float,
        );
        mass * &self.ranged + divergence * (1.0 - &self.ranged)
    }

    /// `[n]`: years from the expectation to the nearest possible age.
    fn distance(&self, expectation: &Tensor) -> Tensor {
        let (lower, upper) = &self.ends;
        (lower - expectation).relu() + (expectation - upper).relu()
    }

    /// Each gender weighs the same in the batch; none weighs nothing.
    fn gender(&self, spec: &TrainSpec, labels: &Labels, output: &AgeOutput) -> Tensor {
        let known = self.gendered.sum(Kind::Float).clamp_min(1.0);
        let smooth = &labels.female * (1.0 - 2.0 * spec.gender_smoothing) + spec.gender_smoothing;
        let females = (labels.female.sum(Kind::Float) / &known).clamp(0.1, 0.9);
        let males: Tensor = 1.0 - &females;
        let weight = &labels.female / (&females * 2.0) + (1.0 - &labels.female) / (males * 2.0);
        let weight = weight * &self.gendered;
        let sum = output.female_logit.binary_cross_entropy_with_logits(
            &smooth,
            Some(&weight),
            None,
            Reduction::Sum,
        );
        sum / known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(age: AgeLabel, female: Option<bool>) -> Face {
        Face { pixels: Vec::new(), age, female }
    }

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        (0..tensor.numel() as i64).map(|i| tensor.double_value(&[i])).collect()
    }

    #[test]
    fn nothing_is_unknown_of_exact_labels() {
        let faces = [face(3.into(), Some(true)), face(90.into(), Some(false))];
        assert!(Unknown::of(faces.iter(), 117).is_none());
        assert!(Unknown::of([face(3.into(), None)].iter(), 117).is_some());
    }

    #[test]
    fn the_loss_of_a_range_is_its_mass_and_its_distance() {
        // Five ages with 10, 20, 40, 20 and 10 %.
        let logits = Tensor::from_slice(&[0.1f32, 0.2, 0.4, 0.2, 0.1]).log().repeat([3, 1]);
        let faces = [
            face(AgeLabel::Range(1, 2), None),
            face(AgeLabel::Range(3, 9), None),
            face(AgeLabel::Exact(2), None),
        ];
        let unknown = Unknown::of(faces.iter(), 5).unwrap();
        let target = Tensor::from_slice(&[0.0f32, 0.25, 0.5, 0.25, 0.0]).repeat([3, 1]);
        let fit = numbers(&unknown.fit(&target, &logits));
        let kl = 0.5 * (0.5f64 / 0.4).ln() + 0.5 * (0.25f64 / 0.2).ln();
        for (got, expected) in fit.iter().zip([-(0.6f64.ln()), -(0.3f64.ln()), kl]) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
        let estimates = Tensor::from_slice(&[1.5f32, 2.0, 2.0]);
        assert_eq!(numbers(&unknown.distance(&estimates)), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_gradient_pulls_mass_into_the_range_and_is_a_number() {
        let logits = Tensor::zeros([1, 117], (Kind::Float, agespan_models::tch::Device::Cpu));
        let logits = logits.set_requires_grad(true);
        let unknown = Unknown::of([face(AgeLabel::Range(20, 29), None)].iter(), 117).unwrap();
        unknown.fit(&Tensor::zeros_like(&logits), &logits).sum(Kind::Float).backward();
        let gradient = numbers(&logits.grad().view(-1));
        for (age, slope) in gradient.iter().enumerate() {
            let inside = (20..30).contains(&age);
            assert!(slope.is_finite() && (*slope < 0.0) == inside, "{age}: {slope}");
        }
    }
}
