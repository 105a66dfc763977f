//! A network that answers and learns no more: on the model's thread, or as a teacher.

use agespan_models::tch::Tensor;
use agespan_models::{AgeAnswer, AgeNet, FusedError, ReadyNet};

use crate::Precision;
use crate::engine::Shape;

/// A network that answers.
pub(crate) enum Network {
    Ready(ReadyNet),
    /// Where libtorch cannot make it ready.
    Plain(AgeNet),
}

impl Network {
    pub(crate) fn new(net: AgeNet, shape: &Shape, precision: Precision) -> Self {
        match net.ready(precision.kind(), i64::from(shape.input.crop)) {
            Ok(ready) => Self::Ready(ready),
            Err(error) => {
                tracing::warn!(%error, ?precision, "the model answers slowly, as it was trained");
                Self::Plain(net)
            }
        }
    }

    pub(crate) fn answer(&self, images: &Tensor, mirrored: bool) -> Result<AgeAnswer, FusedError> {
        match self {
            Self::Ready(net) => net.answer(images, mirrored),
            Self::Plain(net) => Ok(net.answer(images, mirrored)),
        }
    }
}
