//! Which network looks at images.

use std::fmt;
use std::path::{Path, PathBuf};

use agespan_models::shipped;
use agespan_models::{Backbone, Inception, InputSpec, NetSpec, Scripted};
use agespan_storage::ContentHash;
use serde::Deserialize;

/// The backbone of the age model that comes with the program: it sees faces, and is always at hand.
pub const AGE_BACKBONE: &str = "age-backbone";
/// MobileNetV2 with ImageNet's weights, which `make setup` fetches.
pub const IMAGENET_MOBILENET_V2: &str = "imagenet-mobilenet-v2";
/// FID's Inception, whose weights the user brings as a file.
const INCEPTION: &str = "inception-v3-fid";
/// A TorchScript program, which the user brings as a file.
const TORCHSCRIPT: &str = "torchscript";

/// Why there is no extractor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractorError {
    /// A name that is none.
    #[error(
        "there is no extractor {0:?}: say {AGE_BACKBONE}, {IMAGENET_MOBILENET_V2}, or the absolute \
         path of a safetensors file with pytorch-fid's Inception or of clean-fid's TorchScript file"
    )]
    Unknown(String),
    /// The file cannot be read.
    #[error("cannot read the extractor's weights {}: check the path, or run `make setup`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The shipped card cannot be read.
    #[error("the shipped model's card cannot be read; the program was not built as released")]
    Card(#[source] serde_json::Error),
}

/// The kind of network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    Inception,
    Scripted,
    Backbone { backbone: Backbone, input: InputSpec },
}

/// A network that looks at images, by name and weights.
#[derive(Clone)]
pub struct Extractor {
    name: &'static str,
    hash: ContentHash,
    pub(crate) network: Network,
    pub(crate) weights: Weights,
}

#[derive(Clone)]
pub(crate) enum Weights {
    Shipped,
    File(Vec<u8>),
}

impl Weights {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Shipped => shipped::WEIGHTS,
            Self::File(bytes) => bytes,
        }
    }
}

#[derive(Deserialize)]
struct Card {
    spec: CardSpec,
}

#[derive(Deserialize)]
struct CardSpec {
    net: NetSpec,
    input: InputSpec,
}

impl Extractor {
    /// The extractor of this name, or of the file at this absolute path. `first_weights` is the
    /// folder that `make setup` fills.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(asked: &str, first_weights: &Path) -> Result<Self, ExtractorError> {
        match asked {
            "" | AGE_BACKBONE => Self::shipped(),
            IMAGENET_MOBILENET_V2 => {
                let backbone = Backbone::MobileNetV2;
                let network = Network::Backbone { backbone, input: backbone.input(224, 224) };
                let file = first_weights.join(backbone.first_weights());
                Ok(Self::of(IMAGENET_MOBILENET_V2, network, read(&file)?))
            }
            path if Path::new(path).is_absolute() => {
                let bytes = read(Path::new(path))?;
                // A program is run as it is, which is for whoever names the file to allow.
                Ok(match Scripted::is_one(&bytes) {
                    true => Self::of(TORCHSCRIPT, Network::Scripted, bytes),
                    false => Self::of(INCEPTION, Network::Inception, bytes),
                })
            }
            other => Err(ExtractorError::Unknown(other.to_owned())),
        }
    }

    fn shipped() -> Result<Self, ExtractorError> {
        let card: Card = serde_json::from_slice(shipped::CARD).map_err(ExtractorError::Card)?;
        let CardSpec { net, input } = card.spec;
        Ok(Self {
            name: AGE_BACKBONE,
            hash: ContentHash::of(shipped::WEIGHTS),
            network: Network::Backbone { backbone: net.backbone, input },
            weights: Weights::Shipped,
        })
    }

    fn of(name: &'static str, network: Network, bytes: Vec<u8>) -> Self {
        let hash = ContentHash::of(&bytes);
        Self { name, hash, network, weights: Weights::File(bytes) }
    }

    /// Pixels a side that images are resized to.
    pub(crate) fn side(&self) -> u32 {
        match self.network {
            Network::Inception | Network::Scripted => Inception::SIDE,
            Network::Backbone { input, .. } => input.resize,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ExtractorError> {
    std::fs::read(path).map_err(|source| ExtractorError::File { path: path.to_owned(), source })
}

/// The name and the beginning of the weights' SHA-256: part of every number.
impl fmt::Display for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.hash.short())
    }
}

impl fmt::Debug for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extractor({self})")
    }
}
