//! Images passed through an autoencoder: what it loses on the way to its latents and back. The
//! network stays on the thread that reads it; images reach that thread through the channel of their
//! set, and leave it through another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use agespan_imaging::RgbImage;
use agespan_models::diffusion::{DiffusionError, Directory, Vae};
use agespan_models::tch::{Device, Kind, TchError, Tensor, no_grad};

use super::set::Sender;
use super::{Exclusion, Found, Pictures, Set, SetError};

/// Why an image has no reconstruction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconstructionError {
    /// The directory has no autoencoder that can be loaded.
    #[error("the autoencoder of {} cannot be loaded", path.display())]
    Autoencoder {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<DiffusionError>,
    },
    /// It is not one of RGB images.
    #[error("the autoencoder has {channels} channels for an image, and 3 are needed")]
    Channels {
        /// How many it has.
        channels: i64,
    },
    /// libtorch refused an image.
    #[error("the autoencoder failed on {image}")]
    Network {
        /// Which.
        image: String,
        /// Why.
        #[source]
        source: TchError,
    },
    /// libtorch did not say why.
    #[error("the autoencoder failed; the memory may have run out")]
    Failed,
}

impl Set {
    /// The images of another set as the autoencoder of a diffusers directory gives them back, by the
    /// mean of what it encodes them to. An image whose sides are not multiples of the autoencoder's
    /// factor, 8 as a rule, is left out.
    pub fn reconstructed(of: &Self, directory: PathBuf) -> Self {
        let open = Arc::clone(&of.open);
        let by = format!("reconstructed by {}", directory.display());
        Self {
            name: format!("{}, {by}", of.name),
            content_hash: None,
            identity: format!("{}, {by}", of.identity),
            count: of.count,
            named: of.named,
            open: Arc::new(move |first| {
                let (sender, pictures) = Pictures::channel();
                let (originals, directory) = (open(first), directory.clone());
                thread::spawn(move || pass_all(originals, &directory, &sender));
                pictures
            }),
        }
    }
}

fn pass_all(mut originals: Pictures, directory: &Path, sender: &Sender) {
    let pass = || -> Result<(), SetError> {
        let vae = load(directory)?;
        while let Some(batch) = originals.next()? {
            let passed: Result<Vec<_>, _> =
                batch.into_iter().map(|found| reconstruct(&vae, found)).collect();
            sender.blocking_send(Ok(passed?)).map_err(|_| SetError::GivenUp)?;
        }
        Ok(())
    };
    // libtorch throws on trouble such as memory running out; that ends a comparison, no process.
    let passed = catch_unwind(AssertUnwindSafe(pass));
    if let Err(error) = passed.unwrap_or(Err(ReconstructionError::Failed.into())) {
        // Nobody to tell it to is what it may be about.
        let _ = sender.blocking_send(Err(error));
    }
}

fn load(path: &Path) -> Result<Vae, ReconstructionError> {
    let vae = Directory::open(path).and_then(|found| found.vae(Kind::Float, Device::Cpu));
    let vae = vae.map_err(|source| ReconstructionError::Autoencoder {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let config = vae.config();
    match (config.in_channels, config.out_channels) {
        (3, 3) => Ok(vae),
        (channels, 3) | (_, channels) => Err(ReconstructionError::Channels { channels }),
    }
}

fn reconstruct(vae: &Vae, found: Found) -> Result<Found, ReconstructionError> {
    let Found { path, image } = found;
    let image = match image {
        Err(exclusion) => Err(exclusion),
        Ok(image) if !fits(&image, vae.config().factor()) => {
            let (width, height) = image.dimensions();
            let factor = vae.config().factor();
            let detail = format!(
                "{width}x{height} pixels: the autoencoder takes sides that are multiples of {factor}"
            );
            Err(Exclusion { path: path.clone(), reason: "SIZE".to_owned(), detail })
        }
        Ok(image) => {
            let passed = no_grad(|| there_and_back(vae, &image));
            let failed = |source| ReconstructionError::Network { image: path.clone(), source };
            Ok(passed.map_err(failed)?.unwrap_or(image))
        }
    };
    Ok(Found { path, image })
}

fn fits(image: &RgbImage, factor: i64) -> bool {
    let multiple = |side: u32| i64::from(side) % factor == 0;
    multiple(image.width()) && multiple(image.height())
}

/// None only if the autoencoder gives another size, which a multiple of its factor rules out.
fn there_and_back(vae: &Vae, image: &RgbImage) -> Result<Option<RgbImage>, TchError> {
    let (width, height) = image.dimensions();
    let shape = [1, i64::from(height), i64::from(width), 3];
    let pixels = Tensor::f_from_slice(image.as_raw())?.f_reshape(shape)?.f_to_kind(Kind::Float)?;
    let pixels = pixels.f_permute([0, 3, 1, 2])?.f_div_scalar(127.5)?.f_sub_scalar(1.0)?;
    let latents = vae.encode(&pixels.f_contiguous()?)?.mean;
    let decoded = vae.decode(&latents)?.f_add_scalar(1.0)?.f_mul_scalar(127.5)?;
    let bytes = decoded.f_clamp(0.0, 255.0)?.f_round()?.f_to_kind(Kind::Uint8)?;
    let rows = bytes.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    let mut samples = vec![0; rows.numel()];
    rows.f_copy_data(&mut samples, rows.numel())?;
    Ok(RgbImage::from_raw(width, height, samples))
}
