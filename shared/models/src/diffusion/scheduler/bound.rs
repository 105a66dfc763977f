//! Keeping a predicted sample within bounds.

use tch::{TchError, Tensor};

use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// What is done to a predicted sample that goes too far.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    None,
    /// Clipped to this and its negative.
    Clip(f64),
    /// Dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, section 2.3).
    Threshold {
        ratio: f64,
        most: f64,
    },
}

impl Bound {
    /// Of a scheduler that can clip.
    pub(crate) fn new(fields: &Fields<'_>, clips: bool) -> Result<Self, DiffusionError> {
        let range = fields.number("clip_sample_range", 1.0)?;
        let clips = fields.flag("clip_sample", clips)?;
        Ok(match Self::threshold(fields)? {
            Self::None if clips => Self::Clip(range),
            bound => bound,
        })
    }

    /// Of a scheduler that cannot.
    pub(crate) fn threshold(fields: &Fields<'_>) -> Result<Self, DiffusionError> {
        if !fields.flag("thresholding", false)? {
            return Ok(Self::None);
        }
        let ratio = fields.number("dynamic_thresholding_ratio", 0.995)?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(fields.refuse("dynamic_thresholding_ratio", "0 to 1 is"));
        }
        Ok(Self::Threshold { ratio, most: fields.number("sample_max_value", 1.0)? })
    }

    pub(crate) fn apply(self, sample: Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::None => Ok(sample),
            Self::Clip(range) => sample.f_clamp(-range, range),
            Self::Threshold { ratio, most } => {
                let flat = sample.f_flatten(1, -1)?;
                let reach = flat.f_abs()?.f_quantile_scalar(ratio, 1, true, "linear")?;
                let reach = reach.f_clamp_min(1.0)?.f_clamp_max(most)?;
                let kept = flat.f_clamp_tensor(Some(&reach.f_neg()?), Some(&reach))?;
                kept.f_div(&reach)?.f_view_as(&sample)
            }
        }
    }
}
