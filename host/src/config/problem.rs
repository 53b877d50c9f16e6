//! Everything wrong with a configuration, each with its line.

use std::{cell::RefCell, fmt, ops::Range, path::Path};

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line, from 1; 0 when it is of no line in particular.
    pub(crate) line: usize,
    /// What is wrong, and what to write instead.
    pub(crate) message: String,
}

/// Collects problems while a configuration is read.
#[derive(Debug)]
pub(crate) struct Problems {
    path: String,
    /// Where each line starts.
    line_starts: Vec<usize>,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: path.display().to_string(),
            line_starts: std::iter::once(0).chain(starts).collect(),
            found: RefCell::default(),
        }
    }

    /// The line of what stands at `span`, from 1.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.line_starts.partition_point(|start| *start <= span.start)
    }

    /// Notes a problem with the text at `span`.
    pub(crate) fn add(&self, span: &Range<usize>, message: impl Into<String>) {
        let line = self.line(span);
        self.found.borrow_mut().push(Problem { line, message: message.into() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Every problem, by line.
    pub(crate) fn list(&self) -> Vec<Problem> {
        let mut found = self.found.borrow().clone();
        found.sort_by_key(|problem| problem.line);
        found.dedup();
        found
    }

    /// "1 problem" or "3 problems".
    pub(crate) fn count(&self) -> String {
        match self.list().len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem { line, message } in self.list() {
            writeln!(f, "  {}:{line}: {message}", self.path)?;
        }
        Ok(())
    }
}
