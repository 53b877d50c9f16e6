//! What a FHIR reference points at, as far as patients go.
//!
//! Source: FHIR R4 "References", Bulk Data IG "Output Files" (relative and absolute forms).

use bulkhead_model::{PatientKey, ResourceType};

/// The server's own base URLs: an absolute reference below one of them is as good as a
/// relative one. Any other base is foreign.
///
/// `http` and `https`, the case of the host and a port that is the default make no
/// difference: servers behind proxies write their own address in several ways. The path does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases(Vec<Base>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    /// As given, with a slash at the end: what nearly all references begin with.
    text: String,
    host: String,
    port: Option<String>,
    /// Without the slash at its begin, with one at its end unless it is empty.
    path: String,
}

impl Bases {
    /// From base URLs, with or without a slash at the end. What is no `http` or `https` URL is
    /// the base of nothing.
    pub fn new(bases: impl IntoIterator<Item = String>) -> Self {
        let read = |base: String| {
            let text = format!("{}/", base.trim_end_matches('/'));
            let (host, port, path) = parts(&text)?;
            let (host, path) = (host.to_ascii_lowercase(), path.to_owned());
            Some(Base { host, port: port.map(str::to_owned), path, text })
        };
        Self(bases.into_iter().filter_map(read).collect())
    }

    fn strip<'a>(&self, reference: &'a str) -> Option<&'a str> {
        let exact = |base: &Base| reference.strip_prefix(base.text.as_str());
        if let Some(relative) = self.0.iter().find_map(exact) {
            return Some(relative);
        }
        let (host, port, path) = parts(reference)?;
        let alike = |base: &&Base| {
            base.host.eq_ignore_ascii_case(host) && base.port.as_deref() == port
        };
        self.0.iter().filter(alike).find_map(|base| path.strip_prefix(base.path.as_str()))
    }
}

/// Host, port and path of an absolute URL; no port where it is the scheme's own.
fn parts(url: &str) -> Option<(&str, Option<&str>, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let own = if scheme.eq_ignore_ascii_case("https") {
        "443"
    } else if scheme.eq_ignore_ascii_case("http") {
        "80"
    } else {
        return None;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address of version 6 are within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    Some((host, port.filter(|port| *port != own && !port.is_empty()), path))
}

/// What a reference points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A contained resource, by its id.
    Contained(&'a str),
    /// Something that is no patient.
    Other,
    /// A patient of this server.
    Patient(PatientKey),
    /// It may be a patient, but not one that can be told.
    Unresolved,
}

/// Reads a literal reference.
pub(crate) fn target<'a>(reference: &'a str, bases: &Bases) -> Target<'a> {
    plain(reference).unwrap_or_else(|| any(reference, bases))
}

/// The forms that nearly all have: `Type/id` with an id of plain characters, and `Type?…`.
fn plain(reference: &str) -> Option<Target<'_>> {
    let at = reference.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (kind, rest) = reference.split_at_checked(at)?;
    let is_type = at <= 64 && kind.starts_with(|first: char| first.is_ascii_uppercase());
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !is_type {
        return None;
    }
    if rest.starts_with('?') {
        let is_patient = kind == "Patient";
        return Some(if is_patient { Target::Unresolved } else { Target::Other });
    }
    let id = rest.strip_prefix('/')?;
    // Without an early end the check runs on many bytes at once.
    let all_plain = id.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    if id.is_empty() || id.len() > 256 || !all_plain {
        None
    } else if kind == "Patient" {
        Some(Target::Patient(PatientKey::of(id)))
    } else {
        Some(Target::Other)
    }
}

fn any<'a>(reference: &'a str, bases: &Bases) -> Target<'a> {
    if let Some(id) = reference.strip_prefix('#') {
        return Target::Contained(id);
    }
    let relative = if reference.contains("://") {
        match bases.strip(reference) {
            Some(relative) => relative,
            None => return foreign(reference),
        }
    } else {
        reference.strip_prefix('/').unwrap_or(reference)
    };
    if let Some((kind, _)) = relative.split_once('?') {
        // Conditional: `Patient?identifier=…`.
        return if kind == "Patient" || !ResourceType::is_valid(kind) {
            Target::Unresolved
        } else {
            Target::Other
        };
    }
    let mut segments = relative.split('/');
    let kind = segments.next().unwrap_or_default();
    let id = segments.next();
    let is_versioned = segments.next().is_none_or(|segment| segment == "_history");
    match id {
        Some(id) if kind == "Patient" && is_versioned && is_id(id) => {
            Target::Patient(PatientKey::of(id))
        }
        Some(_) if kind != "Patient" && ResourceType::is_valid(kind) => Target::Other,
        _ => Target::Unresolved,
    }
}

/// A foreign server's resource: none of our patients, and a patient all the same if it says so.
fn foreign(reference: &str) -> Target<'_> {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let mut from_end = path.rsplit('/');
    let names_other = loop {
        match from_end.next() {
            Some(segment) if ResourceType::is_valid(segment) => {
                break segment != "Patient";
            }
            Some(_) => {}
            None => break false,
        }
    };
    if names_other { Target::Other } else { Target::Unresolved }
}

/// R4 says 1 to 64 of `[A-Za-z0-9.-]`; live servers also use `_` and longer ones.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 109, S10.
    #[test]
    fn tells_patients_from_all_else() {
        let bases = Bases::new(
            ["https://ehr.example/fhir", "http://[::1]:8080/r4/", "nonsense"]
                .map(str::to_owned),
        );
        let one = Target::Patient(PatientKey::of("1"));
        let cases = [
            ("relative", "Patient/1", one),
            ("leading slash", "/Patient/1", one),
            ("versioned", "Patient/1/_history/3", one),
            ("absolute on our base", "https://ehr.example/fhir/Patient/1", one),
            ("another case", "https://EHR.example/fhir/Patient/1", one),
            ("clear text", "http://ehr.example/fhir/Patient/1", one),
            ("the port of the scheme", "https://ehr.example:443/fhir/Patient/1", one),
            ("loudly", "HTTP://Ehr.Example:80/fhir/Patient/1/_history/3", one),
            ("an alias", "http://[::1]:8080/r4/Patient/1", one),
            (
                "another port",
                "https://ehr.example:8443/fhir/Patient/1",
                Target::Unresolved,
            ),
            ("the port of another scheme", "https://ehr.example:80/fhir/Patient/1", {
                Target::Unresolved
            }),
            ("another case of the path", "https://ehr.example/FHIR/Patient/1", {
                Target::Unresolved
            }),
            (
                "foreign patient",
                "https://other.example/fhir/Patient/1",
                Target::Unresolved,
            ),
            (
                "foreign practitioner",
                "https://other.example/fhir/Practitioner/1",
                Target::Other,
            ),
            (
                "prefix of our base",
                "https://ehr.example/fhirs/Patient/1",
                Target::Unresolved,
            ),
            ("another type", "Group/1", Target::Other),
            ("conditional patient", "Patient?identifier=x|1", Target::Unresolved),
            ("conditional practitioner", "Practitioner?identifier=x|1", Target::Other),
            ("contained", "#p1", Target::Contained("p1")),
            ("urn", "urn:uuid:6f1c", Target::Unresolved),
            ("no id", "Patient", Target::Unresolved),
            ("empty id", "Patient/", Target::Unresolved),
            (
                "deeper than a reference goes",
                "Patient/1/Observation/2",
                Target::Unresolved,
            ),
            ("negative id of a payer", "Patient/-10000000000066", {
                Target::Patient(PatientKey::of("-10000000000066"))
            }),
            ("nothing", "", Target::Unresolved),
        ];
        for (name, reference, expected) in cases {
            assert_eq!(target(reference, &bases), expected, "case: {name}");
        }
    }
}
