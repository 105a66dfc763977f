//! Which files are fit for use, and why the others are not.

use std::collections::{BTreeMap, HashMap};

use agespan_imaging::{self as imaging, ImagingError, Limits, RgbImage};
use agespan_storage::ContentHash;

use crate::label::Label;
use crate::layout::{Annotation, Claim, Crop, FaceBox, Fault, Layout, Reading};
use crate::source::{Content, InputFile};

/// Why a file is kept out of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// A stable name for tables: `MISSING_RACE`, `TRUNCATED`, `DUPLICATE_PIXELS`, …
    pub reason: String,
    /// What a person needs to know to mend it.
    pub detail: String,
}

impl Quarantine {
    pub(crate) fn new(reason: &str, detail: impl ToString) -> Self {
        Self { reason: reason.to_owned(), detail: detail.to_string() }
    }
}

/// What is known about one face, or one file without any, after it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The place of its file in the source's order.
    pub number: usize,
    /// Its file's path inside the source; where it is cut out of a photo, with the box of the face
    /// as a media fragment: `photo.jpg#xywh=10,20,80,90`.
    pub path: String,
    /// What the data set says of it, when that can be read.
    pub annotation: Option<Annotation>,
    /// The line of a label table that says so.
    pub claim: Option<Claim>,
    /// The hash of its file's bytes, when they can be read.
    pub file_hash: Option<ContentHash>,
    /// What is kept of the photo, if not all of it.
    pub crop: Option<Crop>,
    /// What identifies its pixels, when they can be decoded.
    pub pixels: Option<Pixels>,
    /// Why it is kept out, if it is.
    pub quarantine: Option<Quarantine>,
}

/// Two identities of an image: exact, and robust against another round of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// SHA-256 of shape and samples.
    pub hash: ContentHash,
    /// A difference hash; images that differ only by compression mostly share it. `None`
    /// for plain areas and gradients, which share it without being the same picture.
    pub look: Option<u64>,
}

/// Looks at one file on its own: at each of its faces.
pub fn examine(number: usize, file: InputFile, layout: &Layout, limits: &Limits) -> Vec<Examined> {
    let (file_hash, image) = match &file.content {
        Content::Bytes(bytes) => (
            Some(ContentHash::of(bytes)),
            imaging::decode(bytes, limits).map_err(|e| Quarantine::new(e.reason(), e)),
        ),
        Content::TooLarge => (None, Err(too_large(limits))),
        Content::Unreadable(why) => (None, Err(Quarantine::new("UNREADABLE", why))),
    };
    let seen = |reading: Reading| {
        let Reading { annotation, claim } = reading;
        let face = annotation.as_ref().ok().and_then(|annotation| annotation.face);
        let path = face.map_or_else(|| file.path.clone(), |face| format!("{}#{face}", file.path));
        let crop = match (&image, face) {
            (Ok(image), Some(face)) => face.crop(image.width(), image.height()),
            _ => None,
        };
        let pixels = match (&image, face) {
            (Ok(image), None) => Ok(identify(image)),
            (Ok(image), Some(face)) => look_at_face(image, crop, face, limits),
            (Err(quarantine), _) => Err(quarantine.clone()),
        };
        // The label's fault comes first: without a label the best image is of no use.
        let quarantine = match &annotation {
            Err(fault) => Some(Quarantine::new(fault.reason(), fault)),
            Ok(_) => pixels.as_ref().err().cloned(),
        };
        let (annotation, pixels) = (annotation.ok(), pixels.ok());
        Examined { number, path, annotation, claim, file_hash, crop, pixels, quarantine }
    };
    layout.read(&file.path).into_iter().map(seen).collect()
}

/// The pixels that will come back: those of the cut face after it was written as a file.
fn look_at_face(
    image: &RgbImage,
    crop: Option<Crop>,
    face: FaceBox,
    limits: &Limits,
) -> Result<Pixels, Quarantine> {
    let outside = Fault::FaceBox(face.to_string());
    let crop = crop.ok_or_else(|| Quarantine::new(outside.reason(), outside))?;
    let kept = cut(image, crop).and_then(|bytes| imaging::decode(&bytes, limits));
    kept.map(|face| identify(&face)).map_err(|e| Quarantine::new(e.reason(), e))
}

/// A part of an image as a file of its own.
///
/// # Errors
/// When the part is empty.
pub(crate) fn cut(image: &RgbImage, crop: Crop) -> Result<Vec<u8>, ImagingError> {
    const QUALITY: u8 = 95;
    let Crop { left, top, width, height } = crop;
    let part = RgbImage::from_fn(width, height, |x, y| *image.get_pixel(left + x, top + y));
    imaging::encode_jpeg(&part, QUALITY)
}

fn too_large(limits: &Limits) -> Quarantine {
    Quarantine::new("TOO_LARGE", format!("the file is longer than {} bytes", limits.max_bytes))
}

fn identify(image: &RgbImage) -> Pixels {
    Pixels { hash: ContentHash(imaging::pixel_hash(image)), look: look(image) }
}

/// Which of two neighbours is brighter, on a grid of 8 rows and 9 columns.
fn look(image: &RgbImage) -> Option<u64> {
    let small = imaging::square(image, 9);
    let brightness = |x, y| small[(x, y)].0.iter().map(|c| u32::from(*c)).sum::<u32>();
    let bits = (0..8)
        .flat_map(|y| (0..8).map(move |x| (x, y)))
        .fold(0, |bits, (x, y)| (bits << 1) | u64::from(brightness(x, y) < brightness(x + 1, y)));
    (8..=56).contains(&u64::count_ones(bits)).then_some(bits)
}

/// Looks at all files together: of those with identical pixels the one with the lowest path is
/// kept, or none if they contradict each other about age or gender. A wrong label cannot be told
/// from the right one, and one face must not count twice.
pub fn remove_duplicates(files: &mut [Examined]) {
    let mut same: HashMap<ContentHash, Vec<usize>> = HashMap::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.quarantine.is_none()) {
        if let Some(pixels) = file.pixels {
            same.entry(pixels.hash).or_default().push(index);
        }
    }
    for mut indices in same.into_values().filter(|indices| indices.len() > 1) {
        indices.sort_unstable_by(|a, b| files[*a].path.cmp(&files[*b].path).then(a.cmp(b)));
        resolve(files, &indices);
    }
}

fn resolve(files: &mut [Examined], indices: &[usize]) {
    let labels: Vec<Label> =
        indices.iter().filter_map(|i| files[*i].annotation.as_ref().map(|a| a.label)).collect();
    let first = files[indices[0]].path.clone();
    if let Some(ages) = contradiction(&labels, |label| Some(label.age.to_string())) {
        let detail = format!("the same pixels are labelled with ages {ages}");
        quarantine(files, indices, "CONTRADICTING_AGES", &detail);
    } else if let Some(genders) = contradiction(&labels, |l| Some(l.gender?.to_string())) {
        let detail = format!("the same pixels are labelled {genders}");
        quarantine(files, indices, "CONTRADICTING_GENDERS", &detail);
    } else {
        let detail = format!("the same pixels as {first}");
        quarantine(files, &indices[1..], "DUPLICATE_PIXELS", &detail);
    }
}

/// The different values, if there is more than one.
fn contradiction(labels: &[Label], value: impl Fn(&Label) -> Option<String>) -> Option<String> {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    let mut values: Vec<String> = labels.iter().filter_map(value).collect();
    values.dedup();
    (values.len() > 1).then(|| values.join(" and "))
}

/// Looks at all files that claim one line of a label table: it speaks of one. That is the one with
/// the lowest rank; where several have it, any could be meant, and none is kept.
pub fn settle(files: &mut [Examined]) {
    let mut claims: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.quarantine.is_none()) {
        if let Some(claim) = file.claim {
            claims.entry(claim.line).or_default().push(index);
        }
    }
    for mut indices in claims.into_values().filter(|indices| indices.len() > 1) {
        let rank = |index: &usize| files[*index].claim.map(|claim| claim.rank);
        indices.sort_by_key(rank);
        let first = files[indices[0]].path.clone();
        if rank(&indices[0]) == rank(&indices[1]) {
            let detail = format!("{first} and others end like the path of one line of a table");
            quarantine(files, &indices, "AMBIGUOUS_LABEL", &detail);
        } else {
            quarantine(files, &indices[1..], "SUPERSEDED", &format!("{first} is used instead"));
        }
    }
}

fn quarantine(files: &mut [Examined], indices: &[usize], reason: &str, detail: &str) {
    for index in indices {
        files[*index].quarantine = Some(Quarantine::new(reason, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn noise(seed: u32, side: u32) -> RgbImage {
        let mut state = seed;
        let blocks: Vec<u8> = (0..100)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        RgbImage::from_fn(side, side, |x, y| {
            image::Rgb([blocks[(x * 10 / side + y * 10 / side * 10) as usize]; 3])
        })
    }

    fn file(path: &str, image: &RgbImage) -> Examined {
        let png = imaging::encode_png(image).unwrap();
        let file = InputFile { path: path.into(), content: Content::Bytes(png) };
        examine(0, file, &Layout::default(), &Limits::default()).remove(0)
    }

    fn reasons(files: &mut [Examined]) -> Vec<&str> {
        remove_duplicates(files);
        let reason = |q: &Quarantine| match q.reason.as_str() {
            "DUPLICATE_PIXELS" => "duplicate",
            "CONTRADICTING_AGES" => "ages",
            "CONTRADICTING_GENDERS" => "genders",
            _ => "other",
        };
        files.iter().map(|file| file.quarantine.as_ref().map_or("good", reason)).collect()
    }

    #[test]
    fn one_of_equal_images_is_kept() {
        let (a, b) = (noise(1, 64), noise(2, 64));
        let mut files = [file("5_0_1_3.png", &a), file("5_0_0_2.png", &a), file("5_0_0_1.png", &b)];
        assert_eq!(reasons(&mut files), ["duplicate", "good", "good"]);
        let detail = &files[0].quarantine.as_ref().unwrap().detail;
        assert_eq!(detail, "the same pixels as 5_0_0_2.png");
    }

    #[test]
    fn contradictions_keep_none() {
        let (a, b) = (noise(1, 64), noise(2, 64));
        let mut files = [
            file("5_0_0_1.png", &a),
            file("6_0_0_2.png", &a),
            file("6_0_0_3.png", &a),
            file("7_0_0_4.png", &b),
            file("7_1_0_5.png", &b),
        ];
        assert_eq!(reasons(&mut files), ["ages", "ages", "ages", "genders", "genders"]);
        let detail = &files[0].quarantine.as_ref().unwrap().detail;
        assert_eq!(detail, "the same pixels are labelled with ages 5 and 6");
    }

    #[test]
    fn a_faulty_name_does_not_contradict() {
        let a = noise(1, 64);
        let mut files = [file("5_0_0_1.png", &a), file("6_0_2.png", &a)];
        assert_eq!(reasons(&mut files), ["good", "other"]);
        assert!(files[1].pixels.is_some());
    }

    #[test]
    fn compression_mostly_keeps_the_look() {
        let kept = (0..50).filter(|seed| {
            let image = noise(*seed, 100);
            let mut jpeg = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80)
                .encode_image(&image)
                .unwrap();
            let again = identify(&imaging::decode(&jpeg, &Limits::default()).unwrap());
            assert_ne!(again.hash, identify(&image).hash);
            look(&image).is_some() && again.look == look(&image)
        });
        let kept = kept.count();
        assert!(kept >= 35, "{kept} of 50");
        assert_ne!(look(&noise(1, 100)), look(&noise(2, 100)));
    }

    #[test]
    fn plain_images_have_no_look() {
        assert_eq!(look(&RgbImage::from_pixel(40, 40, image::Rgb([90; 3]))), None);
        assert_eq!(look(&RgbImage::from_fn(40, 40, |x, _| image::Rgb([x as u8 * 6; 3]))), None);
    }
}
