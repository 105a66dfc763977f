//! What a service gives to the process that hosts it.

use std::future::Future;
use std::pin::Pin;

use agespan_jobs::Worker;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

/// Work beside the requests: workers, watchers. It ends soon after its token is cancelled.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

type Register = Box<dyn FnOnce(&mut RoutesBuilder) + Send>;
type Start = Box<dyn FnOnce(CancellationToken) -> Background + Send>;

/// A service, ready to be hosted.
pub struct Component {
    pub(crate) proto_service: &'static str,
    pub(crate) register: Register,
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) health: Vec<(&'static str, watch::Receiver<bool>)>,
    pub(crate) background: Vec<Start>,
    pub(crate) queues: Vec<&'static str>,
}

impl Component {
    /// A service that is ready at once. `proto_service` is its full name, as health and
    /// reflection call it; `register` adds its routes.
    pub fn new(
        proto_service: &'static str,
        register: impl FnOnce(&mut RoutesBuilder) + Send + 'static,
    ) -> Self {
        let (_, ready) = watch::channel(true);
        Self {
            proto_service,
            register: Box::new(register),
            ready,
            health: Vec::new(),
            background: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// Makes health follow a flag, such as "the model is loaded".
    pub fn with_readiness(mut self, ready: watch::Receiver<bool>) -> Self {
        self.ready = ready;
        self
    }

    /// Adds a name to health that follows a flag of its own, such as an alarm.
    pub fn with_health(mut self, name: &'static str, well: watch::Receiver<bool>) -> Self {
        self.health.push((name, well));
        self
    }

    /// The flag that health follows, for a host that wants to wait.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Names the kinds of jobs that it takes in, whoever works on them.
    pub fn with_queues(mut self, kinds: impl IntoIterator<Item = &'static str>) -> Self {
        self.queues.extend(kinds);
        self
    }

    /// Works on jobs beside the requests.
    pub fn with_worker(self, worker: Worker) -> Self {
        self.with_background(|stop| async move {
            let kind = worker.kind().to_owned();
            if let Err(error) = worker.run(stop).await {
                tracing::error!(%error, kind, "a worker ended");
            }
        })
    }

    /// Adds work beside the requests.
    pub fn with_background<F>(
        mut self,
        start: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.background.push(Box::new(move |stop| Box::pin(start(stop))));
        self
    }
}
