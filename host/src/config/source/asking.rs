//! How the server is asked, and with which options of the kick-off.

use bulkhead_bulk::{
    Defaults, FilterCommas, Handling, KickoffMethod, SinceStyle, Version,
};
use bulkhead_model::{Instant, ResourceType};

use super::Reader;

/// How the server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    /// How to kick off.
    pub(crate) method: KickoffMethod,
    /// Which version of Bulk Data the server speaks.
    pub(crate) version: Version,
    /// How `_since` is written.
    pub(crate) since_style: SinceStyle,
    /// How commas within a filter are written.
    pub(crate) filter_commas: FilterCommas,
    /// What the server is to do with parameters that it does not know.
    pub(crate) handling: Handling,
    /// Only what changed before this.
    pub(crate) until: Option<Instant>,
    /// Only these elements.
    pub(crate) elements: Vec<String>,
    /// Codes of further resources to include.
    pub(crate) include_associated_data: Vec<String>,
    /// The type by which output is organised.
    pub(crate) organize_output_by: Option<String>,
    /// Whether files may be told of before all are ready.
    pub(crate) partial_manifests: bool,
    /// Whether the state of the job shall be told apart from that of the request.
    pub(crate) separate_export_status: bool,
}

pub(super) fn read(source: &Reader<'_>, defaults: &Defaults) -> Asking {
    let method = match source.word("method", &["auto", "get", "post"]).as_deref() {
        Some("get") => KickoffMethod::Get,
        Some("post") => KickoffMethod::Post,
        Some(_) => KickoffMethod::Auto,
        None => defaults.method.unwrap_or_default(),
    };
    let version = match source.word("version", &["auto", "1", "2", "3", "4"]).as_deref() {
        Some("1") => Version::V1,
        Some("2") => Version::V2,
        Some("3") => Version::V3,
        Some("4") => Version::V4,
        Some(_) => Version::Auto,
        None => defaults.version.unwrap_or_default(),
    };
    if method == KickoffMethod::Get && version == Version::V4 {
        let message = "`source.method` = \"get\": version 4 knows only \"post\"";
        source.problem_at("method", message);
    }
    let styles = ["seconds", "millis", "offset", "unsupported"];
    let since_style = match source.word("since-style", &styles).as_deref() {
        Some("millis") => SinceStyle::Millis,
        Some("offset") => SinceStyle::Offset,
        Some("unsupported") => SinceStyle::Unsupported,
        Some(_) => SinceStyle::Seconds,
        None => defaults.since_style.unwrap_or_default(),
    };
    let commas = source.word("type-filter-commas", &["escaped", "plain"]);
    let filter_commas = match commas.as_deref() {
        Some("plain") => FilterCommas::Plain,
        Some(_) => FilterCommas::Escaped,
        None => defaults.type_filter_commas.unwrap_or_default(),
    };
    let handling = match source.word("handling", &["strict", "lenient"]).as_deref() {
        Some("lenient") => Handling::Lenient,
        Some(_) => Handling::Strict,
        None => defaults.handling.unwrap_or_default(),
    };
    let organize_output_by = source.parsed::<ResourceType>("organize-output-by");
    let export_status = source.word("export-status", &["http", "separate"]);
    Asking {
        method,
        version,
        since_style,
        filter_commas,
        handling,
        until: source.parsed("until"),
        elements: elements(source),
        include_associated_data: source
            .texts("include-associated-data")
            .unwrap_or_default(),
        organize_output_by: organize_output_by.map(|name| name.to_string()),
        partial_manifests: source.flag("partial-manifests").unwrap_or_default(),
        separate_export_status: export_status.as_deref() == Some("separate"),
    }
}

/// `id`, `Patient.name`: only elements at the root can be asked for.
fn elements(source: &Reader<'_>) -> Vec<String> {
    let elements = source.texts("elements").unwrap_or_default();
    for element in &elements {
        let parts: Vec<&str> = element.split('.').collect();
        let name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let good = match parts.as_slice() {
            [element] => name(element),
            [kind, element] => kind.parse::<ResourceType>().is_ok() && name(element),
            _ => false,
        };
        if !good {
            let message = format!(
                "`{element}` in `source.elements`: write an element of the root, \
                 as \"id\" or \"Patient.name\""
            );
            source.problem_at("elements", message);
        }
    }
    elements
}

/// `Observation?category=laboratory`: one type, which is asked for, and nothing that is no
/// condition on it.
pub(super) fn type_filters(source: &Reader<'_>, types: &[ResourceType]) -> Vec<String> {
    let filters = source.texts("type-filters").unwrap_or_default();
    for filter in &filters {
        if let Some(fault) = filter_fault(filter, types) {
            let message = format!("`{filter}` in `source.type-filters`: {fault}");
            source.problem_at("type-filters", message);
        }
    }
    filters
}

fn filter_fault(filter: &str, types: &[ResourceType]) -> Option<String> {
    let example = "write a type and a search, as \"Observation?category=laboratory\"";
    let Some((name, query)) = filter.split_once('?') else { return Some(example.into()) };
    let Ok(name) = name.parse::<ResourceType>() else { return Some(example.into()) };
    if query.is_empty() {
        return Some(example.into());
    }
    if !types.is_empty() && !types.contains(&name) {
        return Some(format!("`{name}` is not among `source.types`"));
    }
    let names = query.split('&').filter_map(|pair| pair.split(['=', ':']).next());
    names
        .filter(|name| NO_CONDITIONS.contains(name))
        .map(|name| format!("`{name}` cannot be part of a filter"))
        .next()
}

/// What changes the shape of a search's result and not what is in it.
const NO_CONDITIONS: [&str; 8] = [
    "_include",
    "_revinclude",
    "_sort",
    "_elements",
    "_count",
    "_summary",
    "_total",
    "_format",
];
