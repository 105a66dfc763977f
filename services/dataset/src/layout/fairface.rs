//! FairFace (Kärkkäinen and Joo 2021, arXiv 1908.04913): ages as nine ranges.
//!
//! ```text
//! fairface_label_train.csv    file,age,gender,race,service_test
//! fairface_label_val.csv      train/1.jpg,50-59,Male,East Asian,True
//! train/1.jpg …
//! val/1.jpg …
//! ```
//!
//! The ranges are 0-2, 3-9, 10-19, … 60-69 and "more than 70", which follows 60-69 and is read as
//! 70 and above. The tables are published apart from the images: put them beside the two folders,
//! or name them.

use super::Columns;
use super::table::TableLayout;

pub(super) fn tables() -> TableLayout {
    TableLayout {
        wanted: "fairface_label_train.csv, fairface_label_val.csv",
        searched: |name| name.starts_with("fairface_label_") && name.ends_with(".csv"),
        folder: |_| Some(""),
        columns: Columns {
            path: "file".into(),
            age: "age".into(),
            gender: "gender".into(),
            race: "race".into(),
            ..Columns::default()
        },
        endings: &[""],
        subject: |_| None,
    }
}
