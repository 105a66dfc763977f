//! A calibration with what it was made from, and what else its people certify. Its bytes are what a
//! calibration's name is the hash of.

use serde::{Deserialize, Serialize};

use crate::{
    AgeSupport, Calibration, CalibrationSpec, FitError, Fitting, GenderSets, InvalidCalibration,
    Person, Prediction,
};

/// Beyond so many rows no people are kept: a document is held in memory wherever it is used.
const MOST_PEOPLE: usize = 100_000;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Whose predictions it is for.
    pub model: String,
    /// SHA-256 of the calibration split in hexadecimal; empty when the caller brought predictions.
    pub split_hash: String,
    /// The sorted scores.
    pub calibration: Calibration,
    /// Scores of the gender head; empty when the genders were not known.
    pub genders: GenderSets,
    /// Those who certify age checks, in order of age; none beyond a hundred thousand.
    pub people: Vec<Person>,
}

/// Why bytes are no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not JSON, or not of these fields, or scores that contradict each other.
    #[error("this is not a calibration document; fit the calibration again")]
    Malformed(#[from] serde_json::Error),
    /// The calibration contradicts itself.
    #[error("the calibration contradicts itself; fit it again")]
    Invalid(#[from] InvalidCalibration),
    /// People or gender scores that cannot be.
    #[error("the calibration's {0} are not what a fit writes; fit it again")]
    Unsound(&'static str),
}

/// A calibration row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was predicted.
    pub prediction: Prediction,
    /// True age in years.
    pub truth: f64,
    /// The gender head's probability of "female", and whether that was true; where known.
    pub gender: Option<(f64, bool)>,
}

/// A document in the making, row by row.
#[derive(Debug)]
pub struct DocumentFitting {
    fitting: Fitting,
    people: Option<Vec<Person>>,
    genders: Vec<(f64, bool)>,
}

impl DocumentFitting {
    /// Without rows yet.
    pub fn new(spec: CalibrationSpec, support: AgeSupport) -> Self {
        Self { fitting: Fitting::new(spec, support), people: Some(Vec::new()), genders: Vec::new() }
    }

    /// Takes a row.
    ///
    /// # Errors
    ///
    /// As [`Fitting::add`].
    pub fn add(&mut self, row: &Row) -> Result<(), FitError> {
        self.fitting.add(&row.prediction, row.truth)?;
        if let Some(people) = &mut self.people {
            people.push(Person { truth: row.truth, predicted: row.prediction.mean() });
            if people.len() > MOST_PEOPLE {
                self.people = None;
            }
        }
        self.genders.extend(row.gender);
        Ok(())
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// [`FitError::Empty`] without rows.
    pub fn finish(self, model: String, split_hash: String) -> Result<Document, FitError> {
        let mut people = self.people.unwrap_or_default();
        let key = |person: &Person| (person.truth, person.predicted);
        people.sort_unstable_by(|a, b| {
            let (a, b) = (key(a), key(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let calibration = self.fitting.finish()?;
        let genders = GenderSets::fit(self.genders);
        Ok(Document { model, split_hash, calibration, genders, people })
    }
}

impl Document {
    /// The file's bytes: the same for the same content.
    ///
    /// # Errors
    /// Never for a calibration that was fitted: its numbers are finite.
    pub fn to_json(&self) -> Result<Vec<u8>, DocumentError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// When the bytes are not a consistent document.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document: Self = serde_json::from_slice(bytes)?;
        document.calibration.validate()?;
        if !document.genders.is_sound() {
            return Err(DocumentError::Unsound("gender scores"));
        }
        let support = document.calibration.support();
        let possible =
            |person: &Person| support.contains(person.truth) && person.predicted.is_finite();
        if !document.people.iter().all(possible) {
            return Err(DocumentError::Unsound("people"));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grouping, Score};

    fn row(age: u32) -> Row {
        let prediction = Prediction::new(f64::from(age) + 0.5, 2.0).unwrap();
        let gender = Some((f64::from(age % 10) / 10.0, age.is_multiple_of(2)));
        Row { prediction, truth: f64::from(age), gender }
    }

    fn document(ages: impl Iterator<Item = u32>) -> Document {
        let spec = CalibrationSpec::new(Score::Sigma, Grouping::PredictedDecade);
        let mut fitting = DocumentFitting::new(spec, AgeSupport::default());
        for age in ages {
            fitting.add(&row(age)).unwrap();
        }
        fitting.finish("models/a".into(), "00".into()).unwrap()
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter_and_the_bytes_are_read_back() {
        let forwards = document(1..90);
        let bytes = forwards.to_json().unwrap();
        assert_eq!(document((1..90).rev()).to_json().unwrap(), bytes);
        assert_eq!(Document::from_json(&bytes).unwrap(), forwards);
        assert_eq!(forwards.people.len(), 89);
        assert_eq!(forwards.genders.sizes(), (44, 45));
    }

    #[test]
    fn a_file_that_no_fit_writes_is_refused() {
        let bytes = String::from_utf8(document(1..40).to_json().unwrap()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(bytes.contains(from), "{from}");
            Document::from_json(bytes.replace(from, to).as_bytes())
        };
        assert!(changed(r#""truth":1.0"#, r#""truth":1.5"#).is_ok());
        let unsound = |error: Result<_, _>| matches!(error, Err(DocumentError::Unsound(_)));
        assert!(unsound(changed(r#""truth":1.0"#, r#""truth":-1.0"#)));
        assert!(unsound(changed(r#""female":["#, r#""female":[7.0,"#)));
        assert!(matches!(
            changed(r#""format":2"#, r#""format":9"#),
            Err(DocumentError::Malformed(_))
        ));
        assert!(matches!(Document::from_json(b"{}"), Err(DocumentError::Malformed(_))));
    }

    #[test]
    fn a_crowd_certifies_nothing_but_its_intervals() {
        let crowd = document((0..=MOST_PEOPLE as u32).map(|i| i % 100));
        assert!(crowd.people.is_empty());
        assert_eq!(crowd.calibration.size(), MOST_PEOPLE + 1);
    }
}
