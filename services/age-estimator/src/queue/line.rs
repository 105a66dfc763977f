//! The order of the line, and how full it is: no locks, no tasks.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use agespan_service::Caller;
use tokio::sync::oneshot;

use super::returns::Returns;
use super::{Admission, Place};

/// A request in the line.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) caller: Caller,
    pub(super) photos: usize,
    pub(super) admission: Admission,
    /// Dropped unused, it is refused.
    pub(super) enter: oneshot::Sender<Place>,
}

/// There is no room for a request, and its caller has his share of the line.
#[derive(Debug)]
pub(super) struct Full;

/// Where a request stands: when it starts in virtual time, then who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    start: u64,
    arrival: u64,
}

/// What a caller has in the line and under way.
#[derive(Debug, Default)]
struct Account {
    /// When his latest photo ends in virtual time.
    end: u64,
    /// His requests in the line that may be refused.
    refusable: usize,
    /// His requests in the line or under way; the account is closed without any.
    requests: usize,
}

#[derive(Debug)]
pub(super) struct Line {
    at_once: usize,
    free: usize,
    /// How many requests that may be refused can wait, and how many do.
    room: usize,
    refusable: usize,
    /// Virtual time: the start of whoever was let in last.
    now: u64,
    arrivals: u64,
    waiting: BTreeMap<Turn, Waiting>,
    accounts: HashMap<Caller, Account>,
    pub(super) returns: Returns,
}

impl Line {
    pub(super) fn new(at_once: usize, room: usize) -> Self {
        Self {
            at_once,
            free: at_once,
            room,
            refusable: 0,
            now: 0,
            arrivals: 0,
            waiting: BTreeMap::new(),
            accounts: HashMap::new(),
            returns: Returns::new(),
        }
    }

    /// Puts a request in the line.
    pub(super) fn join(&mut self, mut waiting: Waiting) -> Result<Turn, Full> {
        let refusable = waiting.admission == Admission::Refuse;
        // Whoever can be let in at once does not need room in the line.
        let at_once = self.waiting.is_empty() && self.free > 0;
        if refusable && !at_once && self.refusable >= self.room {
            self.make_room(&waiting.caller)?;
        }
        // More than there is room for would wait for ever.
        waiting.photos = waiting.photos.clamp(1, self.at_once);
        let account = self.accounts.entry(waiting.caller.clone()).or_default();
        let turn = Turn { start: self.now.max(account.end), arrival: self.arrivals };
        account.end = turn.start + waiting.photos as u64;
        account.refusable += usize::from(refusable);
        account.requests += 1;
        self.refusable += usize::from(refusable);
        self.arrivals += 1;
        self.waiting.insert(turn, waiting);
        Ok(turn)
    }

    /// Refuses the latest request of the caller with the most, if that is more than `caller` would have.
    fn make_room(&mut self, caller: &Caller) -> Result<(), Full> {
        let own = self.accounts.get(caller).map_or(0, |account| account.refusable);
        let most = self.accounts.iter().max_by_key(|(_, account)| account.refusable);
        let (greedy, _) = most.filter(|(_, most)| most.refusable > own + 1).ok_or(Full)?;
        let of_greedy =
            |waiting: &Waiting| waiting.caller == *greedy && waiting.admission == Admission::Refuse;
        let mut latest = self.waiting.iter().rev();
        let latest = latest.find(|(_, waiting)| of_greedy(waiting)).map(|(turn, _)| *turn);
        latest.and_then(|turn| self.leave(turn)).map(drop).ok_or(Full)
    }

    /// Takes a request out of the line, if it is still there.
    pub(super) fn leave(&mut self, turn: Turn) -> Option<Waiting> {
        let waiting = self.take(turn)?;
        if let Some(account) = self.accounts.get_mut(&waiting.caller) {
            account.end = account.end.saturating_sub(waiting.photos as u64);
        }
        self.close(&waiting.caller);
        Some(waiting)
    }

    /// Whoever is next, if there is room for all of his photos.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        let (&turn, waiting) = self.waiting.first_key_value()?;
        if waiting.photos > self.free {
            return None;
        }
        self.free -= waiting.photos;
        self.now = turn.start;
        self.take(turn)
    }

    fn take(&mut self, turn: Turn) -> Option<Waiting> {
        let waiting = self.waiting.remove(&turn)?;
        if waiting.admission == Admission::Refuse {
            self.refusable -= 1;
            if let Some(account) = self.accounts.get_mut(&waiting.caller) {
                account.refusable -= 1;
            }
        }
        Some(waiting)
    }

    /// Photos that were under way are answered.
    pub(super) fn done(&mut self, caller: &Caller, photos: usize) {
        self.free += photos;
        self.returns.answered(photos, !self.waiting.is_empty(), Instant::now());
        self.close(caller);
    }

    /// One request of a caller less; without any, nothing is remembered of him.
    fn close(&mut self, caller: &Caller) {
        if let Some(account) = self.accounts.get_mut(caller) {
            account.requests -= 1;
            if account.requests == 0 {
                self.accounts.remove(caller);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.free == self.at_once && self.waiting.is_empty() && self.accounts.is_empty()
    }
}
