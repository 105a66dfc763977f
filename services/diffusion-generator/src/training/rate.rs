//! The learning rate of each step.

use super::spec::{Decay, FineTuneSpec};

/// The rate of step `step` of `steps`, from 0: a straight rise, then the decay.
pub(super) fn rate(spec: &FineTuneSpec, step: u64, steps: u64) -> f64 {
    let rise = ((step + 1) as f64 / spec.warm_up_steps.max(1) as f64).min(1.0);
    let progress = step as f64 / steps.max(1) as f64;
    let left = match spec.decay {
        Decay::Constant => 1.0,
        Decay::Linear => 1.0 - progress,
        Decay::Cosine => (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0,
    };
    spec.learning_rate * rise * left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_as_they_are_told() {
        let of = |decay, step| {
            let spec = FineTuneSpec { decay, warm_up_steps: 10, ..Default::default() };
            rate(&spec, step, 1000) / spec.learning_rate
        };
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine] {
            assert!((of(decay, 0) - 0.1).abs() < 1e-3 && of(decay, 9) > 0.98);
        }
        assert_eq!(of(Decay::Constant, 999), 1.0);
        assert!((of(Decay::Linear, 500) - 0.5).abs() < 1e-12 && of(Decay::Linear, 999) < 2e-3);
        assert!((of(Decay::Cosine, 500) - 0.5).abs() < 1e-12 && of(Decay::Cosine, 999) < 1e-5);
    }
}
