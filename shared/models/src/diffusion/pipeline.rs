//! From words to an image: texts, guided denoising, decoding.

use std::ops::ControlFlow;
use std::path::Path;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::scheduler::Scheduler;
use super::timestep::timesteps;
use super::{
    ClipText, DiffusionError, Directory, Noise, SafetyChecker, SchedulerConfig, SchedulerKind,
    Tokenizer, Unet, Vae, directory, kind_and_device,
};

/// How images are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Denoising steps.
    pub steps: usize,
    /// How far to go from the negative prompt towards the prompt; at 1 or below the negative prompt
    /// is not looked at, and a step takes half as long.
    pub guidance_scale: f64,
    /// DDIM's: 0 adds no noise on the way, 1 as much as DDPM.
    pub eta: f64,
    /// Width in pixels, a multiple of the autoencoder's factor.
    pub width: i64,
    /// Height in pixels.
    pub height: i64,
    /// Another scheduler than the pipeline's.
    pub scheduler: Option<SchedulerKind>,
}

/// A prompt and a negative prompt as the network takes them.
#[derive(Debug)]
pub struct Texts {
    /// `[2, length, hidden_size]`: the negative prompt, then the prompt.
    vectors: Tensor,
    /// How many tokens of the prompt were left out because it is too long.
    pub dropped: usize,
    /// How many of the negative prompt.
    pub negative_dropped: usize,
}

/// What an image begins with. The image depends on nothing else: each is drawn alone, so that it is
/// the same to the bit whatever is drawn before, after or beside it. (A larger batch would change
/// the order of sums in matrix products, and with it the last bits.)
#[derive(Clone, Copy, Debug)]
pub struct ImageStart<'a> {
    /// The seed of the [`Noise`].
    pub seed: u64,
    /// Standard normal noise `[latent_channels, h/f, w/f]` to begin with instead of the seed's; the
    /// seed's stream is then used from its begin by steps that add noise.
    pub noise: Option<&'a Tensor>,
}

/// A denoising step that was made.
#[derive(Debug)]
pub struct Step<'a> {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are. Some schedulers make one or a few more than asked for.
    pub count: usize,
    /// The time that the network was told.
    pub timestep: f64,
    /// `[1, latent_channels, h/f, w/f]`, 32-bit floats: what the step made.
    pub latents: &'a Tensor,
}

/// Told of every step; it may stop the run.
pub type OnStep<'a> = dyn FnMut(&Step<'_>) -> ControlFlow<()> + 'a;

/// All parts of a text-to-image pipeline.
#[derive(Debug)]
pub struct Pipeline {
    /// Words to numbers.
    pub tokenizer: Tokenizer,
    /// Numbers to vectors.
    pub text_encoder: ClipText,
    /// The denoising network.
    pub unet: Unet,
    /// Latents from and to images.
    pub vae: Vae,
    /// How the network is used.
    pub scheduler: SchedulerConfig,
    /// What looks at the images, where there is one; [`generate`](Self::generate) does not ask it.
    pub safety_checker: Option<SafetyChecker>,
    kind: Kind,
    device: Device,
}

impl Pipeline {
    /// A pipeline of parts that fit each other, without a safety checker.
    pub fn new(
        tokenizer: Tokenizer,
        text_encoder: ClipText,
        unet: Unet,
        vae: Vae,
        scheduler: SchedulerConfig,
    ) -> Result<Self, DiffusionError> {
        let (text, latents) = (text_encoder.config(), vae.config().latent_channels);
        let fits = |what, found: Vec<i64>, expected: Vec<i64>| {
            let error = DiffusionError::Shape { what, found, expected };
            move |fits: bool| if fits { Ok(()) } else { Err(error) }
        };
        let channels = vec![unet.config().in_channels, unet.config().out_channels];
        let same = channels.iter().all(|&channels| channels == latents);
        fits("a UNet's latents", channels, vec![latents; 2])(same)?;
        let contexts = unet.config().cross_attention_dim.clone();
        let same = contexts.iter().all(|&context| context == text.hidden_size);
        let expected = vec![text.hidden_size; contexts.len()];
        fits("a UNet's cross_attention_dim", contexts, expected)(same)?;
        let found = vec![tokenizer.vocabulary() as i64, tokenizer.length() as i64];
        let expected = vec![text.vocab_size, text.max_position_embeddings];
        let within = found.iter().zip(&expected).all(|(found, most)| found <= most);
        fits("a tokenizer's vocabulary and length", found, expected)(within)?;
        let (kind, device) = kind_and_device(unet.variables());
        let safety_checker = None;
        Ok(Self { tokenizer, text_encoder, unet, vae, scheduler, safety_checker, kind, device })
    }

    /// Reads a diffusers directory; see [`Directory::pipeline`].
    pub fn open(path: &Path, kind: Kind, device: Device) -> Result<Self, DiffusionError> {
        Directory::open(path)?.pipeline(kind, device)
    }

    /// Writes the pipeline as a new directory, which diffusers opens. It appears when it is
    /// complete.
    pub fn save(&self, path: &Path) -> Result<(), DiffusionError> {
        directory::save(self, path)
    }

    /// The sampling that the pipeline was made for: 50 steps, guidance 7.5, the size of its training.
    pub fn sampling(&self) -> Sampling {
        let side = self.unet.config().sample_size.unwrap_or(64) * self.vae.config().factor();
        Sampling {
            steps: 50,
            guidance_scale: 7.5,
            eta: 0.0,
            width: side,
            height: side,
            scheduler: None,
        }
    }

    /// The shape of an image's noise and latents, without the batch.
    pub fn latents_shape(&self, sampling: &Sampling) -> Result<[i64; 3], DiffusionError> {
        let (width, height, factor) = (sampling.width, sampling.height, self.vae.config().factor());
        let fits = |side: i64| side > 0 && side % factor == 0;
        if !fits(width) || !fits(height) {
            return Err(DiffusionError::Size { width, height, factor });
        }
        Ok([self.vae.config().latent_channels, height / factor, width / factor])
    }

    /// Encodes a prompt and a negative one, which may be empty.
    pub fn texts(&self, prompt: &str, negative: &str) -> Result<Texts, DiffusionError> {
        let encode = |text: &str| {
            let tokens = self.tokenizer.encode(text)?;
            let numbers = tokens.tensor().f_to_device(self.device)?;
            let vectors = no_grad(|| self.text_encoder.forward(&numbers))?.last_hidden_state;
            Ok::<_, DiffusionError>((vectors, tokens.dropped))
        };
        let (negative, negative_dropped) = encode(negative)?;
        let (prompt, dropped) = encode(prompt)?;
        let vectors = Tensor::f_cat(&[negative, prompt], 0)?;
        Ok(Texts { vectors, dropped, negative_dropped })
    }

    /// Draws one image: `[channels, height, width]`, 32-bit floats from 0 to 1, on the CPU. None when
    /// `on_step` stopped it.
    pub fn generate(
        &self,
        texts: &Texts,
        sampling: &Sampling,
        start: ImageStart<'_>,
        on_step: &mut OnStep<'_>,
    ) -> Result<Option<Tensor>, DiffusionError> {
        match self.denoise(texts, sampling, start, on_step)? {
            Some(latents) => Ok(Some(self.decode(&latents)?)),
            None => Ok(None),
        }
    }

    /// The latents of one image, `[1, latent_channels, h/f, w/f]`, scaled as the network has them.
    pub fn denoise(
        &self,
        texts: &Texts,
        sampling: &Sampling,
        start: ImageStart<'_>,
        on_step: &mut OnStep<'_>,
    ) -> Result<Option<Tensor>, DiffusionError> {
        let mut scheduler = self.start(sampling)?;
        let mut noise = Noise::new(start.seed);
        let mut latents = self.first_latents(sampling, start, &mut noise)?;
        latents = latents.f_mul_scalar(scheduler.init_noise_sigma())?;
        let mut fresh = |shape: &[i64]| noise.normal(shape).to_device(self.device);
        let times = scheduler.timesteps().to_vec();
        for (index, &timestep) in times.iter().enumerate() {
            let input = scheduler.scale_model_input(&latents, index)?;
            let output = no_grad(|| self.guided(&input, timestep, texts, sampling))?;
            latents = scheduler.step(&output, index, &latents, &mut fresh)?;
            let step = Step { index, count: times.len(), timestep, latents: &latents };
            if on_step(&step).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(latents))
    }

    /// Latents `[n, latent_channels, h, w]` as images; of one, without the batch.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, DiffusionError> {
        let scaled = latents.f_div_scalar(self.vae.config().scaling_factor)?;
        let image = no_grad(|| self.vae.decode(&scaled.f_to_kind(self.kind)?))?;
        let image = image.f_to_kind(Kind::Float)?.f_div_scalar(2.0)?.f_add_scalar(0.5)?;
        Ok(image.f_clamp(0.0, 1.0)?.f_squeeze_dim(0)?.f_to_device(Device::Cpu)?)
    }

    fn start(&self, sampling: &Sampling) -> Result<Box<dyn Scheduler>, DiffusionError> {
        let guidance = sampling.guidance_scale;
        if !(guidance >= 0.0 && guidance.is_finite()) {
            return Err(DiffusionError::Guidance { value: guidance });
        }
        match sampling.scheduler {
            Some(kind) => self.scheduler.with_kind(kind)?.start(sampling.steps, sampling.eta),
            None => self.scheduler.start(sampling.steps, sampling.eta),
        }
    }

    fn first_latents(
        &self,
        sampling: &Sampling,
        start: ImageStart<'_>,
        noise: &mut Noise,
    ) -> Result<Tensor, DiffusionError> {
        let shape = self.latents_shape(sampling)?;
        let first = match start.noise {
            Some(given) if given.size() != shape => {
                return Err(DiffusionError::Shape {
                    what: "initial noise",
                    found: given.size(),
                    expected: shape.to_vec(),
                });
            }
            Some(given) => given.f_to_kind(Kind::Float)?,
            None => noise.normal(&shape),
        };
        Ok(first.f_unsqueeze(0)?.f_to_device(self.device)?)
    }

    /// What the network predicts, guided from the negative prompt to the prompt.
    fn guided(
        &self,
        input: &Tensor,
        timestep: f64,
        texts: &Texts,
        sampling: &Sampling,
    ) -> Result<Tensor, TchError> {
        let input = input.f_to_kind(self.kind)?;
        let look = |input: &Tensor, texts: &Tensor| {
            let times = timesteps(timestep, input.size()[0], self.device)?;
            self.unet.forward(input, &times, texts)?.f_to_kind(Kind::Float)
        };
        if sampling.guidance_scale <= 1.0 {
            return look(&input, &texts.vectors.f_narrow(0, 1, 1)?);
        }
        let both = look(&Tensor::f_cat(&[&input, &input], 0)?, &texts.vectors)?.f_chunk(2, 0)?;
        let towards = both[1].f_sub(&both[0])?;
        both[0].f_add(&towards.f_mul_scalar(sampling.guidance_scale)?)
    }
}
