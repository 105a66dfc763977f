//! Small made-up data sets, as directories and as archives.
#![allow(dead_code, unreachable_pub, reason = "each test file takes the part it needs")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use agespan_dataset::import::{ImportError, ImportOptions, Watch, import};
use agespan_dataset::record::DatasetRecord;
use agespan_storage::Storage;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A file's path and bytes.
pub type Files = Vec<(String, Vec<u8>)>;

/// A picture of random blocks, different for each seed.
pub fn picture(seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let blocks: Vec<u8> = (0..64)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    RgbImage::from_fn(40, 40, |x, y| image::Rgb([blocks[(x / 5 + y / 5 * 8) as usize]; 3]))
}

/// The same as a JPEG.
pub fn jpeg(seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture(seed)).unwrap();
    bytes
}

/// A square of noise, which no format makes small.
pub fn noise(seed: u32, side: u32) -> RgbImage {
    let mut state = seed;
    RgbImage::from_fn(side, side, |_, _| {
        image::Rgb([(); 3].map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    })
}

/// `count` good files, sorted by path.
pub fn good(count: u32) -> Files {
    let mut files: Files = (0..count)
        .map(|i| {
            let (age, gender, race) = (i * 7 % 90, i % 2, i % 5);
            (format!("UTKFace/{age}_{gender}_{race}_2017011{i:010}.jpg.chip.jpg"), jpeg(i))
        })
        .collect();
    files.sort();
    files
}

/// Good files and one of every kind that is quarantined, with the number of files and reasons.
pub fn mixed() -> Files {
    let mut files = good(60);
    let mut add = |name: &str, bytes: Vec<u8>| files.push((format!("UTKFace/{name}"), bytes));
    let cut = jpeg(1001);
    let dot = agespan_imaging::encode_png(&RgbImage::new(1, 1)).unwrap();
    add("1_0_0_1.jpg", cut[..cut.len() * 2 / 3].to_vec());
    add("1_0_0_2.jpg", b"dear sir or madam".to_vec());
    add("1_0_0_3.png", dot);
    add("1_0_0_4.jpg", Vec::new());
    add("39_1_20170116174525125.jpg.chip.jpg", jpeg(1002));
    add("53__0_20170116174525126.jpg.chip.jpg", jpeg(1003));
    add("README.txt", b"hello".to_vec());
    add("40_0_0_5.jpg", jpeg(1004));
    add("40_0_1_6.jpg", jpeg(1004));
    add("41_0_0_7.jpg", jpeg(1005));
    add("42_0_0_8.jpg", jpeg(1005));
    add("55_0_0_20170116232725357jpg.chip.jpg", jpeg(1006));
    add("24_0_1_20170116220224657 .jpg.chip.jpg", jpeg(1007));
    files.sort();
    files
}

pub fn directory(at: &Path, files: &Files) -> PathBuf {
    for (path, bytes) in files {
        let file = at.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    at.to_owned()
}

pub fn zip(at: &Path, files: &Files) -> PathBuf {
    let mut writer = zip::ZipWriter::new(File::create(at).unwrap());
    for (path, bytes) in files {
        writer.start_file(path.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    at.to_owned()
}

/// A few good files and one of this name.
pub fn with(name: &str) -> Files {
    let mut files = good(3);
    files.push((name.to_owned(), jpeg(9)));
    files
}

/// A zip with an entry of any name at all. It is written under a harmless name of the same length,
/// which is then replaced: the writer might mend the path.
pub fn hostile_zip(at: &Path, name: &str) -> PathBuf {
    let harmless = "x".repeat(name.len());
    let bytes = fs::read(zip(at, &with(&harmless))).unwrap();
    fs::write(at, replaced(&bytes, harmless.as_bytes(), name.as_bytes())).unwrap();
    at.to_owned()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

pub fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = entry(path, bytes.len() as u64, tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A header with any path at all: the tar crate would refuse the hostile ones.
pub fn entry(path: &str, size: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A storage in a folder of its own, and a place for sources.
pub struct World {
    pub dir: TempDir,
    pub storage: Storage,
    pub runtime: Runtime,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path().join("storage").to_str().unwrap()).unwrap();
        Self { dir, storage, runtime: Runtime::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub fn import(&self, source: &Path, name: &str) -> Result<DatasetRecord, ImportError> {
        self.import_with(source, name, &ImportOptions::default(), &|| false)
    }

    pub fn import_with(
        &self,
        source: &Path,
        name: &str,
        options: &ImportOptions,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<DatasetRecord, ImportError> {
        let watch = Watch { progress: &mut |_, _, _| {}, cancelled };
        import(source, name, options, &self.storage, self.runtime.handle(), watch)
    }

    /// The records that are visible.
    pub fn names(&self) -> Vec<String> {
        self.runtime.block_on(agespan_dataset::record::names(&self.storage)).unwrap()
    }
}
