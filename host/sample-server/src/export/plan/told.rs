//! What the `error` files say: parameters left out, and what the scenario orders.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{OutputFile, text_file};
use crate::{outcome::outcome, scenario::Modes};

/// The file of outcomes; `None` when there is nothing to tell.
pub(super) fn file(ignored: &[String], modes: &Modes) -> Option<OutputFile> {
    let mut outcomes: Vec<Value> = ignored
        .iter()
        .map(|name| {
            let text =
                format!("the parameter `{name}` is not supported and was left out");
            outcome("warning", "not-supported", &text)
        })
        .collect();
    for omission in modes.omit.iter().filter(|omission| omission.told) {
        let text = format!("left out by policy: {}", omission.types.join(", "));
        outcomes.push(outcome("warning", "suppressed", &text));
    }
    for issue in &modes.outcome.issues {
        let text = match &issue.resource_type {
            Some(name) => format!("ordered, about {name}"),
            None => "ordered".to_owned(),
        };
        let mut told = outcome(&issue.severity, &issue.code, &text);
        if let (Some(name), Some(one)) =
            (&issue.resource_type, told.pointer_mut("/issue/0"))
            && let Some(one) = one.as_object_mut()
        {
            one.insert("expression".to_owned(), json!([name]));
        }
        outcomes.push(told);
    }
    let mut severities = BTreeMap::new();
    for outcome in &outcomes {
        let severity = outcome.pointer("/issue/0/severity").and_then(Value::as_str);
        *severities.entry(severity.unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut lines: Vec<String> = outcomes.iter().map(Value::to_string).collect();
    lines.extend(modes.outcome.raw.clone());
    let file = text_file("OperationOutcome", &lines)?;
    Some(OutputFile { severities, ..file })
}
