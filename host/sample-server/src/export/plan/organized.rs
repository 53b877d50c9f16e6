//! Files in blocks: a header, a Patient, and what belongs to the Patient.
//!
//! Source: Bulk Data IG 3.0.0, "organizeOutputBy".

use std::{collections::BTreeMap, io, sync::Arc};

use serde_json::json;

use super::{Choice, Ground, ORGANIZED, OpenFile, OutputFile};
use crate::{
    scenario::Blocks,
    store::{Line, Source},
};

/// The blocks of an export, from what is chosen of each type.
pub(super) fn files(
    choices: &[Choice<'_>],
    ground: &Ground<'_>,
    blocks: &Blocks,
) -> io::Result<Vec<OutputFile>> {
    let mut patients: Vec<Line<'_>> = Vec::new();
    let mut others: BTreeMap<u32, Vec<Line<'_>>> = BTreeMap::new();
    let mut repeated: Vec<Line<'_>> = Vec::new();
    for choice in choices {
        let is_repeated = blocks.repeated.iter().any(|name| name == choice.name());
        let Some(table) = ground.snapshot.tables.get(choice.resource_type) else {
            continue;
        };
        for line in table.lines() {
            if is_repeated {
                repeated.push(line);
                continue;
            }
            if !choice.holds(&line)? {
                continue;
            }
            if choice.name() == "Patient" {
                patients.push(line);
            } else {
                for number in line.patients {
                    others.entry(*number).or_default().push(line);
                }
            }
        }
    }
    let most = ground.behaviour.resources_per_file.get();
    let mut files = Vec::new();
    let mut open = OpenFile::default();
    for patient in &patients {
        let own = patient.patients.iter().filter_map(|number| others.get(number));
        let block: Vec<Line<'_>> = std::iter::once(*patient)
            .chain(own.flatten().copied())
            .chain(repeated.iter().copied())
            .collect();
        let length = block.len() as u64;
        if !blocks.continues && open.count > 0 && open.count + length > most {
            files.extend(std::mem::take(&mut open).close(ORGANIZED));
        }
        header(&mut open, patient.id);
        for (at, line) in block.iter().enumerate() {
            if blocks.continues && open.count >= most {
                open.is_continued = at > 0;
                files.extend(std::mem::take(&mut open).close(ORGANIZED));
                header(&mut open, patient.id);
            }
            open.push(line.source, line.offset, u64::from(line.length));
        }
    }
    files.extend(open.close(ORGANIZED));
    Ok(files)
}

/// The line that starts a block; it is no resource of the export, and not counted.
fn header(open: &mut OpenFile, patient: &str) {
    let header = json!({"resourceType": "Parameters", "parameter": [{
        "name": "header",
        "valueReference": {"reference": format!("Patient/{patient}")},
    }]});
    let text = format!("{header}\n");
    let length = text.len() as u64;
    open.push(&Arc::new(Source::memory(text.into())), 0, length);
    open.count -= 1;
}
