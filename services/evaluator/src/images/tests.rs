//! Comparisons of small made-up folders.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use agespan_imaging::{RgbImage, encode_png};
use agespan_models::weights;
use tempfile::TempDir;

use super::*;

/// Waves of a kind; the same number gives the same image.
fn image(number: u32, width: u32, height: u32) -> RgbImage {
    let wave = |x: u32, y: u32, step: u32| (x * step + y * (number % 7 + 1) + number * 31) % 256;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = places.flat_map(|(x, y)| [3, 5, 7].map(|step| wave(x, y, step) as u8)).collect();
    RgbImage::from_raw(width, height, samples).unwrap()
}

fn write(folder: &Path, name: &str, image: &RgbImage) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), encode_png(image).unwrap()).unwrap();
}

/// Images `numbers` of a side of 40 pixels and a few more.
pub(crate) fn folder(root: &TempDir, name: &str, numbers: std::ops::Range<u32>) -> Set {
    let folder = root.path().join(name);
    for number in numbers.clone() {
        let file = format!("{:03}.png", number - numbers.start);
        write(&folder, &file, &image(number, 40 + number % 5, 40));
    }
    Set::at(&folder).unwrap()
}

fn again(set: &Set) -> Set {
    Set::at(Path::new(&set.name)).unwrap()
}

fn run(reference: &Set, candidate: &Set, metrics: &[Metric]) -> Result<Compared, CompareError> {
    let extractor = Extractor::find(AGE_BACKBONE, Path::new("")).unwrap();
    let go_on = &mut |_, _| ControlFlow::Continue(());
    compare(reference, candidate, metrics, Some(&extractor), nothing(), go_on)
}

fn nothing() -> Before<'static> {
    Before { reference: None, parts: &Unkept }
}

const FEATURES: [Metric; 3] = [Metric::Fid, Metric::Kid, Metric::Prc];
const PAIRS: [Metric; 3] = [Metric::Mse, Metric::Psnr, Metric::Ssim];

#[test]
fn a_set_is_like_itself_and_less_like_another_and_always_as_much() {
    let root = TempDir::new().unwrap();
    let (one, other) = (folder(&root, "one", 0..40), folder(&root, "other", 100..140));
    let same = run(&one, &one, &FEATURES).unwrap().report;
    let fid = same.fid.as_ref().unwrap();
    assert!(fid.value.abs() < 1e-3, "{fid:?}");
    assert!(fid.extractor.starts_with("age-backbone@"), "{fid:?}");
    assert_eq!((fid.features, fid.reference_count, fid.candidate_count), (1024, 40, 40));
    let prc = same.prc.as_ref().unwrap();
    assert_eq!((prc.precision, prc.recall), (1.0, 1.0));
    assert!(same.warnings[0].contains("40 images"), "{:?}", same.warnings);
    let apart = run(&one, &other, &FEATURES).unwrap();
    assert!(apart.report.fid.as_ref().unwrap().value > 0.05, "{:?}", apart.report.fid);
    assert!(apart.report.fid.as_ref().unwrap().floor.unwrap().count == 20);

    let text = |report: &ImagesReport| serde_json::to_string(report).unwrap();
    let repeated = run(&again(&one), &again(&other), &FEATURES).unwrap();
    assert_eq!(text(&repeated.report), text(&apart.report));
    // What was seen before stands for the reference.
    let extractor = Extractor::find(AGE_BACKBONE, Path::new("")).unwrap();
    let mut files = 0;
    let mut count = |done, _| {
        files = done;
        ControlFlow::Continue(())
    };
    let before = Before { reference: apart.seen, parts: &Unkept };
    let kept = compare(&one, &other, &FEATURES, Some(&extractor), before, &mut count).unwrap();
    assert_eq!(text(&kept.report), text(&apart.report));
    assert_eq!(files, 40);
    let page = page(&apart.report);
    assert!(page.contains("<svg") && page.contains("FID∞"), "{page}");
}

#[test]
fn a_distance_of_few_images_does_not_come_alone() {
    let root = TempDir::new().unwrap();
    let (one, other) = (folder(&root, "one", 0..3), folder(&root, "other", 9..12));
    let report = run(&one, &other, &[Metric::Fid]).unwrap().report;
    // Three images span two of 1024 dimensions: the covariances are singular.
    assert!(report.fid.as_ref().unwrap().value > 0.0);
    assert!(report.kid.is_some() && report.prc.is_none());
    assert!(report.fid.unwrap().infinity.is_none());
}

#[test]
fn sets_that_are_too_small_say_so() {
    let root = TempDir::new().unwrap();
    let (one, two) = (folder(&root, "one", 0..1), folder(&root, "two", 0..2));
    let few = run(&one, &two, &FEATURES).unwrap_err();
    assert!(matches!(few, CompareError::TooFew { found: 1, .. }), "{few}");
    let few = run(&two, &two, &FEATURES).unwrap_err();
    assert!(matches!(few, CompareError::Metric { metric: "precision and recall", .. }), "{few}");
    fs::create_dir(root.path().join("none")).unwrap();
    let none = Set::at(&root.path().join("none")).unwrap();
    assert!(matches!(run(&none, &none, &PAIRS).unwrap_err(), CompareError::TooFew { .. }));
}

#[test]
fn pairs_are_compared_and_black_ones_too() {
    let root = TempDir::new().unwrap();
    let (left, right) = (root.path().join("left"), root.path().join("right"));
    let black = RgbImage::new(20, 20);
    for (name, pixels) in [("a.png", &black), ("b.png", &image(4, 20, 20))] {
        write(&left, name, pixels);
    }
    for (name, pixels) in [("a.webp.png", &black), ("b.png", &black)] {
        write(&right, name, pixels);
    }
    fs::rename(right.join("a.webp.png"), right.join("a.PNG")).unwrap();
    let sets = [left, right].map(|folder| Set::at(&folder).unwrap());
    let report = run(&sets[0], &sets[1], &PAIRS).unwrap().report;
    let ssim = report.ssim.unwrap();
    assert_eq!((ssim.count, ssim.identical), (2, 1));
    assert!((ssim.quantiles[20] - 1.0).abs() < 1e-12, "{ssim:?}");
    let psnr = report.psnr.unwrap();
    assert_eq!((psnr.count, psnr.identical, psnr.quantiles.len()), (1, 1, 21));
    assert!(report.fid.is_none());
    let equal = run(&sets[1], &again(&sets[1]), &PAIRS).unwrap().report;
    assert_eq!(equal.psnr.unwrap().mean, None);
    assert_eq!(equal.mse.unwrap().mean, Some(0.0));
}

#[test]
fn what_is_no_pair_is_named() {
    let root = TempDir::new().unwrap();
    let (two, three) = (folder(&root, "two", 0..2), folder(&root, "three", 0..3));
    let counts = run(&two, &three, &PAIRS).unwrap_err();
    let found =
        matches!(counts, CompareError::Counts { reference_count: 2, candidate_count: 3, .. });
    assert!(found, "{counts}");
    // The second images are 41 and 42 pixels wide.
    let shifted = folder(&root, "shifted", 5..7);
    write(&root.path().join("shifted"), "001.png", &image(1, 42, 40));
    let sizes = run(&two, &shifted, &PAIRS).unwrap_err();
    assert!(matches!(&sizes, CompareError::Pair { left, .. } if left == "001.png"), "{sizes}");
    assert!(run(&two, &shifted, &[Metric::Fid]).is_ok(), "features go by any size");
    write(&root.path().join("odd"), "000.png", &image(0, 40, 40));
    write(&root.path().join("odd"), "other.png", &image(1, 41, 40));
    let odd = Set::at(&root.path().join("odd")).unwrap();
    let names = run(&two, &odd, &PAIRS).unwrap_err();
    assert!(matches!(names, CompareError::Names { index: 2, .. }), "{names}");
}

#[test]
fn what_cannot_be_read_is_left_out_and_listed() {
    let root = TempDir::new().unwrap();
    let (one, two) = (folder(&root, "one", 0..6), folder(&root, "two", 0..6));
    fs::write(root.path().join("one/003.png"), b"\x89PNG nothing more").unwrap();
    fs::write(root.path().join("one/readme.txt"), b"no image").unwrap();
    let report = run(&one, &two, &FEATURES).unwrap().report;
    assert_eq!((report.reference.count, report.candidate.count), (5, 6));
    assert_eq!(report.reference.excluded.count, 1);
    assert_eq!(report.reference.excluded.listed[0].path, "003.png");
    let report = run(&one, &two, &PAIRS).unwrap().report;
    assert_eq!(report.mse.unwrap().mean, Some(0.0));
    assert_eq!(report.reference.count, 5);
    assert_eq!(report.candidate.excluded.listed[0].reason, "PARTNER");
}

#[test]
fn features_that_are_no_numbers_are_refused_with_the_image() {
    let root = TempDir::new().unwrap();
    let set = folder(&root, "set", 0..3);
    let mut tensors = weights::read(agespan_models::shipped::WEIGHTS).unwrap();
    for (name, tensor) in &mut tensors {
        if name == "features.13.pointwise.bias" {
            *tensor = tensor.shallow_clone() * f64::NAN;
        }
    }
    let bytes = weights::write(&tensors.into_iter().collect::<Vec<_>>()).unwrap();
    let mut extractor = Extractor::find(AGE_BACKBONE, Path::new("")).unwrap();
    extractor.weights = extractor::Weights::File(bytes);
    let ask = |extractor: &Extractor, watch: &mut dyn FnMut(u64, u64) -> ControlFlow<()>| {
        compare(&set, &set, &FEATURES, Some(extractor), nothing(), watch).unwrap_err()
    };
    let error = ask(&extractor, &mut |_, _| ControlFlow::Continue(()));
    assert!(
        matches!(&error, CompareError::NotFinite { image, .. } if image == "000.png"),
        "{error}"
    );
    extractor.weights = extractor::Weights::File(b"no weights".to_vec());
    let error = ask(&extractor, &mut |_, _| ControlFlow::Continue(()));
    assert_eq!(error.reason(), "EXTRACTOR");
    let good = Extractor::find(AGE_BACKBONE, Path::new("")).unwrap();
    assert!(matches!(ask(&good, &mut |_, _| ControlFlow::Break(())), CompareError::Stopped));
}

#[test]
fn a_torchscript_program_is_run_and_a_broken_one_named() {
    let root = TempDir::new().unwrap();
    let set = folder(&root, "set", 0..4);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let program = golden.join("inception_torchscript.pt").canonicalize().unwrap();
    let compared = |path: &Path| {
        let extractor = Extractor::find(path.to_str().unwrap(), Path::new("")).unwrap();
        let go_on = &mut |_, _| ControlFlow::Continue(());
        compare(&set, &set, &[Metric::Kid], Some(&extractor), nothing(), go_on)
    };
    let kid = compared(&program).unwrap().report.kid.unwrap();
    assert!(kid.extractor.starts_with("torchscript@"), "{kid:?}");

    let bytes = fs::read(&program).unwrap();
    let half = root.path().join("half.pt");
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let error = compared(&half).unwrap_err();
    assert_eq!(error.reason(), "EXTRACTOR");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("TorchScript"), "{source}");
}

#[test]
fn extractors_are_found_or_told_why_not() {
    let none = Path::new("/no/folder");
    let unknown = Extractor::find("inception", none).unwrap_err();
    assert!(matches!(unknown, ExtractorError::Unknown(_)));
    let missing = Extractor::find(IMAGENET_MOBILENET_V2, none).unwrap_err();
    assert!(missing.to_string().contains("imagenet-mobilenet-v2.safetensors"), "{missing}");
}
