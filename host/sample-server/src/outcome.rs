//! `OperationOutcome` and the responses that carry one.
//!
//! Source: FHIR R4 `OperationOutcome` and the value set `issue-type`.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

/// A refusal: what the client is told instead of what it asked for.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Refusal {
    /// 400 with issue code `invalid`.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid", text: text.into() }
    }

    /// 400 with issue code `not-supported`.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "not-supported", text: text.into() }
    }

    /// 403 with issue code `forbidden`.
    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", text: text.into() }
    }

    /// 404 with issue code `not-found`.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not-found", text: text.into() }
    }

    /// Another status and issue code.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        text: impl Into<String>,
    ) -> Self {
        Self { status, code, text: text.into() }
    }

    pub(crate) fn response(&self) -> Response {
        fhir(self.status, &outcome("error", self.code, &self.text))
    }
}

/// An `OperationOutcome` of one issue.
pub(crate) fn outcome(severity: &str, code: &str, text: &str) -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": severity, "code": code, "diagnostics": text }],
    })
}

/// A response with a FHIR resource.
pub(crate) fn fhir(status: StatusCode, resource: &Value) -> Response {
    with_type(status, "application/fhir+json; charset=utf-8", resource.to_string())
}

/// A response with plain JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    with_type(status, "application/json", body.to_string())
}

/// A response with a body of a type.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
