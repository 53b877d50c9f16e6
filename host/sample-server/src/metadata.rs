//! What the server says of itself: `CapabilityStatement` and SMART configuration.
//!
//! Source: Bulk Data IG 3.0.0, "Server Capability Documentation"; SMART App Launch 2.2,
//! "Conformance".

use std::collections::BTreeSet;

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use crate::{
    outcome::{Refusal, fhir, json as json_response},
    scenario::Edition,
    state::State,
};

/// Answers `metadata`.
pub(crate) fn metadata(state: &State) -> Response {
    let version = version(state.modes().edition);
    let mut names: BTreeSet<String> =
        state.offered_types().iter().map(ToString::to_string).collect();
    // The export operations hang on these two, data or not.
    names.extend(["Group".to_owned(), "Patient".to_owned()]);
    let resources: Vec<Value> =
        names.iter().map(|name| resource(name, version)).collect();
    let mut rest = json!({
        "mode": "server",
        "resource": resources,
        "operation": [{ "name": "export", "definition": format!("{OPERATIONS}/export{version}") }],
    });
    if let (true, Some(rest)) = (state.requires_token(), rest.as_object_mut()) {
        rest.insert("security".to_owned(), security(&state.urls.token));
    }
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": state.clock.now().to_string(),
        "kind": "instance",
        "instantiates": [format!("{IG}/CapabilityStatement/bulk-data")],
        "software": { "name": "Bulkhead sample server", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Sample data, no real persons", "url": state.urls.base },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    });
    fhir(StatusCode::OK, &statement)
}

/// Answers `.well-known/smart-configuration`.
pub(crate) fn smart_configuration(state: &State) -> Result<Response, Refusal> {
    if !state.requires_token() {
        return Err(Refusal::not_found("this server asks for no token"));
    }
    let mut scopes = vec!["system/*.rs".to_owned(), "system/*.read".to_owned()];
    for name in state.offered_types() {
        scopes.push(format!("system/{name}.rs"));
    }
    let configuration = json!({
        "token_endpoint": state.urls.token,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": scopes,
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    });
    Ok(json_response(StatusCode::OK, &configuration))
}

/// How an operation says its edition; the third, today's, need not.
fn version(edition: Edition) -> &'static str {
    match edition {
        Edition::V1 => "|1.0.1",
        Edition::V2 => "|2.0.0",
        Edition::V3 => "",
        Edition::V4 => "|4.0.0-ballot",
    }
}

fn resource(name: &str, version: &str) -> Value {
    let mut resource = json!({
        "type": name,
        "interaction": [{ "code": "read" }, { "code": "search-type" }],
        "searchParam": [
            { "name": "_id", "type": "token" },
            { "name": "_lastUpdated", "type": "date" },
            { "name": "code", "type": "token" },
            { "name": "identifier", "type": "token" },
            { "name": "patient", "type": "reference" },
            { "name": "status", "type": "token" },
        ],
    });
    let definition = match name {
        "Group" => "group-export",
        "Patient" => "patient-export",
        _ => return resource,
    };
    if let Some(object) = resource.as_object_mut() {
        let mut operation = json!([{ "name": "export", "definition": format!("{OPERATIONS}/{definition}{version}") }]);
        if let (Some(all), "Patient") = (operation.as_array_mut(), name) {
            all.push(json!({ "name": "everything", "definition": EVERYTHING }));
        }
        object.insert("operation".to_owned(), operation);
    }
    resource
}

fn security(token_url: &str) -> Value {
    json!({
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{ "url": "token", "valueUri": token_url }],
        }],
        "service": [{
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                "code": "SMART-on-FHIR",
            }],
        }],
    })
}

const IG: &str = "http://hl7.org/fhir/uv/bulkdata";
const EVERYTHING: &str = "http://hl7.org/fhir/OperationDefinition/Patient-everything";
const OPERATIONS: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition";
