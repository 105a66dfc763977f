//! The texts of labels, as tables write them.

use super::Fault;
use crate::label::{Age, Gender, MAX_AGE, Race};

/// "25", "25.9" (completed years: 25), "20-29", "(25, 32)", "more than 70" and "70+". Nothing,
/// and the −1 that stands for it, is no age.
pub(super) fn age(text: &str) -> Result<Age, Fault> {
    if is_missing(text) {
        return Err(Fault::NoAge);
    }
    let bad = || Fault::Age(text.to_owned());
    let from = text.strip_prefix("more than ").or_else(|| text.strip_suffix('+'));
    if let Some(from) = from {
        return range(year(from).ok_or_else(bad)?, MAX_AGE).ok_or_else(bad);
    }
    let inner = text.trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    if let Some((lower, upper)) = inner.split_once(['-', ',']) {
        let ages = year(lower).zip(year(upper));
        return ages.and_then(|(lower, upper)| range(lower, upper)).ok_or_else(bad);
    }
    year(text).map(Age::Exact).ok_or_else(bad)
}

/// The age between two columns, both included.
pub(super) fn age_between(lower: &str, upper: &str) -> Result<Age, Fault> {
    if is_missing(lower) && is_missing(upper) {
        return Err(Fault::NoAge);
    }
    let ages = year(lower).zip(year(upper)).and_then(|(lower, upper)| range(lower, upper));
    ages.ok_or_else(|| Fault::Age(format!("{lower} to {upper}")))
}

fn range(lower: u8, upper: u8) -> Option<Age> {
    match lower.cmp(&upper) {
        std::cmp::Ordering::Less => Some(Age::Range(lower, upper)),
        std::cmp::Ordering::Equal => Some(Age::Exact(lower)),
        std::cmp::Ordering::Greater => None,
    }
}

/// Completed years.
pub(super) fn year(text: &str) -> Option<u8> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let years = text.parse::<f64>().ok()?.floor();
    (years <= f64::from(MAX_AGE)).then_some(years as u8)
}

/// `None` where nothing is said.
pub(super) fn gender(text: &str) -> Result<Option<Gender>, Fault> {
    match text.to_ascii_lowercase().as_str() {
        _ if is_missing(text) => Ok(None),
        "m" | "male" | "man" => Ok(Some(Gender::Male)),
        "f" | "female" | "woman" => Ok(Some(Gender::Female)),
        _ => Err(Fault::Gender(text.to_owned())),
    }
}

/// `None` where nothing is said. "Latino_Hispanic" and "latino hispanic" are the same.
pub(super) fn race(text: &str) -> Result<Option<Race>, Fault> {
    if is_missing(text) {
        return Ok(None);
    }
    let name = text.to_ascii_lowercase().replace(['_', ' ', '/'], "-");
    name.parse().map(Some).map_err(|_| Fault::Race(text.to_owned()))
}

/// Nothing, or what programs write for it.
pub(super) fn is_missing(text: &str) -> bool {
    ["", "-1", "-1.0", "nan", "none", "null"].iter().any(|none| text.eq_ignore_ascii_case(none))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (text, expected) in [
            ("0", Age::Exact(0)),
            ("25.9", Age::Exact(25)),
            ("116", Age::Exact(116)),
            ("0-2", Age::Range(0, 2)),
            ("60-69", Age::Range(60, 69)),
            ("(25, 32)", Age::Range(25, 32)),
            ("30-30", Age::Exact(30)),
            ("more than 70", Age::Range(70, MAX_AGE)),
            ("70+", Age::Range(70, MAX_AGE)),
        ] {
            assert_eq!(age(text), Ok(expected), "{text}");
        }
        for text in ["", "-1", "nan", "None"] {
            assert_eq!(age(text), Err(Fault::NoAge), "{text}");
        }
        for text in ["old", "117", "-5", "29-20", "2-", "1e2", "3-Sep", "more than"] {
            assert_eq!(age(text), Err(Fault::Age(text.to_owned())), "{text}");
        }
        assert_eq!(age_between("20", "29"), Ok(Age::Range(20, 29)));
        assert_eq!(age_between("", ""), Err(Fault::NoAge));
        assert!(age_between("30", "").is_err());
    }

    #[test]
    fn genders_and_races() {
        assert_eq!(gender("Female"), Ok(Some(Gender::Female)));
        assert_eq!(gender("m"), Ok(Some(Gender::Male)));
        assert_eq!(gender("-1"), Ok(None));
        // 1 is female in UTKFace and male in IMDB-WIKI.
        assert_eq!(gender("1"), Err(Fault::Gender("1".into())));
        assert_eq!(race("Latino_Hispanic"), Ok(Some(Race::LatinoHispanic)));
        assert_eq!(race("Southeast Asian"), Ok(Some(Race::SoutheastAsian)));
        assert_eq!(race(""), Ok(None));
        assert_eq!(race("martian"), Err(Fault::Race("martian".into())));
    }
}
