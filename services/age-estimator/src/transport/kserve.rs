//! `inference.GRPCInferenceService`: the Open Inference Protocol, for clients of KServe and Triton.

use std::collections::HashMap;

use agespan_proto::inference as proto;
use agespan_proto::inference::grpc_inference_service_server::GrpcInferenceService;
use agespan_proto::inference::infer_parameter::ParameterChoice;
use agespan_service::{Allowance, Caller, status, transport};
use bytes::{Buf, Bytes};
use tonic::{Request, Response, Status};

use super::{MAX_IMAGES, Transport, convert, names, session};
use crate::faces::Wanted;
use crate::queue::Admission;
use crate::{FaceEstimate, Options, Session};

/// Whichever model is active.
const ACTIVE: &str = "age";
const INPUT: &str = "image";

/// An output and how it is read from an estimate.
type Output = (&'static str, fn(&FaceEstimate) -> Option<f64>);

const OUTPUTS: [Output; 4] = [
    ("age", |face| Some(face.prediction.mean())),
    ("lower", |face| Some(face.interval.as_ref()?.lower)),
    ("upper", |face| Some(face.interval.as_ref()?.upper)),
    ("probability_female", |face| Some(face.probability_female)),
];

impl Transport {
    /// The model that a name stands for.
    async fn named(&self, name: &str, version: &str) -> Result<Session, Status> {
        if !version.is_empty() {
            let message = format!("{name} has no versions; leave it empty");
            return Err(status::invalid("version", "VERSION", message));
        }
        match name {
            ACTIVE => session(&self.estimator, "").await,
            id => session(&self.estimator, &format!("models/{id}")).await,
        }
    }

    async fn is_ready(&self, name: &str, version: &str) -> bool {
        let session = self.named(name, version).await;
        session.is_ok_and(|session| session.calibration.is_some())
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Transport {
    async fn server_live(
        &self,
        _: Request<proto::ServerLiveRequest>,
    ) -> Result<Response<proto::ServerLiveResponse>, Status> {
        Ok(Response::new(proto::ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<proto::ServerReadyRequest>,
    ) -> Result<Response<proto::ServerReadyResponse>, Status> {
        let ready = self.is_ready(ACTIVE, "").await;
        Ok(Response::new(proto::ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<proto::ModelReadyRequest>,
    ) -> Result<Response<proto::ModelReadyResponse>, Status> {
        let proto::ModelReadyRequest { name, version } = request.into_inner();
        let ready = self.is_ready(&name, &version).await;
        Ok(Response::new(proto::ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<proto::ServerMetadataRequest>,
    ) -> Result<Response<proto::ServerMetadataResponse>, Status> {
        Ok(Response::new(proto::ServerMetadataResponse {
            name: "agespan".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: Vec::new(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<proto::ModelMetadataRequest>,
    ) -> Result<Response<proto::ModelMetadataResponse>, Status> {
        let proto::ModelMetadataRequest { name, version } = request.into_inner();
        self.named(&name, &version).await?;
        let tensor = |name: &str, datatype: &str| proto::model_metadata_response::TensorMetadata {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: vec![-1],
        };
        Ok(Response::new(proto::ModelMetadataResponse {
            name,
            versions: Vec::new(),
            platform: "agespan".to_owned(),
            inputs: vec![tensor(INPUT, "BYTES")],
            outputs: OUTPUTS.iter().map(|(name, _)| tensor(name, "FP64")).collect(),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<proto::ModelInferRequest>,
    ) -> Result<Response<proto::ModelInferResponse>, Status> {
        let (_, extensions, mut request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let coverage = transport::coverage(coverage(&request.parameters)?)?;
        let outputs = outputs(&request)?;
        let raw = !request.raw_input_contents.is_empty();
        let images = images(&mut request)?;
        Allowance::of(&extensions).charge_batch(images.len());
        let session = self.named(&request.model_name, &request.model_version).await?;
        let (model, calibration) = names(&session);
        if calibration.is_empty() {
            let message = format!("{model} has no active calibration; calibrate it first");
            return Err(status::precondition("NOT_CALIBRATED", &model, message));
        }
        let (wanted, admission) = (Wanted::default(), Admission::Wait);
        let options = Options { coverage, wanted, caller, admission };
        let photos = self.estimator.estimate_all(&session, &images, &options).await;
        let mut faces = Vec::with_capacity(photos.len());
        for photo in photos {
            faces.extend(photo.map_err(convert::estimate_error)?.faces.into_iter().next());
        }
        let mut answer = proto::ModelInferResponse {
            model_name: session.model.record.id.clone(),
            id: request.id,
            parameters: HashMap::from([("calibration".to_owned(), text(calibration))]),
            ..Default::default()
        };
        for (name, of) in outputs {
            let numbers: Vec<f64> = faces.iter().filter_map(of).collect();
            add(&mut answer, name, numbers, raw);
        }
        Ok(Response::new(answer))
    }
}

/// What is asked for, everything when nothing is.
fn outputs(request: &proto::ModelInferRequest) -> Result<Vec<Output>, Status> {
    if request.outputs.is_empty() {
        return Ok(OUTPUTS.to_vec());
    }
    let find = |asked: &proto::model_infer_request::InferRequestedOutputTensor| {
        OUTPUTS.into_iter().find(|(name, _)| *name == asked.name).ok_or_else(|| {
            let message = format!("there is no output {:?}; see ModelMetadata", asked.name);
            status::invalid("outputs", "OUTPUT", message)
        })
    };
    request.outputs.iter().map(find).collect()
}

/// The files of the one input.
///
/// # Errors
/// INVALID_ARGUMENT for other inputs, or a shape that is not theirs.
pub fn images(request: &mut proto::ModelInferRequest) -> Result<Vec<Bytes>, Status> {
    let refuse = |message: String| Err(status::invalid("inputs", "INPUT", message));
    let [input] = request.inputs.as_mut_slice() else {
        return refuse(format!("send one input, \"{INPUT}\", not {}", request.inputs.len()));
    };
    if input.name != INPUT || input.datatype != "BYTES" {
        let (name, datatype) = (&input.name, &input.datatype);
        return refuse(format!("send \"{INPUT}\" of BYTES, not {name:?} of {datatype:?}"));
    }
    let contents = input.contents.take().unwrap_or_default().bytes_contents;
    let images = match request.raw_input_contents.as_mut_slice() {
        [] => contents,
        [raw] if contents.is_empty() => parted(std::mem::take(raw))?,
        _ => return refuse("send the images once, as contents or raw contents".to_owned()),
    };
    let shape = input.shape.iter().try_fold(1i64, |count, &side| count.checked_mul(side));
    if !(1..=MAX_IMAGES).contains(&images.len()) || shape != Some(images.len() as i64) {
        let (found, shape) = (images.len(), &input.shape);
        return refuse(format!(
            "{found} images in the shape {shape:?}; send 1 to {MAX_IMAGES} as [n]"
        ));
    }
    Ok(images)
}

/// Files that lie one after the other, each after its length.
fn parted(mut raw: Bytes) -> Result<Vec<Bytes>, Status> {
    let mut parts = Vec::new();
    while raw.has_remaining() {
        let length = raw.try_get_u32_le().map_or(usize::MAX, |length| length as usize);
        if length > raw.remaining() {
            let message = "an image is longer than what was sent of it";
            return Err(status::invalid("raw_input_contents", "LENGTH", message));
        }
        parts.push(raw.split_to(length));
    }
    Ok(parts)
}

fn coverage(parameters: &HashMap<String, proto::InferParameter>) -> Result<Option<f64>, Status> {
    let Some(asked) = parameters.get("coverage") else { return Ok(None) };
    let number = match &asked.parameter_choice {
        Some(ParameterChoice::DoubleParam(number)) => Some(*number),
        Some(ParameterChoice::StringParam(text)) => text.parse().ok(),
        _ => None,
    };
    let no_number = || status::invalid("coverage", "COVERAGE", "send a double, or one as a string");
    number.ok_or_else(no_number).map(Some)
}

fn text(text: String) -> proto::InferParameter {
    proto::InferParameter { parameter_choice: Some(ParameterChoice::StringParam(text)) }
}

/// Adds an output to the answer, as the inputs came.
fn add(answer: &mut proto::ModelInferResponse, name: &str, numbers: Vec<f64>, raw: bool) {
    let mut output = proto::model_infer_response::InferOutputTensor {
        name: name.to_owned(),
        datatype: "FP64".to_owned(),
        shape: vec![numbers.len() as i64],
        ..Default::default()
    };
    if raw {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        answer.raw_output_contents.push(bytes.into());
    } else {
        let contents = proto::InferTensorContents { fp64_contents: numbers, ..Default::default() };
        output.contents = Some(contents);
    }
    answer.outputs.push(output);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_one_after_the_other() {
        let raw = [3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        let parts = parted(Bytes::copy_from_slice(&raw)).unwrap();
        assert_eq!(parts, [&[1, 2, 3][..], &[], &[9]]);
        for end in [1, 3, 5, 15] {
            assert!(parted(Bytes::copy_from_slice(&raw[..end])).is_err(), "{end}");
        }
        assert!(parted(Bytes::from_static(&[255; 4])).is_err());
    }

    #[test]
    fn a_shape_that_nothing_has_is_refused() {
        let asked = |shape: &[i64]| {
            let input = proto::model_infer_request::InferInputTensor {
                name: INPUT.to_owned(),
                datatype: "BYTES".to_owned(),
                shape: shape.to_vec(),
                contents: Some(proto::InferTensorContents {
                    bytes_contents: vec![Bytes::from_static(b"a photo")],
                    ..Default::default()
                }),
                ..Default::default()
            };
            images(&mut proto::ModelInferRequest { inputs: vec![input], ..Default::default() })
        };
        assert_eq!(asked(&[1, 1]).unwrap().len(), 1);
        for shape in [&[i64::MAX, 2][..], &[i64::MIN, -1], &[-1], &[0]] {
            assert!(asked(shape).is_err(), "{shape:?}");
        }
    }
}
