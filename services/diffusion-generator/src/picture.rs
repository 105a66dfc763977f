//! A drawn image as a PNG file that says how it was made and that it is synthetic.
//!
//! The same image and the same parameters give the same bytes: nothing in the file tells of the
//! time, the job, the worker or the machine.

use png::{BitDepth, ColorType, Encoder, EncodingError};

use crate::draws::Kept;
use crate::engine::Safety;
use crate::images::Facts;
use crate::job::GenerateJob;
use crate::pipelines::Record;

/// IPTC's word for what a trained model has made, in the packet that programs of photographers read.
const XMP: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
    <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
    <rdf:Description rdf:about=\"\" \
    xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">\
    <Iptc4xmpExt:DigitalSourceType>\
    http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia\
    </Iptc4xmpExt:DigitalSourceType>\
    </rdf:Description></rdf:RDF></x:xmpmeta>";

/// Writes an image with the parameters that it was drawn with.
///
/// # Errors
/// When it has no pixels, or a text has a sign that PNG cannot hold.
pub(crate) fn encode(
    kept: &Kept,
    facts: &Facts,
    (job, prompt): (&GenerateJob, String),
    pipeline: &Record,
) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let drawn = &kept.drawn;
    let mut encoder = Encoder::new(&mut bytes, drawn.width, drawn.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.add_itxt_chunk("Prompt".to_owned(), prompt)?;
    for (keyword, text) in texts(facts, job, pipeline) {
        encoder.add_itxt_chunk(keyword.to_owned(), text)?;
    }
    if !facts.warnings.is_empty() {
        encoder.add_itxt_chunk("Warning".to_owned(), facts.warnings.join("; "))?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&drawn.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn texts(facts: &Facts, job: &GenerateJob, pipeline: &Record) -> Vec<(&'static str, String)> {
    let mut texts = vec![
        ("Synthetic", "true".to_owned()),
        ("Software", format!("agespan {}", env!("CARGO_PKG_VERSION"))),
        ("Negative prompt", job.negative_prompt.clone()),
        ("Seed", facts.seed.to_string()),
        ("Steps", job.steps.to_string()),
        ("Scheduler", job.scheduler.clone()),
        ("Guidance scale", job.guidance_scale.to_string()),
        ("Pipeline", format!("pipelines/{}", pipeline.id)),
        ("Pipeline SHA-256", pipeline.hash.to_string()),
    ];
    if job.eta > 0.0 {
        texts.push(("Eta", job.eta.to_string()));
    }
    if let Some(faces) = facts.faces {
        texts.push(("Faces", faces.to_string()));
        texts.push(("Draw", format!("{} of {} made", facts.draw, facts.draws)));
    }
    if let Some(safety) = facts.safety {
        let said = match safety {
            Safety::Passed => "passed",
            Safety::Flagged => "flagged, and black instead",
        };
        texts.push(("Safety checker", said.to_owned()));
    }
    if let Some(noise) = &job.noise {
        texts.push(("Noise SHA-256", noise.hash.to_string()));
    }
    texts.push(("XML:com.adobe.xmp", XMP.to_owned()));
    texts
}
