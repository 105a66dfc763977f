//! Label tables and file names from strangers: damaged, or put together of odd parts. Each is read, or
//! refused with a reason.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(clippy::print_stdout, reason = "a run says what came of it")]

use std::collections::BTreeMap;
use std::fs;

use agespan_dataset::label::MAX_AGE;
use agespan_dataset::layout::{Columns, Format, Layout, LayoutError};
use agespan_dataset::source::{Source, SourceLimits};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const SEED: u64 = 8;

/// Damaged tables of each layout, and as many of odd cells.
const CASES: usize = 500;

type Tally = BTreeMap<String, usize>;

fn columns() -> Columns {
    let [path, age, gender, race] = ["file", "age", "gender", "race"].map(str::to_owned);
    let [left, top, right, bottom] = ["x0", "y0", "x1", "y1"].map(str::to_owned);
    let group = "who".to_owned();
    Columns { path, age, gender, race, group, left, top, right, bottom, ..Columns::default() }
}

/// A table of each layout: its name, its header and a line.
fn sound() -> Vec<(Format, &'static str, &'static str, &'static str)> {
    vec![
        (
            Format::FairFace,
            "fairface_label_train.csv",
            "file,age,gender,race",
            "train/1.jpg,50-59,Male,East Asian",
        ),
        (Format::AppaReal, "gt_avg_train.csv", "file_name,real_age", "000000.jpg,4"),
        (
            Format::Lagenda,
            "lagenda.csv",
            "img_name,age,gender,face_x0,face_y0,face_x1,face_y1",
            "1.jpg,30,M,10,10,60,70.5",
        ),
        (
            Format::ImdbClean,
            "imdb_train_new_1024.csv",
            "filename,age,gender,x_min,y_min,x_max,y_max",
            "00/nm0_rm1_1-2.jpg,30.0,F,1,2,3,4",
        ),
        (
            Format::Table(Box::new(columns())),
            "labels.csv",
            "file,age,gender,race,who,x0,y0,x1,y1",
            "a/1.jpg,\"(25, 32)\",m,latino hispanic,somebody,0,0,9,9",
        ),
    ]
}

/// A folder to which tables are written.
struct World {
    dir: TempDir,
    source: Source,
    tally: Tally,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("images")).unwrap();
        let limits = SourceLimits { max_file_bytes: 1 << 20, max_files: 10 };
        let source = Source::open(&dir.path().join("images"), limits).unwrap();
        Self { dir, source, tally: Tally::new() }
    }

    fn count(&mut self, answer: &str) {
        *self.tally.entry(answer.to_owned()).or_default() += 1;
    }

    fn layout(&self, format: &Format) -> Layout {
        Layout::open(format, &self.source, &[]).unwrap()
    }

    fn table(&mut self, format: &Format, name: &str, bytes: &[u8]) {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        match Layout::open(format, &self.source, &[path]) {
            Ok(layout) => self.lines(&layout),
            Err(LayoutError::Column { .. }) => self.count("a column is missing"),
            Err(LayoutError::Csv { .. }) => self.count("no CSV"),
            Err(error) => panic!("{error}"),
        }
    }

    fn lines(&mut self, layout: &Layout) {
        for (path, _) in layout.unclaimed([]) {
            let readings = layout.read(&format!("folder/{path}"));
            assert!(!readings.is_empty(), "{path:?}");
            for reading in readings {
                let face = match reading.annotation {
                    Ok(face) => face,
                    Err(fault) => {
                        self.count(fault.reason());
                        continue;
                    }
                };
                let (_, last) = face.label.age.range().unwrap_or((0, 0));
                assert!(last.max(face.label.age.exact().unwrap_or(0)) <= MAX_AGE, "{path:?}");
                if let Some(crop) = face.face.and_then(|face| face.crop(400, 300)) {
                    let inside = crop.left + crop.width <= 400 && crop.top + crop.height <= 300;
                    assert!(inside && crop.width > 0 && crop.height > 0, "{path:?}: {crop:?}");
                }
                self.count("read");
            }
        }
    }

    fn print(&self, what: &str) {
        println!("seed {SEED}: {what}: {:?}", self.tally);
    }
}

#[test]
fn damaged_tables_are_read_or_refused() {
    let (mut world, mut random) = (World::new(), ChaCha8Rng::seed_from_u64(SEED));
    for (format, name, header, line) in sound() {
        let whole = format!("{header}\n{line}\n{line}\r\n{line}").into_bytes();
        for length in 0..whole.len() {
            world.table(&format, name, &whole[..length]);
        }
        for _ in 0..CASES {
            let mut broken = whole.clone();
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..broken.len());
                broken[at] ^= 1 << random.random_range(0..8);
            }
            world.table(&format, name, &broken);
        }
    }
    world.print("damaged tables");
    for answer in ["read", "a column is missing", "no CSV", "BAD_AGE"] {
        assert!(world.tally.get(answer).is_some_and(|count| *count > 10), "{answer}");
    }
}

const ODD: [&str; 30] = [
    "",
    "-1",
    "nan",
    "None",
    "0",
    "116",
    "117",
    "25.9",
    ".",
    "..",
    "1e400",
    "-1e400",
    "inf",
    "70+",
    "more than ",
    "(25, 32)",
    "9-3",
    "-5--3",
    "99999999999999999999",
    "٣",
    "é",
    "\"",
    "\"\"",
    "\u{0}",
    "\n",
    "\r",
    "../../a.jpg",
    "\\\\a\\b.jpg",
    "/",
    "f",
];

#[test]
fn tables_of_odd_cells_are_read_or_refused() {
    let (mut world, mut random) = (World::new(), ChaCha8Rng::seed_from_u64(SEED));
    for (format, name, header, line) in sound() {
        for _ in 0..CASES {
            let separator = [",", ";", "\t"][random.random_range(0..3)];
            let mut table = header.replace(',', separator);
            let usual: Vec<&str> = line.split(',').collect();
            for _ in 0..5 {
                let cell = |index: usize, random: &mut ChaCha8Rng| match random.random_range(0..3) {
                    0 => ODD[random.random_range(0..ODD.len())],
                    _ => usual[index],
                };
                let cells: Vec<&str> =
                    (0..header.split(',').count()).map(|index| cell(index, &mut random)).collect();
                table = format!("{table}\n{}", cells.join(separator));
            }
            world.table(&format, name, table.as_bytes());
        }
    }
    world.print("odd tables");
    let seen = ["read", "no CSV", "NO_AGE", "BAD_AGE", "BAD_GENDER", "BAD_RACE", "BAD_FACE_BOX"];
    for answer in seen {
        assert!(world.tally.contains_key(answer), "{answer}: {:?}", world.tally);
    }
}

/// A name of each form, in its parts.
const NAMES: [&[&str]; 3] = [
    &["UTKFace/", "25", "_", "0", "_", "4", "_", "20170116232725357", ".jpg", ".chip", ".jpg"],
    &["0", "_", "Maria", "_", "Callas", "_", "35", "_", "f", ".jpg"],
    &["images/", "001", "A", "43", "a", ".JPG"],
];

const ODD_PARTS: [&str; 20] = [
    "",
    "_",
    "__",
    "-1",
    "0",
    "1",
    "5",
    "116",
    "117",
    "1.5",
    "m",
    "A",
    " ",
    ".",
    "/",
    "é",
    "İ",
    "٣",
    "\u{0}",
    "99999999999999999999999",
];

#[test]
fn odd_file_names_are_read_or_refused() {
    let (mut world, mut random) = (World::new(), ChaCha8Rng::seed_from_u64(SEED));
    for format in [Format::UtkFace, Format::AgeDb, Format::FgNet] {
        let layout = world.layout(&format);
        for number in 0..6 * CASES {
            let mut parts = NAMES[number % NAMES.len()].to_vec();
            for _ in 0..random.random_range(1..=3) {
                let at = random.random_range(0..parts.len());
                parts[at] = ODD_PARTS[random.random_range(0..ODD_PARTS.len())];
            }
            let name = parts.concat();
            let readings = layout.read(&name);
            assert_eq!(readings.len(), 1, "{name:?}");
            match &readings[0].annotation {
                Ok(face) => {
                    assert!(face.label.age.exact().is_some_and(|age| age <= MAX_AGE), "{name:?}");
                    world.count("read");
                }
                Err(fault) => world.count(fault.reason()),
            }
        }
    }
    world.print("file names");
    for answer in ["read", "BAD_AGE", "BAD_GENDER", "BAD_NAME", "BAD_RACE", "BAD_TIMESTAMP"] {
        assert!(world.tally.contains_key(answer), "{answer}: {:?}", world.tally);
    }
}
