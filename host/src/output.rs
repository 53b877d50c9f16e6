//! What a run shows while it works: bars on a terminal, lines when piped, or JSON events.
//!
//! Progress goes to standard error, so that standard output holds the report alone; with
//! `--json`, events go to standard output, one object a line, the report last.

mod bars;
mod event;

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bulkhead_bulk::Progress;
use bulkhead_ledger::FileArray;
use bulkhead_model::ByteSize;
use bulkhead_pipeline::Tally;

use self::bars::Bars;
pub(crate) use self::event::Event;
use crate::{report::Report, watermark::span};

/// How a run shows itself. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Output(Arc<Inner>);

struct Inner {
    style: Style,
    /// The last thing that the server said while it was preparing.
    waited: Mutex<String>,
}

enum Style {
    Bars(Bars),
    Json,
    Lines,
}

/// How a run shows itself, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Bars when standard error is a terminal, else lines.
    Best,
    /// JSON events on standard output.
    Json,
}

impl Output {
    /// As asked for.
    pub(crate) fn new(wish: Wish) -> Self {
        let style = match wish {
            Wish::Json => Style::Json,
            Wish::Best if std::io::stderr().is_terminal() => Style::Bars(Bars::new()),
            Wish::Best => Style::Lines,
        };
        Self(Arc::new(Inner { style, waited: Mutex::default() }))
    }

    /// Shows that something happened.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an event is made where it happens"
    )]
    pub(crate) fn event(&self, event: Event<'_>) {
        match &self.0.style {
            Style::Json => print(&event.json().to_string()),
            Style::Lines => note(&event.line()),
            Style::Bars(bars) => bars.line(&event.line()),
        }
    }

    /// Shows how the server gets on with preparing.
    pub(crate) fn waiting(&self, progress: &Progress) {
        let said = progress.text.clone().unwrap_or_else(|| "in progress".to_owned());
        let next = span(progress.next_poll);
        match &self.0.style {
            Style::Bars(bars) => bars.waiting(&format!("{said}; next poll in {next}")),
            Style::Lines | Style::Json => {
                // The same words again are no news.
                let mut waited =
                    self.0.waited.lock().unwrap_or_else(PoisonError::into_inner);
                if *waited != said {
                    waited.clone_from(&said);
                    self.event(Event::Progress { said: &said });
                }
            }
        }
    }

    /// Files are about to be downloaded: `open` of `files`, of `resources` in all if told.
    pub(crate) fn begin_files(&self, files: u64, open: u64, resources: Option<u64>) {
        if let Style::Bars(bars) = &self.0.style {
            bars.begin(files, open, resources);
        }
    }

    /// No more files.
    pub(crate) fn end_files(&self) {
        if let Style::Bars(bars) = &self.0.style {
            bars.end();
        }
    }

    /// A file begins.
    pub(crate) fn file(
        &self,
        index: u32,
        array: FileArray,
        name: &str,
        count: Option<u64>,
    ) -> FileProgress {
        let name = match array {
            FileArray::Deleted => "deletions".to_owned(),
            FileArray::Outcome => "outcomes".to_owned(),
            FileArray::Recalled => "called back".to_owned(),
            FileArray::Replayed => "out of quarantine".to_owned(),
            FileArray::Output if name.is_empty() => "resources".to_owned(),
            FileArray::Output => name.to_owned(),
        };
        let bar = match &self.0.style {
            Style::Bars(bars) => Some(bars.file(&format!("{index:>4} {name}"), count)),
            Style::Json | Style::Lines => None,
        };
        FileProgress {
            output: self.clone(),
            index,
            name,
            bar,
            read: AtomicU64::new(0),
            wire: AtomicU64::new(0),
        }
    }

    /// The report of one export, on standard output.
    pub(crate) fn report(&self, report: &Report) {
        match &self.0.style {
            Style::Json => print(&Event::Report(report).json().to_string()),
            Style::Bars(_) | Style::Lines => print(&report.render()),
        }
    }

    /// Words for people after the report.
    pub(crate) fn say(&self, text: &str) {
        match &self.0.style {
            Style::Json => {}
            Style::Bars(_) | Style::Lines => print(text),
        }
    }
}

/// One file's progress.
pub(crate) struct FileProgress {
    output: Output,
    index: u32,
    name: String,
    bar: Option<indicatif::ProgressBar>,
    read: AtomicU64,
    wire: AtomicU64,
}

impl FileProgress {
    /// A try begins, after `through` lines that were delivered before.
    pub(crate) fn begin(&self, through: u64) {
        if let Some(bar) = &self.bar {
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_position(through);
        }
    }

    /// So much is read, and came over the wire.
    pub(crate) fn advance(&self, tally: &Tally, wire: u64) {
        let read = tally.total().read;
        let before = self.read.swap(read, Ordering::Relaxed);
        self.wire.store(wire, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            if let Style::Bars(bars) = &self.output.0.style {
                bars.advance(read.saturating_sub(before));
            }
        }
    }

    /// The file is tried again.
    pub(crate) fn again(&self, attempt: u32) {
        self.output.event(Event::FileAgain {
            index: self.index,
            name: &self.name,
            attempt,
        });
    }

    /// The file is delivered.
    pub(crate) fn done(&self, tally: &Tally) {
        self.clear();
        let total = tally.total();
        self.output.event(Event::FileDone {
            index: self.index,
            name: &self.name,
            read: total.read,
            delivered: total.delivered,
            wire: ByteSize::from_bytes(self.wire.load(Ordering::Relaxed)),
        });
    }

    /// The file cannot be had.
    pub(crate) fn failed(&self, reason: &str) {
        self.clear();
        self.output.event(Event::FileFailed {
            index: self.index,
            name: &self.name,
            reason,
        });
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            if let Style::Bars(bars) = &self.output.0.style {
                bars.file_done();
            }
        }
    }
}

fn print(text: &str) {
    // A closed pipe is the reader's wish: the run goes on.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
