//! IMDB-clean (Lin et al. 2022, doi 10.1016/j.imavis.2021.104314): film stills and press photos
//! with the boxes of the right faces.
//!
//! ```text
//! imdb_train_new_1024.csv     filename,age,gender,x_min,y_min,x_max,y_max,head_roll,head_yaw,head_pitch
//! imdb_valid_new_1024.csv     07/nm0000107_rm1234_1954-5-2_1994.jpg,39,F,301,233,620,651,…
//! imdb_test_new_1024.csv
//! imdb-clean-1024/07/nm….jpg
//! ```
//!
//! The boxes are of the images that were cut to 1,024 pixels. For the uncut ones of IMDB-WIKI name
//! the tables without `_1024`. The part up to the first underscore names the person, who stays in
//! one split. Each face is cut out of its photo (see `face_box`).

use super::table::TableLayout;
use super::{Columns, file_name};

pub(super) fn tables() -> TableLayout {
    TableLayout {
        wanted: "imdb_train_new_1024.csv, imdb_valid_new_1024.csv, imdb_test_new_1024.csv",
        searched: |name| name.starts_with("imdb_") && name.ends_with("_new_1024.csv"),
        folder: |_| Some(""),
        columns: Columns {
            path: "filename".into(),
            age: "age".into(),
            gender: "gender".into(),
            left: "x_min".into(),
            top: "y_min".into(),
            right: "x_max".into(),
            bottom: "y_max".into(),
            ..Columns::default()
        },
        endings: &[""],
        subject: |path| file_name(path).split_once('_').map(|(person, _)| person),
    }
}
