//! How far an export came, and which step may follow which.
//!
//! Source: Bulk Data IG, "Bulk Data Export Operation Request Flow", with the steps of ours
//! that lie between a complete manifest and the DELETE.

use std::{fmt, str::FromStr};

/// Where an export stands. Ordered as an export passes through; the last three are ends.
///
/// A resumed run takes up the work of its phase: nothing of an earlier one is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// We mean to send the kick-off, and may have: the server may have an orphan of ours.
    Intent,
    /// The server took the job; the status URL is known.
    Accepted,
    /// The manifest is known; files are under way.
    Manifested,
    /// Every file is closed, or was given up.
    Delivered,
    /// The sink has concluded.
    Concluded,
    /// Report and watermarks are written. The server's job may be deleted.
    Completed,
    /// It ended with an error; no watermark moved.
    Failed,
    /// It was given up without being at fault: another configuration, an orphan, an operator.
    Abandoned,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 8] = [
        Self::Intent,
        Self::Accepted,
        Self::Manifested,
        Self::Delivered,
        Self::Concluded,
        Self::Completed,
        Self::Failed,
        Self::Abandoned,
    ];

    /// Whether nothing follows.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Abandoned)
    }

    /// Whether `next` may follow. [`Phase::Manifested`] may follow itself: a manifest is
    /// fetched again when its links expire, and grows by pages.
    pub const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Intent => false,
            Self::Accepted => matches!(self, Self::Intent),
            Self::Manifested => matches!(self, Self::Accepted | Self::Manifested),
            Self::Delivered => matches!(self, Self::Manifested),
            Self::Concluded => matches!(self, Self::Delivered),
            Self::Completed => matches!(self, Self::Concluded),
            Self::Failed | Self::Abandoned => !self.is_end(),
        }
    }

    /// The word for it, in the database and in print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Accepted => "accepted",
            Self::Manifested => "manifested",
            Self::Delivered => "delivered",
            Self::Concluded => "concluded",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl FromStr for Phase {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or(UnknownWord)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word in the database that this program never wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a word this program does not know")]
pub struct UnknownWord;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_reached_from_its_forerunner_only() {
        use Phase::{
            Abandoned, Accepted, Completed, Concluded, Delivered, Failed, Intent,
            Manifested,
        };
        let cases: [(Phase, &[Phase]); 8] = [
            (Intent, &[Accepted, Failed, Abandoned]),
            (Accepted, &[Manifested, Failed, Abandoned]),
            (Manifested, &[Manifested, Delivered, Failed, Abandoned]),
            (Delivered, &[Concluded, Failed, Abandoned]),
            (Concluded, &[Completed, Failed, Abandoned]),
            (Completed, &[]),
            (Failed, &[]),
            (Abandoned, &[]),
        ];
        for (from, expected) in cases {
            let reached: Vec<_> =
                Phase::ALL.into_iter().filter(|to| from.may_become(*to)).collect();
            assert_eq!(reached, expected, "case: {from}");
        }
    }

    #[test]
    fn words_are_read_back() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        assert_eq!("done".parse::<Phase>(), Err(UnknownWord));
    }
}
