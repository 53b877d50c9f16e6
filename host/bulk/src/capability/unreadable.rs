//! Why an answer is no capability statement, in words that may be shown: of what came they hold
//! the name of a type and nothing else.

use serde_json::error::Category;

use crate::operation_outcome::clean;

/// Why an answer is no capability statement. Reads as the end of a sentence about the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It is cut short.
    #[error("ends before its JSON does")]
    Cut,
    /// A page for people, as proxies and sign-ins send.
    #[error("is no JSON (line {line}, column {column})")]
    NoJson {
        /// Where that shows, from 1.
        line: usize,
        /// Likewise.
        column: usize,
    },
    /// It names no type, and has nothing that a statement has.
    #[error("has no `resourceType`")]
    NoType,
    /// Another resource.
    #[error("is of type `{name}`")]
    OtherType {
        /// Server-controlled, cleaned.
        name: String,
    },
    /// JSON that no resource can be.
    #[error("is JSON of another shape than a resource's (line {line}, column {column})")]
    Shape {
        /// Where that shows, from 1.
        line: usize,
        /// Likewise.
        column: usize,
    },
}

impl Unreadable {
    /// Of a body that the parser refused. Its own words are not used: they quote the body.
    pub(super) fn of(body: &[u8], error: &serde_json::Error) -> Self {
        if body.trim_ascii().is_empty() {
            return Self::Empty;
        }
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof | Category::Io => Self::Cut,
            Category::Syntax => Self::NoJson { line, column },
            Category::Data => Self::Shape { line, column },
        }
    }

    /// Of a resource that calls itself `name`, when that is no name of a statement.
    pub(super) fn of_type(name: &str) -> Option<Self> {
        match name {
            // `Conformance` is what it was called before version 3 of FHIR.
            "CapabilityStatement" | "Conformance" => None,
            name => {
                Some(clean(name).map_or(Self::NoType, |name| Self::OtherType { name }))
            }
        }
    }
}
