//! The thread that owns a pipeline.
//!
//! Work waits in a bounded queue and is done one image at a time: an image drawn alone is the same
//! to the bit whatever is drawn beside it, and one image keeps every core busy. Whoever asked and
//! went away is noticed at the next denoising step, and the image is given up.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;

use agespan_imaging::RgbImage;
use agespan_models::diffusion::{
    DiffusionError, Directory, ImageStart, Noise, Pipeline, Sampling, Texts,
};
use agespan_models::tch::{Device, Kind, TchError, Tensor};
use agespan_models::{WeightsError, weights};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::faces::{Detector, FaceCountError, FaceCounter};
use crate::noise;

/// What there is to know of a pipeline to ask it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Side of its images in pixels, when no other size is asked for.
    pub image_size: u32,
    /// Sides of an image are multiples of this.
    pub factor: u32,
    /// Channels of its latents.
    pub latent_channels: u32,
    /// The fields of its scheduler's configuration.
    pub scheduler: Map<String, Value>,
    /// Whether it comes with a safety checker.
    pub has_safety_checker: bool,
}

impl Shape {
    /// The shape of the noise and latents of an image.
    pub fn latents(&self, width: u32, height: u32) -> [usize; 3] {
        [self.latent_channels, height / self.factor, width / self.factor].map(|side| side as usize)
    }
}

/// An image to draw.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// What to draw.
    pub prompt: String,
    /// What to keep away from.
    pub negative_prompt: String,
    /// How.
    pub sampling: Sampling,
    /// What from.
    pub seed: u64,
    /// A safetensors file of noise to begin with instead of the seed's.
    pub noise: Option<Bytes>,
    /// Whether every step's latents are kept.
    pub trace: bool,
    /// Whether the faces that it shows are counted.
    pub count_faces: bool,
}

/// An image that was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// RGB, row by row.
    pub pixels: Vec<u8>,
    /// Tokens of the prompt that were left out because it is too long.
    pub dropped: usize,
    /// And of the negative prompt.
    pub negative_dropped: usize,
    /// What the pipeline's safety checker said; none where it has none.
    pub safety: Option<Safety>,
    /// How many faces it shows, where they were to be counted.
    pub faces: Option<u32>,
    /// A safetensors file of the noise, every step's latents and the timesteps, where asked for;
    /// none of an image that is flagged.
    pub trace: Option<Vec<u8>>,
}

/// What a safety checker says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// It was looked at and not flagged.
    Passed,
    /// It shows what it should not, and is black instead.
    Flagged,
}

impl Drawn {
    /// What the caller may not expect.
    pub fn warnings(&self) -> Vec<String> {
        let cut = |what: &str, dropped: usize| {
            let tokens = if dropped == 1 { "token" } else { "tokens" };
            (dropped > 0).then(|| {
                format!("the {what} is too long: its last {dropped} {tokens} were left out")
            })
        };
        let flagged = (self.safety == Some(Safety::Flagged)).then(|| {
            "the safety checker flagged the image, so that it is black; try another prompt or seed"
                .to_owned()
        });
        let (prompt, negative) = (self.dropped, self.negative_dropped);
        let all = [cut("prompt", prompt), cut("negative prompt", negative), flagged];
        all.into_iter().flatten().collect()
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The pipeline cannot be loaded, or cannot draw this.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
    /// The noise cannot be read, or the trace not be written.
    #[error("the noise cannot be read, or the trace not be written")]
    Tensors(#[from] WeightsError),
    /// The noise does not fit the image.
    #[error(transparent)]
    Noise(#[from] noise::NoiseError),
    /// The faces that it shows cannot be counted.
    #[error(transparent)]
    Faces(#[from] FaceCountError),
    /// libtorch gave up in a way that it does not report.
    #[error("the pipeline failed on this image")]
    Failed,
    /// The thread is gone.
    #[error("the pipeline's thread has ended")]
    Ended,
}

impl From<TchError> for DrawError {
    fn from(error: TchError) -> Self {
        Self::Diffusion(error.into())
    }
}

/// Told how many steps of an image are made.
pub type OnStep = Box<dyn FnMut(u64) + Send>;

struct Work {
    drawing: Drawing,
    on_step: OnStep,
    answer: oneshot::Sender<Result<Drawn, DrawError>>,
}

/// A loaded pipeline, reached through its queue. The thread ends with the last handle.
#[derive(Debug)]
pub struct Engine {
    queue: mpsc::Sender<Work>,
}

/// What a machine computes with: a GPU takes 16 bits, a CPU would convert them at every step.
fn precision() -> (Kind, Device) {
    match Device::cuda_if_available() {
        Device::Cpu => (Kind::Float, Device::Cpu),
        gpu => (Kind::Half, gpu),
    }
}

/// Opens a diffusers directory, weights and all, and says what it is.
///
/// # Errors
/// When it cannot be loaded.
pub fn inspect(path: &Path) -> Result<(Shape, Vec<PathBuf>), DiffusionError> {
    let directory = Directory::open(path)?;
    let (kind, device) = precision();
    let pipeline = directory.pipeline(kind, device)?;
    let autoencoder = pipeline.vae.config();
    if autoencoder.out_channels != 3 {
        return Err(DiffusionError::Unsupported {
            config: "the autoencoder's configuration",
            field: "out_channels".to_owned(),
            value: autoencoder.out_channels.to_string(),
            supported: "images have 3".to_owned(),
        });
    }
    let shape = Shape {
        image_size: pipeline.sampling().width as u32,
        factor: autoencoder.factor() as u32,
        latent_channels: autoencoder.latent_channels as u32,
        scheduler: pipeline.scheduler.raw().clone(),
        has_safety_checker: directory.has_safety_checker(),
    };
    Ok((shape, directory.files()?))
}

impl Engine {
    /// Loads a pipeline on a thread of its own. The detector is loaded when it is needed.
    ///
    /// # Errors
    /// When the pipeline cannot be loaded.
    pub async fn start(path: PathBuf, detector: Detector, queue: usize) -> Result<Self, DrawError> {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let (opened, open) = oneshot::channel();
        thread::spawn(move || {
            let (kind, device) = precision();
            match Pipeline::open(&path, kind, device) {
                Ok(pipeline) => {
                    let _ = opened.send(Ok(()));
                    let faces = FaceCounter::new(detector);
                    Model { pipeline, texts: None, faces }.run(receiver);
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
        open.await.map_err(|_| DrawError::Ended)??;
        Ok(Self { queue: sender })
    }

    /// Draws an image, after those that were asked for before. Dropping the future gives it up.
    ///
    /// # Errors
    /// When the pipeline cannot draw it.
    pub async fn draw(&self, drawing: Drawing, on_step: OnStep) -> Result<Drawn, DrawError> {
        let (answer, drawn) = oneshot::channel();
        let work = Work { drawing, on_step, answer };
        self.queue.send(work).await.map_err(|_| DrawError::Ended)?;
        drawn.await.map_err(|_| DrawError::Ended)?
    }

    /// Whether its thread is gone.
    pub fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }
}

/// A pipeline on the thread that owns it.
struct Model {
    pipeline: Pipeline,
    /// The last prompts and what they were encoded to: a job's images have the same.
    texts: Option<((String, String), Texts)>,
    faces: FaceCounter,
}

impl Model {
    fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        while let Some(Work { drawing, mut on_step, answer }) = queue.blocking_recv() {
            if answer.is_closed() {
                continue;
            }
            let mut step = |made: u64| {
                on_step(made);
                if answer.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            // libtorch throws on trouble such as memory running out; one image is lost, not the
            // thread.
            let drawn = catch_unwind(AssertUnwindSafe(|| self.draw(&drawing, &mut step)));
            match drawn.unwrap_or(Err(DrawError::Failed)).transpose() {
                Some(drawn) => drop(answer.send(drawn)),
                None => tracing::debug!("an image was given up"),
            }
        }
    }

    fn draw(
        &mut self,
        drawing: &Drawing,
        on_step: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Drawn>, DrawError> {
        let shape = self.pipeline.latents_shape(&drawing.sampling)?;
        let noise = drawing.noise.as_deref().map(|file| read_noise(file, shape)).transpose()?;
        if drawing.count_faces {
            // Before the image is drawn in vain.
            self.faces.ready()?;
        }
        self.encode(drawing)?;
        let Some((_, texts)) = &self.texts else { return Err(DrawError::Failed) };
        let (dropped, negative_dropped) = (texts.dropped, texts.negative_dropped);
        let start = ImageStart { seed: drawing.seed, noise: noise.as_ref() };
        let (mut latents, mut times) = (Vec::new(), Vec::new());
        let image = self.pipeline.generate(texts, &drawing.sampling, start, &mut |step| {
            if drawing.trace {
                latents.push(step.latents.to_device(Device::Cpu));
                times.push(step.timestep as f32);
            }
            on_step(step.index as u64 + 1)
        })?;
        let Some(image) = image else { return Ok(None) };
        let (width, height) = (drawing.sampling.width as u32, drawing.sampling.height as u32);
        let image = RgbImage::from_raw(width, height, pixels(&image)?).ok_or(DrawError::Failed)?;
        let (image, safety) = self.check(image)?;
        let flagged = safety == Some(Safety::Flagged);
        let faces = match (drawing.count_faces, flagged) {
            (false, _) => None,
            (true, true) => Some(0),
            (true, false) => Some(self.faces.count(&image)?),
        };
        // The last latents of a flagged image are that image.
        let trace = if drawing.trace && !flagged {
            let first = noise.unwrap_or_else(|| Noise::new(drawing.seed).normal(&shape));
            Some(write_trace(first, &latents, &times)?)
        } else {
            None
        };
        Ok(Some(Drawn {
            width,
            height,
            pixels: image.into_raw(),
            dropped,
            negative_dropped,
            safety,
            faces,
            trace,
        }))
    }

    /// The image, or a black one where the pipeline's checker flags it.
    fn check(&self, image: RgbImage) -> Result<(RgbImage, Option<Safety>), DrawError> {
        let Some(checker) = &self.pipeline.safety_checker else { return Ok((image, None)) };
        if checker.check(&image)?.flagged {
            let black = RgbImage::new(image.width(), image.height());
            return Ok((black, Some(Safety::Flagged)));
        }
        Ok((image, Some(Safety::Passed)))
    }

    fn encode(&mut self, drawing: &Drawing) -> Result<(), DrawError> {
        let words = (drawing.prompt.clone(), drawing.negative_prompt.clone());
        if self.texts.as_ref().is_none_or(|(encoded, _)| *encoded != words) {
            let texts = self.pipeline.texts(&words.0, &words.1)?;
            self.texts = Some((words, texts));
        }
        Ok(())
    }
}

fn write_trace(noise: Tensor, latents: &[Tensor], times: &[f32]) -> Result<Vec<u8>, DrawError> {
    let (latents, times) = (Tensor::f_cat(latents, 0)?, Tensor::from_slice(times));
    let all = [(noise::NAME, noise), ("latents", latents), ("timesteps", times)];
    Ok(weights::write(&all.map(|(name, tensor)| (name.to_owned(), tensor)))?)
}

fn read_noise(file: &[u8], shape: [i64; 3]) -> Result<Tensor, DrawError> {
    let name = noise::find(file, shape.map(|side| side as usize))?;
    let mut tensors = weights::read(file)?;
    let noise = tensors.remove(&name).ok_or(WeightsError::Missing { name })?;
    Ok(noise.f_reshape(shape)?)
}

/// `[3, height, width]` of 0 to 1 as RGB rows, rounded as diffusers rounds.
pub(crate) fn pixels(image: &Tensor) -> Result<Vec<u8>, TchError> {
    let bytes = image.f_mul_scalar(255.0)?.f_round()?.f_to_kind(Kind::Uint8)?;
    let rows = bytes.f_permute([1, 2, 0])?.f_contiguous()?;
    let mut pixels = vec![0; rows.numel()];
    rows.f_copy_data(&mut pixels, rows.numel())?;
    Ok(pixels)
}

#[cfg(test)]
mod tests;
