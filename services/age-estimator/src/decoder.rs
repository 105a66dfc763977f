//! Bytes to pixels, off the async threads.

use std::sync::Arc;

use agespan_imaging::{ImagingError, Limits};
use agespan_models::InputSpec;
use bytes::Bytes;
use tokio::sync::Semaphore;

/// A decoded photo: its size, and the square that the model sees.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// RGB rows of the model's crop.
    pub(crate) pixels: Vec<u8>,
}

/// Decodes a few photos at a time: a decoded photo is a hundred times its file, so the number of
/// those in memory has to be bounded, not only the requests.
#[derive(Clone, Debug)]
pub struct Decoder {
    permits: Arc<Semaphore>,
    limits: Limits,
}

impl Decoder {
    /// At most so many at the same time.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once.max(1))), limits: Limits::default() }
    }

    pub(crate) async fn decode(
        &self,
        image: Bytes,
        input: InputSpec,
    ) -> Result<Decoded, ImagingError> {
        // The semaphore is never closed, so there is always a permit in the end.
        let _permit = self.permits.acquire().await;
        let limits = self.limits.clone();
        let task = tokio::task::spawn_blocking(move || {
            let image = agespan_imaging::decode(&image, &limits)?;
            let square = agespan_imaging::square(&image, input.resize);
            Ok(Decoded {
                width: image.width(),
                height: image.height(),
                pixels: input.center_crop(square.as_raw()),
            })
        });
        task.await.unwrap_or_else(|error| Err(ImagingError::Corrupt(error.to_string())))
    }
}
