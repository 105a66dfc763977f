use thiserror::Error;

/// Why there is no number. Every message ends with what to do.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MetricError {
    /// The samples are not as many as the sides say.
    #[error("{found} samples are no image of {width}x{height} pixels: give three for each pixel")]
    Samples {
        /// How many there are.
        found: usize,
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// Two images of different sizes.
    #[error(
        "the images are {}x{} and {}x{} pixels: pixels are compared one by one, so resize one",
        left.0, left.1, right.0, right.1
    )]
    Sizes {
        /// Width and height of the one.
        left: (usize, usize),
        /// And of the other.
        right: (usize, usize),
    },
    /// An image smaller than the window that is moved over it.
    #[error("the image is {width}x{height} pixels, SSIM's window {window}: give larger images")]
    TooSmall {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
        /// Side of the window in pixels.
        window: usize,
    },
    /// Not enough images.
    #[error("{metric} needs {needed} images of each set and there are {found}: add images")]
    TooFew {
        /// What was asked for.
        metric: &'static str,
        /// How many it needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// Rows of different lengths.
    #[error("features of {left} and of {right} numbers: use one extractor for both sets")]
    Dimensions {
        /// Numbers in a row of the one.
        left: usize,
        /// And of the other.
        right: usize,
    },
    /// A number that is none.
    #[error(
        "the feature {column} of image {row} is not a finite number: the extractor's weights are \
         damaged or of another network"
    )]
    NotFinite {
        /// Index of the image, from 0.
        row: usize,
        /// Index of the number in its row.
        column: usize,
    },
    /// The eigenvalues did not converge, which finite numbers hardly do.
    #[error("the eigenvalues of a covariance cannot be found: look for features that are huge")]
    Eigenvalues,
}
