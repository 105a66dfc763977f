//! Inception v3 (Szegedy et al. 2015, arXiv 1512.00567) as FID knows it: the network of TensorFlow's
//! release of 5 December 2015, whose average pools leave the margin out of account, and whose last
//! block takes a maximum where the paper has an average.
//!
//! Names of the tensors equal the keys of pytorch-fid's file of weights (`Conv2d_1a_3x3.conv.weight`,
//! `Mixed_5b.branch1x1.bn.running_mean`, …); a classifier (`fc.…`) may be among them. Batch norms are
//! folded into the convolutions when it is read, and each is one pass with the positive part behind it.
//! For CPUs, in 32 bits.

mod blocks;
mod convolution;
mod scripted;

use std::collections::BTreeMap;

use tch::{Kind, TchError, Tensor};

use crate::WeightsError;
use blocks::Block;
use convolution::{Convolution, Parts};
pub use scripted::{ScriptError, Scripted};

/// The network, for inference: an image to a vector of [`Inception::FEATURES`] numbers.
#[derive(Debug)]
pub struct Inception {
    stem: [Convolution; 3],
    second: [Convolution; 2],
    blocks: Vec<Block>,
}

impl Inception {
    /// Length of the feature vector, which TensorFlow calls pool_3.
    pub const FEATURES: i64 = 2048;
    /// Side of its images in pixels.
    pub const SIDE: u32 = 299;
    /// A tensor by which its weights are told from those of other networks.
    pub const FIRST: &'static str = "Conv2d_1a_3x3.conv.weight";

    /// The network of these tensors.
    ///
    /// # Errors
    /// When one is missing, is of another shape, or belongs to another network.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Result<Self, WeightsError> {
        let mut parts = Parts::new(tensors);
        let stem = [
            parts.take("Conv2d_1a_3x3", [3, 32], [3, 3], (2, [0, 0]), 299)?,
            parts.take("Conv2d_2a_3x3", [32, 32], [3, 3], (1, [0, 0]), 149)?,
            parts.take("Conv2d_2b_3x3", [32, 64], [3, 3], (1, [1, 1]), 147)?,
        ];
        let second = [
            parts.take("Conv2d_3b_1x1", [64, 80], [1, 1], (1, [0, 0]), 73)?,
            parts.take("Conv2d_4a_3x3", [80, 192], [3, 3], (1, [0, 0]), 73)?,
        ];
        let blocks = blocks::all(&mut parts)?;
        parts.finish()?;
        Ok(Self { stem, second, blocks })
    }

    /// Images `[n, 3, 299, 299]` of samples from 0 to 255 to features `[n, 2048]`. Samples are scaled
    /// as TensorFlow's graph does it, (x − 128) / 128.
    ///
    /// # Errors
    /// When libtorch refuses the images.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        tch::no_grad(|| {
            let mut hidden = images.f_sub_scalar(128.0)?.f_div_scalar(128.0)?;
            for layer in &self.stem {
                hidden = layer.forward(&hidden)?;
            }
            hidden = halved(&hidden)?;
            for layer in &self.second {
                hidden = layer.forward(&hidden)?;
            }
            hidden = halved(&hidden)?;
            for block in &self.blocks {
                hidden = block.forward(&hidden)?;
            }
            hidden.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)
        })
    }
}

/// The greatest of nine, at every second place.
fn halved(hidden: &Tensor) -> Result<Tensor, TchError> {
    hidden.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let missing = Inception::new(BTreeMap::new()).unwrap_err();
        assert!(matches!(missing, WeightsError::Missing { name } if name == Inception::FIRST));
        let other = Tensor::zeros([1, 3, 3, 3], (Kind::Float, tch::Device::Cpu));
        let wrong = Inception::new([(Inception::FIRST.to_owned(), other)].into()).unwrap_err();
        assert!(matches!(wrong, WeightsError::Shape { name, .. } if name == Inception::FIRST));
    }
}
