//! Label tables of data sets. The first byte says of which layout, the rest is the CSV.
#![no_main]

use std::sync::LazyLock;

use agespan_dataset::layout::{Columns, Format, Layout};
use agespan_dataset::source::{Source, SourceLimits};
use agespan_fuzz::kept;
use libfuzzer_sys::fuzz_target;

/// A folder with nothing in it that is read: the tables are named.
static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    let file = kept("source/none.txt", b"");
    let limits = SourceLimits { max_file_bytes: 1 << 20, max_files: 10 };
    Source::open(file.parent().expect("a file has a folder"), limits).expect("it was just made")
});

fn columns() -> Columns {
    let [path, age, gender, race] = ["file", "age", "gender", "race"].map(str::to_owned);
    let [left, top, right, bottom] = ["x0", "y0", "x1", "y1"].map(str::to_owned);
    let group = "who".to_owned();
    Columns { path, age, gender, race, group, left, top, right, bottom, ..Columns::default() }
}

fn format(choice: u8) -> (Format, &'static str) {
    match choice % 5 {
        0 => (Format::FairFace, "fairface_label_train.csv"),
        1 => (Format::AppaReal, "gt_avg_train.csv"),
        2 => (Format::Lagenda, "lagenda.csv"),
        3 => (Format::ImdbClean, "imdb_train_new_1024.csv"),
        _ => (Format::Table(Box::new(columns())), "labels.csv"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, table)) = data.split_first() else { return };
    let (format, name) = format(*choice);
    let Ok(layout) = Layout::open(&format, &SOURCE, &[kept(name, table)]) else { return };
    for (path, label) in layout.unclaimed([]) {
        let readings = layout.read(&format!("folder/{path}"));
        assert!(!readings.is_empty(), "{path:?}");
        let faces = readings.iter().filter_map(|reading| reading.annotation.as_ref().ok());
        for crop in faces.filter_map(|face| face.face?.crop(400, 300)) {
            assert!(crop.left + crop.width <= 400 && crop.top + crop.height <= 300, "{crop:?}");
        }
        let age = label.and_then(|label| label.age.exact());
        assert!(age.is_none_or(|age| age <= 116), "{path:?}");
    }
});
