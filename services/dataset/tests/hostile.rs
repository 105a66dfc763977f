//! Sources that are broken or mean harm.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod synthetic;

use std::io::Write;
use std::path::Path;

use agespan_dataset::import::{ImportError, ImportOptions};
use agespan_dataset::source::SourceError;
use synthetic::{World, directory, entry, good, gzip, hostile_zip, tar, with, zip};

/// The import is refused for its source, and nothing is visible.
fn refused(world: &World, source: &Path) -> SourceError {
    let error = world.import(source, "a").unwrap_err();
    assert!(world.names().is_empty());
    match error {
        ImportError::Source(error) => error,
        error => panic!("{error}"),
    }
}

/// The entry that the refusal names.
fn named(error: SourceError) -> String {
    match error {
        SourceError::Unsafe { entry, .. } => entry,
        error => panic!("{error}"),
    }
}

const PATHS: [&str; 4] =
    ["../5_0_0_1.jpg", "a/../../5_0_0_1.jpg", "/tmp/5_0_0_1.jpg", "..\\5_0_0_1.jpg"];

#[test]
fn a_zip_with_a_path_outside_is_refused() {
    for path in PATHS {
        let world = World::new();
        let source = hostile_zip(&world.path("a.zip"), path);
        assert_eq!(named(refused(&world, &source)), path);
    }
}

#[test]
fn a_tar_with_a_path_outside_is_refused() {
    for path in PATHS {
        let world = World::new();
        let bytes = tar(&with(path));
        assert_eq!(named(refused(&world, &world.file("a.tar", &bytes))), path);
        assert_eq!(named(refused(&world, &world.file("a.tgz", &gzip(&bytes)))), path);
    }
}

#[test]
fn links_and_devices_are_refused() {
    use tar::EntryType;
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
        let world = World::new();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = entry("5_0_0_1.jpg", 0, kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        let source = world.file("a.tar", &builder.into_inner().unwrap());
        assert_eq!(named(refused(&world, &source)), "5_0_0_1.jpg");
    }

    let world = World::new();
    let mut writer = zip::ZipWriter::new(std::fs::File::create(world.path("a.zip")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    writer.add_symlink("5_0_0_1.jpg", "/etc/passwd", options).unwrap();
    writer.finish().unwrap();
    assert_eq!(named(refused(&world, &world.path("a.zip"))), "5_0_0_1.jpg");

    let source = directory(&world.path("files"), &good(3));
    std::os::unix::fs::symlink("/etc", source.join("UTKFace/etc")).unwrap();
    assert_eq!(named(refused(&world, &source)), "UTKFace/etc");
}

#[test]
fn what_is_no_archive_is_refused() {
    let world = World::new();
    let error = refused(&world, &world.path("nothing"));
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
    for bytes in [&b""[..], b"hello", &[0; 600]] {
        let error = refused(&world, &world.file("a", bytes));
        assert!(matches!(error, SourceError::UnknownContainer { .. }), "{error}");
    }
    let error = refused(&world, &world.file("a.gz", &gzip(b"no tar inside, but long enough")));
    assert!(matches!(error, SourceError::Damaged { .. }), "{error}");
}

#[test]
fn a_cut_archive_is_refused() {
    let world = World::new();
    let tar = tar(&good(20));
    let tgz = gzip(&tar);
    let zip = std::fs::read(zip(&world.path("a.zip"), &good(20))).unwrap();
    for bytes in [&tar[..tar.len() / 2], &tgz[..tgz.len() / 2], &zip[..zip.len() / 2]] {
        let error = refused(&world, &world.file("cut", bytes));
        assert!(matches!(error, SourceError::Damaged { .. }), "{error}");
    }
}

#[test]
fn one_damaged_entry_does_not_spoil_a_zip() {
    let world = World::new();
    let files = good(5);
    let path = world.path("a.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in &files {
        writer.start_file(name.as_str(), stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let image = &files[2].1;
    let at = bytes.windows(image.len()).position(|window| window == image).unwrap();
    bytes[at + image.len() / 2] ^= 0xFF;
    let record = world.import(&world.file("b.zip", &bytes), "a").unwrap();
    assert_eq!(record.quarantined, [("UNREADABLE".to_owned(), 1)].into());
    assert_eq!(record.faces(), 4);
}

#[test]
fn the_number_of_files_is_limited() {
    let world = World::new();
    let options = ImportOptions { max_files: 5, ..Default::default() };
    let files = good(6);
    let sources = [
        directory(&world.path("files"), &files),
        zip(&world.path("a.zip"), &files),
        world.file("a.tar", &tar(&files)),
    ];
    for source in sources {
        let error = world.import_with(&source, "a", &options, &|| false).unwrap_err();
        assert!(
            matches!(error, ImportError::Source(SourceError::TooManyFiles { limit: 5 })),
            "{error}"
        );
    }
}
