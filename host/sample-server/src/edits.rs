//! Edits of a good answer: its headers, its JSON, the counts of a manifest.
//!
//! Source: RFC 6901 for pointers.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use serde_json::Value;

use crate::{
    export,
    scenario::{Count, Fault, HeaderEdit, JsonEdit},
};

/// Edits headers.
pub(crate) fn headers(headers: &mut HeaderMap, edits: &[HeaderEdit]) {
    for edit in edits {
        let read = |name: &str, value: &str| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        match edit {
            HeaderEdit::Add(name, value) => {
                if let Some((name, value)) = read(name, value) {
                    headers.append(name, value);
                }
            }
            HeaderEdit::Remove(name) => {
                headers.remove(name.as_str());
            }
            HeaderEdit::Set(name, value) => {
                if let Some((name, value)) = read(name, value) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// Edits the JSON of an answer.
pub(crate) async fn json(response: Response, fault: &Fault) -> Response {
    let (parts, body) = response.into_parts();
    // Made by a handler of ours: a manifest or a statement, never a file.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    for edit in &fault.json {
        match edit {
            JsonEdit::Remove(pointer) => remove(&mut value, pointer),
            JsonEdit::Set(pointer, new) => set(&mut value, pointer, new),
        }
    }
    if let Some(count) = fault.count {
        recount(&mut value, fault, count);
    }
    Response::from_parts(parts, Body::from(value.to_string()))
}

fn parent<'a, 'b>(
    value: &'a mut Value,
    pointer: &'b str,
) -> Option<(&'a mut Value, &'b str)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    Some((value.pointer_mut(parent)?, name))
}

fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, name)) = parent(value, pointer) else { return };
    if let Some(object) = parent.as_object_mut() {
        object.remove(name);
    } else if let (Some(list), Ok(at)) = (parent.as_array_mut(), name.parse::<usize>())
        && at < list.len()
    {
        list.remove(at);
    }
}

/// Sets a member; its parent must be there.
pub(crate) fn set(value: &mut Value, pointer: &str, new: &Value) {
    if pointer.is_empty() {
        *value = new.clone();
        return;
    }
    let Some((parent, name)) = parent(value, pointer) else { return };
    if let Some(object) = parent.as_object_mut() {
        object.insert(name.to_owned(), new.clone());
    } else if let Some(list) = parent.as_array_mut() {
        match name.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
            Some(place) => *place = new.clone(),
            None => list.push(new.clone()),
        }
    }
}

/// Edits the counts of the entries that a fault names.
fn recount(manifest: &mut Value, fault: &Fault, count: Count) {
    let mut number = 0;
    for (name, array) in export::LISTS {
        let list = manifest.get_mut(name).and_then(Value::as_array_mut);
        for entry in list.into_iter().flatten() {
            let is_meant = fault.file.is_none_or(|file| file == number)
                && fault.array.is_none_or(|wanted| wanted == array)
                && fault
                    .resource_type
                    .as_deref()
                    .is_none_or(|wanted| entry["type"] == wanted);
            number += 1;
            let Some(object) = entry.as_object_mut().filter(|_| is_meant) else {
                continue;
            };
            let honest = object.get("count").and_then(Value::as_i64).unwrap_or(0);
            let new = match count {
                Count::Absent => {
                    object.remove("count");
                    continue;
                }
                Count::Add(more) => Value::from(honest.saturating_add(more)),
                Count::Set(count) => Value::from(count),
                Count::Text => Value::from(honest.to_string()),
            };
            object.insert("count".to_owned(), new);
        }
    }
}
