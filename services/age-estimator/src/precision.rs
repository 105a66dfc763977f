//! What a network computes in, while it learns and when it answers.

use agespan_models::tch::Kind;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a network learns in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Float32,
    /// 16-bit floats with the range of 32-bit ones, for processors that multiply them.
    Bfloat16,
}

impl Precision {
    /// As libtorch has it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
        }
    }
}

/// What a network answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// 32-bit floats.
    Float32,
    /// 16-bit floats, for processors that multiply them.
    Bfloat16,
    /// 8-bit integers, where all convolutions of a model end in ReLU6. Answers differ by a fraction of a year:
    /// calibrate with what answers.
    Int8,
}

impl Arithmetic {
    /// The fastest whose answers are the same but for the last digits: 16 bits where this processor
    /// multiplies them.
    pub fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bf16") {
            return Self::Bfloat16;
        }
        Self::Float32
    }

    /// What a model answers in that does not do it: not every one does 8 bits.
    pub(crate) fn instead(self) -> Option<Self> {
        (self == Self::Int8).then(Self::of_this_processor)
    }

    /// As libtorch has it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
            Self::Int8 => Kind::Int8,
        }
    }
}

impl From<Precision> for Arithmetic {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Float32 => Self::Float32,
            Precision::Bfloat16 => Self::Bfloat16,
        }
    }
}
