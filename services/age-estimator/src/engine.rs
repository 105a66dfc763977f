//! The batcher and the thread that owns a model.
//!
//! Work waits in a short queue; the long one, in which callers take turns, lies before the photos are
//! decoded ([`FairQueue`](crate::FairQueue)). The thread takes one piece, then whatever else is there, up to a
//! full batch: nobody waits for company when the model is idle, and batches grow by themselves
//! while it is busy.
//!
//! libtorch sums in another order for another batch size, so that the last digits of an answer
//! depend on its company. Faces that are sent together stay by themselves, which makes a
//! calibration or an evaluation the same bytes each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use agespan_models::tch::{Device, Kind, nn::VarStore};
use agespan_models::{
    AgeNet, FusedError, InputSpec, NetSpec, WeightsError, label_distribution, weights,
};
use tokio::sync::{mpsc, oneshot};

use crate::Arithmetic;
use crate::instruments::Instruments;
use crate::network::Network;

/// Largest batch: beyond it the throughput on a CPU no longer grows, while everybody waits.
pub const MAX_BATCH: usize = 16;
/// Work that waits for the thread; whoever finds no room waits as well.
const QUEUE: usize = 64;

/// What the model says of one face.
#[derive(Clone, Debug)]
pub struct Output {
    /// Probabilities of the ages in completed years.
    pub distribution: Vec<f32>,
    /// Probability of "female".
    pub probability_female: f64,
}

/// Why there is no output.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The forward pass failed.
    #[error("the model failed on this image")]
    Failed,
    /// The thread is gone.
    #[error("the model's thread has ended")]
    Ended,
}

/// What there is to know of a network to ask it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The network.
    pub net: NetSpec,
    /// How images come.
    pub input: InputSpec,
    /// Whether the mirror image is asked about as well.
    pub mirrored: bool,
    /// The temperature of the distribution over ages.
    pub temperature: f64,
}

struct Work {
    faces: Vec<Vec<u8>>,
    /// Whether faces of others may be in the same batch.
    together: bool,
    answer: oneshot::Sender<Option<Vec<Output>>>,
}

/// A loaded model, reached through its queue. The thread ends with the last handle.
#[derive(Debug)]
pub struct Engine {
    queue: mpsc::Sender<Work>,
    input: InputSpec,
    arithmetic: Arithmetic,
}

impl Engine {
    /// Loads a model on a thread of its own.
    ///
    /// # Errors
    /// When the weights do not fit the network.
    pub fn start(
        bytes: &[u8],
        shape: &Shape,
        arithmetic: Arithmetic,
        instruments: Arc<Instruments>,
    ) -> Result<Self, WeightsError> {
        let mut store = VarStore::new(Device::Cpu);
        let net = AgeNet::new(&store.root(), shape.net);
        weights::load(&store, bytes)?;
        store.freeze();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let net = Network::new(net, shape, arithmetic);
        let arithmetic = net.arithmetic();
        let model = Model { net, shape: *shape, instruments };
        thread::spawn(move || model.run(receiver));
        Ok(Self { queue: sender, input: shape.input, arithmetic })
    }

    /// How images have to come.
    pub fn input(&self) -> InputSpec {
        self.input
    }

    /// What the model answers in: what was asked for, where it does that.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Asks the model about a face whose crop is of the size that [`Engine::input`] says.
    ///
    /// # Errors
    /// When the model failed.
    pub async fn estimate(&self, pixels: Vec<u8>) -> Result<Output, EngineError> {
        let mut outputs = self.ask(vec![pixels], true).await?;
        outputs.pop().ok_or(EngineError::Failed)
    }

    /// Asks the model about faces in batches of their own, of up to [`MAX_BATCH`].
    ///
    /// # Errors
    /// When the model failed.
    pub async fn estimate_batch(&self, faces: Vec<Vec<u8>>) -> Result<Vec<Output>, EngineError> {
        let mut outputs = Vec::with_capacity(faces.len());
        let mut faces = faces.into_iter().peekable();
        while faces.peek().is_some() {
            let batch = faces.by_ref().take(MAX_BATCH).collect();
            outputs.extend(self.ask(batch, false).await?);
        }
        Ok(outputs)
    }

    async fn ask(&self, faces: Vec<Vec<u8>>, together: bool) -> Result<Vec<Output>, EngineError> {
        let (answer, output) = oneshot::channel();
        let work = Work { faces, together, answer };
        self.queue.send(work).await.map_err(|_| EngineError::Ended)?;
        output.await.map_err(|_| EngineError::Ended)?.ok_or(EngineError::Failed)
    }
}

/// A network on the thread that owns it.
struct Model {
    net: Network,
    shape: Shape,
    instruments: Arc<Instruments>,
}

impl Model {
    fn run(&self, mut queue: mpsc::Receiver<Work>) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| queue.blocking_recv()) {
            let mut batch = vec![first];
            while batch[0].together && batch.len() < MAX_BATCH {
                match queue.try_recv() {
                    Ok(work) if work.together => batch.push(work),
                    Ok(work) => {
                        next = Some(work);
                        break;
                    }
                    Err(_) => break,
                }
            }
            // Whoever has gone away is not worked for.
            batch.retain(|work| !self.is_abandoned(work));
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
    }

    fn is_abandoned(&self, work: &Work) -> bool {
        let closed = work.answer.is_closed();
        if closed {
            self.instruments.abandoned();
        }
        closed
    }

    fn answer(&self, batch: Vec<Work>) {
        let faces: Vec<_> = batch.iter().flat_map(|work| &work.faces).map(Vec::as_slice).collect();
        let (count, clock) = (faces.len(), Instant::now());
        let pixels = faces.concat();
        // libtorch throws on trouble such as memory running out; one batch is lost, not the thread.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.forward(&pixels)));
        let mut outputs = outputs
            .map_err(|_| "libtorch threw".to_owned())
            .and_then(|outputs| outputs.map_err(|error| error.to_string()))
            .inspect_err(|error| {
                tracing::error!(error, size = batch.len(), "a forward pass failed")
            })
            .unwrap_or_default()
            .into_iter();
        self.instruments.answered(count, clock.elapsed());
        for work in batch {
            let own: Vec<Output> = outputs.by_ref().take(work.faces.len()).collect();
            let _ = work.answer.send((own.len() == work.faces.len()).then_some(own));
        }
    }

    fn forward(&self, pixels: &[u8]) -> Result<Vec<Output>, FusedError> {
        let Shape { input, mirrored, temperature, .. } = &self.shape;
        let answer = self.net.answer(&input.tensor(pixels, Device::Cpu), *mirrored)?;
        let distributions = label_distribution::at_temperature(&answer.distribution, *temperature);
        let distributions = distributions.to_kind(Kind::Float).contiguous();
        let bins = distributions.size()[1] as usize;
        let mut flat = vec![0f32; distributions.numel()];
        distributions.copy_data(&mut flat, distributions.numel());
        let face = |(index, row): (usize, &[f32])| Output {
            distribution: row.to_vec(),
            probability_female: answer.probability_female.double_value(&[index as i64]),
        };
        Ok(flat.chunks_exact(bins).enumerate().map(face).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let net = NetSpec::default();
        let store = VarStore::new(Device::Cpu);
        AgeNet::new(&store.root(), net);
        let bytes = weights::write(&weights::variables(&store)).unwrap();
        let input = InputSpec { resize: 40, crop: 32, ..InputSpec::default() };
        let shape = Shape { net, input, mirrored: true, temperature: 0.5 };
        let instruments = Arc::new(Instruments::new());
        Engine::start(&bytes, &shape, Arithmetic::Float32, instruments).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_the_same_alone_and_in_a_batch() {
        let engine = engine();
        let face = |shade: u8| vec![shade; engine.input().crop_bytes()];
        let alone = engine.estimate(face(50)).await.unwrap();
        let together = (0..20u8).map(|i| engine.estimate(face(i * 10)));
        let together = futures_util::future::join_all(together).await;
        let same = together[5].as_ref().unwrap();
        for (left, right) in alone.distribution.iter().zip(&same.distribution) {
            assert!((left - right).abs() < 1e-5);
        }
        assert!((alone.distribution.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[tokio::test]
    async fn faces_sent_together_are_answered_in_order_and_always_the_same() {
        let engine = engine();
        let face = |shade: u8| vec![shade; engine.input().crop_bytes()];
        let faces: Vec<_> = (0..20u8).map(|i| face(i * 10)).collect();
        let alone = engine.estimate_batch(faces.clone()).await.unwrap();
        let company = (0..9u8).map(|i| engine.estimate(face(i)));
        let (again, company) = futures_util::future::join(
            engine.estimate_batch(faces),
            futures_util::future::join_all(company),
        )
        .await;
        assert!(company.iter().all(Result::is_ok));
        let bits = |outputs: &[Output]| -> Vec<Vec<f32>> {
            outputs.iter().map(|output| output.distribution.clone()).collect()
        };
        assert_eq!(bits(&again.unwrap()), bits(&alone));
        let single = engine.estimate(face(70)).await.unwrap();
        for (left, right) in single.distribution.iter().zip(&alone[7].distribution) {
            assert!((left - right).abs() < 1e-5);
        }
    }
}
