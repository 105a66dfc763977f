//! Labelled faces in memory.

use agespan_imaging::{ImagingError, Limits, decode_reduced};
use agespan_models::InputSpec;

use crate::decoder;

/// One face: resized once, cropped and changed anew in every epoch.
#[derive(Clone, Debug)]
pub struct Face {
    /// RGB rows of a square of [`InputSpec::resize`] pixels a side.
    pub pixels: Vec<u8>,
    /// Age label in completed years.
    pub age: u32,
    /// Gender label.
    pub female: bool,
}

impl Face {
    /// Decodes a photo of one face.
    ///
    /// # Errors
    /// When the bytes are no usable image.
    pub fn decode(
        bytes: &[u8],
        age: u32,
        female: bool,
        input: &InputSpec,
    ) -> Result<Self, ImagingError> {
        // As for a request: the same pixels for the same photo.
        let photo = decode_reduced(bytes, &Limits::default(), decoder::whole(input))?;
        let pixels = agespan_imaging::square(&photo.image, input.resize).into_raw();
        Ok(Self { pixels, age, female })
    }
}
