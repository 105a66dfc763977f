//! Archives that are damaged, lead outside, or would become large.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use agespan_imaging::source::{Content, InputFile, Source, SourceError, SourceLimits};
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::memory::height;
use super::tally::Tally;

const LIMITS: SourceLimits = SourceLimits { max_file_bytes: 1 << 20, max_files: 1000 };

fn read(path: &Path) -> Result<Vec<InputFile>, SourceError> {
    let mut files = Vec::new();
    Source::open(path, LIMITS)?.visit(|file| {
        files.push(file);
        Ok::<(), SourceError>(())
    })?;
    Ok(files)
}

fn answer(read: Result<Vec<InputFile>, SourceError>) -> String {
    let error = match read {
        Ok(_) => return "read".to_owned(),
        Err(error) => error,
    };
    assert!(error.to_string().contains(": "), "says nothing to do: {error}");
    match error {
        SourceError::Unreadable { .. } => "unreadable",
        SourceError::UnknownContainer { .. } => "no archive",
        SourceError::Damaged { .. } => "damaged",
        SourceError::Unsafe { .. } => "unsafe",
        SourceError::TooManyFiles { .. } => "too many files",
    }
    .to_owned()
}

fn zip(names: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn entry(kind: tar::EntryType, name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    // Not `set_path`, which would refuse what is to be tested.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let padding = bytes.len().next_multiple_of(512) - bytes.len();
    [header.as_bytes().as_slice(), bytes, &vec![0; padding]].concat()
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let names = ["20_0_0_1.jpg", "folder/30_1_0_2.jpg"];
    let file = |name| entry(tar::EntryType::Regular, name, &[7; 300]);
    let tar = tar(&names.map(file));
    vec![("zip", zip(&names, &[7; 300])), ("tar.gz", gzip(&tar)), ("tar", tar)]
}

fn kept(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("archive");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn cut_off_or_with_bits_turned_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut tally = Tally::default();
    for (name, bytes) in sound() {
        assert_eq!(read(&kept(&dir, &bytes)).unwrap().len(), 2, "{name}");
        for length in (0..bytes.len()).step_by(bytes.len().div_ceil(400)) {
            let path = kept(&dir, &bytes[..length]);
            tally.run(&format!("{name}, {length} bytes"), || answer(read(&path)));
        }
        for number in 0..1200 {
            let mut broken = bytes.clone();
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..broken.len());
                broken[at] ^= 1 << random.random_range(0..8);
            }
            let path = kept(&dir, &broken);
            tally.run(&format!("{name}, number {number}"), || answer(read(&path)));
        }
    }
    tally.print("archives");
    assert!(tally.count() > 4000, "{}", tally.count());
}

#[test]
fn that_lead_outside() {
    use tar::EntryType::{Char, Fifo, Link, Regular, Symlink};
    let dir = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    let names = ["../a.jpg", "a/../../b.jpg", "/etc/passwd", "..\\a.jpg", "C:\\a.jpg", "a/.."];
    for name in names {
        for bytes in [zip(&[name], b"x"), tar(&[entry(Regular, name, b"x")])] {
            let path = kept(&dir, &bytes);
            tally.run(name, || answer(read(&path)));
        }
    }
    for kind in [Symlink, Link, Char, Fifo] {
        let path = kept(&dir, &tar(&[entry(kind, "a.jpg", b"")]));
        tally.run("a link or worse", || answer(read(&path)));
    }
    tally.print("leading outside");
    assert_eq!(tally.of("unsafe"), tally.count());
}

#[test]
fn that_would_become_large() {
    let dir = tempfile::tempdir().unwrap();
    let zeros = vec![0; 300 << 20];
    let many: Vec<String> = (0..1001).map(|number| format!("{number}.jpg")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    // What tar keeps of a file besides its bytes: read into memory before there is any file.
    let note = |kind, name| {
        gzip(&tar(&[entry(kind, name, &zeros), entry(tar::EntryType::Regular, "a.jpg", b"x")]))
    };
    let bombs = [
        ("zip with a file of 300 MB", zip(&["a.jpg"], &zeros), "read"),
        ("tar with a file of 300 MB", note(tar::EntryType::Regular, "a.jpg"), "read"),
        (
            "tar with a name of 300 MB",
            note(tar::EntryType::GNULongName, "././@LongLink"),
            "damaged",
        ),
        ("tar with a header of 300 MB", note(tar::EntryType::XHeader, "PaxHeader"), "damaged"),
        ("zip of 1,001 files", zip(&many, b"x"), "too many files"),
    ];
    drop(zeros);
    for (name, bytes, wanted) in bombs {
        let path = kept(&dir, &bytes);
        let (height, files) = height(|| read(&path));
        if let Ok(files) = &files {
            assert_eq!(files[0].content, Content::TooLarge, "{name}");
        }
        let answer = answer(files);
        println!("{name}: {answer}, {} MB", height >> 20);
        assert_eq!(answer, wanted, "{name}");
        assert!(height < 32 << 20, "{name}: {} MB", height >> 20);
    }
}
