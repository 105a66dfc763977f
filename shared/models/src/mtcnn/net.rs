//! The three networks of the cascade (figure 2 of the paper), each a row of a table.
//!
//! Paths of the parameters equal the keys of facenet-pytorch's networks (`conv1.weight`,
//! `prelu1.weight`, `dense5_1.bias`, …). Its weights were trained on images whose axes were
//! exchanged, which is why the dense layers read the features column by column.

use tch::nn::{self, Init, Path};
use tch::{Kind, TchError, Tensor};

/// A convolution, its PReLU, and the pooling behind it.
struct Stage {
    outputs: i64,
    kernel: i64,
    /// Side of the max pooling, whose stride is 2; 0 for none.
    pool: i64,
}

const fn stage(outputs: i64, kernel: i64, pool: i64) -> Stage {
    Stage { outputs, kernel, pool }
}

/// The shape of one network.
pub(super) struct Shape {
    stages: &'static [Stage],
    /// Features into and out of the dense layer; none where the heads are convolutions, so that the
    /// network slides over an image of any size.
    dense: Option<(i64, i64)>,
    /// Outputs of the heads: face or not, the box's correction, the landmarks.
    heads: &'static [i64],
}

/// Proposes: looks at 12×12 pixels every two pixels.
pub(super) const PROPOSE: Shape = Shape {
    stages: &[stage(10, 3, 2), stage(16, 3, 0), stage(32, 3, 0)],
    dense: None,
    heads: &[2, 4],
};

/// Refines: looks at 24×24 pixels.
pub(super) const REFINE: Shape = Shape {
    stages: &[stage(28, 3, 3), stage(48, 3, 3), stage(64, 2, 0)],
    dense: Some((576, 128)),
    heads: &[2, 4],
};

/// Gives the output: looks at 48×48 pixels.
pub(super) const OUTPUT: Shape = Shape {
    stages: &[stage(32, 3, 3), stage(64, 3, 3), stage(64, 3, 2), stage(128, 2, 0)],
    dense: Some((1152, 256)),
    heads: &[2, 4, 10],
};

#[derive(Debug)]
struct Convolution {
    layer: nn::Conv2D,
    slope: Tensor,
    pool: i64,
}

#[derive(Debug)]
struct Dense {
    layer: nn::Linear,
    slope: Tensor,
}

#[derive(Debug)]
enum Heads {
    Convolutions(Vec<nn::Conv2D>),
    Dense(Dense, Vec<nn::Linear>),
}

/// One of the three networks.
#[derive(Debug)]
pub(super) struct Net {
    stages: Vec<Convolution>,
    heads: Heads,
}

impl Net {
    /// Declares the variables below `path`.
    pub(super) fn new(path: &Path, shape: &Shape) -> Self {
        let mut stages = Vec::new();
        let mut inputs = 3;
        for (stage, number) in shape.stages.iter().zip(1..) {
            let place = path / format!("conv{number}");
            stages.push(Convolution {
                layer: nn::conv2d(place, inputs, stage.outputs, stage.kernel, Default::default()),
                slope: slope(path, number, stage.outputs),
                pool: stage.pool,
            });
            inputs = stage.outputs;
        }
        let next = stages.len() + 1;
        let heads = match shape.dense {
            None => {
                let head = |(&outputs, number): (&i64, i64)| {
                    let place = path / format!("conv{next}_{number}");
                    nn::conv2d(place, inputs, outputs, 1, Default::default())
                };
                Heads::Convolutions(shape.heads.iter().zip(1..).map(head).collect())
            }
            Some((flat, features)) => {
                let place = path / format!("dense{next}");
                let layer = nn::linear(place, flat, features, Default::default());
                let head = |(&outputs, number): (&i64, i64)| {
                    let place = path / format!("dense{}_{number}", next + 1);
                    nn::linear(place, features, outputs, Default::default())
                };
                let dense = Dense { layer, slope: slope(path, next, features) };
                Heads::Dense(dense, shape.heads.iter().zip(1..).map(head).collect())
            }
        };
        Self { stages, heads }
    }

    /// Images `[n, 3, h, w]` to what the heads say, one behind the other on the second axis: the
    /// probabilities of no face and of a face, four corrections, and ten numbers of landmarks.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut hidden = images.shallow_clone();
        for stage in &self.stages {
            hidden = convolve(&hidden, &stage.layer)?.f_prelu(&stage.slope)?;
            if stage.pool > 0 {
                let side = [stage.pool; 2];
                // Rounded up: an edge that does not fill a window counts.
                hidden = hidden.f_max_pool2d(side, [2, 2], [0, 0], [1, 1], true)?;
            }
        }
        let mut answers = match &self.heads {
            Heads::Convolutions(heads) => {
                heads.iter().map(|head| convolve(&hidden, head)).collect::<Result<Vec<_>, _>>()?
            }
            Heads::Dense(dense, heads) => {
                let flat = hidden.f_permute([0, 3, 2, 1])?.f_flatten(1, -1)?;
                let features = connect(&flat, &dense.layer)?.f_prelu(&dense.slope)?;
                heads.iter().map(|head| connect(&features, head)).collect::<Result<Vec<_>, _>>()?
            }
        };
        answers[0] = answers[0].f_softmax(1, Kind::Float)?;
        Tensor::f_cat(&answers, 1)
    }
}

fn slope(path: &Path, number: usize, channels: i64) -> Tensor {
    (path / format!("prelu{number}")).var("weight", &[channels], Init::Const(0.25))
}

fn convolve(input: &Tensor, layer: &nn::Conv2D) -> Result<Tensor, TchError> {
    input.f_conv2d(&layer.ws, layer.bs.as_ref(), [1, 1], [0, 0], [1, 1], 1)
}

fn connect(input: &Tensor, layer: &nn::Linear) -> Result<Tensor, TchError> {
    input.f_linear(&layer.ws, layer.bs.as_ref())
}
