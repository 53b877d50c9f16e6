//! As much plain REST as an export client needs: read, count, search by a few parameters.
//!
//! Source: FHIR R4 `RESTful` API, "read" and "search"; R4 Bundle `searchset`.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json, value::RawValue};

use crate::{
    auth::{Caller, check_read},
    outcome::{Refusal, fhir, with_type},
    peek::body,
    search::Criteria,
    state::State,
    store::{State as Known, Table},
};

/// Answers a read.
pub(crate) fn read(
    state: &State,
    caller: &Caller,
    resource_type: &str,
    id: &str,
) -> Result<Response, Refusal> {
    check_read(caller, resource_type)?;
    let snapshot = state.snapshot();
    match snapshot.find(resource_type, id) {
        Some(Known::Live(line)) => {
            let bytes = line.read().map_err(|_| unreadable())?;
            let resource = bytes.slice_ref(body(&bytes));
            Ok(with_type(
                StatusCode::OK,
                "application/fhir+json; charset=utf-8",
                resource,
            ))
        }
        Some(Known::Deleted(_)) => {
            Err(Refusal::new(StatusCode::GONE, "deleted", "the resource was deleted"))
        }
        None => Err(Refusal::not_found("there is no such resource")),
    }
}

/// Answers a search over one type.
pub(crate) fn search(
    state: &State,
    caller: &Caller,
    resource_type: &str,
    query: &str,
) -> Result<Response, Refusal> {
    check_read(caller, resource_type)?;
    let mut criteria = Criteria::default();
    let mut page = Page { counts_only: false, size: DEFAULT_PAGE, offset: 0 };
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "_summary" if value == "count" => page.counts_only = true,
            "_summary" if value == "false" => {}
            "_count" => page.size = number(&value)?.min(MOST_PAGE),
            "_offset" => page.offset = number(&value)?,
            "_format" if value.contains("json") => {}
            "_total" if value == "accurate" => {}
            _ => {
                criteria.add(&name, &value)?;
                kept.append_pair(&name, &value);
            }
        }
    }
    let snapshot = state.snapshot();
    let table = resource_type.parse().ok().and_then(|name| snapshot.tables.get(&name));
    let mut total = 0_u64;
    let mut entries = Vec::new();
    for line in table.into_iter().flat_map(Table::lines) {
        if !criteria.holds(&line).map_err(|_| unreadable())? {
            continue;
        }
        total += 1;
        let is_on_page = total > page.offset && (entries.len() as u64) < page.size;
        if is_on_page && !page.counts_only {
            let bytes = line.read().map_err(|_| unreadable())?;
            let text = String::from_utf8_lossy(body(&bytes)).into_owned();
            let resource = RawValue::from_string(text).map_err(|_| unreadable())?;
            entries.push((
                format!("{}/{resource_type}/{}", state.urls.base, line.id),
                resource,
            ));
        }
    }
    if page.counts_only {
        let bundle =
            json!({"resourceType": "Bundle", "type": "searchset", "total": total});
        return Ok(fhir(StatusCode::OK, &bundle));
    }
    let next = page.offset.saturating_add(page.size);
    let more = (total > next && page.size > 0).then(|| {
        kept.append_pair("_count", &page.size.to_string());
        kept.append_pair("_offset", &next.to_string());
        format!("{}/{resource_type}?{}", state.urls.base, kept.finish())
    });
    Ok(bundle(total, more, &entries))
}

struct Page {
    counts_only: bool,
    size: u64,
    offset: u64,
}

/// A searchset whose resources stand as they are stored.
pub(crate) fn bundle(
    total: u64,
    next: Option<String>,
    entries: &[(String, Box<RawValue>)],
) -> Response {
    let link =
        next.map_or_else(|| json!([]), |url| json!([{"relation": "next", "url": url}]));
    let entries: Vec<String> = entries
        .iter()
        .map(|(url, resource)| {
            format!(
                "{{\"fullUrl\":{},\"resource\":{}}}",
                Value::from(url.as_str()),
                resource.get()
            )
        })
        .collect();
    let text = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{total},\"link\":{link},\
         \"entry\":[{}]}}",
        entries.join(",")
    );
    with_type(StatusCode::OK, "application/fhir+json; charset=utf-8", text)
}

pub(crate) fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::invalid("want a whole number"))
}

pub(crate) fn unreadable() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "cannot read the data")
}

const DEFAULT_PAGE: u64 = 50;
/// Bounds what one answer holds in memory.
pub(crate) const MOST_PAGE: u64 = 1_000;
