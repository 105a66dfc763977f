//! The weights that a run learns.
//!
//! A network that computes in 16 bits cannot learn in them: a step is often smaller than the last
//! bit of a weight, and would be lost (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1). The
//! weights are kept in 32 bits therefore, and the network has rounded copies. A network of 32 bits
//! computes with the weights themselves.
//!
//! Low-rank additions are learned by the chain rule: from the gradient G of W + s B A follow s B'G
//! for A and s G A' for B, so that no network needs to know of them.

use agespan_models::average::{Named, copies};
use agespan_models::diffusion::{Noise, lora_factors, lora_sum};
use agespan_models::tch::{self, Kind, TchError, Tensor};
use agespan_models::{AdamW, take_gradient};

use super::spec::Lora;

/// Gradients of the weights; none where a weight had no part in the loss.
pub(super) type Gradients = Vec<Option<Tensor>>;

/// What is learned, and what computes with it.
pub(super) struct Learned {
    /// The pipeline's weights, in 32 bits.
    kept: Named,
    /// The network's, in the same order; the same tensors where it computes in 32 bits.
    computing: Vec<Tensor>,
    additions: Option<Additions>,
}

struct Additions {
    /// Two factors for each weight, one after the other.
    factors: Named,
    /// What is added to.
    bases: Named,
    scale: f64,
}

impl Learned {
    /// The weights in 32 bits by name, and the network's in the same order, which may be the same.
    pub(super) fn new(kept: Named, computing: Vec<Tensor>) -> Self {
        let computing = computing.into_iter().map(|tensor| tensor.set_requires_grad(true));
        Self { kept, computing: computing.collect(), additions: None }
    }

    /// Additions to the weights of a UNet that have some; the others do not learn. At first the
    /// additions are zero: B is, and A as PyTorch starts a linear layer.
    pub(super) fn low_rank(unet: Named, computing: Vec<Tensor>, lora: Lora, seed: u64) -> Self {
        let (mut factors, mut chosen, mut computes) = (Named::new(), Named::new(), Vec::new());
        for ((name, weight), computing) in unet.into_iter().zip(computing) {
            let Some([a, b]) = lora_factors(&name) else { continue };
            let size = weight.size();
            let bound = 1.0 / (size[1] as f64).sqrt();
            let down = Noise::named(seed, &a).uniform(&[lora.rank, size[1]]);
            let down = (down * (2.0 * bound) - bound).to_device(weight.device());
            let up = Tensor::zeros([size[0], lora.rank], (Kind::Float, weight.device()));
            factors.extend([(a, down), (b, up)]);
            chosen.push((name, weight));
            computes.push(computing);
        }
        let scale = lora.alpha / lora.rank as f64;
        let additions = Additions { factors, bases: copies(&chosen), scale };
        Self { additions: Some(additions), ..Self::new(chosen, computes) }
    }

    /// What is learned.
    pub(super) fn weights(&self) -> &Named {
        self.additions.as_ref().map_or(&self.kept, |additions| &additions.factors)
    }

    /// What is learned. [`Learned::spread`] gives the network what was changed.
    pub(super) fn weights_mut(&mut self) -> &mut Named {
        self.additions.as_mut().map_or(&mut self.kept, |additions| &mut additions.factors)
    }

    /// The additions as diffusers keeps them.
    pub(super) fn lora(&self) -> Option<Named> {
        let additions = self.additions.as_ref()?;
        let keep = |(place, (name, factor)): (usize, &(String, Tensor))| {
            let scale = if place % 2 == 1 { additions.scale } else { 1.0 };
            (name.clone(), factor.detach() * scale)
        };
        Some(additions.factors.iter().enumerate().map(keep).collect())
    }

    /// The gradients since they were last taken, in 32 bits and divided by `divisor`.
    pub(super) fn take_gradients(&mut self, divisor: f64) -> Result<Gradients, TchError> {
        let additions = &self.additions;
        tch::no_grad(|| {
            let take = |tensor: &mut Tensor| {
                let Some(gradient) = take_gradient(tensor)? else { return Ok(None) };
                let mut gradient = gradient.f_to_kind(Kind::Float)?;
                if divisor != 1.0 {
                    let _ = gradient.f_div_scalar_(divisor)?;
                }
                Ok(Some(gradient))
            };
            let gradients: Gradients =
                self.computing.iter_mut().map(take).collect::<Result<_, TchError>>()?;
            match additions {
                Some(additions) => additions.gradients(&gradients),
                None => Ok(gradients),
            }
        })
    }

    /// One step against the gradients.
    pub(super) fn step(
        &mut self,
        optimiser: &mut AdamW,
        gradients: &Gradients,
        rate: f64,
    ) -> Result<(), TchError> {
        tch::no_grad(|| {
            for ((name, weight), gradient) in self.weights_mut().iter_mut().zip(gradients) {
                if let Some(gradient) = gradient {
                    optimiser.step_one(name, weight, gradient, rate)?;
                }
            }
            self.spread()
        })
    }

    /// Gives pipeline and network what was learned.
    pub(super) fn spread(&mut self) -> Result<(), TchError> {
        tch::no_grad(|| {
            if let Some(additions) = &self.additions {
                additions.add(&mut self.kept)?;
            }
            for ((_, kept), computing) in self.kept.iter().zip(&mut self.computing) {
                // Of one kind they are one and the same.
                if computing.kind() != kept.kind() {
                    computing.f_copy_(kept)?;
                }
            }
            Ok(())
        })
    }

    /// Ends the learning: nothing keeps gradients any more.
    pub(super) fn rest(&self) {
        for tensor in &self.computing {
            let _ = tensor.set_requires_grad(false);
        }
    }
}

impl Additions {
    fn gradients(&self, of_sums: &Gradients) -> Result<Gradients, TchError> {
        let mut gradients = Gradients::new();
        for (factors, gradient) in self.factors.chunks(2).zip(of_sums) {
            let [(_, down), (_, up)] = factors else { continue };
            let Some(gradient) = gradient else {
                gradients.extend([None, None]);
                continue;
            };
            let gradient = gradient.f_mul_scalar(self.scale)?;
            let of_down = up.f_transpose(0, 1)?.f_matmul(&gradient)?;
            let of_up = gradient.f_matmul(&down.f_transpose(0, 1)?)?;
            gradients.extend([Some(of_down), Some(of_up)]);
        }
        Ok(gradients)
    }

    fn add(&self, kept: &mut Named) -> Result<(), TchError> {
        for ((factors, (_, base)), (_, kept)) in self.factors.chunks(2).zip(&self.bases).zip(kept) {
            let [(_, down), (_, up)] = factors else { continue };
            kept.f_copy_(&lora_sum(base, [down, up], self.scale)?)?;
        }
        Ok(())
    }
}

/// The length of a gradient: the root of the sum of the squares of all its parts.
pub(super) fn norm(gradients: &Gradients) -> Result<f64, TchError> {
    let mut sum = 0.0;
    for gradient in gradients.iter().flatten() {
        sum += gradient.f_norm()?.f_double_value(&[])?.powi(2);
    }
    Ok(sum.sqrt())
}

/// Shortens a gradient of length `norm` to `most`, where it is longer.
pub(super) fn clip(gradients: &mut Gradients, norm: f64, most: f64) -> Result<(), TchError> {
    if most > 0.0 && norm > most {
        for gradient in gradients.iter_mut().flatten() {
            let _ = gradient.f_mul_scalar_(most / norm)?;
        }
    }
    Ok(())
}
