//! What the audit log reads of a request as it passes: whatever a service takes for the name of a
//! data set or a model has to be what is written down.
#![no_main]

use agespan_proto::calibrator::v1::fit_calibration_request::Part;
use agespan_proto::calibrator::v1::{CalibrationSpec, FitCalibrationRequest};
use agespan_proto::dataset::v1::ImportDatasetRequest;
use agespan_service::security::text_at;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = ImportDatasetRequest::decode(data) {
        assert_eq!(text_at(data, &[1], &[]), Some(request.dataset_id));
    }
    if let Ok(FitCalibrationRequest { part: Some(Part::Spec(spec)) }) =
        FitCalibrationRequest::decode(data)
    {
        let CalibrationSpec { model, .. } = spec;
        assert_eq!(text_at(data, &[1, 5], &[1, 2]), Some(model));
    }
});
