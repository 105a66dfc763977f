//! What is known about a face.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The highest age, in completed years, that a label may carry: the highest in UTKFace, and the
/// last bin of the age head.
pub const MAX_AGE: u8 = 116;

/// What a label says about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label {
    /// Age in completed years, 0 to [`MAX_AGE`].
    pub age: u8,
    /// Gender as annotated: a binary choice made by the dataset's authors, not by the person.
    pub gender: Gender,
    /// Race as annotated, by the same authors.
    pub race: Race,
}

impl Label {
    /// The first year of the age's decade: 0, 10, …, 110.
    pub fn decade(&self) -> u8 {
        self.age / 10 * 10
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
    /// The two genders that UTKFace annotates.
    Gender {
        /// Code 0.
        Male = "male",
        /// Code 1.
        Female = "female",
    }
}

named! {
    /// The five races that UTKFace annotates.
    Race {
        /// Code 0.
        White = "white",
        /// Code 1.
        Black = "black",
        /// Code 2.
        Asian = "asian",
        /// Code 3.
        Indian = "indian",
        /// Code 4: everyone else, such as Hispanic, Latino and Middle Eastern.
        Others = "others",
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
        assert_eq!(error, "\"martian\" is no Race: use one of white, black, asian, indian, others");
    }

    #[test]
    fn decades() {
        let label = |age| Label { age, gender: Gender::Male, race: Race::White };
        assert_eq!([0, 9, 10, 116].map(|age| label(age).decade()), [0, 0, 10, 110]);
    }
}
