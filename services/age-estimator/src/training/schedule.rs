//! The learning rate of each step.

/// Where a step lies: heads only, or everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Steps in which only the heads learn.
    pub(super) head_steps: u64,
    /// All steps.
    pub(super) steps: u64,
}

/// Steps over which the rate rises when everything begins to learn.
const WARM_UP: u64 = 100;

impl Schedule {
    /// The learning rate of a step: `highest` while the heads learn, then a linear rise and a
    /// cosine to zero (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5 without restart).
    pub(super) fn rate(self, step: u64, highest: f64) -> f64 {
        if step < self.head_steps {
            return highest;
        }
        let (step, steps) = (step - self.head_steps, (self.steps - self.head_steps).max(1));
        let rise = ((step + 1) as f64 / WARM_UP.min(steps) as f64).min(1.0);
        let progress = step as f64 / steps as f64;
        highest * rise * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls_to_almost_nothing() {
        let schedule = Schedule { head_steps: 10, steps: 1010 };
        let rate = |step| schedule.rate(step, 1.0);
        assert_eq!(rate(9), 1.0);
        assert!(rate(10) < 0.02 && rate(110) > 0.9);
        assert!((500..1009).all(|step| rate(step + 1) < rate(step)));
        assert!(rate(1009) < 1e-4);
    }
}
