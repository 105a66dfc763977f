//! The batcher and the thread that owns a model.
//!
//! Work waits in a bounded queue. The thread takes one piece, then whatever else is there, up to a
//! full batch: nobody waits for company when the model is idle, and batches grow by themselves
//! while it is busy.
//!
//! libtorch sums in another order for another batch size, so that the last digits of an answer
//! depend on its company. Faces that are sent together stay by themselves, which makes a
//! calibration or an evaluation the same bytes each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use agespan_models::tch::{Device, Kind, nn::VarStore};
use agespan_models::{
    AgeNet, FusedError, InputSpec, NetSpec, WeightsError, label_distribution, weights,
};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use crate::Precision;
use crate::network::Network;

/// Largest batch: beyond it the throughput on a CPU no longer grows, while everybody waits.
pub const MAX_BATCH: usize = 16;

/// What the model says of one face.
#[derive(Clone, Debug)]
pub struct Output {
    /// Probabilities of the ages in completed years.
    pub distribution: Vec<f32>,
    /// Probability of "female".
    pub probability_female: f64,
}

/// What happens to work that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is refused at once: a single request, whose caller can try another replica.
    Refuse,
    /// It waits: part of a batch or a stream that was taken in already.
    Wait,
}

/// Why there is no output.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The queue is full.
    #[error("the estimator is busy; try again, or ask another replica")]
    Full,
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
    places: Semaphore,
    input: InputSpec,
}

impl Engine {
    /// Loads a model on a thread of its own.
    ///
    /// # Errors
    /// When the weights do not fit the network.
    pub fn start(
        bytes: &[u8],
        shape: &Shape,
        precision: Precision,
        queue: usize,
    ) -> Result<Self, WeightsError> {
        let mut store = VarStore::new(Device::Cpu);
        let net = AgeNet::new(&store.root(), shape.net);
        weights::load(&store, bytes)?;
        store.freeze();
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let model = Model { net: Network::new(net, shape, precision), shape: *shape };
        thread::spawn(move || model.run(receiver));
        let places = Semaphore::new(queue.max(1));
        Ok(Self { queue: sender, places, input: shape.input })
    }

    /// A place among as many as the queue holds, for a single request, until it is answered. It is
    /// taken before the photo is decoded, so that whoever is refused costs next to nothing.
    ///
    /// # Errors
    /// When all places are taken.
    pub fn enter(&self) -> Result<SemaphorePermit<'_>, EngineError> {
        self.places.try_acquire().map_err(|_| EngineError::Full)
    }

    /// How images have to come.
    pub fn input(&self) -> InputSpec {
        self.input
    }

    /// Asks the model about a face whose crop is of the size that [`Engine::input`] says.
    ///
    /// # Errors
    /// When the queue is full, or the model failed.
    pub async fn estimate(
        &self,
        pixels: Vec<u8>,
        admission: Admission,
    ) -> Result<Output, EngineError> {
        let mut outputs = self.ask(vec![pixels], true, admission).await?;
        outputs.pop().ok_or(EngineError::Failed)
    }

    /// Asks the model about faces in batches of their own, of up to [`MAX_BATCH`].
    ///
    /// # Errors
    /// When the queue is full, or the model failed.
    pub async fn estimate_batch(
        &self,
        faces: Vec<Vec<u8>>,
        admission: Admission,
    ) -> Result<Vec<Output>, EngineError> {
        let mut outputs = Vec::with_capacity(faces.len());
        let mut faces = faces.into_iter().peekable();
        while faces.peek().is_some() {
            let batch = faces.by_ref().take(MAX_BATCH).collect();
            outputs.extend(self.ask(batch, false, admission).await?);
        }
        Ok(outputs)
    }

    async fn ask(
        &self,
        faces: Vec<Vec<u8>>,
        together: bool,
        admission: Admission,
    ) -> Result<Vec<Output>, EngineError> {
        let (answer, output) = oneshot::channel();
        let work = Work { faces, together, answer };
        match admission {
            Admission::Refuse => self.queue.try_send(work).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => EngineError::Full,
                mpsc::error::TrySendError::Closed(_) => EngineError::Ended,
            })?,
            Admission::Wait => self.queue.send(work).await.map_err(|_| EngineError::Ended)?,
        }
        output.await.map_err(|_| EngineError::Ended)?.ok_or(EngineError::Failed)
    }
}

/// A network on the thread that owns it.
struct Model {
    net: Network,
    shape: Shape,
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
            batch.retain(|work| !work.answer.is_closed());
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
    }

    fn answer(&self, batch: Vec<Work>) {
        let faces = batch.iter().flat_map(|work| &work.faces);
        let pixels: Vec<u8> = faces.flatten().copied().collect();
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

    fn engine(queue: usize) -> Engine {
        let net = NetSpec::default();
        let store = VarStore::new(Device::Cpu);
        AgeNet::new(&store.root(), net);
        let bytes = weights::write(&weights::variables(&store)).unwrap();
        let input = InputSpec { resize: 40, crop: 32, ..InputSpec::default() };
        let shape = Shape { net, input, mirrored: true, temperature: 0.5 };
        Engine::start(&bytes, &shape, Precision::Float32, queue).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_the_same_alone_and_in_a_batch() {
        let engine = engine(64);
        let face = |shade: u8| vec![shade; engine.input().crop_bytes()];
        let alone = engine.estimate(face(50), Admission::Refuse).await.unwrap();
        let together = (0..20u8).map(|i| engine.estimate(face(i * 10), Admission::Wait));
        let together = futures_util::future::join_all(together).await;
        let same = together[5].as_ref().unwrap();
        for (left, right) in alone.distribution.iter().zip(&same.distribution) {
            assert!((left - right).abs() < 1e-5);
        }
        assert!((alone.distribution.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[tokio::test]
    async fn faces_sent_together_are_answered_in_order_and_always_the_same() {
        let engine = engine(64);
        let face = |shade: u8| vec![shade; engine.input().crop_bytes()];
        let faces: Vec<_> = (0..20u8).map(|i| face(i * 10)).collect();
        let alone = engine.estimate_batch(faces.clone(), Admission::Wait).await.unwrap();
        let company = (0..9u8).map(|i| engine.estimate(face(i), Admission::Wait));
        let (again, company) = futures_util::future::join(
            engine.estimate_batch(faces, Admission::Wait),
            futures_util::future::join_all(company),
        )
        .await;
        assert!(company.iter().all(Result::is_ok));
        let bits = |outputs: &[Output]| -> Vec<Vec<f32>> {
            outputs.iter().map(|output| output.distribution.clone()).collect()
        };
        assert_eq!(bits(&again.unwrap()), bits(&alone));
        let single = engine.estimate(face(70), Admission::Refuse).await.unwrap();
        for (left, right) in single.distribution.iter().zip(&alone[7].distribution) {
            assert!((left - right).abs() < 1e-5);
        }
    }

    #[test]
    fn as_many_enter_as_the_queue_holds() {
        let engine = engine(2);
        let places = [engine.enter().unwrap(), engine.enter().unwrap()];
        assert!(matches!(engine.enter(), Err(EngineError::Full)));
        drop(places);
        assert!(engine.enter().is_ok());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_queue_refuses_and_serves_those_who_wait() {
        let engine = engine(1);
        let face = || vec![0; engine.input().crop_bytes()];
        // On one thread nothing is awaited between the sends, so the queue of one overflows.
        let refused = (0..8).map(|_| engine.estimate(face(), Admission::Refuse));
        let refused = futures_util::future::join_all(refused).await;
        assert!(refused.iter().any(|answer| matches!(answer, Err(EngineError::Full))));
        let waiting = (0..8).map(|_| engine.estimate(face(), Admission::Wait));
        let waiting = futures_util::future::join_all(waiting).await;
        assert!(waiting.iter().all(Result::is_ok));
    }
}
