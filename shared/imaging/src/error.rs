use thiserror::Error;

/// Why an image was refused. Every message ends with what to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImagingError {
    /// There are no bytes.
    #[error("the image is empty: send the bytes of a JPEG, PNG or WebP file")]
    Empty,
    /// The file is longer than allowed.
    #[error(
        "the image file has {bytes} bytes, the limit is {limit}: send a smaller or more \
         compressed image"
    )]
    TooLarge {
        /// Length of the file.
        bytes: usize,
        /// Longest accepted file.
        limit: usize,
    },
    /// The content is none of the accepted formats, whatever the file's name says.
    #[error("the file is no JPEG, PNG or WebP image: convert it to one of these")]
    UnknownFormat,
    /// The header announces more pixels than allowed.
    #[error(
        "the image is {width}x{height} pixels, the limit is {max_side} a side and {max_pixels} \
         in all: scale it down"
    )]
    Dimensions {
        /// Announced width in pixels.
        width: u32,
        /// Announced height in pixels.
        height: u32,
        /// Longest accepted side.
        max_side: u32,
        /// Most accepted pixels. 16-bit samples count double.
        max_pixels: u64,
    },
    /// The image is too small to show a face.
    #[error(
        "the image is {width}x{height} pixels, each side needs at least {min_side}: send a \
         larger image"
    )]
    TooSmall {
        /// Announced width in pixels.
        width: u32,
        /// Announced height in pixels.
        height: u32,
        /// Shortest accepted side.
        min_side: u32,
    },
    /// The file ends before the image does.
    #[error("the image file is cut off: send the whole file")]
    Truncated,
    /// The decoder could not make sense of the file.
    #[error("the image is damaged ({0}): open it in an image editor and save it again")]
    Corrupt(String),
    /// The pixels could not be written as PNG or JPEG.
    #[error("the image cannot be encoded ({0}): give both sides at least one pixel")]
    Encode(String),
}

impl ImagingError {
    /// A stable name for programs: `EMPTY`, `TOO_LARGE`, `UNKNOWN_FORMAT`, …
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::UnknownFormat => "UNKNOWN_FORMAT",
            Self::Dimensions { .. } => "DIMENSIONS",
            Self::TooSmall { .. } => "TOO_SMALL",
            Self::Truncated => "TRUNCATED",
            Self::Corrupt(_) => "CORRUPT",
            Self::Encode(_) => "ENCODE",
        }
    }
}
