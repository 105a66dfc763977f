//! The eleven blocks: branches side by side, whose channels are put together.

use tch::{TchError, Tensor};

use super::convolution::{Convolution, Parts};
use super::halved;
use crate::WeightsError;

/// A convolution of a branch: name, output channels, kernel, stride. Padding keeps the size where the
/// stride is one, and there is none where it is two.
type Layer = (&'static str, i64, [i64; 2], i64);

/// How a block's last branch begins.
#[derive(Clone, Copy, Debug)]
enum Pool {
    /// The mean of the nine around, or of as many as there are at the margin.
    Mean,
    /// The greatest of the nine around.
    Greatest,
    /// The greatest of nine at every second place, and no convolution behind it.
    Halving,
}

/// A branch: convolutions one after the other, then perhaps two side by side.
#[derive(Debug)]
struct Branch {
    trunk: Vec<Convolution>,
    fork: Vec<Convolution>,
}

impl Branch {
    fn forward(&self, input: &Tensor, outputs: &mut Vec<Tensor>) -> Result<(), TchError> {
        let mut hidden = input.shallow_clone();
        for layer in &self.trunk {
            hidden = layer.forward(&hidden)?;
        }
        for layer in &self.fork {
            outputs.push(layer.forward(&hidden)?);
        }
        if self.fork.is_empty() {
            outputs.push(hidden);
        }
        Ok(())
    }
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    branches: Vec<Branch>,
    pool: Pool,
    behind_pool: Option<Convolution>,
}

impl Block {
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let mut outputs = Vec::new();
        for branch in &self.branches {
            branch.forward(input, &mut outputs)?;
        }
        let pooled = match self.pool {
            Pool::Mean => input.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None)?,
            Pool::Greatest => input.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)?,
            Pool::Halving => halved(input)?,
        };
        outputs.push(match &self.behind_pool {
            Some(layer) => layer.forward(&pooled)?,
            None => pooled,
        });
        Tensor::f_cat(&outputs, 1)
    }
}

/// Takes the blocks one by one.
struct Builder<'a> {
    parts: &'a mut Parts,
    name: &'static str,
    inputs: i64,
    side: i64,
}

impl Builder<'_> {
    fn layer(&mut self, inputs: i64, layer: &Layer) -> Result<Convolution, WeightsError> {
        let &(name, outputs, kernel, stride) = layer;
        let padding = if stride == 1 { kernel.map(|side| side / 2) } else { [0, 0] };
        let name = format!("{}.{name}", self.name);
        self.parts.take(&name, [inputs, outputs], kernel, (stride, padding), self.side)
    }

    fn branch(&mut self, trunk: &[Layer], fork: &[Layer]) -> Result<Branch, WeightsError> {
        let mut inputs = self.inputs;
        let mut layers = Vec::new();
        for layer in trunk {
            layers.push(self.layer(inputs, layer)?);
            inputs = layer.1;
        }
        let fork = fork.iter().map(|layer| self.layer(inputs, layer)).collect::<Result<_, _>>()?;
        Ok(Branch { trunk: layers, fork })
    }

    fn block(
        &mut self,
        branches: &[(&[Layer], &[Layer])],
        pool: Pool,
        pooled: i64,
    ) -> Result<Block, WeightsError> {
        let branches = branches
            .iter()
            .map(|(trunk, fork)| self.branch(trunk, fork))
            .collect::<Result<_, _>>()?;
        let behind_pool = match pool {
            Pool::Halving => None,
            _ => Some(self.layer(self.inputs, &("branch_pool", pooled, [1, 1], 1))?),
        };
        Ok(Block { branches, pool, behind_pool })
    }

    /// 35 pixels a side.
    fn a(&mut self, pooled: i64) -> Result<Block, WeightsError> {
        let branches: [(&[Layer], &[Layer]); 3] = [
            (&[("branch1x1", 64, [1, 1], 1)], &[]),
            (&[("branch5x5_1", 48, [1, 1], 1), ("branch5x5_2", 64, [5, 5], 1)], &[]),
            (
                &[
                    ("branch3x3dbl_1", 64, [1, 1], 1),
                    ("branch3x3dbl_2", 96, [3, 3], 1),
                    ("branch3x3dbl_3", 96, [3, 3], 1),
                ],
                &[],
            ),
        ];
        self.block(&branches, Pool::Mean, pooled)
    }

    /// From 35 to 17 pixels a side.
    fn b(&mut self) -> Result<Block, WeightsError> {
        let branches: [(&[Layer], &[Layer]); 2] = [
            (&[("branch3x3", 384, [3, 3], 2)], &[]),
            (
                &[
                    ("branch3x3dbl_1", 64, [1, 1], 1),
                    ("branch3x3dbl_2", 96, [3, 3], 1),
                    ("branch3x3dbl_3", 96, [3, 3], 2),
                ],
                &[],
            ),
        ];
        self.block(&branches, Pool::Halving, 0)
    }

    /// 17 pixels a side; `inner` channels between the long and the wide kernels.
    fn c(&mut self, inner: i64) -> Result<Block, WeightsError> {
        let branches: [(&[Layer], &[Layer]); 3] = [
            (&[("branch1x1", 192, [1, 1], 1)], &[]),
            (
                &[
                    ("branch7x7_1", inner, [1, 1], 1),
                    ("branch7x7_2", inner, [1, 7], 1),
                    ("branch7x7_3", 192, [7, 1], 1),
                ],
                &[],
            ),
            (
                &[
                    ("branch7x7dbl_1", inner, [1, 1], 1),
                    ("branch7x7dbl_2", inner, [7, 1], 1),
                    ("branch7x7dbl_3", inner, [1, 7], 1),
                    ("branch7x7dbl_4", inner, [7, 1], 1),
                    ("branch7x7dbl_5", 192, [1, 7], 1),
                ],
                &[],
            ),
        ];
        self.block(&branches, Pool::Mean, 192)
    }

    /// From 17 to 8 pixels a side.
    fn d(&mut self) -> Result<Block, WeightsError> {
        let branches: [(&[Layer], &[Layer]); 2] = [
            (&[("branch3x3_1", 192, [1, 1], 1), ("branch3x3_2", 320, [3, 3], 2)], &[]),
            (
                &[
                    ("branch7x7x3_1", 192, [1, 1], 1),
                    ("branch7x7x3_2", 192, [1, 7], 1),
                    ("branch7x7x3_3", 192, [7, 1], 1),
                    ("branch7x7x3_4", 192, [3, 3], 2),
                ],
                &[],
            ),
        ];
        self.block(&branches, Pool::Halving, 0)
    }

    /// 8 pixels a side.
    fn e(&mut self, pool: Pool) -> Result<Block, WeightsError> {
        let branches: [(&[Layer], &[Layer]); 3] = [
            (&[("branch1x1", 320, [1, 1], 1)], &[]),
            (
                &[("branch3x3_1", 384, [1, 1], 1)],
                &[("branch3x3_2a", 384, [1, 3], 1), ("branch3x3_2b", 384, [3, 1], 1)],
            ),
            (
                &[("branch3x3dbl_1", 448, [1, 1], 1), ("branch3x3dbl_2", 384, [3, 3], 1)],
                &[("branch3x3dbl_3a", 384, [1, 3], 1), ("branch3x3dbl_3b", 384, [3, 1], 1)],
            ),
        ];
        self.block(&branches, pool, 192)
    }
}

/// All blocks in their order.
pub(super) fn all(parts: &mut Parts) -> Result<Vec<Block>, WeightsError> {
    Ok(vec![
        at(parts, "Mixed_5b", [192, 35]).a(32)?,
        at(parts, "Mixed_5c", [256, 35]).a(64)?,
        at(parts, "Mixed_5d", [288, 35]).a(64)?,
        at(parts, "Mixed_6a", [288, 35]).b()?,
        at(parts, "Mixed_6b", [768, 17]).c(128)?,
        at(parts, "Mixed_6c", [768, 17]).c(160)?,
        at(parts, "Mixed_6d", [768, 17]).c(160)?,
        at(parts, "Mixed_6e", [768, 17]).c(192)?,
        at(parts, "Mixed_7a", [768, 17]).d()?,
        at(parts, "Mixed_7b", [1280, 8]).e(Pool::Mean)?,
        at(parts, "Mixed_7c", [2048, 8]).e(Pool::Greatest)?,
    ])
}

/// The block of that name, for so many channels of images of `side` pixels.
fn at<'a>(parts: &'a mut Parts, name: &'static str, [inputs, side]: [i64; 2]) -> Builder<'a> {
    Builder { parts, name, inputs, side }
}
