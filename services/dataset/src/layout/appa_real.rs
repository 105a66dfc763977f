//! APPA-REAL (Agustsson et al. 2017, doi 10.1109/FG.2017.20): real ages, and what people guessed.
//!
//! ```text
//! gt_avg_train.csv            file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age
//! gt_avg_valid.csv            000000.jpg,36,5.5,2.1,4
//! gt_avg_test.csv
//! train/000000.jpg            the photo
//! train/000000.jpg_face.jpg   the face in it, upright, with a margin of 40 %
//! valid/…  test/…
//! ```
//!
//! The label is the real age. The face is used where it is there, and its photo is then quarantined
//! as SUPERSEDED. Other files (single ratings, .mat) are quarantined as no images.

use super::Columns;
use super::table::TableLayout;

pub(super) fn tables() -> TableLayout {
    TableLayout {
        wanted: "gt_avg_train.csv, gt_avg_valid.csv, gt_avg_test.csv",
        searched: |name| folder(name).is_some(),
        folder,
        columns: Columns { path: "file_name".into(), age: "real_age".into(), ..Columns::default() },
        endings: &["_face.jpg", ""],
        subject: |_| None,
    }
}

/// The images of a table are in the folder of its part.
fn folder(name: &str) -> Option<&'static str> {
    match name {
        "gt_avg_train.csv" => Some("train/"),
        "gt_avg_valid.csv" => Some("valid/"),
        "gt_avg_test.csv" => Some("test/"),
        _ => None,
    }
}
