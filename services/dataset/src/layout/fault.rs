use thiserror::Error;

use super::utkface::NameFault;
use crate::label::MAX_AGE;

/// Why a file has no usable label.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A name that UTKFace would not give.
    #[error(transparent)]
    UtkFace(#[from] NameFault),
    /// The extension is not an image's.
    #[error("the name does not end in .jpg, .jpeg, .png or .webp")]
    NotAnImage,
    /// The name is not of the data set's form.
    #[error("the name is not of the form {0}")]
    Name(&'static str),
    /// No label table speaks of the file.
    #[error("no line of the label tables names the file")]
    NoLabel,
    /// The table leaves the age open.
    #[error("the table gives no age")]
    NoAge,
    /// The age cannot be read.
    #[error("the age {0:?} is no number or range within 0 to {MAX_AGE}")]
    Age(String),
    /// The gender cannot be read. Numbers are not: data sets do not agree on what they mean.
    #[error("the gender {0:?} is neither m, male, f nor female")]
    Gender(String),
    /// The race cannot be read.
    #[error("the race {0:?} is none that is known: leave the column out if it is not needed")]
    Race(String),
    /// The photo is to be cut to a face, and the table does not say where it is.
    #[error("the table gives no face box")]
    NoFaceBox,
    /// The box of the face cannot be used.
    #[error("the face box {0} is no box inside the photo")]
    FaceBox(String),
}

impl Fault {
    /// A stable name for tables: `NO_LABEL`, `BAD_AGE`, …
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UtkFace(fault) => fault.reason(),
            Self::NotAnImage => "NOT_AN_IMAGE_NAME",
            Self::Name(_) => "BAD_NAME",
            Self::NoLabel => "NO_LABEL",
            Self::NoAge => "NO_AGE",
            Self::Age(_) => "BAD_AGE",
            Self::Gender(_) => "BAD_GENDER",
            Self::Race(_) => "BAD_RACE",
            Self::NoFaceBox => "NO_FACE_BOX",
            Self::FaceBox(_) => "BAD_FACE_BOX",
        }
    }
}
