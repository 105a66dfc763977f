//! Counts the faces in photos as drawn images are counted, each cut to its middle square and shrunk:
//! what the README says of the check comes from here.
//!
//!     cargo run --release --example count_faces -- WEIGHTS_FOLDER SIDE PHOTO...

use std::collections::BTreeMap;
use std::path::Path;

use agespan_diffusion_generator::faces::{Detector, FaceCounter};
use agespan_imaging::{Limits, decode, square};

type AnyError = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "its answer")]
fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let usage = "WEIGHTS_FOLDER SIDE PHOTO...";
    let folder = arguments.next().ok_or(usage)?;
    let side: u32 = arguments.next().ok_or(usage)?.parse()?;
    let mut counter = FaceCounter::new(Detector::in_folder(Path::new(&folder)));
    let mut photos: BTreeMap<u32, usize> = BTreeMap::new();
    for name in arguments {
        let photo = decode(&std::fs::read(name)?, &Limits::default())?;
        *photos.entry(counter.count(&square(&photo, side))?).or_default() += 1;
    }
    for (faces, photos) in photos {
        println!("{photos} photos of {side} pixels show {faces} faces");
    }
    Ok(())
}
