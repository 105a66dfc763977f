//! Calibration documents. What is read gives intervals inside its support, and is written as it was.
#![no_main]

use agespan_conformal::{Coverage, Document, Prediction};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(document) = Document::from_json(data) else { return Corpus::Keep };
    let bytes = document.to_json().expect("what was read can be written");
    assert_eq!(Document::from_json(&bytes).expect("what was written can be read"), document);
    let (calibration, support) = (&document.calibration, document.calibration.support());
    for years in [0.0, 17.5, 40.0, 999.0] {
        let prediction = Prediction::new(years, 3.0).expect("a prediction");
        if calibration.lacks(&prediction).is_none() {
            let bounds = calibration.at(Coverage::DEFAULT).bounds(&prediction);
            assert!(bounds.lower <= bounds.upper, "{bounds:?}");
            assert!(support.contains(bounds.lower) && support.contains(bounds.upper), "{bounds:?}");
        }
    }
    Corpus::Keep
});
