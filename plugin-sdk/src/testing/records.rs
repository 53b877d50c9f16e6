//! A batch made of cases.

use serde_json::Value;

use crate::{
    Batch, Change, Membership, Memberships, Positions, TextColumn, outbound_http::Framing,
};

/// One record of a test.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) body: Vec<u8>,
    pub(crate) kind_name: String,
    pub(crate) kind: u16,
    pub(crate) change: Change,
    pub(crate) seq: u64,
    pub(crate) last_updated: i64,
    pub(crate) membership: Membership,
}

impl Case {
    /// A resource that is new or has changed. Its kind is read from the JSON.
    pub fn resource(json: &str) -> Self {
        let kind_name = serde_json::from_str::<Value>(json)
            .ok()
            .and_then(|value| Some(value.get("resourceType")?.as_str()?.to_owned()))
            .unwrap_or_default();
        Self {
            body: json.as_bytes().to_vec(),
            kind_name,
            kind: 0,
            change: Change::Upsert,
            seq: 0,
            last_updated: 0,
            membership: Membership::default(),
        }
    }

    /// A deletion of `resource_type`/`id`.
    pub fn deleted(resource_type: &str, id: &str) -> Self {
        let key = format!(r#"{{"resourceType":"{resource_type}","id":"{id}"}}"#);
        Self { change: Change::Delete, ..Self::resource(&key) }
    }

    /// A retraction of `resource_type`/`id`.
    pub fn retracted(resource_type: &str, id: &str) -> Self {
        Self { change: Change::Retract, ..Self::deleted(resource_type, id) }
    }

    /// The same with what the host would find of its patients.
    #[must_use]
    pub fn membership(self, membership: Membership) -> Self {
        Self { membership, ..self }
    }

    /// The same, changed at `unix_ms`.
    #[must_use]
    pub fn last_updated(self, unix_ms: i64) -> Self {
        Self { last_updated: unix_ms, ..self }
    }

    /// The same from source line `seq` (else 1, 2, 3, …).
    #[must_use]
    pub fn seq(self, seq: u64) -> Self {
        Self { seq, ..self }
    }

    /// `Type/id`.
    fn key(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let part =
            |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{}/{}", part("resourceType"), part("id"))
    }

    /// As an entry of a Bundle; `None` when it is no resource with an id.
    fn entry(&self) -> Option<String> {
        let url = self.key();
        let is_resource = self.kind_name.starts_with(|c: char| c.is_ascii_uppercase());
        if !is_resource || url.ends_with('/') {
            return None;
        }
        Some(match self.change {
            Change::Delete | Change::Retract => {
                format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}}}}"#)
            }
            Change::Upsert => format!(
                r#"{{"resource":{},"request":{{"method":"PUT","url":"{url}"}}}}"#,
                String::from_utf8_lossy(&self.body)
            ),
        })
    }

    pub(crate) fn delete_bundle(&self) -> Vec<u8> {
        let url = self.key();
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"DELETE","url":"{url}"}}}}]}}"#
        )
        .into_bytes()
    }
}

/// Records to hand to a plugin as one batch.
#[derive(Clone, Debug)]
pub struct Records {
    rows: Vec<Case>,
    pub(crate) kinds: Vec<String>,
    pub(crate) cohort: Option<String>,
    pub(crate) id: u64,
    pub(crate) attempt: u32,
}

impl Records {
    /// A batch of these cases, in order.
    pub fn new(cases: impl IntoIterator<Item = Case>) -> Self {
        let mut kinds: Vec<String> = Vec::new();
        let mut rows: Vec<Case> = cases.into_iter().collect();
        for (row, line) in rows.iter_mut().zip(1..) {
            let known = kinds.iter().position(|name| *name == row.kind_name);
            let kind = known.unwrap_or_else(|| {
                kinds.push(row.kind_name.clone());
                kinds.len() - 1
            });
            row.kind = u16::try_from(kind).unwrap_or(u16::MAX);
            if row.seq == 0 {
                row.seq = line;
            }
        }
        Self { rows, kinds, cohort: None, id: 1, attempt: 1 }
    }

    /// The same, with `name` the only cohort there is. Without this, every name is known.
    #[must_use]
    pub fn with_cohort(self, name: &str) -> Self {
        Self { cohort: Some(name.to_owned()), ..self }
    }

    /// The batch that a plugin is lent.
    pub fn batch(&self) -> Batch<'_> {
        Batch(self)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn rows(&self) -> &[Case] {
        &self.rows
    }

    /// The chosen records as the host would send them; `None` when it would not.
    pub(crate) fn framed(&self, which: &Positions, framing: Framing) -> Option<Vec<u8>> {
        let indexed = self.rows.iter().enumerate();
        let chosen: Vec<&Case> =
            indexed.filter(|(at, _)| which.contains(*at)).map(|(_, row)| row).collect();
        let bodies = || chosen.iter().map(|row| String::from_utf8_lossy(&row.body));
        let bundle = |kind: &str| {
            let is_last = |at: usize, row: &&Case| {
                let later = chosen.iter().skip(at + 1);
                !later.map(|later| later.key()).any(|key| key == row.key())
            };
            let newest = chosen.iter().enumerate().filter(|(at, row)| is_last(*at, row));
            let entries: Option<Vec<String>> =
                newest.map(|(_, row)| row.entry()).collect();
            let entries = entries?.join(",");
            Some(format!(
                r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#
            ))
        };
        let text = match framing {
            Framing::FhirBatch => bundle("batch")?,
            Framing::FhirTransaction => bundle("transaction")?,
            Framing::JsonArray => format!("[{}]", bodies().collect::<Vec<_>>().join(",")),
            Framing::Ndjson => bodies().flat_map(|body| [body, "\n".into()]).collect(),
        };
        (!chosen.is_empty()).then(|| text.into_bytes())
    }

    pub(crate) fn memberships(&self) -> Memberships {
        let found = || self.rows.iter().map(|row| row.membership);
        Memberships::from_columns(
            found().map(|membership| membership.patients).collect(),
            found().map(|membership| membership.members).collect(),
            found().map(|membership| membership.outsiders).collect(),
            found().map(Membership::bits).collect(),
        )
    }

    pub(crate) fn text(&self, field: &str) -> TextColumn {
        let mut column = TextColumn { rows: vec![0], ..TextColumn::default() };
        for row in &self.rows {
            let value: Value = serde_json::from_slice(&row.body).unwrap_or_default();
            let path = match field {
                "versionId" => "meta.versionId",
                other => other,
            };
            collect(&value, &path.split('.').collect::<Vec<_>>(), &mut column);
            column.rows.push(u32::try_from(column.ends.len()).unwrap_or(u32::MAX));
        }
        column
    }
}

fn collect(value: &Value, path: &[&str], column: &mut TextColumn) {
    match (value, path) {
        (Value::Array(items), _) => {
            for item in items {
                collect(item, path, column);
            }
        }
        (Value::Object(members), [name, rest @ ..]) => {
            if let Some(member) = members.get(*name) {
                collect(member, rest, column);
            }
        }
        (Value::String(text), []) => {
            column.data.extend_from_slice(text.as_bytes());
            column.ends.push(u32::try_from(column.data.len()).unwrap_or(u32::MAX));
        }
        (Value::Bool(_) | Value::Number(_), []) => {
            column.data.extend_from_slice(value.to_string().as_bytes());
            column.ends.push(u32::try_from(column.data.len()).unwrap_or(u32::MAX));
        }
        _ => {}
    }
}
