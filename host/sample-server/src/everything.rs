//! `$everything` of a patient: the resources of the compartment, page by page.
//!
//! Source: FHIR R4, "Operation $everything on Patient" (`_type`, `_count`).

use axum::response::Response;
use serde_json::value::RawValue;

use crate::{
    auth::{Caller, check_read},
    outcome::Refusal,
    peek::body,
    rest::{MOST_PAGE, bundle, number, unreadable},
    state::State,
    store::{State as Known, Table},
};

/// Answers `$everything`. A token that does not cover every type of what there is may not ask.
pub(crate) fn everything(
    state: &State,
    caller: &Caller,
    patient: &str,
    query: &str,
) -> Result<Response, Refusal> {
    check_read(caller, "Patient")?;
    let (mut size, mut offset) = (PAGE, 0);
    let mut types: Option<Vec<String>> = None;
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "_count" => size = number(&value)?.min(MOST_PAGE),
            "_offset" => offset = number(&value)?,
            "_type" => {
                types = Some(value.split(',').map(str::to_owned).collect());
                kept.append_pair(&name, &value);
            }
            _ => {
                let text = format!("the parameter `{name}` is not supported");
                return Err(Refusal::unsupported(text));
            }
        }
    }
    let snapshot = state.snapshot();
    let number = snapshot.patients.number(patient);
    let is_live = matches!(snapshot.find("Patient", patient), Some(Known::Live(_)));
    let Some(number) = number.filter(|_| is_live) else {
        return Err(Refusal::not_found("there is no such patient"));
    };
    let (mut total, mut entries) = (0_u64, Vec::new());
    for (name, table) in &snapshot.tables {
        let is_wanted =
            types.as_ref().is_none_or(|types| types.iter().any(|of| of == name.as_str()));
        if !is_wanted {
            continue;
        }
        for line in Table::lines(table).filter(|line| line.patients.contains(&number)) {
            check_read(caller, name.as_str())?;
            total += 1;
            if total > offset && (entries.len() as u64) < size {
                let bytes = line.read().map_err(|_| unreadable())?;
                let text = String::from_utf8_lossy(body(&bytes)).into_owned();
                let resource = RawValue::from_string(text).map_err(|_| unreadable())?;
                entries
                    .push((format!("{}/{name}/{}", state.urls.base, line.id), resource));
            }
        }
    }
    let next = offset.saturating_add(size);
    let more = (total > next && size > 0).then(|| {
        kept.append_pair("_count", &size.to_string());
        kept.append_pair("_offset", &next.to_string());
        format!("{}/Patient/{patient}/$everything?{}", state.urls.base, kept.finish())
    });
    Ok(bundle(total, more, &entries))
}

/// Few, so that clients meet answers of several pages.
const PAGE: u64 = 10;
