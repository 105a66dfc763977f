//! The moving average of the weights of a training (Polyak and Juditsky 1992, doi 10.1137/0330046;
//! exponential as in Ho et al. 2020, arXiv 2006.11239, appendix B).

use tch::Tensor;

/// Named tensors.
pub type Named = Vec<(String, Tensor)>;

/// Copies that share nothing.
pub fn copies(tensors: &Named) -> Named {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect()
}

/// The same tensors once more.
pub fn shared(tensors: &Named) -> Named {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

/// Moves the average towards the weights after `step` steps; in the first ones faster, since it
/// begins with them.
pub fn follow(average: &mut Named, weights: &Named, decay: f64, step: u64) {
    let step = step as f64;
    let decay = decay.min((1.0 + step) / (10.0 + step));
    tch::no_grad(|| {
        for ((_, average), (_, weight)) in average.iter_mut().zip(weights) {
            let _ = average.lerp_(weight, 1.0 - decay);
        }
    });
}

/// Swaps what two lists of the same tensors hold, so that a network computes with the other.
pub fn swap(left: &mut Named, right: &mut Named) {
    tch::no_grad(|| {
        for ((_, left), (_, right)) in left.iter_mut().zip(right) {
            let held = left.copy();
            left.copy_(right);
            right.copy_(&held);
        }
    });
}
