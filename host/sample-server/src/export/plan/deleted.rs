//! Deletions since `_since`, as Bundles of entries.
//!
//! Source: Bulk Data IG, "deleted".

use serde_json::json;

use super::{Choice, Ground, OutputFile, text_file};
use crate::{scenario::EntryUrl, store::Table};
use bulkhead_model::ResourceType;

/// The files of deletions of one type, and the lines that `output` should not have.
pub(super) fn files(
    resource_type: &ResourceType,
    table: &Table,
    choice: &Choice<'_>,
    ground: &Ground<'_>,
    files: &mut Vec<OutputFile>,
) -> Option<OutputFile> {
    let since = choice.wanted.since?;
    let mode = &ground.modes.deleted;
    let gone: Vec<&str> = table
        .tombstones()
        .filter(|(_, tombstone)| {
            tombstone.at > since
                && choice.wanted.until.is_none_or(|until| tombstone.at < until)
                && choice.wanted.at_most.is_none_or(|last| tombstone.at <= last)
                && choice.about.is_none()
                && choice.members.held(&tombstone.patients)
        })
        .map(|(id, _)| id)
        .collect();
    if !mode.reported {
        return None;
    }
    let behaviour = ground.behaviour;
    let most = usize::try_from(behaviour.resources_per_file.get()).unwrap_or(usize::MAX);
    let each =
        usize::try_from(behaviour.deletions_per_bundle.get()).unwrap_or(usize::MAX);
    let bundles: Vec<String> = gone
        .chunks(each)
        .map(|ids| {
            let entry: Vec<_> = ids
                .iter()
                .map(|id| {
                    let url = match mode.url {
                        EntryUrl::Absolute => {
                            format!("{}/{resource_type}/{id}", ground.base)
                        }
                        EntryUrl::LeadingSlash => format!("/{resource_type}/{id}"),
                        EntryUrl::Relative => format!("{resource_type}/{id}"),
                    };
                    json!({"request": {"method": mode.method, "url": url}})
                })
                .collect();
            json!({"resourceType": "Bundle", "type": mode.bundle, "entry": entry})
                .to_string()
        })
        .collect();
    files.extend(bundles.chunks(most).filter_map(|lines| text_file("Bundle", lines)));
    if !mode.also_in_output {
        return None;
    }
    let lines: Vec<String> = gone
        .iter()
        .map(|id| json!({"resourceType": resource_type.as_str(), "id": id}).to_string())
        .collect();
    text_file(resource_type.as_str(), &lines)
}
