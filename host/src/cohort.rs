//! Cohorts, read whole and frozen for a run. Those of the server are read in `group`.

mod group;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use bulkhead_bulk::Client;
use bulkhead_model::{Level, PatientKey, PatientSet};
use serde_json::Value;

use crate::{
    config::{CohortSource, Config},
    failure::Failure,
};

/// The name under which the group that is exported stands among the cohorts. No cohort of the
/// configuration can be called so.
pub(crate) const SOURCE_GROUP: &str = "@source";

/// Cohorts by name.
pub(crate) type Cohorts = BTreeMap<String, Arc<PatientSet>>;

/// Reads the cohorts that some plugin is granted. Groups are read from the server.
///
/// # Errors
///
/// A [`Failure`] that names the cohort; an empty cohort is one.
pub(crate) async fn load(config: &Config, client: &Client) -> anyhow::Result<Cohorts> {
    let mut cohorts = Cohorts::new();
    let granted: BTreeSet<&String> =
        config.plugins.values().flat_map(|plugin| &plugin.grants.cohorts).collect();
    for name in granted {
        let Some(source) = config.cohorts.get(name) else { continue };
        let set = keys(&ids(client, name, source).await?);
        if set.is_empty() {
            let what = format!("cohort `{name}` has no patient");
            let hint =
                "an empty cohort drops everything: check the list, or the column's name";
            return Err(Failure::refused(what).hint(hint).into());
        }
        tracing::info!(cohort = %name, patients = set.len(), "cohort read");
        cohorts.insert(name.clone(), Arc::new(set));
    }
    if let Level::Group(id) = &config.source.level {
        // What the server exports is a cohort as well, and lives as well.
        match group::patients(client, id).await {
            Ok(ids) => {
                cohorts.insert(SOURCE_GROUP.to_owned(), Arc::new(keys(&ids)));
            }
            Err(error) => tracing::warn!(
                error = %format!("{error:#}"),
                "who is in the group that is exported cannot be told: who joins or leaves it is not noticed"
            ),
        }
    }
    Ok(cohorts)
}

/// The ids of those patients of a cohort whose keys are `wanted`, as the source has them now.
///
/// # Errors
///
/// As [`load`].
pub(crate) async fn ids_of(
    config: &Config,
    client: &Client,
    name: &str,
    wanted: &BTreeSet<PatientKey>,
) -> anyhow::Result<Vec<String>> {
    let ids = match (&config.source.level, config.cohorts.get(name)) {
        (_, Some(source)) => ids(client, name, source).await?,
        (Level::Group(id), None) if name == SOURCE_GROUP => {
            group::patients(client, id).await?
        }
        (Level::Group(_) | Level::Patient | Level::System, None) => Vec::new(),
    };
    Ok(ids.into_iter().filter(|id| wanted.contains(&PatientKey::of(id))).collect())
}

async fn ids(
    client: &Client,
    name: &str,
    source: &CohortSource,
) -> anyhow::Result<Vec<String>> {
    match source {
        CohortSource::Group(id) => group::patients(client, id).await,
        CohortSource::Identifier(identifier) => {
            let found = async {
                let id = group::find(client, identifier).await?;
                group::patients(client, &id).await
            };
            found.await
        }
        CohortSource::Csv { .. } | CohortSource::Ndjson(_) => ids_in_file(source),
    }
    .with_context(|| format!("reading cohort `{name}`"))
}

fn keys(ids: &[String]) -> PatientSet {
    ids.iter().map(|id| PatientKey::of(id)).collect()
}

/// Reads a cohort that lies in a file; one that lies on the server is empty here.
///
/// # Errors
///
/// A [`Failure`] with the file and its line.
pub(crate) fn read_file(source: &CohortSource) -> anyhow::Result<PatientSet> {
    Ok(keys(&ids_in_file(source)?))
}

fn ids_in_file(source: &CohortSource) -> anyhow::Result<Vec<String>> {
    match source {
        CohortSource::Csv { path, column } => from_csv(path, column.as_deref()),
        CohortSource::Group(_) | CohortSource::Identifier(_) => Ok(Vec::new()),
        CohortSource::Ndjson(path) => from_ndjson(path),
    }
}

fn from_csv(path: &Path, column: Option<&str>) -> anyhow::Result<Vec<String>> {
    let file =
        fs_err::File::open(path).map_err(|error| Failure::refused(error.to_string()))?;
    let mut csv =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let broken =
        |error: csv::Error| Failure::refused(format!("{}: {error}", path.display()));
    let header = csv.headers().map_err(broken)?.clone();
    let at = match column {
        None => 0,
        Some(column) => {
            header.iter().position(|name| name == column).ok_or_else(|| {
                let known: Vec<&str> = header.iter().collect();
                let what = format!("{} has no column `{column}`", path.display());
                Failure::refused(what)
                    .hint(format!("its columns are {}", known.join(", ")))
            })?
        }
    };
    let mut ids = Vec::new();
    for record in csv.records() {
        let record = record.map_err(broken)?;
        if let Some(id) = record.get(at).filter(|id| !id.is_empty()) {
            let line = record.position().map_or(0, csv::Position::line);
            ids.push(bare(id).ok_or_else(|| not_an_id(path, line))?);
        }
    }
    Ok(ids)
}

fn from_ndjson(path: &Path) -> anyhow::Result<Vec<String>> {
    let file =
        fs_err::File::open(path).map_err(|error| Failure::refused(error.to_string()))?;
    let mut ids = Vec::new();
    for (line, number) in std::io::BufReader::new(file).lines().zip(1..) {
        let line = line.map_err(|error| Failure::refused(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let value = serde_json::from_str::<Value>(&line).ok();
        let id = value.as_ref().and_then(|value| match value {
            Value::String(id) => Some(id.as_str()),
            Value::Object(_) => {
                ["reference", "id"].iter().find_map(|key| value.get(key)?.as_str())
            }
            _ => None,
        });
        ids.push(id.and_then(bare).ok_or_else(|| not_an_id(path, number))?);
    }
    Ok(ids)
}

fn not_an_id(path: &Path, line: u64) -> Failure {
    Failure::refused(format!("{}:{line}: no patient id", path.display()))
        .hint("write the id as the server has it: `123` or `Patient/123`")
}

/// The id in `123`, `Patient/123` or an absolute reference.
fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let id = text.rsplit_once("Patient/").map_or(text, |(_, id)| id);
    let id = id.split_once("/_history").map_or(id, |(id, _)| id);
    let is_id = (1..=256).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn set(ids: &[&str]) -> PatientSet {
        ids.iter().map(|id| PatientKey::of(id)).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn reads_ids_in_every_form() {
        let csv = file(
            "name,patient_id\n\"Roe, Jane\",1\nB,Patient/2\nC,\nD,https://h/fhir/Patient/3\n",
        );
        let column = Some("patient_id".to_owned());
        let source = CohortSource::Csv { path: csv.path().to_owned(), column };
        assert_eq!(read_file(&source).unwrap(), set(&["1", "2", "3"]));
        let ndjson = file(
            "\"1\"\n{\"reference\":\"Patient/2\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"3\"}\n",
        );
        let source = CohortSource::Ndjson(ndjson.path().to_owned());
        assert_eq!(read_file(&source).unwrap(), set(&["1", "2", "3"]));
    }

    #[test]
    fn says_where_an_id_is_none() {
        let csv = file("id\n1\nnot an id\n");
        let source = CohortSource::Csv { path: csv.path().to_owned(), column: None };
        let error = read_file(&source).unwrap_err().to_string();
        assert!(error.ends_with(":3: no patient id"), "{error}");
        let source =
            CohortSource::Csv { path: csv.path().to_owned(), column: Some("x".into()) };
        let error = read_file(&source).unwrap_err().to_string();
        assert!(error.ends_with("has no column `x`"), "{error}");
    }
}
