//! LAGENDA (Kuprashevich and Tolstykh 2023, arXiv 2307.04616): photos from Open Images with boxes
//! of faces and persons.
//!
//! ```text
//! lagenda_….csv               img_name,age,gender,face_x0,face_y0,face_x1,face_y1,
//!                             person_x0,person_y0,person_x1,person_y1
//! lag_benchmark/ab12….jpg     a photo; a line for each person in it
//! ```
//!
//! −1 stands for what was not labelled. Each face is cut out of its photo (see `face_box`); a
//! person whose face is not seen is quarantined as NO_FACE_BOX.

use super::Columns;
use super::table::TableLayout;

pub(super) fn tables() -> TableLayout {
    TableLayout {
        wanted: "a CSV with lagenda or annotation in its name",
        searched: |name| {
            let name = name.to_ascii_lowercase();
            name.ends_with(".csv") && (name.contains("lagenda") || name.contains("annotation"))
        },
        folder: |_| Some(""),
        columns: Columns {
            path: "img_name".into(),
            age: "age".into(),
            gender: "gender".into(),
            left: "face_x0".into(),
            top: "face_y0".into(),
            right: "face_x1".into(),
            bottom: "face_y1".into(),
            ..Columns::default()
        },
        endings: &[""],
        subject: |_| None,
    }
}
