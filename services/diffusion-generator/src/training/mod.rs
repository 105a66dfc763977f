//! Fine-tuning of a pipeline's UNet on faces and their captions.
//!
//! The way of a run, in the order of the code:
//!
//! * [`FineTuneSpec`]: what can be set.
//! * [`Portrait`]: a face and its caption, cut to the pipeline's size.
//! * [`latents`]: the faces as the autoencoder has them, encoded once.
//! * [`texts`]: the captions as the text encoder has them.
//! * [`order`]: how often an epoch sees each face, and when.
//! * [`finetune`]: the run, from top to bottom; `learned` and `scaling` are its optimiser's side.
//! * [`Event`]: what it tells of itself.
//! * [`checkpoint`]: a run put down, to be taken up again to the same bits.
//! * [`autoencoder`]: an autoencoder from nothing, for pipelines that do not begin with a given one.

pub mod autoencoder;
mod checkpoint;
mod event;
mod latents;
mod learned;
mod loss;
mod material;
mod networks;
mod order;
mod rate;
mod run;
mod scaling;
mod spec;
#[cfg(test)]
mod tests;
mod texts;

pub use agespan_models::CheckpointError;
pub use event::{EpochFigures, Event, FineTuneError, Fitted, Next};
pub use run::finetune;
pub use spec::{Decay, FineTuneSpec, Lora, Precision};

use agespan_imaging::{ImagingError, Limits};

use crate::wording::Attributes;

/// A face to learn from.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// RGB rows of a square of the pipeline's size.
    pub pixels: Vec<u8>,
    /// What it shows.
    pub attributes: Attributes,
}

impl Portrait {
    /// Decodes a photo of one face and cuts it to a square of `side` pixels.
    ///
    /// # Errors
    /// When the bytes are no usable image.
    pub fn decode(bytes: &[u8], attributes: Attributes, side: u32) -> Result<Self, ImagingError> {
        let image = agespan_imaging::decode(bytes, &Limits::default())?;
        Ok(Self { pixels: agespan_imaging::square(&image, side).into_raw(), attributes })
    }
}
