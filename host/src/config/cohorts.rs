//! `[cohorts.NAME]`: whose data may pass.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::reader::Reader;

/// Where the patients of a cohort are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CohortSource {
    /// A column of a CSV file with a header.
    Csv {
        /// The file.
        path: PathBuf,
        /// The column's name; the first one when it is not given.
        column: Option<String>,
    },
    /// A `Group` of the server, groups within it included.
    Group(String),
    /// The same, by its identifier: `system|value`.
    Identifier(String),
    /// An NDJSON file: ids as text, references, or Patient resources.
    Ndjson(PathBuf),
}

pub(crate) fn read(root: &Reader<'_>, folder: &Path) -> BTreeMap<String, CohortSource> {
    let mut cohorts = BTreeMap::new();
    for (name, cohort) in root.named("cohorts") {
        let from = cohort.section("from");
        let csv = from.text("csv");
        let column = from.text("column");
        let ndjson = from.text("ndjson");
        let identifier = from.is_table("group").then(|| {
            let group = from.section("group");
            let identifier =
                group.required_text("identifier", "`system|value`, as the server has it");
            group.finish();
            CohortSource::Identifier(identifier.unwrap_or_default())
        });
        let group = if identifier.is_some() { None } else { from.text("group") };
        let is_group = group.is_some() || identifier.is_some();
        let given = [csv.is_some(), ndjson.is_some(), is_group];
        if given.iter().filter(|is_given| **is_given).count() == 1 {
            from.finish();
            let source = match (csv, ndjson, identifier) {
                (_, _, Some(identifier)) => identifier,
                (Some(csv), ..) => CohortSource::Csv { path: folder.join(csv), column },
                (_, Some(ndjson), _) => CohortSource::Ndjson(folder.join(ndjson)),
                (None, None, None) => {
                    let id = group.unwrap_or_default();
                    CohortSource::Group(
                        id.strip_prefix("Group/").unwrap_or(&id).to_owned(),
                    )
                }
            };
            cohorts.insert(name, source);
        } else {
            cohort.problem(format!(
                "`cohorts.{name}` needs one source: write `from = {{ csv = \"members.csv\", \
                 column = \"patient_id\" }}`, `from = {{ ndjson = \"…\" }}`, \
                 `from = {{ group = \"…\" }}` or `from = {{ group = {{ identifier = \"…\" }} }}`"
            ));
        }
        cohort.finish();
    }
    cohorts
}
