//! What goes wrong, and when: a schedule that is drawn from a seed.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{proxy::Weather, scene::Scene};

/// How many of each, spread over how long.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) lease: Duration,
    pub(crate) length: Duration,
    pub(crate) jobs: usize,
    pub(crate) workers: usize,
    pub(crate) kills: usize,
    pub(crate) stops: usize,
    pub(crate) redis_kills: usize,
    pub(crate) partitions: usize,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill { worker: usize },
    Stop { worker: usize, lasts: Duration },
    RedisKill { lasts: Duration },
    Partition { link: usize, weather: Weather, lasts: Duration },
}

impl Plan {
    pub(crate) fn random(&self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(stream);
        random
    }

    /// Every fault with its time, in order.
    fn schedule(&self) -> Vec<(Duration, Fault)> {
        let mut random = self.random(1);
        let mut faults = Vec::new();
        let kinds = [self.kills, self.stops, self.redis_kills, self.partitions];
        for (kind, count) in kinds.into_iter().enumerate() {
            for number in 0..count {
                // One in each part of the time, anywhere in it.
                let part = self.length.as_secs_f64() / count as f64;
                let at = part * (number as f64 + random.random::<f64>());
                let fault = self.fault(kind, number, &mut random);
                faults.push((Duration::from_secs_f64(at), fault));
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        faults
    }

    fn fault(&self, kind: usize, number: usize, random: &mut ChaCha8Rng) -> Fault {
        let worker = random.random_range(0..self.workers);
        let leases = |from: f64, to: f64, random: &mut ChaCha8Rng| {
            self.lease.mul_f64(from + (to - from) * random.random::<f64>())
        };
        match kind {
            0 => Fault::Kill { worker },
            1 => Fault::Stop { worker, lasts: leases(1.1, 1.8, random) },
            // One in five for longer than a lease.
            2 if number % 5 == 4 => Fault::RedisKill { lasts: leases(1.0, 1.3, random) },
            2 => Fault::RedisKill { lasts: leases(0.0, 0.3, random) },
            _ => Fault::Partition {
                // The last link is that of those who submit and watch.
                link: random.random_range(0..=self.workers),
                weather: match number % 4 {
                    0 => Weather::Cut,
                    1 => Weather::Held,
                    2 => Weather::AnswersLost,
                    _ => Weather::Slow(self.lease / random.random_range(20..100)),
                },
                lasts: leases(0.2, 1.6, random),
            },
        }
    }
}

/// Does everything that is planned, and mends it. Returns when the last fault is over.
pub(crate) async fn rage(scene: &Arc<Scene>, plan: &Plan) {
    let begin = Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    for (at, fault) in plan.schedule() {
        sleep_until(begin + at).await;
        let scene = Arc::clone(scene);
        under_way.spawn(async move { strike(&scene, fault).await });
    }
    sleep_until(begin + plan.length).await;
    under_way.join_all().await;
}

async fn strike(scene: &Scene, fault: Fault) {
    match fault {
        Fault::Kill { worker } => scene.kill(worker).await,
        Fault::Stop { worker, lasts } => {
            let name = scene.signal(worker, Signal::STOP).await;
            sleep(lasts).await;
            scene.go_on(worker, &name).await;
        }
        Fault::RedisKill { lasts } => scene.kill_redis(lasts).await,
        Fault::Partition { link, weather, lasts } => {
            scene.links[link].set(weather);
            sleep(lasts).await;
            scene.links[link].set(Weather::Fair);
        }
    }
}
