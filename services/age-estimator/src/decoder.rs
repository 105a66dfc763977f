//! Bytes to pixels, off the async threads.

use std::sync::Arc;
use std::time::Instant;

use agespan_imaging::{Detail, ImagingError, Limits, Photo, decode_reduced};
use agespan_models::InputSpec;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Instruments;

/// Decodes a few photos at a time: a decoded photo is a hundred times its file, so the number of
/// those in memory has to be bounded, not only the requests.
#[derive(Clone, Debug)]
pub struct Decoder {
    permits: Arc<Semaphore>,
    limits: Limits,
    instruments: Arc<Instruments>,
}

impl Decoder {
    /// At most so many at the same time.
    pub fn new(at_once: usize, instruments: Arc<Instruments>) -> Self {
        let permits = Arc::new(Semaphore::new(at_once.max(1)));
        Self { permits, limits: Limits::default(), instruments }
    }

    /// The right to have a decoded photo in memory.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed, so there is always a permit in the end.
        self.permits.acquire().await.ok()
    }

    /// Decodes a photo as far as `detail` asks and gives what `then` makes of it on the same thread.
    /// Have a permit.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        image: Bytes,
        detail: Detail,
        then: impl FnOnce(Photo) -> T + Send + 'static,
    ) -> Result<T, ImagingError> {
        let (limits, instruments) = (self.limits.clone(), self.instruments.clone());
        let read = move || {
            let clock = Instant::now();
            let read = decode_reduced(&image, &limits, detail).map(then);
            instruments.decoded(clock.elapsed());
            read
        };
        blocking(read).await?
    }
}

/// How much of a photo that is one face is needed: twice what the model wants, so that the resizing
/// has its say. A photo of less than that comes pixel by pixel as it is.
pub fn whole(input: &InputSpec) -> Detail {
    Detail::ShorterSide(2 * input.resize)
}

/// Runs what takes long on a thread that may block. It panics on nothing but a defect of a picture
/// that no check has seen.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ImagingError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ImagingError::Corrupt(error.to_string()))
}
