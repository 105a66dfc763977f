//! ModelInfer's request of the Open Inference Protocol, to the photos in it.
#![no_main]

use agespan_age_estimator::transport::infer_images;
use agespan_proto::inference::ModelInferRequest;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(mut request) = ModelInferRequest::decode(data) else { return Corpus::Reject };
    if let Ok(images) = infer_images(&mut request) {
        assert!(!images.is_empty() && images.len() <= 256);
        assert!(images.iter().map(|image| image.len()).sum::<usize>() <= data.len());
    }
    Corpus::Keep
});
