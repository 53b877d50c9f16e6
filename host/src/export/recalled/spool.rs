//! The private file of keys that are called back.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bulkhead_ledger::delivered::ResourceKey;
use bulkhead_pipeline::Recalled;

/// The file of keys in the making.
pub(in crate::export) struct Spool {
    file: std::io::BufWriter<tempfile::NamedTempFile>,
    lines: u64,
}

impl Spool {
    pub(in crate::export) fn create(folder: &Path) -> anyhow::Result<Self> {
        // Readable by its owner alone: it names patients' resources.
        let file = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("writing to {}", folder.display()))?;
        Ok(Self { file: std::io::BufWriter::new(file), lines: 0 })
    }

    pub(in crate::export) fn add(
        &mut self,
        key: &ResourceKey,
        gone: bool,
    ) -> anyhow::Result<()> {
        let resource_type = key.resource_type().parse()?;
        let recalled = Recalled { resource_type, id: key.id().to_owned(), gone };
        // What has no id that a line may have was never delivered by one.
        if let Some(line) = recalled.line() {
            writeln!(self.file, "{line}").context("writing what is called back")?;
            self.lines += 1;
        }
        Ok(())
    }

    pub(in crate::export) fn publish(self, to: &Path) -> anyhow::Result<u64> {
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(to).with_context(|| format!("writing {}", to.display()))?;
        Ok(self.lines)
    }
}

/// Makes a folder that its owner alone can read.
pub(super) fn private_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("making {}", folder.display()))
}

/// Removes the file, if it is there.
pub(super) fn remove(spool: &PathBuf) -> anyhow::Result<()> {
    match fs_err::remove_file(spool) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
