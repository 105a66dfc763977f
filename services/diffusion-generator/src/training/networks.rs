//! The networks of a run, and what of them learns.

use agespan_models::average::Named;
use agespan_models::diffusion::{
    ClipText, DiffusionError, Parameters, Pipeline, Unet, Variables, kind_and_device,
};
use agespan_models::tch::{Kind, Tensor};

use super::learned::Learned;
use super::spec::FineTuneSpec;

/// Networks of rounded weights, where the run does not compute in 32 bits.
pub(super) struct Rounded {
    pub(super) unet: Unet,
    pub(super) text_encoder: ClipText,
}

impl Rounded {
    pub(super) fn of(pipeline: &Pipeline, kind: Kind) -> Result<Self, DiffusionError> {
        let rounded = |variables: &Variables| {
            let shared = variables.iter().map(|(name, w)| (name.clone(), w.shallow_clone()));
            Parameters::stored(shared.collect(), kind, kind_and_device(variables).1)
        };
        let (unet, text) = (&pipeline.unet, &pipeline.text_encoder);
        let refused = |source| DiffusionError::Network { source };
        Ok(Self {
            unet: Unet::new(unet.config().clone(), &rounded(unet.variables())).map_err(refused)?,
            text_encoder: ClipText::new(text.config().clone(), &rounded(text.variables()))
                .map_err(refused)?,
        })
    }
}

/// What the settings say is to learn.
pub(super) fn learned(
    spec: &FineTuneSpec,
    pipeline: &Pipeline,
    rounded: Option<&Rounded>,
) -> Learned {
    let (unet, text_encoder) = (&pipeline.unet, &pipeline.text_encoder);
    let networks = rounded.map_or((unet, text_encoder), |r| (&r.unet, &r.text_encoder));
    let tensors = |variables: &Variables| -> Vec<Tensor> {
        variables.values().map(Tensor::shallow_clone).collect()
    };
    if let Some(lora) = spec.lora {
        let (unet, computing) = (named("", unet.variables()), tensors(networks.0.variables()));
        return Learned::low_rank(unet, computing, lora, spec.seed);
    }
    // In order of name, as a checkpoint gives them back.
    let (mut kept, mut computing) = (Named::new(), Vec::new());
    if spec.text_encoder {
        kept.extend(named("text_encoder.", text_encoder.variables()));
        computing.extend(tensors(networks.1.variables()));
    }
    kept.extend(named("unet.", unet.variables()));
    computing.extend(tensors(networks.0.variables()));
    Learned::new(kept, computing)
}

fn named(network: &str, variables: &Variables) -> Named {
    let name = |(name, w): (&String, &Tensor)| (format!("{network}{name}"), w.shallow_clone());
    variables.iter().map(name).collect()
}
