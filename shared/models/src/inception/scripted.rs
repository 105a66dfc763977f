//! Inception as a TorchScript program, code and weights in one file, as NVIDIA made it of TensorFlow's
//! and clean-fid reads it (`inception-2015-12-05.pt`).

use std::io::Cursor;

use tch::{CModule, Device, IValue, Kind, TchError, Tensor};

use super::Inception;

/// Why a program cannot look at images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The bytes are no program.
    #[error("not a TorchScript program, or a damaged one; fetch it again")]
    Malformed(#[source] TchError),
    /// It does not take what it is given.
    #[error(
        "the program does not take [n, 3, 299, 299] samples of 0 to 255 and `return_features`, as \
         clean-fid's Inception does"
    )]
    Call(#[source] TchError),
    /// It gives something else.
    #[error("the program answers {0} where rows of features are expected, 2048 of an Inception")]
    Answer(String),
}

/// A program that looks at images. The file is run as it is: load none that you would not run.
#[derive(Debug)]
pub struct Scripted {
    program: CModule,
    features: i64,
}

impl Scripted {
    /// Labels of TensorFlow's Inception: what its program gives when it does not return features.
    const LABELS: i64 = 1008;

    /// Whether a file may be one: they are zip archives, which safetensors files are not.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04")
    }

    /// The program of these bytes, tried on one image.
    ///
    /// # Errors
    /// When it is none, or not one that gives features of images.
    pub fn new(bytes: &[u8]) -> Result<Self, ScriptError> {
        let mut program =
            CModule::load_data(&mut Cursor::new(bytes)).map_err(ScriptError::Malformed)?;
        program.f_set_eval().map_err(ScriptError::Malformed)?;
        let side = i64::from(Inception::SIDE);
        let image = Tensor::zeros([1, 3, side, side], (Kind::Float, Device::Cpu));
        let answer = call(&program, &image).map_err(ScriptError::Call)?;
        let IValue::Tensor(answer) = answer else {
            return Err(ScriptError::Answer("no tensor".to_owned()));
        };
        let features = answer.numel() as i64;
        if answer.size().first() != Some(&1) || features == Self::LABELS {
            return Err(ScriptError::Answer(format!("a tensor of {:?}", answer.size())));
        }
        Ok(Self { program, features })
    }

    /// Length of the feature vector.
    pub fn features(&self) -> i64 {
        self.features
    }

    /// Images `[n, 3, 299, 299]` of samples from 0 to 255 to features `[n, features]`.
    ///
    /// # Errors
    /// When libtorch refuses the images, or the program changes its mind.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        match call(&self.program, images)? {
            IValue::Tensor(answer) => answer.f_reshape([images.size()[0], self.features]),
            other => Err(TchError::Kind(format!("the program answered {other:?}"))),
        }
    }
}

fn call(program: &CModule, images: &Tensor) -> Result<IValue, TchError> {
    // clean-fid calls the layers within, with samples that it has scaled; the program itself scales
    // them alike, and resizes only what has another size.
    let arguments = [IValue::Tensor(images.shallow_clone()), IValue::Bool(true)];
    tch::no_grad(|| program.forward_is(&arguments))
}
