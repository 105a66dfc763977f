//! Labels in file names, as UTKFace writes them: `{age}_{gender}_{race}_{timestamp}.jpg.chip.jpg`.
//!
//! The world's copies hold some malformed names. What is repaired and what is quarantined follows
//! one rule: a name is read if only one label can be meant.
//!
//! * A **missing dot** (`55_0_0_20170116232725357jpg.chip.jpg`) and a **stray space**
//!   (`24_0_1_20170116220224657 .jpg.chip.jpg`) leave all four fields in place: read.
//! * A timestamp with a **digit too few or too many** is read as it stands. It is an identity,
//!   used to keep shots of one moment in one split, and nothing is computed from it.
//! * A **missing race** (`39_1_20170116174525125.jpg.chip.jpg`) could as well be a missing gender:
//!   in `61_1_2017…` the 1 is a valid value of both. Quarantined.
//! * A **double underscore** (`53__0_2017…`) says that a value is lost. Quarantined, whichever it
//!   is: a label without gender would be counted wherever gender is.

use thiserror::Error;

use super::{Annotation, Fault};
use crate::label::{Age, Gender, Label, MAX_AGE, Race};

/// What a well-formed name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Age, gender and race.
    pub label: Label,
    /// When the picture was collected, to the millisecond, in digits.
    pub timestamp: String,
}

/// Why no label can be read from a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameFault {
    /// The extension is not an image's.
    #[error("the name does not end in .jpg, .jpeg, .png or .webp")]
    NotAnImage,
    /// Three fields where four belong.
    #[error("three fields where four belong: the race, or the gender, is missing")]
    MissingRace,
    /// A field between two underscores is empty.
    #[error("a field between two underscores is empty")]
    DoubleUnderscore,
    /// Some other number of fields.
    #[error("{0} fields where age_gender_race_timestamp belong")]
    FieldCount(usize),
    /// The age is no number from 0 to [`MAX_AGE`].
    #[error("the age {0:?} is not within 0 to {MAX_AGE}")]
    Age(String),
    /// The gender is neither 0 nor 1.
    #[error("the gender {0:?} is neither 0 (male) nor 1 (female)")]
    Gender(String),
    /// The race is not 0 to 4.
    #[error("the race {0:?} is not within 0 to 4")]
    Race(String),
    /// The timestamp is no short run of digits.
    #[error("the timestamp {0:?} is not 1 to 20 digits")]
    Timestamp(String),
}

impl NameFault {
    /// A stable name for tables: `MISSING_RACE`, `DOUBLE_UNDERSCORE`, …
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAnImage => "NOT_AN_IMAGE_NAME",
            Self::MissingRace => "MISSING_RACE",
            Self::DoubleUnderscore => "DOUBLE_UNDERSCORE",
            Self::FieldCount(_) => "WRONG_FIELD_COUNT",
            Self::Age(_) => "BAD_AGE",
            Self::Gender(_) => "BAD_GENDER",
            Self::Race(_) => "BAD_RACE",
            Self::Timestamp(_) => "BAD_TIMESTAMP",
        }
    }
}

pub(super) fn annotation(path: &str) -> Result<Annotation, Fault> {
    let Name { label, timestamp } = parse(path)?;
    Ok(Annotation { label, timestamp: Some(timestamp), subject: None, face: None })
}

/// Reads the label from a file's path; only the part after the last slash counts.
///
/// # Errors
/// A [`NameFault`] when not exactly one label can be meant.
pub fn parse(path: &str) -> Result<Name, NameFault> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let fields: Vec<&str> = stem(file)?.split('_').map(str::trim).collect();
    match fields[..] {
        // Before the count: "53__0_2017…" has four fields, "53__2017…" three.
        _ if fields.len() > 1 && fields.contains(&"") => Err(NameFault::DoubleUnderscore),
        [age, gender, race, timestamp] => Ok(Name {
            label: Label {
                age: Age::Exact(self::age(age)?),
                gender: Some(self::gender(gender)?),
                race: Some(self::race(race)?),
            },
            timestamp: self::timestamp(timestamp)?,
        }),
        [_, _, _] => Err(NameFault::MissingRace),
        _ => Err(NameFault::FieldCount(fields.len())),
    }
}

/// The part with the fields. The dot in front of the extension may be missing.
fn stem(file: &str) -> Result<&str, NameFault> {
    // Longest first: the second would leave ".jpg.chip" behind.
    const EXTENSIONS: [&str; 5] = ["jpg.chip.jpg", "jpg", "jpeg", "png", "webp"];
    // Lower case in ASCII only, so that lengths stay the same.
    let lower = file.to_ascii_lowercase();
    EXTENSIONS
        .iter()
        .find_map(|extension| lower.strip_suffix(extension))
        .map(|stem| file[..stem.len()].trim_end_matches('.'))
        .ok_or(NameFault::NotAnImage)
}

fn age(field: &str) -> Result<u8, NameFault> {
    digits(field, 3)
        .and_then(|digits| digits.parse().ok())
        .filter(|age| *age <= MAX_AGE)
        .ok_or_else(|| NameFault::Age(field.to_owned()))
}

fn gender(field: &str) -> Result<Gender, NameFault> {
    code(field, Gender::ALL).ok_or_else(|| NameFault::Gender(field.to_owned()))
}

fn race(field: &str) -> Result<Race, NameFault> {
    // Others came with other data sets.
    code(field, &Race::ALL[..5]).ok_or_else(|| NameFault::Race(field.to_owned()))
}

fn timestamp(field: &str) -> Result<String, NameFault> {
    digits(field, 20).map(str::to_owned).ok_or_else(|| NameFault::Timestamp(field.to_owned()))
}

/// One digit that counts into a list.
fn code<T: Copy>(field: &str, values: &[T]) -> Option<T> {
    values.get(digits(field, 1)?.parse::<usize>().ok()?).copied()
}

/// `parse` alone would take "+5" as well.
fn digits(field: &str, most: usize) -> Option<&str> {
    let fits = (1..=most).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str) -> &'static str {
        parse(name).unwrap_err().reason()
    }

    #[test]
    fn well_formed() {
        let name = parse("UTKFace/100_1_2_20170112213500903.jpg.chip.jpg").unwrap();
        let (gender, race) = (Some(Gender::Female), Some(Race::Asian));
        let label = Label { age: Age::Exact(100), gender, race };
        assert_eq!(name, Name { label, timestamp: "20170112213500903".into() });
        assert_eq!(parse("0_0_4_1.PNG").unwrap().label.age, Age::Exact(0));
    }

    #[test]
    fn repaired() {
        let space = parse("24_0_1_20170116220224657 .jpg.chip.jpg").unwrap();
        assert_eq!(space.timestamp, "20170116220224657");
        let dot = parse("55_0_0_20170116232725357jpg.chip.jpg").unwrap();
        assert_eq!(dot.label.age, Age::Exact(55));
        assert_eq!(dot.timestamp, "20170116232725357");
        assert!(parse("14_0_0_2017011022340900.jpg.chip.jpg").is_ok());
        assert!(parse("38_0_1_201701162330572788.jpg.chip.jpg").is_ok());
    }

    #[test]
    fn quarantined() {
        for (name, reason) in [
            ("39_1_20170116174525125.jpg.chip.jpg", "MISSING_RACE"),
            ("53__0_20170116184028385.jpg", "DOUBLE_UNDERSCORE"),
            ("53__20170116184028385.jpg", "DOUBLE_UNDERSCORE"),
            ("_0_0_20170116184028385.jpg", "DOUBLE_UNDERSCORE"),
            ("5_1.jpg", "WRONG_FIELD_COUNT"),
            ("1_1_1_1_1.jpg", "WRONG_FIELD_COUNT"),
            (".jpg", "WRONG_FIELD_COUNT"),
            ("holiday.jpg", "WRONG_FIELD_COUNT"),
            ("5_0_0_1.jpg.chip.txt", "NOT_AN_IMAGE_NAME"),
            ("5_0_0_1 (2).jpg", "BAD_TIMESTAMP"),
            ("117_0_0_1.jpg", "BAD_AGE"),
            ("-1_0_0_1.jpg", "BAD_AGE"),
            ("+1_0_0_1.jpg", "BAD_AGE"),
            ("2 4_0_0_1.jpg", "BAD_AGE"),
            ("5_2_0_1.jpg", "BAD_GENDER"),
            ("5_3_2017.jpg", "MISSING_RACE"),
            ("5_0_5_1.jpg", "BAD_RACE"),
            ("5_0_0_123456789012345678901.jpg", "BAD_TIMESTAMP"),
            ("5_0_0_1.txt", "NOT_AN_IMAGE_NAME"),
            ("README", "NOT_AN_IMAGE_NAME"),
            ("", "NOT_AN_IMAGE_NAME"),
            ("5_0_0_١.jpg", "BAD_TIMESTAMP"),
        ] {
            assert_eq!(fault(name), reason, "{name}");
        }
    }
}
