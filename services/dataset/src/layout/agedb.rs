//! AgeDB (Moschoglou et al. 2017, doi 10.1109/CVPRW.2017.250): famous people over their lives.
//!
//! ```text
//! 0_MariaCallas_35_f.jpg      {number}_{name}_{age}_{m|f}.jpg
//! ```
//!
//! A person's photos have the same name and stay in one split.

use super::{Annotation, Fault, image_stem, value};
use crate::label::{Age, Label};

pub(super) fn annotation(path: &str) -> Result<Annotation, Fault> {
    let bad = || Fault::Name("number_name_age_gender.jpg");
    let stem = image_stem(path)?;
    // From the end: a name may have an underscore in it.
    let (rest, gender) = stem.rsplit_once('_').ok_or_else(bad)?;
    let (rest, age) = rest.rsplit_once('_').ok_or_else(bad)?;
    let (number, name) = rest.split_once('_').ok_or_else(bad)?;
    if name.is_empty() || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let gender = value::gender(gender)?;
    let age = value::year(age).ok_or_else(|| Fault::Age(age.to_owned()))?;
    Ok(Annotation {
        label: Label { age: Age::Exact(age), gender, race: None },
        timestamp: None,
        subject: Some(name.to_owned()),
        face: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Gender;

    #[test]
    fn names() {
        let callas = annotation("AgeDB/0_MariaCallas_35_f.jpg").unwrap();
        let label = Label { age: Age::Exact(35), gender: Some(Gender::Female), race: None };
        assert_eq!((callas.label, callas.subject.as_deref()), (label, Some("MariaCallas")));
        assert_eq!(annotation("7_De_Niro_40_m.jpg").unwrap().subject.as_deref(), Some("De_Niro"));
        for (name, reason) in [
            ("MariaCallas_35_f.jpg", "BAD_NAME"),
            ("x_MariaCallas_35_f.jpg", "BAD_NAME"),
            ("0_MariaCallas_old_f.jpg", "BAD_AGE"),
            ("0_MariaCallas_35_x.jpg", "BAD_GENDER"),
            ("0_MariaCallas_35_f.txt", "NOT_AN_IMAGE_NAME"),
        ] {
            assert_eq!(annotation(name).unwrap_err().reason(), reason, "{name}");
        }
    }
}
