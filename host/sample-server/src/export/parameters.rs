//! The parameters of a kick-off, as a query or as a Parameters resource, read into what they
//! mean.
//!
//! Source: Bulk Data IG 3.0.0, "Query Parameters"; 1.0 and 2.0 for comma lists.

mod lists;

use bulkhead_model::{Instant, Level, ResourceType};
use serde_json::Value;

use crate::{
    outcome::Refusal,
    scenario::{Modes, Organized, Since, Treatment},
    search::Criteria,
};

/// What becomes of a parameter that this server does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It is left out, and the manifest's `error` files say so.
    Lenient,
    /// The kick-off is refused.
    Strict,
}

/// How the parameters came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Body,
    Query,
}

/// What an export shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) since: Option<Instant>,
    pub(crate) until: Option<Instant>,
    pub(crate) types: Option<Vec<ResourceType>>,
    pub(crate) filters: Vec<(ResourceType, Criteria)>,
    /// Patient ids.
    pub(crate) patients: Option<Vec<String>>,
    pub(crate) relevant_provenance: bool,
    /// Whether what changed at `since` counts as changed.
    pub(crate) includes_since: bool,
    /// Nothing that changed after this, whatever the snapshot holds.
    pub(crate) at_most: Option<Instant>,
    /// What the blocks of files are organized by.
    pub(crate) organized_by: Option<String>,
    /// Parameters left out, by name.
    pub(crate) ignored: Vec<String>,
}

/// Reads a query string.
pub(crate) fn of_query(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Reads a Parameters resource.
pub(crate) fn of_body(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let invalid = || Refusal::invalid("the body is not a Parameters resource");
    let parameters: Value = serde_json::from_slice(body).map_err(|_| invalid())?;
    if parameters.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return Err(invalid());
    }
    let Some(list) = parameters.get("parameter") else { return Ok(Vec::new()) };
    let read = |parameter: &Value| {
        let name = parameter.get("name")?.as_str()?.to_owned();
        Some((name.clone(), value_of(&name, parameter)?))
    };
    list.as_array()
        .ok_or_else(invalid)?
        .iter()
        .map(|one| read(one).ok_or_else(invalid))
        .collect()
}

/// The value of one parameter, which must be of a kind that the parameter may have.
fn value_of(name: &str, parameter: &Value) -> Option<String> {
    let text =
        |kind: &str| parameter.get(kind).and_then(Value::as_str).map(str::to_owned);
    match name {
        "_since" | "_until" => text("valueInstant"),
        "patient" => {
            let reference = parameter.get("valueReference")?.get("reference")?;
            reference.as_str().map(str::to_owned)
        }
        "includeAssociatedData" => text("valueCode").or_else(|| {
            let code = parameter.get("valueCoding")?.get("code")?;
            code.as_str().map(str::to_owned)
        }),
        "allowPartialManifests" => parameter
            .get("valueBoolean")
            .and_then(Value::as_bool)
            .map(|flag| flag.to_string()),
        _ => {
            text("valueString").or_else(|| text("valueCode")).or_else(|| text("valueUri"))
        }
    }
}

impl Wanted {
    /// Reads the parameters of a kick-off at a level.
    pub(crate) fn of(
        parameters: Vec<(String, String)>,
        level: &Level,
        form: Form,
        handling: Handling,
        modes: &Modes,
        now: Instant,
    ) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        lists::check(&parameters, modes)?;
        for (name, value) in parameters {
            let refusal = || {
                let text = format!("the parameter `{name}` is not supported");
                Refusal::unsupported(text)
            };
            match modes.parameters.get(&name) {
                Some(Treatment::Ignore) => continue,
                Some(Treatment::Lenient) => {
                    let refusal = refusal();
                    wanted.unsupported(name, Handling::Lenient, refusal)?;
                    continue;
                }
                Some(Treatment::Refuse) => return Err(refusal()),
                None => {}
            }
            match name.as_str() {
                "_outputFormat" => output_format(&value)?,
                "_since" => {
                    let since = since(&name, &value, modes.since, now)?;
                    once(&mut wanted.since, &name, since)?;
                }
                "_until" => once(&mut wanted.until, &name, instant(&name, &value)?)?,
                "_type" => wanted.add_types(&value)?,
                "_typeFilter" => match type_filters(&value) {
                    Ok(filters) => wanted.filters.extend(filters),
                    Err(refusal) => wanted.unsupported(name, handling, refusal)?,
                },
                "patient" => wanted.add_patient(&value, level, form)?,
                "includeAssociatedData" if value == "RelevantProvenanceResources" => {
                    wanted.relevant_provenance = true;
                }
                "allowPartialManifests" if value == "false" => {}
                "allowPartialManifests" if value == "true" && modes.pages.is_some() => {}
                "organizeOutputBy" if modes.organized == Organized::IgnoredSilently => {}
                "organizeOutputBy"
                    if modes.organized != Organized::Refused && value == "Patient" =>
                {
                    once(&mut wanted.organized_by, &name, value)?;
                }
                _ => {
                    let text = format!(
                        "the parameter `{name}` is not supported with this value"
                    );
                    wanted.unsupported(name, handling, Refusal::unsupported(text))?;
                }
            }
        }
        if let (Some(since), Some(until)) = (wanted.since, wanted.until)
            && until <= since
        {
            return Err(Refusal::invalid("`_until` is not after `_since`"));
        }
        match modes.since {
            Since::AtOrAfter => wanted.includes_since = true,
            Since::Ignored => wanted.since = None,
            Since::After
            | Since::Local(_)
            | Since::RefusesFraction
            | Since::TakesFuture => {}
        }
        Ok(wanted)
    }

    fn unsupported(
        &mut self,
        name: String,
        handling: Handling,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        match handling {
            Handling::Strict => Err(refusal),
            Handling::Lenient => {
                if !self.ignored.contains(&name) {
                    self.ignored.push(name);
                }
                Ok(())
            }
        }
    }

    fn add_types(&mut self, value: &str) -> Result<(), Refusal> {
        let types = self.types.get_or_insert_default();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let parsed: ResourceType = name.parse().map_err(|_| {
                Refusal::invalid("`_type` holds what is no resource type")
            })?;
            if !types.contains(&parsed) {
                types.push(parsed);
            }
        }
        if types.is_empty() { Err(Refusal::invalid("`_type` is empty")) } else { Ok(()) }
    }

    fn add_patient(
        &mut self,
        value: &str,
        level: &Level,
        form: Form,
    ) -> Result<(), Refusal> {
        match (level, form) {
            (Level::System, _) => {
                Err(Refusal::invalid("`patient` is not for a system-level export"))
            }
            (_, Form::Query) => {
                Err(Refusal::invalid("`patient` is for POST kick-offs only"))
            }
            (Level::Group(_) | Level::Patient, Form::Body) => {
                let id = value
                    .rsplit_once("Patient/")
                    .map(|(_, id)| id)
                    .filter(|id| !id.is_empty() && !id.contains('/'))
                    .ok_or_else(|| {
                        Refusal::invalid("`patient` is no reference to a Patient")
                    })?;
                self.patients.get_or_insert_default().push(id.to_owned());
                Ok(())
            }
        }
    }
}

fn output_format(value: &str) -> Result<(), Refusal> {
    match value {
        "application/fhir+ndjson" | "application/ndjson" | "ndjson" => Ok(()),
        _ => Err(Refusal::unsupported("`_outputFormat` is none of the NDJSON names")),
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::invalid(format!("`{name}` is given twice"))),
    }
}

fn instant(name: &str, value: &str) -> Result<Instant, Refusal> {
    value.parse().map_err(|_| {
        Refusal::invalid(format!("`{name}` is no instant (in a query, write `+` as %2B)"))
    })
}

fn since(name: &str, value: &str, mode: Since, now: Instant) -> Result<Instant, Refusal> {
    let parsed = instant(name, value)?;
    match mode {
        Since::RefusesFraction if value.contains('.') => {
            return Err(Refusal::invalid(format!("`{name}` has a fraction of a second")));
        }
        Since::TakesFuture => return Ok(parsed),
        Since::Local(shift) => return Ok(shift.of(parsed)),
        Since::After | Since::AtOrAfter | Since::Ignored | Since::RefusesFraction => {}
    }
    if parsed > now {
        return Err(Refusal::invalid(format!(
            "`{name}` is in the future of this server"
        )));
    }
    Ok(parsed)
}

/// Reads `Type?name=value&…`, or several with commas between, as earlier versions allow.
fn type_filters(value: &str) -> Result<Vec<(ResourceType, Criteria)>, Refusal> {
    let mut filters: Vec<String> = Vec::new();
    for piece in value.split(',') {
        match filters.last_mut() {
            // A comma within a value: what follows does not start with `Type?`.
            Some(before) if type_filter(piece).is_none() => {
                before.push(',');
                before.push_str(piece);
            }
            Some(_) | None => filters.push(piece.to_owned()),
        }
    }
    let mut read = Vec::new();
    for filter in filters {
        let (resource_type, query) = type_filter(&filter)
            .ok_or_else(|| Refusal::invalid("`_typeFilter` is not `Type?name=value`"))?;
        let mut criteria = Criteria::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            criteria.add(&name, &value)?;
        }
        read.push((resource_type, criteria));
    }
    Ok(read)
}

fn type_filter(text: &str) -> Option<(ResourceType, &str)> {
    let (name, query) = text.split_once('?')?;
    Some((name.trim().parse().ok()?, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        query: &str,
        level: &Level,
        form: Form,
        handling: Handling,
    ) -> Result<Wanted, String> {
        let now = Instant::from_unix_ms(1_800_000_000_000);
        Wanted::of(of_query(query), level, form, handling, &Modes::default(), now)
            .map_err(|refusal| refusal.text)
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        let cases = [
            ("format", "_outputFormat=text/csv"),
            ("date", "_since=2026-01-01"),
            ("plus sign", "_since=2026-01-01T00:00:00+02:00"),
            ("future", "_since=2126-01-01T00:00:00Z"),
            ("twice", "_since=2026-01-01T00:00:00Z&_since=2026-01-01T00:00:00Z"),
            (
                "until before since",
                "_since=2026-01-02T00:00:00Z&_until=2026-01-01T00:00:00Z",
            ),
            ("no type", "_type=patient"),
            ("empty type", "_type="),
            ("elements", "_elements=id"),
            ("unknown", "organizeOutputBy=Patient"),
            ("filter without type", "_typeFilter=status%3Dfinal"),
            ("unknown search", "_typeFilter=Observation%3Fvalue-quantity%3D5"),
            ("patient in a query", "patient=Patient/1"),
        ];
        for (name, query) in cases {
            let answer = read(query, &Level::Patient, Form::Query, Handling::Strict);
            assert!(answer.is_err(), "case: {name}");
        }
    }

    #[test]
    fn reads_lists_with_commas_and_repeats() {
        let query = "_type=Patient,Task&_type=Task&_typeFilter=Task?status=a,b,Patient?gender=male";
        let wanted = read(query, &Level::System, Form::Query, Handling::Strict);
        let wanted = wanted.unwrap_or_default();
        let types: Vec<&str> =
            wanted.types.iter().flatten().map(ResourceType::as_str).collect();
        assert_eq!(types, ["Patient", "Task"]);
        let filtered: Vec<&str> = wanted
            .filters
            .iter()
            .map(|(resource_type, _)| resource_type.as_str())
            .collect();
        assert_eq!(filtered, ["Task", "Patient"]);
    }

    #[test]
    fn lenient_handling_leaves_out_and_remembers() {
        let wanted = read(
            "_elements=id&_elements=x",
            &Level::System,
            Form::Query,
            Handling::Lenient,
        );
        assert_eq!(wanted.map(|wanted| wanted.ignored), Ok(vec!["_elements".to_owned()]));
    }

    #[test]
    fn reads_a_parameters_resource_by_the_kinds_of_its_values() {
        let body = br#"{"resourceType":"Parameters","parameter":[
            {"name":"_since","valueInstant":"2026-01-01T00:00:00Z"},
            {"name":"patient","valueReference":{"reference":"Patient/1"}},
            {"name":"includeAssociatedData","valueCode":"RelevantProvenanceResources"}]}"#;
        let read = of_body(body).map_err(|refusal| refusal.text);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read,
            Ok(vec![
                pair("_since", "2026-01-01T00:00:00Z"),
                pair("patient", "Patient/1"),
                pair("includeAssociatedData", "RelevantProvenanceResources"),
            ])
        );
        let wrong = br#"{"resourceType":"Parameters","parameter":[{"name":"_since","valueBoolean":true}]}"#;
        assert!(of_body(wrong).is_err());
    }
}
