//! Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174, section 3): forward, the network keeps what
//! goes between its parts and nothing of what is within them; backward, each part is computed once more, for
//! a third more work and a fraction of the memory.
//!
//! libtorch's own autograd goes back through a part, from its outputs and the gradients that came from behind.

use agespan_fused::gradients::backward;
use tch::{TchError, Tensor};

use super::unet::{Part, Unet};

/// What a part was given.
struct Given {
    part: Part,
    hidden: Tensor,
    /// How many tensors it left for the way up.
    left: usize,
    /// What it took from the way down, where it left none.
    taken: Vec<Tensor>,
    /// What lay under that. Its size is looked at.
    under: Option<Tensor>,
}

/// A forward pass that can be gone back through.
pub struct Recomputed<'a> {
    unet: &'a Unet,
    timesteps: Tensor,
    texts: Tensor,
    time: Tensor,
    given: Vec<Given>,
    prediction: Tensor,
}

impl Unet {
    /// As [`Unet::forward`], of which [`Recomputed::backward`] goes back through the network itself.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn forward_recomputed(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        texts: &Tensor,
    ) -> Result<Recomputed<'_>, TchError> {
        tch::no_grad(|| {
            let time = self.time(timesteps, sample.kind())?;
            let (mut hidden, mut skipped) = (sample.shallow_clone(), Vec::<Tensor>::new());
            let mut given = Vec::new();
            for part in self.parts() {
                let before: Vec<_> = skipped.iter().map(Tensor::shallow_clone).collect();
                let next = self.run(part, &hidden, &time, texts, &mut skipped)?;
                let rest = skipped.len().min(before.len());
                let left = skipped.len() - rest;
                let under = before[..rest].last().filter(|_| left == 0).map(Tensor::shallow_clone);
                let taken = before.into_iter().skip(rest).collect();
                given.push(Given { part, hidden, left, taken, under });
                hidden = next;
            }
            let prediction = leaf(&hidden)?;
            let (timesteps, texts) = (timesteps.shallow_clone(), texts.shallow_clone());
            Ok(Recomputed { unet: self, timesteps, texts, time, given, prediction })
        })
    }
}

impl Recomputed<'_> {
    /// What the network predicts. It remembers the gradient of whatever is made of it.
    pub fn prediction(&self) -> &Tensor {
        &self.prediction
    }

    /// Adds to the gradients of the network's parameters, and of whatever the texts came from, after a
    /// loss of the prediction was gone back through.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn backward(self) -> Result<(), TchError> {
        let (time, texts) = (leaf(&self.time)?, leaf(&self.texts)?);
        let mut gradient = self.prediction.f_grad()?;
        let mut of_skipped: Vec<Tensor> = Vec::new();
        for given in self.given.into_iter().rev() {
            let of_left = of_skipped.split_off(of_skipped.len() - given.left);
            let hidden = leaf(&given.hidden)?;
            let taken = given.taken.iter().map(leaf).collect::<Result<Vec<_>, _>>()?;
            let skipped = given.under.iter().chain(&taken).map(Tensor::shallow_clone);
            let mut skipped: Vec<_> = skipped.collect();
            let output = self.unet.run(given.part, &hidden, &time, &texts, &mut skipped)?;
            let mut pairs = vec![(&output, &gradient)];
            pairs.extend(skipped.iter().zip(&of_left));
            backward(&pairs)?;
            gradient = hidden.f_grad()?;
            for tensor in &taken {
                of_skipped.push(tensor.f_grad()?);
            }
        }
        let own = self.unet.time(&self.timesteps, self.time.kind())?;
        backward(&[(&own, &time.f_grad()?)])?;
        let of_texts = texts.f_grad()?;
        if self.texts.requires_grad() && of_texts.defined() {
            backward(&[(&self.texts, &of_texts)])?;
        }
        Ok(())
    }
}

/// The same numbers, with a gradient of their own.
fn leaf(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_detach()?.f_set_requires_grad(true)
}
