//! What a plugin may spend on HTTP in one run: requests, bytes, time.
//!
//! For a run and not for a window: the sum is what bounds how much can leave, and a run that
//! needs more stops with a name for what ran out. All instances of a stage share it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Spent {
    /// Bytes of bodies, both ways.
    #[error("the number of bytes for HTTP")]
    Bytes,
    /// Requests.
    #[error("the number of HTTP requests")]
    Requests,
    /// Time in which requests were under way.
    #[error("the time for HTTP")]
    Time,
}

impl Spent {
    /// The setting to change.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Bytes => "limits.http-bytes",
            Self::Requests => "limits.http-requests",
            Self::Time => "limits.http-time",
        }
    }

    /// In one word, for counting.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bytes => "http-bytes-used-up",
            Self::Requests => "http-requests-used-up",
            Self::Time => "http-time-used-up",
        }
    }
}

/// What is left. Clones share it.
#[derive(Clone, Debug)]
pub struct Quota(Arc<Mutex<Left>>);

#[derive(Debug)]
struct Left {
    requests: u64,
    bytes: u64,
    time: Duration,
}

impl Quota {
    /// A fresh one.
    pub fn new(requests: u64, bytes: u64, time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Left { requests, bytes, time })))
    }

    /// Takes a request of `sent` bytes that may last for `time` and bring `answer` bytes,
    /// or less of both where no more is left.
    ///
    /// # Errors
    ///
    /// What is used up; nothing is taken then.
    pub(crate) fn reserve(
        &self,
        sent: u64,
        answer: u64,
        time: Duration,
    ) -> Result<Reserved, Spent> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = left.requests.checked_sub(1).ok_or(Spent::Requests)?;
        let bytes = left.bytes.checked_sub(sent).ok_or(Spent::Bytes)?;
        if left.time.is_zero() {
            return Err(Spent::Time);
        }
        let answer = answer.min(bytes);
        let time = time.min(left.time);
        *left = Left {
            requests,
            bytes: bytes - answer,
            time: left.time.saturating_sub(time),
        };
        Ok(Reserved { quota: self.clone(), answer, time })
    }
}

impl Quota {
    /// Takes one more request that a request under way needs, and `bytes` of bodies: a second
    /// try, or one for a token. Its time is that of the first.
    ///
    /// # Errors
    ///
    /// What is used up; nothing is taken then.
    pub(crate) fn spend(&self, bytes: u64) -> Result<(), Spent> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = left.requests.checked_sub(1).ok_or(Spent::Requests)?;
        left.bytes = left.bytes.checked_sub(bytes).ok_or(Spent::Bytes)?;
        left.requests = requests;
        Ok(())
    }
}

/// What one request may take at most. What it does not say that it left stays taken: a call
/// that is given up counts in full.
#[derive(Debug)]
pub(crate) struct Reserved {
    quota: Quota,
    pub(crate) answer: u64,
    pub(crate) time: Duration,
}

impl Reserved {
    /// Gives back what was not needed.
    pub(crate) fn settle(self, answer: u64, time: Duration) {
        let mut left = self.quota.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.bytes = left.bytes.saturating_add(self.answer.saturating_sub(answer));
        left.time = left.time.saturating_add(self.time.saturating_sub(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_limit_is_reached_and_named() {
        let cases = [
            ("requests", Quota::new(2, 100, SECOND * 10), Spent::Requests),
            ("bytes", Quota::new(9, 25, SECOND * 10), Spent::Bytes),
            ("time", Quota::new(9, 100, SECOND * 2), Spent::Time),
        ];
        for (name, quota, expected) in cases {
            for _ in 0..2 {
                quota.reserve(10, 0, SECOND).unwrap();
            }
            let found = quota.reserve(10, 0, SECOND).map(|_| ());
            assert_eq!(found, Err(expected), "case: {name}");
            assert!(expected.setting().starts_with("limits.http-"));
        }
    }

    #[test]
    fn a_second_try_counts_like_the_first() {
        let cases = [
            ("within", Quota::new(3, 100, SECOND), Ok(())),
            ("one request is left", Quota::new(2, 100, SECOND), Err(Spent::Requests)),
            ("no bytes are left", Quota::new(3, 25, SECOND), Err(Spent::Bytes)),
        ];
        for (name, quota, expected) in cases {
            let reserved = quota.reserve(10, 0, SECOND).unwrap();
            assert_eq!(quota.spend(10), Ok(()), "case: {name}");
            assert_eq!(quota.spend(10), expected, "case: {name}");
            reserved.settle(0, Duration::ZERO);
        }
    }

    #[test]
    fn what_was_not_needed_is_given_back_and_a_call_that_is_given_up_counts_in_full() {
        let quota = Quota::new(9, 100, SECOND * 3);
        quota.reserve(10, 50, SECOND * 2).unwrap().settle(20, SECOND);
        let next = quota.reserve(0, 100, SECOND * 9).unwrap();
        assert_eq!((next.answer, next.time), (70, SECOND * 2), "no more than is left");
        drop(next);
        assert_eq!(quota.reserve(0, 1, SECOND).map(|_| ()), Err(Spent::Time));
    }
}
