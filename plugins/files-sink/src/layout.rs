//! Names of artifacts: the operator's layout, and what may stand in for its placeholders.
//!
//! No two parts of a store get the same name. With `{kind}` in the layout a part is called
//! `00003-00000`; without it, and for deletions and retractions, `Patient-00003-00000`. The
//! one has a hyphen less than the other; and the folders `deleted` and `retracted` are
//! closed to layouts and kinds.
//!
//! Source: `artifacts.create` in the WIT (segments, no leading dot).

use bulkhead_plugin::PluginError;

use crate::series::{Series, Shelf};

/// A checked layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout(String);

impl Layout {
    /// Reads a layout.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let folders = text.strip_suffix('/').unwrap_or_else(|| {
            wrong.push(format!("`{text}` is no folder; end it with `/`"));
            text
        });
        for (placeholder, is_required) in [(EXPORT, true), (KIND, false)] {
            match text.matches(placeholder).count() {
                0 if is_required => wrong.push(format!(
                    "`{text}` lacks `{placeholder}`; without it one export overwrites another"
                )),
                0 | 1 => {}
                _ => wrong.push(format!("`{text}` holds `{placeholder}` twice; write it once")),
            }
        }
        for segment in folders.split('/') {
            let filled = segment.replace(EXPORT, "x").replace(KIND, "x");
            if filled.contains(['{', '}']) {
                wrong.push(format!(
                    "`{segment}` holds an unknown placeholder; there are `{EXPORT}` and `{KIND}`"
                ));
            } else if !is_segment(&filled) {
                wrong.push(format!(
                    "`{segment}` is no folder's name; write `A-Z a-z 0-9 . _ = -`, not empty and \
                     with no dot in front"
                ));
            }
            if segment.contains(EXPORT) && segment.contains(KIND) {
                wrong.push(format!(
                    "`{segment}` holds both placeholders; part them by `/`, so that the export's \
                     manifest has a folder of its own"
                ));
            }
            if RESERVED.contains(&segment) {
                wrong.push(format!(
                    "`{segment}` is kept for the sink's own use; rename it"
                ));
            }
        }
        if wrong.is_empty() { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }

    /// As the operator wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a part, without extension.
    pub(crate) fn part(
        &self,
        export: &str,
        file: u32,
        series: &Series,
        part: usize,
    ) -> String {
        let kind = &series.kind;
        let folder = match series.shelf {
            Shelf::Data if self.0.contains(KIND) => {
                let folder = self.0.replace(EXPORT, export).replace(KIND, kind);
                return format!("{folder}{file:05}-{part:05}");
            }
            Shelf::Data => self.0.replace(EXPORT, export),
            Shelf::Deleted => format!("{}{DELETED}/", self.home(export)),
            Shelf::Retracted => format!("{}{RETRACTED}/", self.home(export)),
        };
        format!("{folder}{kind}-{file:05}-{part:05}")
    }

    /// The export's own folder, with a slash at the end: the layout up to the segment that
    /// holds the export, less one that holds the kind.
    pub(crate) fn home(&self, export: &str) -> String {
        let mut home = String::new();
        for segment in self.0.split('/') {
            if !segment.contains(KIND) {
                home.push_str(&segment.replace(EXPORT, export));
                home.push('/');
            }
            if segment.contains(EXPORT) {
                break;
            }
        }
        home
    }
}

/// Checks that an export's id can stand in a name.
///
/// # Errors
///
/// [`PluginError::Fatal`] when it cannot.
pub(crate) fn check_export_id(export: &str) -> Result<(), PluginError> {
    if is_segment(export) {
        Ok(())
    } else {
        Err(PluginError::fatal(
            "export-id",
            "the export's id cannot stand in a file's name",
        ))
    }
}

/// Checks that a kind can stand in a name: `Patient`, or a stream such as `view/visits`,
/// which becomes a folder within a folder.
///
/// # Errors
///
/// [`PluginError::Fatal`] when it cannot.
pub(crate) fn check_kind(kind: &str) -> Result<(), PluginError> {
    let is_reserved =
        kind.split('/').next().is_some_and(|first| RESERVED.contains(&first));
    if !is_reserved && !kind.contains('=') && kind.split('/').all(is_segment) {
        Ok(())
    } else {
        Err(PluginError::fatal(
            "kind-name",
            "a kind's name cannot stand in a file's name",
        ))
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte))
}

const EXPORT: &str = "{export}";
const KIND: &str = "{kind}";
const DELETED: &str = "deleted";
const RETRACTED: &str = "retracted";
const RESERVED: [&str; 2] = [DELETED, RETRACTED];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
