//! A network that answers and learns no more: on the model's thread, or as a teacher.

use agespan_models::tch::Tensor;
use agespan_models::{AgeAnswer, AgeNet, FusedError, ReadyNet};

use crate::Arithmetic;
use crate::engine::Shape;

/// A network that answers.
pub(crate) enum Network {
    Ready(ReadyNet),
    /// Where libtorch cannot make it ready.
    Plain(AgeNet),
}

impl Network {
    pub(crate) fn new(net: AgeNet, shape: &Shape, arithmetic: Arithmetic) -> Self {
        let ready = |arithmetic: Arithmetic| {
            let ready = net.ready(arithmetic.kind(), i64::from(shape.input.crop));
            ready.inspect_err(
                |error| tracing::warn!(%error, ?arithmetic, "the model does not do it"),
            )
        };
        let instead = |error| arithmetic.instead().map_or(Err(error), ready);
        match ready(arithmetic).or_else(instead) {
            Ok(ready) => Self::Ready(ready),
            Err(_) => {
                tracing::warn!("the model answers slowly, as it was trained");
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
