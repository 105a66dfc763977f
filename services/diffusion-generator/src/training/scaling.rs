//! The scale of the loss in 16-bit floats, after Micikevicius et al. 2018 (arXiv 1710.03740, section
//! 3.2): as large as it can be without gradients that run over.

use serde::{Deserialize, Serialize};

/// Steps without an overflow after which a larger scale is tried.
const PATIENCE: u32 = 2000;
/// The first scale.
const FIRST: f64 = 65_536.0;

/// The scale of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LossScale {
    scale: f64,
    /// Steps since the scale was changed; none when it is never changed.
    calm: Option<u32>,
}

impl LossScale {
    /// For a network whose gradients have the range of 32-bit floats.
    pub(super) fn off() -> Self {
        Self { scale: 1.0, calm: None }
    }

    /// For 16-bit floats.
    pub(super) fn dynamic() -> Self {
        Self { scale: FIRST, calm: Some(0) }
    }

    /// What the loss is multiplied with.
    pub(super) fn get(self) -> f64 {
        self.scale
    }

    /// Learns whether a step's gradients were finite. Says whether the step may be made.
    pub(super) fn learn(&mut self, finite: bool) -> bool {
        let Some(calm) = &mut self.calm else { return finite };
        if !finite {
            (self.scale, *calm) = ((self.scale / 2.0).max(1.0), 0);
        } else if *calm + 1 == PATIENCE {
            (self.scale, *calm) = (self.scale * 2.0, 0);
        } else {
            *calm += 1;
        }
        finite
    }

    /// Whether an overflow may be mended by a smaller scale.
    pub(super) fn can_fall(self) -> bool {
        self.calm.is_some() && self.scale > 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_falls_at_an_overflow_and_rises_after_a_calm() {
        let mut scale = LossScale::dynamic();
        assert!(!scale.learn(false));
        assert_eq!(scale.get(), FIRST / 2.0);
        assert!((0..PATIENCE).all(|_| scale.learn(true)));
        assert_eq!(scale.get(), FIRST);
        while scale.can_fall() {
            scale.learn(false);
        }
        assert_eq!(scale.get(), 1.0);
        let mut off = LossScale::off();
        assert!(off.learn(true) && !off.learn(false) && !off.can_fall());
        assert_eq!(off, LossScale::off());
    }
}
