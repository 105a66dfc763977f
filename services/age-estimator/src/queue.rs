//! Who is worked for next: start-time fair queueing between callers (Goyal, Vin and Cheng 1996, doi
//! 10.1145/248156.248171).
//!
//! A caller's photos follow each other in virtual time, each by as much as it weighs; the earliest is
//! next. Whoever floods the estimator so waits for himself, and a newcomer only for the photos that
//! are under way. When the line is full the caller with the most in it loses his latest, before
//! anybody with less is refused.

mod line;
mod returns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agespan_service::Caller;
use tokio::sync::oneshot;

use crate::instruments::Instruments;
use line::{Full, Line, Turn, Waiting};

/// What happens to photos that find the line full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// They are refused: a single request, whose caller can try another replica.
    Refuse,
    /// They wait: part of a batch or a stream that was taken in already.
    Wait,
}

/// The line is full, and the caller has his share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the estimator is busy; try again, or ask another replica")]
pub struct Busy {
    /// When there may be room, if the others who were refused come when they were told to.
    pub retry_after: Duration,
}

/// The line before the estimator.
#[derive(Clone, Debug)]
pub struct FairQueue {
    line: Arc<Mutex<Line>>,
    instruments: Arc<Instruments>,
}

/// The right to have photos under way, until it is dropped.
#[derive(Debug)]
pub struct Place {
    queue: FairQueue,
    caller: Caller,
    photos: usize,
}

impl FairQueue {
    /// Lets `at_once` photos be under way at the same time and `waiting` single requests wait.
    pub fn new(at_once: usize, waiting: usize, instruments: Arc<Instruments>) -> Self {
        let line = Line::new(at_once.max(1), waiting);
        Self { line: Arc::new(Mutex::new(line)), instruments }
    }

    /// A place for so many photos of a caller. Taken before they are decoded, so that whoever is
    /// refused costs next to nothing. A request that is given up while it waits leaves the line.
    ///
    /// # Errors
    /// [`Busy`], never for those who [wait](Admission::Wait).
    pub async fn enter(
        &self,
        caller: &Caller,
        photos: usize,
        admission: Admission,
    ) -> Result<Place, Busy> {
        let since = Instant::now();
        let (enter, entered) = oneshot::channel();
        let turn = {
            let mut line = self.lock();
            let waiting = Waiting { caller: caller.clone(), photos, admission, enter };
            let joined = line.join(waiting);
            joined.map_err(|Full| self.refuse(&mut line))?
        };
        let _leave = Leave { queue: self, turn };
        self.admit();
        let place = entered.await.map_err(|_| self.refuse(&mut self.lock()))?;
        self.instruments.waited(since.elapsed());
        Ok(place)
    }

    fn refuse(&self, line: &mut Line) -> Busy {
        self.instruments.refused();
        Busy { retry_after: line.returns.delay(Instant::now()) }
    }

    /// Lets in whoever is next, as long as there is room.
    fn admit(&self) {
        // Sent without the lock: a place that nobody waits for any more takes it when it is dropped.
        while let Some(Waiting { caller, photos, enter, .. }) = self.next() {
            let _ = enter.send(Place { queue: self.clone(), caller, photos });
        }
    }

    fn next(&self) -> Option<Waiting> {
        self.lock().next()
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().done(&self.caller, self.photos);
        self.queue.admit();
    }
}

/// Takes a request out of the line when it is given up.
struct Leave<'a> {
    queue: &'a FairQueue,
    turn: Turn,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let left = self.queue.lock().leave(self.turn);
        if left.is_some() {
            self.queue.instruments.abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{join_all, poll_immediate};
    use futures_util::stream::{FuturesUnordered, StreamExt};

    fn queue(at_once: usize, waiting: usize) -> FairQueue {
        FairQueue::new(at_once, waiting, Arc::new(Instruments::new()))
    }

    fn caller(name: &str) -> Caller {
        Caller::Token(name.into())
    }

    #[tokio::test]
    async fn a_flood_does_not_starve_others() {
        let queue = queue(1, 8);
        let (flood, other) = (caller("flood"), caller("other"));
        let first = queue.enter(&flood, 1, Admission::Refuse).await.unwrap();
        let (done, order) = std::sync::mpsc::channel();
        let ask = |who: &Caller| {
            let (queue, who, done) = (queue.clone(), who.clone(), done.clone());
            async move {
                let place = queue.enter(&who, 1, Admission::Refuse).await;
                done.send((who, place.is_ok())).unwrap();
            }
        };
        // In the order in which they come: ten of the flood, then three of the other.
        let asks: FuturesUnordered<_> =
            (0..13).map(|index| ask(if index < 10 { &flood } else { &other })).collect();
        let asks = tokio::spawn(asks.collect::<Vec<()>>());
        while queue.lock().len() < 8 {
            tokio::task::yield_now().await;
        }
        drop(first);
        asks.await.unwrap();
        drop(done);
        let answers: Vec<(Caller, bool)> = order.iter().collect();
        let let_in = |who: &Caller| answers.iter().filter(|(name, ok)| name == who && *ok).count();
        assert_eq!(let_in(&other), 3, "{answers:?}");
        assert_eq!(let_in(&flood), 5, "{answers:?}");
        // By turns: the other's third is let in before the flood's fourth.
        let entered: Vec<&Caller> =
            answers.iter().filter(|(_, ok)| *ok).map(|(who, _)| who).collect();
        let last_of_other = entered.iter().rposition(|who| **who == other).unwrap();
        assert!(last_of_other <= 6, "{entered:?}");
    }

    #[tokio::test]
    async fn who_has_his_share_is_refused_and_who_waits_is_not() {
        let queue = queue(1, 2);
        let alone = caller("alone");
        let first = queue.enter(&alone, 1, Admission::Refuse).await.unwrap();
        let asks = (0..5).map(|_| queue.enter(&alone, 1, Admission::Refuse));
        let patient = queue.enter(&alone, 1, Admission::Wait);
        let (answers, patient, ()) = tokio::join!(
            join_all(asks.map(|ask| async { ask.await.is_ok() })),
            async { patient.await.is_ok() },
            async { drop(first) },
        );
        assert_eq!(answers.iter().filter(|ok| **ok).count(), 2);
        assert!(patient);
        assert!(queue.lock().is_idle());
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_leaves_the_line() {
        let queue = queue(4, 8);
        let caller = caller("one");
        let all = queue.enter(&caller, 4, Admission::Wait).await.unwrap();
        let mut waiting = Box::pin(queue.enter(&caller, 4, Admission::Refuse));
        assert!(poll_immediate(&mut waiting).await.is_none());
        assert_eq!(queue.lock().len(), 1);
        drop(waiting);
        assert_eq!(queue.lock().len(), 0);
        drop(all);
        assert!(queue.lock().is_idle());
    }

    #[tokio::test]
    async fn a_place_that_came_too_late_is_given_on() {
        let queue = queue(1, 8);
        let caller = caller("one");
        let first = queue.enter(&caller, 1, Admission::Refuse).await.unwrap();
        let mut late = Box::pin(queue.enter(&caller, 1, Admission::Refuse));
        assert!(poll_immediate(&mut late).await.is_none());
        // It is let in, and gives up before it looks.
        drop(first);
        drop(late);
        assert!(queue.enter(&caller, 1, Admission::Refuse).await.is_ok());
        assert!(queue.lock().is_idle());
    }

    #[tokio::test]
    async fn more_photos_than_there_is_room_for_take_all_of_it() {
        let queue = queue(4, 8);
        let (batch, other) = (caller("batch"), caller("other"));
        let place = queue.enter(&batch, 16, Admission::Wait).await.unwrap();
        let mut next = Box::pin(queue.enter(&other, 1, Admission::Refuse));
        assert!(poll_immediate(&mut next).await.is_none());
        drop(place);
        assert!(next.await.is_ok());
    }
}
