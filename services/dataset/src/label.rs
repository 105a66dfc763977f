//! What is known about a face.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The highest age, in completed years, that a label may carry: the highest in UTKFace, and the
/// last bin of the age head.
pub const MAX_AGE: u8 = 116;

/// What a label says about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// How old.
    pub age: Age,
    /// Gender as annotated: a binary choice made by the dataset's authors, not by the person.
    /// `None` where they made none.
    pub gender: Option<Gender>,
    /// Race as annotated, by the same authors.
    pub race: Option<Race>,
}

/// An age label in completed years, 0 to [`MAX_AGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Age {
    /// This age.
    Exact(u8),
    /// Some age from the first to the second, both included. A label that is open-ended, such as
    /// "more than 70", ends at [`MAX_AGE`].
    Range(u8, u8),
}

impl Age {
    /// The first year of its decade: 0, 10, …, 110. A range counts where its middle lies, an
    /// open-ended one where it begins: the middle of "more than 70" would be 93.
    pub fn decade(self) -> u8 {
        match self {
            Self::Exact(age) | Self::Range(age, MAX_AGE) => age / 10 * 10,
            Self::Range(lower, upper) => u8::midpoint(lower, upper) / 10 * 10,
        }
    }

    /// The age, if it is known to the year.
    pub fn exact(self) -> Option<u8> {
        match self {
            Self::Exact(age) => Some(age),
            Self::Range(..) => None,
        }
    }

    /// The first and last age, if they are not one.
    pub fn range(self) -> Option<(u8, u8)> {
        match self {
            Self::Exact(_) => None,
            Self::Range(lower, upper) => Some((lower, upper)),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(age) => write!(f, "{age}"),
            Self::Range(lower, upper) => write!(f, "{lower}-{upper}"),
        }
    }
}

/// The text is no name of the enumeration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no {kind}: use one of {names}")]
pub struct UnknownName {
    kind: &'static str,
    names: String,
    text: String,
}

/// Declares an enumeration whose values have one name, used in manifests, JSON and messages.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant),+
        }

        impl $kind {
            /// All values, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, in lower case.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    UnknownName {
                        kind: stringify!($kind),
                        names: [$($name),+].join(", "),
                        text: text.to_owned(),
                    }
                })
            }
        }
    };
}

named! {
    /// The two genders that data sets annotate.
    Gender {
        /// Code 0 in UTKFace.
        Male = "male",
        /// Code 1 in UTKFace.
        Female = "female",
    }
}

named! {
    /// The races that data sets annotate. No two of them divide people alike: UTKFace has the
    /// first five, FairFace has White, Black, Indian and the last four.
    Race {
        /// Code 0 in UTKFace.
        White = "white",
        /// Code 1 in UTKFace.
        Black = "black",
        /// Code 2 in UTKFace.
        Asian = "asian",
        /// Code 3 in UTKFace.
        Indian = "indian",
        /// Code 4 in UTKFace: everyone else, such as Hispanic, Latino and Middle Eastern.
        Others = "others",
        /// Of FairFace.
        EastAsian = "east-asian",
        /// Of FairFace.
        SoutheastAsian = "southeast-asian",
        /// Of FairFace.
        MiddleEastern = "middle-eastern",
        /// Of FairFace.
        LatinoHispanic = "latino-hispanic",
    }
}

named! {
    /// The part of a dataset that a face belongs to.
    Split {
        /// Weights are fitted to it.
        Train = "train",
        /// Tunes whatever is chosen by looking: learning rate, checkpoint, gender threshold.
        Validation = "validation",
        /// For conformal calibration only.
        Calibration = "calibration",
        /// Looked at once, at the end.
        Test = "test",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_back() {
        for race in Race::ALL {
            assert_eq!(race.to_string().parse(), Ok(*race));
        }
        let error = "martian".parse::<Race>().unwrap_err().to_string();
        assert!(error.starts_with("\"martian\" is no Race: use one of white, black, "), "{error}");
    }

    #[test]
    fn decades() {
        assert_eq!([0, 9, 10, 116].map(|age| Age::Exact(age).decade()), [0, 0, 10, 110]);
        let ranges = [(3, 9), (10, 19), (25, 32), (70, MAX_AGE)];
        assert_eq!(ranges.map(|(a, b)| Age::Range(a, b).decade()), [0, 10, 20, 70]);
    }

    #[test]
    fn ages_are_written_as_people_do() {
        assert_eq!(Age::Exact(7).to_string(), "7");
        assert_eq!(Age::Range(20, 29).to_string(), "20-29");
    }
}
