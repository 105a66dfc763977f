//! Captions as the text encoder has them.

use std::collections::BTreeMap;

use agespan_models::diffusion::{ClipText, DiffusionError, Tokenizer};
use agespan_models::tch::{self, Device, TchError, Tensor};

use super::Portrait;

/// Captions that are encoded together.
const BATCH: i64 = 64;

/// The caption of each face. Faces of the same age, gender and race share theirs.
pub(super) struct Texts {
    /// `[captions, length]`; the first is the empty one.
    tokens: Tensor,
    /// `[captions, length, hidden_size]`, where the text encoder does not learn.
    vectors: Option<Tensor>,
    /// Which caption each face has.
    places: Vec<usize>,
}

impl Texts {
    /// The faces' captions as numbers.
    pub(super) fn new(
        tokenizer: &Tokenizer,
        portraits: &[Portrait],
        device: Device,
    ) -> Result<Self, DiffusionError> {
        let mut known = BTreeMap::new();
        let mut tokens = vec![tokenizer.encode("")?.tensor()];
        let mut places = Vec::with_capacity(portraits.len());
        for portrait in portraits {
            let prompt = portrait.attributes.prompt();
            let place = match known.get(&prompt) {
                Some(place) => *place,
                None => {
                    tokens.push(tokenizer.encode(&prompt)?.tensor());
                    known.insert(prompt, tokens.len() - 1);
                    tokens.len() - 1
                }
            };
            places.push(place);
        }
        let tokens = Tensor::f_cat(&tokens, 0)?.f_to_device(device)?;
        Ok(Self { tokens, vectors: None, places })
    }

    /// Encodes all captions once, with an encoder that does not learn.
    pub(super) fn encoded(mut self, encoder: &ClipText) -> Result<Self, TchError> {
        let encode = |tokens: &Tensor| Ok(encoder.forward(tokens)?.last_hidden_state);
        let batches = self.tokens.f_split(BATCH, 0)?;
        let vectors =
            tch::no_grad(|| batches.iter().map(encode).collect::<Result<Vec<_>, TchError>>())?;
        self.vectors = Some(Tensor::f_cat(&vectors, 0)?);
        Ok(self)
    }

    /// The captions of the chosen faces, `[n, length, hidden_size]`; of those that are dropped the
    /// empty one.
    pub(super) fn of(
        &self,
        chosen: &[usize],
        dropped: &[bool],
        encoder: &ClipText,
    ) -> Result<Tensor, TchError> {
        let place = |(&face, &dropped): (&usize, &bool)| {
            if dropped { 0 } else { self.places[face] as i64 }
        };
        let places: Vec<i64> = chosen.iter().zip(dropped).map(place).collect();
        let places = Tensor::f_from_slice(&places)?.f_to_device(self.tokens.device())?;
        match &self.vectors {
            Some(vectors) => vectors.f_index_select(0, &places),
            None => {
                let tokens = self.tokens.f_index_select(0, &places)?;
                Ok(encoder.forward(&tokens)?.last_hidden_state)
            }
        }
    }
}
