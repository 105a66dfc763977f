//! A sheet of samples, always of the same people and from the same noise: what an epoch has changed
//! is seen side by side.

use std::ops::ControlFlow;

use agespan_imaging::{ImagingError, RgbImage, encode_png};
use agespan_models::diffusion::{DiffusionError, ImageStart, Pipeline, Sampling};

use crate::engine::pixels;
use crate::wording::{Attributes, Gender, Race};

const AGES: [u32; 4] = [5, 25, 45, 70];
const STEPS: usize = 20;

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub(super) enum SheetError {
    #[error(transparent)]
    Pipeline(#[from] DiffusionError),
    #[error(transparent)]
    Image(#[from] ImagingError),
}

/// A PNG file: ages from left to right, women above men.
pub(super) fn draw(pipeline: &Pipeline) -> Result<Vec<u8>, SheetError> {
    let sampling = Sampling { steps: STEPS, ..pipeline.sampling() };
    let (width, height) = (sampling.width as u32, sampling.height as u32);
    let mut sheet = RgbImage::new(width * AGES.len() as u32, height * 2);
    let mut seed = 0;
    for (row, gender) in [Gender::Female, Gender::Male].into_iter().enumerate() {
        for (column, age) in AGES.into_iter().enumerate() {
            let race = Race::ALL[(row + column) % Race::ALL.len()];
            let texts = pipeline.texts(&Attributes { age, gender, race }.prompt(), "")?;
            let start = ImageStart { seed, noise: None };
            let drawn =
                pipeline.generate(&texts, &sampling, start, &mut |_| ControlFlow::Continue(()))?;
            if let Some(drawn) = drawn
                && let Some(image) =
                    RgbImage::from_raw(width, height, pixels(&drawn).map_err(DiffusionError::from)?)
            {
                let (left, top) = (column as u32 * width, row as u32 * height);
                image.enumerate_pixels().for_each(|(x, y, pixel)| {
                    sheet.put_pixel(left + x, top + y, *pixel);
                });
            }
            seed += 1;
        }
    }
    Ok(encode_png(&sheet)?)
}
