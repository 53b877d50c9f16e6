//! Rounds in which contestants take turns, and what they say together.
//!
//! Other work on the machine hits neighbours alike: contestants run A B A B …, each round
//! starting with another one, and a ratio is the median of the rounds' own ratios.

use std::{fmt::Write as _, fs, hint::black_box, time::Instant};

use anyhow::Context as _;

/// One thing that is measured.
pub struct Contestant<'a> {
    name: String,
    run: Box<dyn FnMut() -> anyhow::Result<()> + 'a>,
}

impl<'a> Contestant<'a> {
    /// Named `name`; `run` is what is timed.
    pub fn new(
        name: impl Into<String>,
        run: impl FnMut() -> anyhow::Result<()> + 'a,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// What one contestant took, round by round.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The contestant.
    pub name: String,
    /// Seconds on the clock.
    pub wall: Vec<f64>,
    /// Seconds on a processor, of the calling thread; empty where the system does not say.
    pub processor: Vec<f64>,
}

impl Series {
    /// The median wall time, in seconds.
    pub fn median(&self) -> f64 {
        median(&self.wall)
    }

    /// The shortest wall time, in seconds.
    pub fn min(&self) -> f64 {
        self.wall.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median of the rounds' ratios of this one's wall time to that of `baseline`.
    pub fn ratio(&self, baseline: &Self) -> f64 {
        paired(&self.wall, &baseline.wall)
    }

    /// The same of processor time; NaN where it is not known.
    pub fn processor_ratio(&self, baseline: &Self) -> f64 {
        paired(&self.processor, &baseline.processor)
    }
}

/// Lets the contestants take turns: one round to warm up, then `rounds` that count.
///
/// # Errors
///
/// The first error of a contestant.
pub fn take_turns(
    rounds: usize,
    contestants: &mut [Contestant<'_>],
) -> anyhow::Result<Vec<Series>> {
    let named = |contestant: &Contestant<'_>| Series {
        name: contestant.name.clone(),
        ..Series::default()
    };
    let mut series: Vec<Series> = contestants.iter().map(named).collect();
    let count = contestants.len();
    for round in 0..=rounds {
        for turn in 0..count {
            let at = (round + turn) % count;
            let (Some(contestant), Some(series)) =
                (contestants.get_mut(at), series.get_mut(at))
            else {
                continue;
            };
            let (processor, wall) = (processor_seconds(), Instant::now());
            black_box((contestant.run)()).with_context(|| contestant.name.clone())?;
            let wall = wall.elapsed().as_secs_f64();
            if round == 0 {
                continue;
            }
            series.wall.push(wall);
            if let (Some(before), Some(after)) = (processor, processor_seconds()) {
                series.processor.push(after - before);
            }
        }
    }
    Ok(series)
}

/// A table of `series` over `bytes` each, with ratios to the first.
pub fn table(title: &str, bytes: u64, series: &[Series]) -> String {
    let mut text = format!("\n{title}\n");
    let rounds = series.first().map_or(0, |series| series.wall.len());
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{:<34} {:>9} {:>9} {:>8} {:>7} {:>9}   ({rounds} rounds, {:.1} MB each)",
        "",
        "median ms",
        "min ms",
        "MB/s",
        "ratio",
        "cpu ratio",
        bytes as f64 / 1e6,
    );
    let Some(baseline) = series.first() else { return text };
    for one in series {
        let _ = writeln!(
            text,
            "{:<34} {:>9.2} {:>9.2} {:>8.0} {:>7.3} {:>9.3}",
            one.name,
            one.median() * 1e3,
            one.min() * 1e3,
            bytes as f64 / 1e6 / one.median(),
            one.ratio(baseline),
            one.processor_ratio(baseline),
        );
    }
    text
}

/// The load of the machine as it says itself.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").map_or_else(
        |_| "load unknown".to_owned(),
        |text| format!("load {}", text.trim()),
    )
}

/// The middle one, or the upper of the two; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn paired(of: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    median(&ratios)
}

/// What this thread has had of a processor.
fn processor_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_runs_in_every_round() {
        let (mut first, mut second) = (0, 0);
        let mut contestants = [
            Contestant::new("first", || {
                first += 1;
                Ok(())
            }),
            Contestant::new("second", || {
                second += 1;
                Ok(())
            }),
        ];
        let series = take_turns(3, &mut contestants).unwrap();
        drop(contestants);
        assert_eq!((first, second), (4, 4), "one of each to warm up");
        assert!(series.iter().all(|series| series.wall.len() == 3));
    }

    #[test]
    fn a_ratio_is_of_rounds_and_not_of_medians() {
        let of = |wall: &[f64]| Series { wall: wall.to_vec(), ..Series::default() };
        let (fast, slow) = (of(&[1.0, 10.0, 2.0]), of(&[2.0, 20.0, 4.0]));
        assert!((slow.ratio(&fast) - 2.0).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
