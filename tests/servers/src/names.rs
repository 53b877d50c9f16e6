//! Names that lead where a test says, look-up by look-up.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// What comes after the last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The first one again.
    Again,
    /// The last one, for ever.
    Stay,
}

/// Where every name leads, and which were looked up. Clones share it.
#[derive(Clone, Debug)]
pub struct Names(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answers: Vec<Vec<IpAddr>>,
    then: Then,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// The n-th look-up, of whatever name, is answered by the n-th of `answers`: addresses, or
    /// none.
    ///
    /// # Panics
    ///
    /// When one of them is no address.
    #[must_use]
    pub fn new(answers: &[&[&str]], then: Then) -> Self {
        let read = |answer: &&[&str]| -> Vec<IpAddr> {
            answer.iter().map(|address| address.parse().unwrap()).collect()
        };
        let answers = answers.iter().map(read).collect();
        Self(Arc::new(Inner { answers, then, asked: Mutex::default() }))
    }

    /// Looks a name up.
    ///
    /// # Panics
    ///
    /// When another test failed within it.
    #[must_use]
    pub fn look_up(&self, name: &str) -> Vec<IpAddr> {
        let Inner { answers, then, asked } = &*self.0;
        let mut asked = asked.lock().unwrap();
        let at = asked.len();
        asked.push(name.to_owned());
        let answer = match then {
            Then::Again => answers.iter().cycle().nth(at),
            Then::Stay => answers.get(at).or(answers.last()),
        };
        answer.cloned().unwrap_or_default()
    }

    /// The names that were looked up, in order.
    ///
    /// # Panics
    ///
    /// When another test failed within it.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }
}
