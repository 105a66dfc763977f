//! The network that looks at images. It stays on the thread that made it; images reach that thread
//! through the bounded channel of their set.

use std::panic::{AssertUnwindSafe, catch_unwind};

use agespan_models::tch::nn::VarStore;
use agespan_models::tch::{Device, Kind, TchError, Tensor, no_grad};
use agespan_models::{
    Backbone, Features, Inception, InputSpec, ScriptError, Scripted, WeightsError, weights,
};

use super::extractor::{Extractor, Network};

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// Its weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Its program.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// Why the network saw nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// libtorch said why.
    #[error("libtorch refused the images")]
    Tensor(#[from] TchError),
    /// It did not.
    #[error("libtorch gave up; the memory may have run out")]
    Failed,
}

enum Net {
    Inception(Box<Inception>),
    Scripted(Scripted),
    Backbone(Features, Backbone),
}

/// A network and how images come to it.
pub(crate) struct Engine {
    net: Net,
    input: Option<InputSpec>,
    side: i64,
    // The variables live as long as the network that they belong to.
    _store: Option<VarStore>,
}

impl Engine {
    /// Reads the extractor's weights.
    pub(crate) fn load(extractor: &Extractor) -> Result<Self, LoadError> {
        let bytes = extractor.weights.bytes();
        let side = i64::from(extractor.side());
        let (backbone, input) = match extractor.network {
            Network::Backbone { backbone, input } => (backbone, input),
            Network::Inception => {
                let net = Net::Inception(Box::new(Inception::new(weights::read(bytes)?)?));
                return Ok(Self { net, input: None, side, _store: None });
            }
            Network::Scripted => {
                let net = Net::Scripted(Scripted::new(bytes)?);
                return Ok(Self { net, input: None, side, _store: None });
            }
        };
        let mut store = VarStore::new(Device::Cpu);
        let net = Net::Backbone(Features::new(backbone, &store.root()), backbone);
        weights::load_below(&store, "features.", bytes)?;
        store.freeze();
        Ok(Self { net, input: Some(input), side, _store: Some(store) })
    }

    /// Numbers in a row of features.
    pub(crate) fn columns(&self) -> usize {
        let columns = match &self.net {
            Net::Inception(_) => Inception::FEATURES,
            Net::Scripted(program) => program.features(),
            Net::Backbone(_, backbone) => backbone.features(),
        };
        columns as usize
    }

    /// Images as samples of 0 to 255, [n, side, side, 3], to n rows of features.
    pub(crate) fn features(&self, samples: &[f32]) -> Result<Vec<f32>, EngineError> {
        // libtorch throws on trouble such as memory running out; that ends a comparison, no process.
        catch_unwind(AssertUnwindSafe(|| self.forward(samples))).unwrap_or(Err(EngineError::Failed))
    }

    fn forward(&self, samples: &[f32]) -> Result<Vec<f32>, EngineError> {
        let images = Tensor::f_from_slice(samples)?.f_reshape([-1, self.side, self.side, 3])?;
        let images = match &self.input {
            Some(input) => normalised(&images, input)?,
            None => images,
        };
        // The pixels stay where they are, which suits the convolutions.
        let images = images.f_permute([0, 3, 1, 2])?;
        let features = no_grad(|| match &self.net {
            Net::Inception(net) => net.forward(&images),
            Net::Scripted(program) => program.forward(&images),
            Net::Backbone(net, _) => Ok(net.forward(&images, false)),
        })?;
        let features = features.f_to_kind(Kind::Float)?.f_contiguous()?;
        let mut rows = vec![0.0; features.numel()];
        features.f_copy_data(&mut rows, features.numel())?;
        Ok(rows)
    }
}

/// The middle square, scaled as the backbone has learned it.
fn normalised(images: &Tensor, input: &InputSpec) -> Result<Tensor, TchError> {
    let margin = i64::from((input.resize - input.crop) / 2);
    let crop = i64::from(input.crop);
    let scale = input.std.map(|std| 1.0 / (255.0 * std));
    let offset = [0, 1, 2].map(|channel| -input.mean[channel] / input.std[channel]);
    let middle = images.f_narrow(1, margin, crop)?.f_narrow(2, margin, crop)?;
    middle.f_mul(&Tensor::f_from_slice(&scale)?)?.f_add(&Tensor::f_from_slice(&offset)?)
}
