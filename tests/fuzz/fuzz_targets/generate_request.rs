//! GenerateFaces' request, to what it asks for.
#![no_main]

use agespan_diffusion_generator::transport::asked;
use agespan_proto::generator::v1::GenerateFacesRequest;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(request) = GenerateFacesRequest::decode(data) else { return Corpus::Reject };
    for has_detector in [false, true] {
        let _ = asked(&request, has_detector);
    }
    Corpus::Keep
});
