//! How tests write a fault: one method for each of its fields.

use std::{num::NonZeroU32, time::Duration};

use serde_json::Value;

use super::{
    answer::Answer,
    body::BodyFault,
    fault::{
        Array, Count, End, Fault, HeaderEdit, Hop, JsonEdit, LevelKind, Lose, LoseWhen,
        Per, Redirect, Revoke, Span,
    },
};

impl Fault {
    /// By which the log and a test know it.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Only files of this type.
    #[must_use]
    pub fn of_type(self, name: impl Into<String>) -> Self {
        Self { resource_type: Some(name.into()), ..self }
    }

    /// Only the file of this number, from 0.
    #[must_use]
    pub fn file(self, number: u32) -> Self {
        Self { file: Some(number), ..self }
    }

    /// Only files of this list.
    #[must_use]
    pub fn array(self, array: Array) -> Self {
        Self { array: Some(array), ..self }
    }

    /// Only this page of a manifest, from 0.
    #[must_use]
    pub fn page(self, number: u32) -> Self {
        Self { page: Some(number), ..self }
    }

    /// Only the job of the n-th kick-off, from 1.
    #[must_use]
    pub fn job(self, ordinal: u32) -> Self {
        Self { job: Some(ordinal), ..self }
    }

    /// Only exports of this level.
    #[must_use]
    pub fn level(self, level: LevelKind) -> Self {
        Self { level: Some(level), ..self }
    }

    /// Only requests by this method.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self { method: Some(method.into()), ..self }
    }

    /// Only requests of this client.
    #[must_use]
    pub fn client(self, client: impl Into<String>) -> Self {
        Self { client: Some(client.into()), ..self }
    }

    /// Only full exports, or only incremental ones.
    #[must_use]
    pub fn span(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }

    /// Lets this many pass first.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// Strikes this many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Strikes each n-th.
    #[must_use]
    pub fn every(self, every: NonZeroU32) -> Self {
        Self { every, ..self }
    }

    /// What has a count of its own.
    #[must_use]
    pub fn per(self, per: Per) -> Self {
        Self { per, ..self }
    }

    /// Answers instead of the server.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Self {
        Self { answer: Some(answer), ..self }
    }

    /// Spoils the body.
    #[must_use]
    pub fn body(self, body: BodyFault) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Edits the counts of a manifest.
    #[must_use]
    pub fn count(self, count: Count) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Waits before the head.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay: Some(delay), ..self }
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(HeaderEdit::Set(name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn one_more_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(HeaderEdit::Add(name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header of the answer.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.push(HeaderEdit::Remove(name.to_owned()));
        self
    }

    /// Waits at a gate until `Control::release` opens it, at most a minute.
    #[must_use]
    pub fn hold(self, gate: impl Into<String>) -> Self {
        Self { hold: Some(gate.into()), ..self }
    }

    /// Sets a member of the JSON of the answer.
    #[must_use]
    pub fn json(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.json.push(JsonEdit::Set(pointer.to_owned(), value.into()));
        self
    }

    /// Removes a member of the JSON of the answer.
    #[must_use]
    pub fn without_json(mut self, pointer: &str) -> Self {
        self.json.push(JsonEdit::Remove(pointer.to_owned()));
        self
    }

    /// Ends the connection without an answer.
    #[must_use]
    pub fn lose(self, when: LoseWhen, how: End) -> Self {
        Self { lose: Some(Lose { when, how }), ..self }
    }

    /// Points elsewhere.
    #[must_use]
    pub fn redirect(self, status: u16, hops: impl IntoIterator<Item = Hop>) -> Self {
        let hops = hops.into_iter().collect();
        Self { redirect: Some(Redirect { status, hops }), ..self }
    }

    /// Makes all tokens worthless.
    #[must_use]
    pub fn revoke(self, revoke: Revoke) -> Self {
        Self { revoke: Some(revoke), ..self }
    }

    /// Deletes the job and answers 404 or 410.
    #[must_use]
    pub fn vanish(self, status: u16) -> Self {
        Self { vanish: Some(status), ..self }
    }
}
