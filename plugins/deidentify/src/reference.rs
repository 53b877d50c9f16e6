//! The forms in which FHIR writes a reference.
//!
//! Only the text is judged: nothing is resolved.
//!
//! Source: FHIR R4 References (literal, contained, conditional) and its versions (`_history`).

/// What the text of a reference points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'t> {
    /// `Type?query`: found by search; the query holds an identifier.
    Conditional {
        /// The type searched in.
        resource_type: &'t str,
    },
    /// `#`: the resource that contains this one.
    Container,
    /// `#id`: a contained resource.
    Fragment(&'t str),
    /// `urn:oid:…`
    Oid(&'t str),
    /// None of these forms.
    Other,
    /// `Type/id`, with or without a server's base and a version.
    Resource {
        /// The type.
        resource_type: &'t str,
        /// The id, not the version's.
        id: &'t str,
    },
    /// `urn:uuid:…`
    Uuid(&'t str),
}

impl<'t> Target<'t> {
    /// Reads the text of a reference.
    pub(crate) fn read(text: &'t str) -> Self {
        if let Some(id) = text.strip_prefix('#') {
            return if id.is_empty() { Self::Container } else { Self::Fragment(id) };
        }
        if let Some(id) = strip_scheme(text, "urn:uuid:") {
            return Self::Uuid(id);
        }
        if let Some(id) = strip_scheme(text, "urn:oid:") {
            return Self::Oid(id);
        }
        if let Some((path, _)) = text.split_once('?') {
            let resource_type = path.rsplit('/').next().unwrap_or_default();
            return if is_type(resource_type) {
                Self::Conditional { resource_type }
            } else {
                Self::Other
            };
        }
        let path = text.split('#').next().unwrap_or_default();
        let path = path.split_once("/_history").map_or(path, |(path, _)| path);
        let mut segments = path.rsplit('/');
        match (segments.next(), segments.next()) {
            (Some(id), Some(resource_type))
                if !id.is_empty() && is_type(resource_type) =>
            {
                Self::Resource { resource_type, id }
            }
            _ => Self::Other,
        }
    }

    /// The id of a patient, where the reference is said to point at one.
    ///
    /// A `urn:uuid:` has no type of its own and counts.
    pub(crate) fn patient(self) -> Option<&'t str> {
        match self {
            Self::Resource { resource_type: "Patient", id } | Self::Uuid(id) => Some(id),
            Self::Conditional { .. }
            | Self::Container
            | Self::Fragment(_)
            | Self::Oid(_)
            | Self::Other
            | Self::Resource { .. } => None,
        }
    }
}

/// Whether `text` is written like a resource type.
pub(crate) fn is_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Scheme and namespace of a URN are written in either case.
fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (head, id) = text.split_at_checked(scheme.len())?;
    (head.eq_ignore_ascii_case(scheme) && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let patient = Target::Resource { resource_type: "Patient", id: "1" };
        let cases = [
            ("relative", "Patient/1", patient),
            ("absolute", "https://ehr.example.org/fhir/Patient/1", patient),
            ("versioned", "Patient/1/_history/2", patient),
            ("absolute and versioned", "http://h/r4/Patient/1/_history/2", patient),
            ("history without a version", "Patient/1/_history", patient),
            ("with a fragment", "Patient/1#x", patient),
            ("contained", "#p", Target::Fragment("p")),
            ("container", "#", Target::Container),
            ("uuid", "urn:uuid:a-b", Target::Uuid("a-b")),
            ("uuid in capitals", "URN:UUID:a-b", Target::Uuid("a-b")),
            ("oid", "urn:oid:1.2", Target::Oid("1.2")),
            (
                "conditional",
                "Patient?identifier=http://h/mrn|1",
                Target::Conditional { resource_type: "Patient" },
            ),
            (
                "conditional and absolute",
                "https://h/fhir/Patient?identifier=1",
                Target::Conditional { resource_type: "Patient" },
            ),
            ("only a type", "Patient", Target::Other),
            ("no id", "Patient/", Target::Other),
            ("some address", "https://h/x", Target::Other),
            ("empty", "", Target::Other),
            ("empty uuid", "urn:uuid:", Target::Other),
        ];
        for (name, text, expected) in cases {
            assert_eq!(Target::read(text), expected, "case: {name}");
        }
    }
}
