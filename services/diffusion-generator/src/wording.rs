//! Attributes as words: the one place where they are worded, for whoever draws and for whoever
//! fine-tunes. A network learns a caption, not an attribute: ask in other words than it was trained
//! on and it draws something else.
//!
//! `solo portrait of a 34 year old black woman`, all in lower case, as CLIP's
//! tokenizer has it anyway. "Solo portrait" keeps a second person out of the picture.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The highest age that is asked for, in completed years: UTKFace's.
pub const MAX_AGE: u32 = 116;

/// The two genders that data sets of faces annotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// The five races that UTKFace annotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Race {
    /// "White".
    White,
    /// "Black".
    Black,
    /// "Asian".
    Asian,
    /// "Indian".
    Indian,
    /// Everyone else: in UTKFace Hispanic, Latino and Middle Eastern faces.
    Others,
}

/// The text is no race.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of White, Black, Asian, Indian and Others")]
pub struct UnknownRace(String);

impl Race {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::White, Self::Black, Self::Asian, Self::Indian, Self::Others];

    /// As UTKFace calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "White",
            Self::Black => "Black",
            Self::Asian => "Asian",
            Self::Indian => "Indian",
            Self::Others => "Others",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Black => "black",
            Self::Asian => "asian",
            Self::Indian => "indian",
            Self::Others => "hispanic or middle eastern",
        }
    }
}

impl FromStr for Race {
    type Err = UnknownRace;

    fn from_str(text: &str) -> Result<Self, UnknownRace> {
        let mut races = Self::ALL.into_iter();
        races
            .find(|race| race.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownRace(text.to_owned()))
    }
}

/// What a face is asked, or said, to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// In completed years, up to [`MAX_AGE`].
    pub age: u32,
    /// Perceived gender.
    pub gender: Gender,
    /// Perceived race.
    pub race: Race,
}

impl Attributes {
    /// The words.
    pub fn prompt(&self) -> String {
        let person = match (self.gender, self.age) {
            (Gender::Female, ..18) => "girl",
            (Gender::Female, _) => "woman",
            (Gender::Male, ..18) => "boy",
            (Gender::Male, _) => "man",
        };
        format!("solo portrait of a {} year old {} {person}", self.age, self.race.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_worded_as_in_training() {
        let words = |age, gender, race: &str| {
            Attributes { age, gender, race: race.parse().unwrap() }.prompt()
        };
        assert_eq!(
            words(34, Gender::Female, "Black"),
            "solo portrait of a 34 year old black woman"
        );
        assert_eq!(words(3, Gender::Male, "asian"), "solo portrait of a 3 year old asian boy");
        assert_eq!(
            words(70, Gender::Male, "OTHERS"),
            "solo portrait of a 70 year old hispanic or middle eastern man"
        );
        assert_eq!("martian".parse::<Race>(), Err(UnknownRace("martian".into())));
    }
}
