//! A network that answers and learns no more: on the model's thread, or as a teacher.

use agespan_models::tch::Tensor;
use agespan_models::{AgeAnswer, AgeNet, FusedError, ReadyNet};

use crate::Arithmetic;
use crate::engine::Shape;

/// A network that answers.
pub(crate) struct Network {
    way: Way,
    arithmetic: Arithmetic,
}

enum Way {
    Ready(ReadyNet),
    /// Where libtorch cannot make it ready.
    Plain(AgeNet),
}

impl Network {
    pub(crate) fn new(net: AgeNet, shape: &Shape, arithmetic: Arithmetic) -> Self {
        let ready = |arithmetic: Arithmetic| {
            let ready = net.ready(arithmetic.kind(), i64::from(shape.input.crop));
            ready.map(|ready| Self { way: Way::Ready(ready), arithmetic }).inspect_err(
                |error| tracing::warn!(%error, ?arithmetic, "the model does not do it"),
            )
        };
        let instead = |error| arithmetic.instead().map_or(Err(error), ready);
        ready(arithmetic).or_else(instead).unwrap_or_else(|_| {
            tracing::warn!("the model answers slowly, as it was trained");
            Self { way: Way::Plain(net), arithmetic: Arithmetic::Float32 }
        })
    }

    /// What it answers in, which need not be what it was asked to.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    pub(crate) fn answer(&self, images: &Tensor, mirrored: bool) -> Result<AgeAnswer, FusedError> {
        match &self.way {
            Way::Ready(net) => net.answer(images, mirrored),
            Way::Plain(net) => Ok(net.answer(images, mirrored)),
        }
    }
}
