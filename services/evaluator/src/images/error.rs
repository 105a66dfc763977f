use agespan_image_metrics::MetricError;

use super::SetError;

/// Why two sets cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A set cannot be read.
    #[error("the {side} cannot be read")]
    Set {
        /// "reference" or "candidates".
        side: &'static str,
        /// Why.
        #[source]
        source: SetError,
    },
    /// There is nothing to compare.
    #[error("{set} has {found} images that can be read, and at least two are needed; {excluded}")]
    TooFew {
        /// The set.
        set: String,
        /// Images that can be read.
        found: usize,
        /// What became of the others.
        excluded: String,
    },
    /// Pairs are asked for and one set has more images.
    #[error(
        "pairs need as many images in both sets: {reference} has {reference_count} and {candidate} \
         has {candidate_count}"
    )]
    Counts {
        /// The one set.
        reference: String,
        /// Its images.
        reference_count: usize,
        /// The other set.
        candidate: String,
        /// Its images.
        candidate_count: usize,
    },
    /// Two images that do not belong together.
    #[error(
        "pair {index}: {left} and {right} have different names; pairs are made in order of name, so \
         name both files alike (their endings may differ)"
    )]
    Names {
        /// Which pair, from 1.
        index: usize,
        /// File of the reference.
        left: String,
        /// File of the candidates.
        right: String,
    },
    /// Two images that cannot be compared.
    #[error("the pair {left} and {right}")]
    Pair {
        /// File of the reference.
        left: String,
        /// File of the candidates.
        right: String,
        /// Why.
        #[source]
        source: MetricError,
    },
    /// What is seen in an image is no number.
    #[error(
        "what {extractor} sees in {image} is not a finite number: its weights are damaged or of \
         another network"
    )]
    NotFinite {
        /// The extractor.
        extractor: String,
        /// The image.
        image: String,
    },
    /// There is no network to look with.
    #[error("the extractor {extractor} cannot be used")]
    Extractor {
        /// Its name and hash.
        extractor: String,
        /// What is wrong with its file.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The network failed.
    #[error("the network failed on {image} or one of the images after it")]
    Network {
        /// The first image of the batch.
        image: String,
        /// What libtorch said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Features are asked for and there is nobody to see any.
    #[error("no extractor was loaded: this is a fault of the program")]
    NoExtractor,
    /// A number cannot be calculated.
    #[error("{metric} cannot be calculated")]
    Metric {
        /// Which.
        metric: &'static str,
        /// Why.
        #[source]
        source: MetricError,
    },
    /// Whoever asked wants it no more.
    #[error("the comparison was stopped")]
    Stopped,
}

impl CompareError {
    /// A stable word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Set { .. } => "SOURCE",
            Self::TooFew { .. } => "TOO_FEW_IMAGES",
            Self::Counts { .. } => "PAIR_COUNTS",
            Self::Names { .. } => "PAIR_NAMES",
            Self::Pair { .. } => "PAIR",
            Self::NotFinite { .. } => "NOT_FINITE",
            Self::Extractor { .. } | Self::Network { .. } | Self::NoExtractor => "EXTRACTOR",
            Self::Metric { .. } => "METRIC",
            Self::Stopped => "STOPPED",
        }
    }
}
