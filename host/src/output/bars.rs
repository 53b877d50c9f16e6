//! Progress bars: one a file in flight, and one for all.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Progress bars on standard error.
pub(super) struct Bars {
    all: MultiProgress,
    total: Mutex<Option<Total>>,
    waiting: Mutex<Option<ProgressBar>>,
}

struct Total {
    bar: ProgressBar,
    /// Whether the bar counts resources; else it counts files.
    counts_resources: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::new(),
            total: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn line(&self, text: &str) {
        if let Some(bar) =
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            bar.finish_and_clear();
        }
        // A line that cannot be shown is shown nowhere else.
        let _ = self.all.println(text);
    }

    pub(super) fn waiting(&self, text: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = waiting.get_or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} server: {msg}"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_message(text.to_owned());
    }

    pub(super) fn begin(&self, files: u64, open: u64, resources: Option<u64>) {
        let bar = self.all.add(ProgressBar::new(resources.unwrap_or(files)));
        bar.set_style(style(if resources.is_some() {
            "in all {wide_bar} {human_pos}/{human_len} resources  {per_sec}  ETA {eta}"
        } else {
            "in all {wide_bar} {human_pos}/{human_len} files  ETA {eta}"
        }));
        if resources.is_none() {
            bar.set_position(files - open);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let counts_resources = resources.is_some();
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Total { bar, counts_resources });
    }

    pub(super) fn advance(&self, resources: u64) {
        let total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(total) = total.as_ref().filter(|total| total.counts_resources) {
            total.bar.inc(resources);
        }
    }

    pub(super) fn file_done(&self) {
        let total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(total) = total.as_ref().filter(|total| !total.counts_resources) {
            total.bar.inc(1);
        }
    }

    pub(super) fn end(&self) {
        if let Some(total) =
            self.total.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            total.bar.finish_and_clear();
        }
    }

    pub(super) fn file(&self, name: &str, count: Option<u64>) -> ProgressBar {
        let bar = self.all.insert(0, ProgressBar::new(count.unwrap_or(0)));
        bar.set_style(style(if count.is_some() {
            "{msg:28} {wide_bar} {human_pos}/{human_len}  {per_sec}"
        } else {
            "{msg:28} {spinner} {human_pos}  {per_sec}"
        }));
        bar.set_message(name.to_owned());
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
