//! The moving average of the weights (Polyak and Juditsky 1992, doi 10.1137/0330046; exponential as
//! in Ho et al. 2020, arXiv 2006.11239, appendix B).

use agespan_models::tch::{self, TchError, Tensor};

/// Named tensors.
pub(super) type Named = Vec<(String, Tensor)>;

/// Copies that share nothing.
pub(super) fn copies(tensors: &Named) -> Named {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect()
}

/// Moves the average towards the weights after `step` steps; in the first ones faster, since it
/// begins with them.
pub(super) fn follow(
    average: &mut Named,
    weights: &Named,
    decay: f64,
    step: u64,
) -> Result<(), TchError> {
    let step = step as f64;
    let decay = decay.min((1.0 + step) / (10.0 + step));
    tch::no_grad(|| {
        for ((_, average), (_, weight)) in average.iter_mut().zip(weights) {
            let _ = average.f_lerp_(weight, 1.0 - decay)?;
        }
        Ok(())
    })
}

/// Swaps what two lists of the same tensors hold, so that a network computes with the other.
pub(super) fn swap(left: &mut Named, right: &mut Named) -> Result<(), TchError> {
    tch::no_grad(|| {
        for ((_, left), (_, right)) in left.iter_mut().zip(right) {
            let held = left.copy();
            left.f_copy_(right)?;
            right.f_copy_(&held)?;
        }
        Ok(())
    })
}
