//! When those who are refused shall come back: one after the other, at the pace of the answers.
//!
//! Told all the same moment, they would come back together and be refused together; told too early, more
//! would be refused than answered, and a refusal takes time from the photos.

use std::time::{Duration, Instant};

/// What is taken for the time of a photo before one was measured.
const FIRST_PACE: Duration = Duration::from_millis(5);
/// How long the pace is measured before it is believed.
const WINDOW: Duration = Duration::from_secs(1);
/// Nobody is asked to come back earlier, or later: whoever has gone leaves a gap, and a flood that does
/// not listen must not send others away for minutes.
const SOONEST: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Returns {
    /// Time from one answered photo to the next, while others wait.
    pace: Duration,
    /// Photos that were answered since.
    window: Option<(Instant, u32)>,
    /// When the next who is refused may come.
    next: Option<Instant>,
}

impl Returns {
    pub(super) fn new() -> Self {
        Self { pace: FIRST_PACE, window: None, next: None }
    }

    /// Photos were answered. While nobody waits, time goes by without work and says nothing.
    pub(super) fn answered(&mut self, photos: usize, others_wait: bool, now: Instant) {
        self.window = match self.window {
            _ if !others_wait => None,
            None => Some((now, 0)),
            Some((since, before)) => {
                let count = before.saturating_add(photos as u32);
                match now.duration_since(since) {
                    time if time >= WINDOW && count > 0 => {
                        self.pace = time / count;
                        Some((now, 0))
                    }
                    _ => Some((since, count)),
                }
            }
        };
    }

    /// How long whoever is refused now shall wait.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        let soonest = now + SOONEST;
        let next = self.next.filter(|next| (soonest..=now + LATEST).contains(next));
        let at = next.unwrap_or(soonest);
        self.next = Some(at + self.pace);
        at - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_comes_back_at_the_pace_of_the_answers() {
        let (mut returns, start) = (Returns::new(), Instant::now());
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        // Sixteen every 40 milliseconds, then a pause without anybody waiting.
        for batch in 0..60 {
            returns.answered(16, true, at(40 * batch));
        }
        returns.answered(16, false, at(9000));
        returns.answered(16, true, at(9040));
        let delays: Vec<_> = (0..100).map(|_| returns.delay(at(10_000))).collect();
        assert_eq!(delays[0], SOONEST);
        for pair in delays.windows(2) {
            assert_eq!(pair[1] - pair[0], Duration::from_micros(2500));
        }
        // Whoever comes later follows those who were told before.
        assert_eq!(returns.delay(at(10_100)), Duration::from_millis(650));
        assert_eq!(returns.delay(at(20_000)), SOONEST);
    }

    #[test]
    fn a_flood_sends_nobody_away_for_long() {
        let (mut returns, now) = (Returns::new(), Instant::now());
        let delays: Vec<_> = (0..10_000).map(|_| returns.delay(now)).collect();
        assert!(delays.iter().all(|delay| (SOONEST..=LATEST).contains(delay)));
        assert_eq!(delays[900], LATEST);
        assert_eq!(delays[901], SOONEST);
    }
}
