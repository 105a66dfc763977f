//! Made-up data sets in the layouts of real ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agespan_dataset::import::{ImportError, ImportOptions};
use agespan_dataset::label::{Age, Gender, Race};
use agespan_dataset::layout::{Columns, Format, LayoutError};
use agespan_dataset::manifest::Row;
use agespan_dataset::record::DatasetRecord;
use agespan_dataset::samples::Samples;
use synthetic::{Files, World, directory, jpeg, tar, zip};

fn text(path: &str, lines: &[&str]) -> (String, Vec<u8>) {
    (path.to_owned(), (lines.join("\n") + "\n").into_bytes())
}

fn images(paths: &[&str]) -> Files {
    paths.iter().zip(100..).map(|(path, seed)| ((*path).to_owned(), jpeg(seed))).collect()
}

/// A data set and what came of it.
struct Imported {
    world: World,
    record: DatasetRecord,
    samples: Samples,
}

impl Imported {
    fn row(&self, path: &str) -> &Row {
        self.samples.find(path).unwrap_or_else(|| panic!("no row for {path}"))
    }

    fn age(&self, path: &str) -> Age {
        self.row(path).label.unwrap().age
    }

    fn reason(&self, path: &str) -> &str {
        &self.row(path).quarantine.as_ref().unwrap().reason
    }

    fn usable(&self) -> BTreeSet<&str> {
        self.samples.faces(None).map(|row| row.path.as_str()).collect()
    }
}

fn options(format: Format) -> ImportOptions {
    ImportOptions { format, ..ImportOptions::default() }
}

fn attempt(
    world: &World,
    source: &Path,
    options: &ImportOptions,
) -> Result<DatasetRecord, ImportError> {
    world.import_with(source, "faces", options, &|| false)
}

/// Imports the files as a folder, and makes sure that archives of them give the same.
fn imported(format: Format, files: Files) -> Imported {
    let world = World::new();
    let options = options(format);
    let record = attempt(&world, &directory(&world.path("files"), &files), &options).unwrap();
    // Tables behind the images, which a tar does not let anybody see first.
    let mut shuffled = files.clone();
    shuffled.sort_by_key(|(path, _)| (path.ends_with(".csv"), path.clone()));
    let archives = [zip(&world.path("a.zip"), &files), world.file("a.tar", &tar(&shuffled))];
    for (archive, name) in archives.iter().zip(["zip", "tar"]) {
        let other = world.import_with(archive, name, &options, &|| false).unwrap();
        assert_eq!(other.content_hash, record.content_hash, "{name}");
        assert_eq!(other.clusters, record.clusters, "{name}");
    }
    let samples = world.runtime.block_on(Samples::open(&world.storage, "faces")).unwrap();
    Imported { world, record, samples }
}

fn fairface() -> Files {
    let mut files = images(&[
        "fairface-img-margin025-trainval/train/1.jpg",
        "fairface-img-margin025-trainval/train/2.jpg",
        "fairface-img-margin025-trainval/train/9.jpg",
        "fairface-img-margin025-trainval/val/1.jpg",
    ]);
    let header = "file,age,gender,race,service_test";
    files.push(text(
        "fairface_label_train.csv",
        &[
            header,
            "train/1.jpg,50-59,Male,East Asian,True",
            "train/2.jpg,more than 70,Female,Latino_Hispanic,False",
            "train/3.jpg,3-9,Female,Black,False",
        ],
    ));
    files.push(text("fairface_label_val.csv", &[header, "val/1.jpg,0-2,Female,White,True"]));
    files
}

#[test]
fn fairface_has_ranges_and_its_own_races() {
    let faces = imported(Format::FairFace, fairface());
    let folder = "fairface-img-margin025-trainval";
    let first = faces.row(&format!("{folder}/train/1.jpg")).label.unwrap();
    assert_eq!(first.age, Age::Range(50, 59));
    assert_eq!((first.gender, first.race), (Some(Gender::Male), Some(Race::EastAsian)));
    assert_eq!(faces.age(&format!("{folder}/train/2.jpg")), Age::Range(70, 116));
    assert_eq!(faces.age(&format!("{folder}/val/1.jpg")), Age::Range(0, 2));
    assert_eq!(faces.reason(&format!("{folder}/train/9.jpg")), "NO_LABEL");
    assert_eq!(faces.reason("train/3.jpg"), "MISSING_FILE");
    assert_eq!(faces.record.faces(), 3);
    assert_eq!(faces.samples.statistics().ranges, 3);
}

#[test]
fn tables_may_lie_outside() {
    let world = World::new();
    let mut files = fairface();
    let tables: Files = files.extract_if(.., |(path, _)| path.ends_with(".csv")).collect();
    let source = directory(&world.path("images"), &files);
    let error = attempt(&world, &source, &options(Format::FairFace)).unwrap_err();
    assert!(matches!(error, ImportError::Layout(LayoutError::NoTable { .. })), "{error}");

    let outside = directory(&world.path("labels"), &tables);
    let tables = tables.iter().map(|(path, _)| outside.join(path)).collect();
    let named = ImportOptions { tables, ..options(Format::FairFace) };
    assert_eq!(attempt(&world, &source, &named).unwrap().faces(), 3);
}

#[test]
fn appa_real_prefers_the_face_to_its_photo() {
    let mut files = images(&[
        "train/000000.jpg",
        "train/000000.jpg_face.jpg",
        "train/000001.jpg",
        "valid/000000.jpg",
        "valid/000000.jpg_face.jpg",
        "test/000002.jpg_face.jpg",
    ]);
    // A damaged face does not stand in its photo's way.
    let damaged = files.iter_mut().find(|(path, _)| path == "valid/000000.jpg_face.jpg");
    let damaged = &mut damaged.unwrap().1;
    damaged.truncate(damaged.len() * 2 / 3);
    let header = "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age";
    let table = |name: &str, line: &[&str]| text(name, &[&[header], line].concat());
    files.push(table(
        "gt_avg_train.csv",
        &["000000.jpg,36,5.5278,2.0624,4", "000001.jpg,38,24.55,3.7,18"],
    ));
    files.push(table("gt_avg_valid.csv", &["000000.jpg,40,60.2,5.1,71"]));
    files.push(table("gt_avg_test.csv", &["000002.jpg,40,30.2,5.1,33"]));
    files.push(text("gt_train.csv", &["file_name,age", "000000.jpg,5"]));

    let faces = imported(Format::AppaReal, files);
    let expected = [
        "train/000000.jpg_face.jpg",
        "train/000001.jpg",
        "valid/000000.jpg",
        "test/000002.jpg_face.jpg",
    ];
    assert_eq!(faces.usable(), expected.into());
    assert_eq!(expected.map(|path| faces.age(path)), [4, 18, 71, 33].map(Age::Exact));
    assert_eq!(faces.row("train/000001.jpg").label.unwrap().gender, None);
    assert_eq!(faces.reason("train/000000.jpg"), "SUPERSEDED");
    assert_eq!(faces.reason("valid/000000.jpg_face.jpg"), "TRUNCATED");
    assert_eq!(faces.reason("gt_train.csv"), "NOT_AN_IMAGE_NAME");
}

/// Twenty people with five photos each.
fn people(name: impl Fn(usize, usize) -> String) -> Files {
    let photos = (0..100).map(|i| (name(i / 5, i % 5), jpeg(i as u32)));
    let mut files: Files = photos.collect();
    files.sort();
    files
}

fn assert_together(faces: &Imported) {
    let mut splits: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for row in faces.samples.faces(None) {
        splits.entry(row.subject.as_deref().unwrap()).or_default().insert(row.split);
    }
    assert_eq!(splits.len(), 20);
    assert!(splits.values().all(|splits| splits.len() == 1), "{splits:?}");
    assert!(splits.values().flatten().collect::<BTreeSet<_>>().len() > 1);
    assert_eq!(faces.samples.clusters().iter().count(), 20);
    assert_eq!(faces.samples.statistics().clustered, 100);
}

#[test]
fn agedb_keeps_a_person_in_one_split() {
    let name = |person, photo| {
        let gender = if person % 2 == 0 { 'f' } else { 'm' };
        format!("AgeDB/{}_Person{person}_{}_{gender}.jpg", person * 5 + photo, 20 + photo * 9)
    };
    let faces = imported(Format::AgeDb, people(name));
    assert_together(&faces);
    let row = faces.row("AgeDB/7_Person1_38_m.jpg");
    assert_eq!(row.subject.as_deref(), Some("Person1"));
    let label = row.label.unwrap();
    assert_eq!((label.age, label.gender, label.race), (Age::Exact(38), Some(Gender::Male), None));
}

#[test]
fn fgnet_keeps_a_subject_in_one_split() {
    let name = |person, photo| {
        let letter = ["", "a", "b", "", ""][photo];
        format!("FGNET/images/{:03}A{:02}{letter}.JPG", person + 1, [2, 5, 5, 30, 61][photo])
    };
    let mut files = people(name);
    files.push(text("FGNET/points/001a02.pts", &["version: 1"]));
    let faces = imported(Format::FgNet, files);
    assert_together(&faces);
    assert_eq!(faces.age("FGNET/images/003A05b.JPG"), Age::Exact(5));
    assert_eq!(faces.row("FGNET/images/003A05b.JPG").label.unwrap().gender, None);
    assert_eq!(faces.reason("FGNET/points/001a02.pts"), "NOT_AN_IMAGE_NAME");
}

/// A photo of noise, which shows where something was cut out of it.
fn photo(seed: u32, side: u32) -> Vec<u8> {
    agespan_imaging::encode_png(&synthetic::noise(seed, side)).unwrap()
}

#[test]
fn lagenda_cuts_every_face_out_of_its_photo() {
    let mut files: Files = vec![
        ("lag_benchmark/a1.jpg".into(), photo(1, 200)),
        ("lag_benchmark/b2.jpg".into(), photo(2, 90)),
    ];
    files.push(text(
        "lagenda_test.csv",
        &[
            "img_name,age,gender,face_x0,face_y0,face_x1,face_y1,person_x0,person_y0,person_x1,person_y1",
            "lag_benchmark/a1.jpg,34,F,20,30,60,80,0,0,90,199",
            "lag_benchmark/a1.jpg,36,M,120,30,150,70,100,0,190,199",
            "lag_benchmark/a1.jpg,-1,-1,10,150,30,170,0,100,50,199",
            "lag_benchmark/a1.jpg,50,M,-1,-1,-1,-1,100,0,190,199",
            "lag_benchmark/a1.jpg,50,M,300,30,350,70,100,0,190,199",
            "lag_benchmark/b2.jpg,61,-1,40,40,44,44,0,0,89,89",
        ],
    ));
    let faces = imported(Format::Lagenda, files.clone());
    let first = "lag_benchmark/a1.jpg#xywh=20,30,40,50";
    let second = "lag_benchmark/a1.jpg#xywh=120,30,30,40";
    assert_eq!(faces.usable(), [first, second].into());
    assert_eq!([first, second].map(|path| faces.age(path)), [34, 36].map(Age::Exact));
    assert_eq!(faces.reason("lag_benchmark/a1.jpg#xywh=300,30,50,40"), "BAD_FACE_BOX");
    assert_eq!(faces.reason("lag_benchmark/b2.jpg#xywh=40,40,4,4"), "TOO_SMALL");
    let counts = [("BAD_FACE_BOX", 1), ("NO_AGE", 1), ("NO_FACE_BOX", 1), ("TOO_SMALL", 1)];
    let counts: BTreeMap<String, u64> = counts.map(|(r, n)| (r.to_owned(), n)).into();
    assert_eq!(faces.record.quarantined, counts);

    // What comes back is the square around the face, and hashes to what the manifest says.
    let row = faces.row(first);
    let stored = faces.world.runtime.block_on(faces.samples.image(row)).unwrap();
    let limits = agespan_imaging::Limits::default();
    let kept = agespan_imaging::decode(&stored, &limits).unwrap();
    assert_eq!(row.pixel_hash.unwrap().0, agespan_imaging::pixel_hash(&kept));
    assert_eq!(kept.dimensions(), (75, 75));
    let photo = agespan_imaging::decode(&files[0].1, &limits).unwrap();
    // The box's middle is (40, 55): the square begins at (2.5, 17.5), rounded up.
    let apart = |x: u32, y: u32| {
        let sums = kept.enumerate_pixels().map(|(i, j, pixel)| {
            let other = photo.get_pixel(i + x, j + y);
            (0..3).map(|c| f64::from(pixel[c].abs_diff(other[c]))).sum::<f64>()
        });
        sums.sum::<f64>() / f64::from(kept.width() * kept.height() * 3)
    };
    assert!(apart(3, 18) < 10.0, "{}", apart(3, 18));
    assert!(apart(4, 18) > 40.0, "{}", apart(4, 18));
}

#[test]
fn imdb_clean_knows_who_it_is() {
    let name = |person: usize, photo: usize| {
        format!("imdb-clean-1024/0{}/nm{person:07}_rm{photo}_1950-1-2_1990.jpg", person % 3)
    };
    let mut files = people(name);
    let mut lines = vec![
        "filename,age,gender,x_min,y_min,x_max,y_max,head_roll,head_yaw,head_pitch".to_owned(),
    ];
    lines.extend(files.iter().map(|(path, _)| {
        let path = path.strip_prefix("imdb-clean-1024/").unwrap();
        format!("{path},40,M,5,5,30,33,-1.5,3.2,0.1")
    }));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    files.push(text("imdb_train_new_1024.csv", &lines));
    // Boxes of other, larger copies.
    files.push(text("imdb_train_new.csv", &lines));
    let faces = imported(Format::ImdbClean, files);
    assert_together(&faces);
    let row = faces.row("imdb-clean-1024/01/nm0000001_rm0_1950-1-2_1990.jpg#xywh=5,5,25,28");
    assert_eq!(row.subject.as_deref(), Some("nm0000001"));
    assert_eq!(faces.reason("imdb_train_new.csv"), "NOT_AN_IMAGE_NAME");
}

fn columns() -> Columns {
    let text = str::to_owned;
    Columns {
        path: text("photo"),
        age: text("years"),
        gender: text("sex"),
        race: text("group_of_origin"),
        group: text("person"),
        ..Columns::default()
    }
}

fn of_table(name: &str) -> ImportOptions {
    let tables = vec![PathBuf::from(name)];
    ImportOptions { tables, ..options(Format::Table(Box::new(columns()))) }
}

#[test]
fn any_table_is_read_by_its_columns() {
    let world = World::new();
    let mut files = images(&["x/1.jpg", "x/2.jpg", "y/1.jpg", "y/2.png", "z/1.jpg", "z/3.jpg"]);
    files.push(text(
        "labels/all.csv",
        &[
            "years;sex;photo;person;group_of_origin",
            "31.9;female;x/1.jpg;ann;Black",
            "20-24;m;x/2.jpg;bob;",
            "40;;1.jpg;cid;",
            "seventy;m;y/2.png;dan;",
            "30;1;z/3.jpg;eve;",
        ],
    ));
    let source = directory(&world.path("files"), &files);
    let record = attempt(&world, &source, &of_table("labels/all.csv")).unwrap();
    let samples = world.runtime.block_on(Samples::open(&world.storage, "faces")).unwrap();
    let faces = Imported { world, record, samples };
    assert_eq!(faces.usable(), ["x/1.jpg", "x/2.jpg"].into());
    assert_eq!(faces.age("x/1.jpg"), Age::Exact(31));
    assert_eq!(faces.age("x/2.jpg"), Age::Range(20, 24));
    assert_eq!(faces.row("x/1.jpg").label.unwrap().race, Some(Race::Black));
    // Both end like the third line's path.
    assert_eq!(faces.reason("y/1.jpg"), "AMBIGUOUS_LABEL");
    assert_eq!(faces.reason("z/1.jpg"), "AMBIGUOUS_LABEL");
    assert_eq!(faces.reason("y/2.png"), "BAD_AGE");
    assert_eq!(faces.reason("z/3.jpg"), "BAD_GENDER");
}

#[test]
fn tables_that_cannot_be_used_are_refused() {
    let world = World::new();
    let mut files = images(&["1.jpg"]);
    files.push(text("a.csv", &["photo,age", "1.jpg,5"]));
    files.push(text("b.csv", &["photo,years,sex,person,group_of_origin", "1.jpg,5,m"]));
    let source = directory(&world.path("files"), &files);
    let refused = |options: &ImportOptions| match attempt(&world, &source, options).unwrap_err() {
        ImportError::Layout(error) => error,
        error => panic!("{error}"),
    };
    let error = refused(&of_table("a.csv"));
    assert_eq!(
        error.to_string(),
        "the label table a.csv has no column \"years\"; it has photo, age"
    );
    assert!(matches!(refused(&of_table("b.csv")), LayoutError::Csv { .. }));
    assert!(matches!(refused(&of_table("none.csv")), LayoutError::NotFound { .. }));
    assert!(matches!(refused(&options(Format::FairFace)), LayoutError::NoTable { .. }));
    assert!(matches!(
        refused(&options(Format::Table(Box::new(columns())))),
        LayoutError::NoTable { .. }
    ));
    let names = ImportOptions { tables: vec!["a.csv".into()], ..ImportOptions::default() };
    assert!(matches!(refused(&names), LayoutError::NoTables { .. }));
    assert!(world.names().is_empty());
}
