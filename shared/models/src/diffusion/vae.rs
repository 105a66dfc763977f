//! The autoencoder: diffusers' `AutoencoderKL` (Kingma and Welling 2014, arXiv 1312.6114).

use tch::{TchError, Tensor};

use super::config::VaeConfig;
use super::layers::Conv;
use super::parameters::{Parameters, Variables};
use super::vae_coders::{Decoder, Encoder};
use super::vae_tiles::Tiling;
use crate::WeightsError;

/// What the encoder says of images: a normal distribution for each latent.
#[derive(Debug)]
pub struct Posterior {
    /// The means.
    pub mean: Tensor,
    /// The logarithms of the variances, kept between -30 and 20 as diffusers keeps them.
    pub log_variance: Tensor,
}

impl Posterior {
    fn new(moments: &Tensor) -> Result<Self, TchError> {
        let parts = moments.f_chunk(2, 1)?;
        let log_variance = parts[1].f_clamp(-30.0, 20.0)?;
        Ok(Self { mean: parts[0].shallow_clone(), log_variance })
    }

    /// The latents that standard normal noise stands for.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor, TchError> {
        let deviation = self.log_variance.f_mul_scalar(0.5)?.f_exp()?;
        deviation.f_mul(noise)?.f_add(&self.mean)
    }
}

/// The autoencoder.
#[derive(Debug)]
pub struct Vae {
    config: VaeConfig,
    variables: Variables,
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv>,
    post_quant_conv: Option<Conv>,
    /// Images and latents are passed one by one: less memory for a batch, the same result.
    pub slicing: bool,
    /// Images and latents over `sample_size` are passed in overlapping tiles, which are blended:
    /// memory does not grow with the size, and the result is slightly another.
    pub tiling: bool,
}

impl Vae {
    /// Takes its parameters, named as the checkpoint's.
    pub fn new(config: VaeConfig, parameters: &Parameters) -> Result<Self, WeightsError> {
        let p = parameters;
        let (latents, moments) = (config.latent_channels, config.latent_channels * 2);
        let encoder = Encoder::new(&p.below("encoder"), &config)?;
        let decoder = Decoder::new(&p.below("decoder"), &config)?;
        let quant = config.use_quant_conv.then(|| {
            let place = p.below("quant_conv");
            Conv::new(&place, moments, moments, 1)
        });
        let post_quant = config.use_post_quant_conv.then(|| {
            let place = p.below("post_quant_conv");
            Conv::new(&place, latents, latents, 1)
        });
        let (quant_conv, post_quant_conv) = (quant.transpose()?, post_quant.transpose()?);
        let variables = parameters.taken();
        Ok(Self {
            config,
            variables,
            encoder,
            decoder,
            quant_conv,
            post_quant_conv,
            slicing: false,
            tiling: false,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Its parameters, by name.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Images `[n, in_channels, h, w]` between -1 and 1 to latents `[n, latent_channels, h/f, w/f]`,
    /// not yet scaled by `scaling_factor`.
    pub fn encode(&self, images: &Tensor) -> Result<Posterior, TchError> {
        let tiles = self.tiles();
        let moments = self.slice_by_slice(images, &|images| {
            let encode = |tile: &Tensor| self.encode_tile(tile);
            if self.tiling { tiles.encode(images, &encode) } else { encode(images) }
        })?;
        Posterior::new(&moments)
    }

    /// Latents, divided by `scaling_factor`, to images between about -1 and 1.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, TchError> {
        let tiles = self.tiles();
        self.slice_by_slice(latents, &|latents| {
            let decode = |tile: &Tensor| self.decode_tile(tile);
            if self.tiling { tiles.decode(latents, &decode) } else { decode(latents) }
        })
    }

    fn tiles(&self) -> Tiling {
        Tiling {
            pixels: self.config.sample_size,
            latents: (self.config.sample_size / self.config.factor()).max(1),
        }
    }

    fn encode_tile(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let moments = self.encoder.forward(images)?;
        self.quant_conv.as_ref().map_or(Ok(moments.shallow_clone()), |conv| conv.forward(&moments))
    }

    fn decode_tile(&self, latents: &Tensor) -> Result<Tensor, TchError> {
        match &self.post_quant_conv {
            Some(conv) => self.decoder.forward(&conv.forward(latents)?),
            None => self.decoder.forward(latents),
        }
    }

    fn slice_by_slice(
        &self,
        batch: &Tensor,
        pass: &dyn Fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        if !self.slicing || batch.size()[0] <= 1 {
            return pass(batch);
        }
        let slices = batch.f_split(1, 0)?;
        let passed = slices.iter().map(pass).collect::<Result<Vec<_>, _>>()?;
        Tensor::f_cat(&passed, 0)
    }
}
