//! Which door a request knocks at.
//!
//! Paths are matched after percent-decoding, since some clients send `%24export`.

use axum::http::Method;
use bulkhead_model::Level;

/// Everything the server answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Cancel { job: String },
    Everything { patient: String },
    File { job: String, file: String },
    Kickoff(Level),
    Metadata,
    Page { job: String, number: usize },
    Read { resource_type: String, id: String },
    Search { resource_type: String },
    SmartConfiguration,
    Status { job: String },
    Token,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// The path is known, the method is not among these.
    Method(&'static str),
    /// The path is not known.
    Path,
}

impl Route {
    /// Reads method and path.
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let decoded = decode(path).ok_or(NoRoute::Path)?;
        let segments: Vec<&str> = decoded.trim_start_matches('/').split('/').collect();
        let is_get = *method == Method::GET;
        let is_post = *method == Method::POST;
        let only = |allowed: bool, route: Self, methods| {
            if allowed { Ok(route) } else { Err(NoRoute::Method(methods)) }
        };
        let kickoff = |level| only(is_get || is_post, Self::Kickoff(level), "GET, POST");
        match segments.as_slice() {
            ["auth", "token"] => only(is_post, Self::Token, "POST"),
            ["fhir", "metadata"] => only(is_get, Self::Metadata, "GET"),
            ["fhir", ".well-known", "smart-configuration"] => {
                only(is_get, Self::SmartConfiguration, "GET")
            }
            ["fhir", "$export"] => kickoff(Level::System),
            ["fhir", "Patient", "$export"] => kickoff(Level::Patient),
            ["fhir", "Group", id, "$export"] => kickoff(Level::Group((*id).to_owned())),
            ["fhir", "Patient", id, "$everything"] if !id.is_empty() => {
                only(is_get, Self::Everything { patient: (*id).to_owned() }, "GET")
            }
            ["fhir", "bulk", job] if *method == Method::DELETE => {
                Ok(Self::Cancel { job: (*job).to_owned() })
            }
            ["fhir", "bulk", job] => {
                only(is_get, Self::Status { job: (*job).to_owned() }, "GET, DELETE")
            }
            ["fhir", "bulk", job, "page", number] => {
                let number = number.parse().map_err(|_| NoRoute::Path)?;
                only(is_get, Self::Page { job: (*job).to_owned(), number }, "GET")
            }
            ["fhir", "bulk", job, file] | ["storage", job, file] => {
                let (job, file) = ((*job).to_owned(), (*file).to_owned());
                only(is_get, Self::File { job, file }, "GET")
            }
            ["fhir", resource_type] if starts_upper(resource_type) => {
                let resource_type = (*resource_type).to_owned();
                only(is_get, Self::Search { resource_type }, "GET")
            }
            ["fhir", resource_type, id]
                if starts_upper(resource_type) && !id.is_empty() =>
            {
                let (resource_type, id) = ((*resource_type).to_owned(), (*id).to_owned());
                only(is_get, Self::Read { resource_type, id }, "GET")
            }
            _ => Err(NoRoute::Path),
        }
    }

    /// Whether the route asks for an access token.
    pub(crate) fn is_protected(&self) -> bool {
        match self {
            Self::Metadata | Self::SmartConfiguration | Self::Token => false,
            Self::Cancel { .. }
            | Self::Everything { .. }
            | Self::File { .. }
            | Self::Kickoff(_)
            | Self::Page { .. }
            | Self::Read { .. }
            | Self::Search { .. }
            | Self::Status { .. } => true,
        }
    }
}

fn starts_upper(segment: &str) -> bool {
    segment.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Percent-decodes a path; `None` when it is no UTF-8.
fn decode(path: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escape = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => decoded.push(*first),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_door() {
        let cases = [
            ("system", "GET", "/fhir/$export", Ok(Route::Kickoff(Level::System))),
            (
                "encoded",
                "POST",
                "/fhir/Patient/%24export",
                Ok(Route::Kickoff(Level::Patient)),
            ),
            (
                "group",
                "GET",
                "/fhir/Group/a/$export",
                Ok(Route::Kickoff(Level::Group("a".into()))),
            ),
            (
                "all of a patient",
                "GET",
                "/fhir/Patient/a/$everything",
                Ok(Route::Everything { patient: "a".into() }),
            ),
            ("status", "GET", "/fhir/bulk/1", Ok(Route::Status { job: "1".into() })),
            ("cancel", "DELETE", "/fhir/bulk/1", Ok(Route::Cancel { job: "1".into() })),
            ("wrong method", "GET", "/auth/token", Err(NoRoute::Method("POST"))),
            ("not a type", "GET", "/fhir/patient", Err(NoRoute::Path)),
            ("outside", "GET", "/", Err(NoRoute::Path)),
        ];
        for (name, method, path, expected) in cases {
            let method: Method = method.parse().unwrap_or_default();
            assert_eq!(Route::of(&method, path), expected, "case: {name}");
        }
    }
}
