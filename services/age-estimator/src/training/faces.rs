//! Labelled faces in memory.

use agespan_imaging::{ImagingError, Limits, decode_reduced};
use agespan_models::InputSpec;

use crate::decoder;

/// One face: resized once, cropped and changed anew in every epoch.
#[derive(Clone, Debug)]
pub struct Face {
    /// RGB rows of a square of [`InputSpec::resize`] pixels a side.
    pub pixels: Vec<u8>,
    /// Age label.
    pub age: AgeLabel,
    /// Gender label, where there is one.
    pub female: Option<bool>,
}

/// An age label in completed years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgeLabel {
    /// This age.
    Exact(u32),
    /// Some age from the first to the second, both included.
    Range(u32, u32),
}

impl AgeLabel {
    /// The lowest and the highest possible age.
    pub fn ends(self) -> (u32, u32) {
        match self {
            Self::Exact(age) => (age, age),
            Self::Range(lower, upper) => (lower, upper),
        }
    }

    /// The middle of the possible ages.
    pub fn middle(self) -> u32 {
        let (lower, upper) = self.ends();
        u32::midpoint(lower, upper)
    }

    /// Years from an estimate to the nearest possible age.
    pub fn distance(self, estimate: f64) -> f64 {
        let (lower, upper) = self.ends();
        (estimate - estimate.clamp(lower.into(), upper.into())).abs()
    }
}

impl From<u32> for AgeLabel {
    fn from(age: u32) -> Self {
        Self::Exact(age)
    }
}

impl Face {
    /// Whether its age is known to the year and its gender at all.
    pub(super) fn is_fully_labelled(&self) -> bool {
        matches!(self.age, AgeLabel::Exact(_)) && self.female.is_some()
    }

    /// Decodes a photo of one face.
    ///
    /// # Errors
    /// When the bytes are no usable image.
    pub fn decode(
        bytes: &[u8],
        age: impl Into<AgeLabel>,
        female: impl Into<Option<bool>>,
        input: &InputSpec,
    ) -> Result<Self, ImagingError> {
        // As for a request: the same pixels for the same photo.
        let photo = decode_reduced(bytes, &Limits::default(), decoder::whole(input))?;
        let pixels = agespan_imaging::square(&photo.image, input.resize).into_raw();
        Ok(Self { pixels, age: age.into(), female: female.into() })
    }
}
