//! Faces and captions as the networks have them.

use agespan_models::diffusion::{Pipeline, kind_and_device};

use super::Portrait;
use super::event::{Event, FineTuneError, Next};
use super::latents::Latents;
use super::spec::FineTuneSpec;
use super::texts::Texts;

/// Faces and captions as the networks have them.
pub(super) struct Material {
    pub(super) latents: Latents,
    pub(super) texts: Texts,
    /// The same of validation faces, and how many there are.
    pub(super) validation: Option<(Latents, Texts, usize)>,
}

impl Material {
    /// Encodes everything; the pixels, which take most of the memory, are given up then.
    pub(super) fn prepare(
        spec: &FineTuneSpec,
        pipeline: &Pipeline,
        faces: Vec<Portrait>,
        validation: Vec<Portrait>,
        observe: &mut dyn FnMut(Event) -> Next,
    ) -> Result<Self, FineTuneError> {
        let views = faces.len() * (1 + usize::from(spec.mirrored));
        let all = views + validation.len();
        let mut encode = |portraits: &[Portrait], mirrored, before| {
            let mut tell =
                |done| observe(Event::Encoded { done: before + done, faces: all }) == Next::GoOn;
            let side = pipeline.sampling().width;
            Latents::encode(&pipeline.vae, portraits, side, mirrored, &mut tell)?
                .ok_or(FineTuneError::Stopped)
        };
        let (_, device) = kind_and_device(pipeline.unet.variables());
        let words = |portraits: &[Portrait]| -> Result<Texts, FineTuneError> {
            let texts = Texts::new(&pipeline.tokenizer, portraits, device)?;
            if spec.text_encoder { Ok(texts) } else { Ok(texts.encoded(&pipeline.text_encoder)?) }
        };
        let latents = encode(&faces, spec.mirrored, 0)?;
        let validation = match validation.len() {
            0 => None,
            count => Some((encode(&validation, false, views)?, words(&validation)?, count)),
        };
        Ok(Self { latents, texts: words(&faces)?, validation })
    }
}
