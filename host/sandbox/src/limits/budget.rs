//! What one batch may take, however many calls and guests it needs.
//!
//! A batch on which a guest dies is handed over again, in halves, down to one record; a plugin
//! may ask for it again. Each of those calls is within its own limits; this bounds their sum.

use std::time::Duration;

use bulkhead_model::Instant;
use bulkhead_pipeline::Limit;

use super::Limits;
use crate::engine::TICK;

/// The time of one call, and which limit ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) wall: Duration,
    pub(crate) wall_of: Limit,
    pub(crate) ticks: u64,
    pub(crate) ticks_of: Limit,
}

impl Allowance {
    /// Of a call that is of no batch.
    pub(crate) fn of_a_call(limits: &Limits) -> Self {
        Self {
            wall: limits.call,
            wall_of: Limit::Call,
            ticks: ticks(limits.cpu),
            ticks_of: Limit::Cpu,
        }
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX)
}

/// What is left for the batch at hand of one lane.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// The batch's id, since when it is at hand, and the ticks that it took.
    at_hand: Option<(u64, Instant, u64)>,
}

impl Budget {
    /// The time of the next call on batch `id`; a new batch begins anew.
    ///
    /// # Errors
    ///
    /// The limit that is used up.
    pub(crate) fn allow(
        &mut self,
        id: u64,
        now: Instant,
        limits: &Limits,
    ) -> Result<Allowance, Limit> {
        let (_, since, used) = match self.at_hand {
            Some(known) if known.0 == id => known,
            Some(_) | None => (id, now, 0),
        };
        self.at_hand = Some((id, since, used));
        let gone =
            u64::try_from(now.unix_ms().saturating_sub(since.unix_ms())).unwrap_or(0);
        let wall = limits.batch.checked_sub(Duration::from_millis(gone));
        let wall = wall.filter(|left| !left.is_zero()).ok_or(Limit::Batch)?;
        let left = ticks(limits.batch_cpu).checked_sub(used).filter(|left| *left > 0);
        let left = left.ok_or(Limit::BatchCpu)?;
        let mut allowance = Allowance::of_a_call(limits);
        if wall < allowance.wall {
            (allowance.wall, allowance.wall_of) = (wall, Limit::Batch);
        }
        if left < allowance.ticks {
            (allowance.ticks, allowance.ticks_of) = (left, Limit::BatchCpu);
        }
        Ok(allowance)
    }

    /// Charges a call that took so many ticks.
    pub(crate) fn charge(&mut self, ticks: u64) {
        if let Some((_, _, used)) = &mut self.at_hand {
            *used = used.saturating_add(ticks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wall in seconds and ticks, each with what bounds it; or what is spent.
    type Told = Result<(u64, Limit, u64, Limit), Limit>;

    #[test]
    fn a_batch_has_its_time_over_all_calls_and_the_next_one_anew() {
        let limits = Limits {
            call: Duration::from_secs(10),
            cpu: Duration::from_secs(1),
            batch: Duration::from_secs(15),
            batch_cpu: Duration::from_millis(1_500),
            ..Limits::default()
        };
        // name, batch, seconds now, ticks of the call, what is told
        let whole = Ok((10, Limit::Call, 200, Limit::Cpu));
        let cases: [(&str, u64, i64, u64, Told); 7] = [
            ("the first call", 1, 100, 200, whole),
            (
                "less work is left",
                1,
                102,
                40,
                Ok((10, Limit::Call, 100, Limit::BatchCpu)),
            ),
            ("less time too", 1, 108, 60, Ok((7, Limit::Batch, 60, Limit::BatchCpu))),
            ("no work is left", 1, 109, 0, Err(Limit::BatchCpu)),
            ("the next batch", 2, 200, 0, whole),
            ("its time is over", 2, 215, 0, Err(Limit::Batch)),
            ("a clock that falls gives nothing", 2, 190, 0, whole),
        ];
        let mut budget = Budget::default();
        for (name, id, now, ticks, expected) in cases {
            let now = Instant::from_unix_ms(now * 1_000);
            let told = budget.allow(id, now, &limits);
            budget.charge(ticks);
            let told =
                told.map(|of| (of.wall.as_secs(), of.wall_of, of.ticks, of.ticks_of));
            assert_eq!(told, expected, "case: {name}");
        }
    }
}
