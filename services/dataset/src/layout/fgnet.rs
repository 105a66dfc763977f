//! FG-NET (Panis et al. 2016, doi 10.1049/iet-bmt.2014.0053): 82 people over their lives.
//!
//! ```text
//! images/001A02.JPG           {subject}A{age}{letter where there are several}.JPG
//! images/001A43a.JPG
//! points/001a02.pts           quarantined as no image
//! ```
//!
//! A subject's photos stay in one split. There are no genders and no races.

use super::{Annotation, Fault, image_stem, value};
use crate::label::{Age, Label};

pub(super) fn annotation(path: &str) -> Result<Annotation, Fault> {
    let bad = || Fault::Name("subjectAage.JPG, as in 001A43a.JPG");
    let (subject, age) = image_stem(path)?.split_once(['A', 'a']).ok_or_else(bad)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let age = age.strip_suffix(|c: char| c.is_ascii_alphabetic()).unwrap_or(age);
    if !digits(subject) || !digits(age) {
        return Err(bad());
    }
    let age = value::year(age).ok_or_else(|| Fault::Age(age.to_owned()))?;
    Ok(Annotation {
        label: Label { age: Age::Exact(age), gender: None, race: None },
        timestamp: None,
        subject: Some(subject.to_owned()),
        face: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, subject, age) in
            [("images/001A02.JPG", "001", 2), ("001A43a.JPG", "001", 43), ("082a16.jpg", "082", 16)]
        {
            let face = annotation(name).unwrap();
            assert_eq!(face.label.age, Age::Exact(age), "{name}");
            assert_eq!(face.subject.as_deref(), Some(subject));
        }
        for name in ["A02.JPG", "001.JPG", "001A.JPG", "001Ab.JPG", "001A2x3.JPG"] {
            assert_eq!(annotation(name).unwrap_err().reason(), "BAD_NAME", "{name}");
        }
        assert_eq!(annotation("001A200.JPG").unwrap_err().reason(), "BAD_AGE");
        assert_eq!(annotation("001a02.pts").unwrap_err().reason(), "NOT_AN_IMAGE_NAME");
    }
}
