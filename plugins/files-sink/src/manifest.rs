//! The export's manifest: which parts there are, in the form that Bulk Data clients read.
//!
//! The same tokens give the same bytes, so that a repeated `conclude` changes nothing.
//!
//! Source: Bulk Data IG, "Response - Complete Status", JSON object; deletions as in
//! "Deleted Data" (`deleted`, Bundles). Streams of transforms are no resources and stand in
//! `extension`.

use bulkhead_plugin::{
    FinishedExport, PluginError,
    artifacts::{Compression, Digest, Writer},
};
use serde::Serialize;

use crate::{
    layout::check_export_id,
    plan::Plan,
    progress::Progress,
    series::{Series, Shelf},
};

/// Writes the manifest of a finished export.
///
/// # Errors
///
/// [`PluginError`] when a token cannot be read or the store does not take the manifest.
pub(crate) fn publish(plan: &Plan, export: &FinishedExport) -> Result<(), PluginError> {
    check_export_id(&export.export_id)?;
    let mut manifest = Manifest {
        transaction_time: &export.transaction_time,
        request: &export.request,
        requires_access_token: false,
        output_format: "application/fhir+ndjson",
        output: Vec::new(),
        deleted: Vec::new(),
        error: [],
        extension: Extension { streams: Vec::new() },
    };
    let mut files: Vec<_> = export.files.iter().collect();
    files.sort_by_key(|file| file.file);
    for file in files {
        let progress = Progress::of_token(&file.token, &plan.fingerprint())?;
        for (series, part, count) in progress.parts() {
            let name = plan.part(&export.export_id, file.file, series, part);
            manifest.add(series, plan.url(&export.export_id, &name), count);
        }
    }
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|_| {
        PluginError::fatal("manifest", "the manifest cannot be written as JSON")
    })?;
    bytes.push(b'\n');

    let name = plan.manifest(&export.export_id);
    let mut writer = Writer::create(&plan.store, &name, Compression::None, Digest::None)?;
    for chunk in bytes.chunks(CHUNK) {
        writer.write(chunk)?;
    }
    writer.commit()?;
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    transaction_time: &'a str,
    request: &'a str,
    /// Who may read the store is the store's business.
    requires_access_token: bool,
    output_format: &'static str,
    output: Vec<Item>,
    deleted: Vec<Item>,
    /// The host reports what went wrong elsewhere; nothing of it lies in the store.
    error: [(); 0],
    #[serde(skip_serializing_if = "Extension::is_empty")]
    extension: Extension,
}

impl Manifest<'_> {
    fn add(&mut self, series: &Series, url: String, count: u64) {
        match series.shelf {
            Shelf::Data if series.is_resource() => {
                self.output.push(Item { resource_type: series.kind.clone(), url, count });
            }
            Shelf::Data => {
                let stream = series.kind.clone();
                self.extension.streams.push(StreamItem { stream, url, count });
            }
            Shelf::Deleted | Shelf::Retracted => {
                self.deleted.push(Item {
                    resource_type: "Bundle".to_owned(),
                    url,
                    count,
                });
            }
        }
    }
}

#[derive(Serialize)]
struct Item {
    #[serde(rename = "type")]
    resource_type: String,
    url: String,
    count: u64,
}

#[derive(Serialize)]
struct Extension {
    streams: Vec<StreamItem>,
}

impl Extension {
    fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

#[derive(Serialize)]
struct StreamItem {
    stream: String,
    url: String,
    count: u64,
}

/// Bytes of the manifest handed over at once, so that a large one needs no large buffer in the
/// host.
const CHUNK: usize = 64 << 10;
