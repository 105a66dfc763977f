//! ImportDataset's request, to the job that it asks for.
#![no_main]

use agespan_dataset::transport::import_payload;
use agespan_proto::dataset::v1::ImportDatasetRequest;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(request) = ImportDatasetRequest::decode(data) else { return Corpus::Reject };
    if let Ok(job) = import_payload(request) {
        let bytes = serde_json::to_vec(&job).expect("a job can be stored");
        // Whoever takes the job reads the same; a share of faces is a number.
        let again: agespan_dataset::worker::ImportPayload =
            serde_json::from_slice(&bytes).expect("a stored job can be read");
        assert_eq!(again, job);
    }
    Corpus::Keep
});
