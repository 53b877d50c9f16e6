//! Links of files: whether one still opens its file, and what opens it.
//!
//! Source: Bulk Data IG, "Bulk Data Output File Request"; object storage's habits with two
//! credentials at a time.

use axum::{http::header, response::Response};

use super::{manifest::signature, status::gone};
use crate::{
    auth::Caller,
    door::Asked,
    outcome::Refusal,
    scenario::{Access, Answer, Content, Modes},
    state::State,
};

/// What a link answers instead of its file, if anything. Counts the download.
pub(super) fn refusal(
    state: &State,
    modes: &Modes,
    caller: &Caller,
    id: &str,
    number: usize,
    asked: &Asked<'_>,
) -> Result<Option<Response>, Refusal> {
    let now = state.clock.now();
    let query = asked.parts.uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let is_signed = match modes.access {
        Access::Always | Access::AsSignIn => false,
        Access::Capability | Access::Never | Access::TrueButPresigned => true,
    };
    // A chain of redirects has carried the credential already.
    if is_signed && !asked.is_free && parameter("sig").as_deref() != Some(&signature(id))
    {
        let answer = Answer::status(403).body(Content::Xml);
        return Ok(Some(answer.response(now)));
    }
    let refuses_token = match modes.access {
        Access::Capability | Access::TrueButPresigned => true,
        Access::Always | Access::AsSignIn | Access::Never => false,
    };
    if refuses_token && asked.parts.headers.contains_key(header::AUTHORIZATION) {
        let text = "Only one auth mechanism allowed".to_owned();
        let answer = Answer::status(400).body(Content::Text(text));
        return Ok(Some(answer.response(now)));
    }
    let Some(links) = &modes.links else { return Ok(None) };
    let mut jobs = state.jobs();
    let job = jobs.find(id, caller, now).ok_or_else(gone)?;
    let generation =
        parameter("g").and_then(|text| text.parse().ok()).unwrap_or(job.generation);
    let downloads = job.downloads.entry((generation, number)).or_default();
    let before = *downloads;
    *downloads = downloads.saturating_add(1);
    let is_late = links.after.is_some_and(|after| now > job.linked_at.plus(after));
    let is_used_up = links.downloads.is_some_and(|most| before >= most);
    let is_older = generation < job.generation;
    let ends = generation <= links.generations;
    let is_over = ends && (is_late || is_used_up || is_older);
    Ok(is_over.then(|| links.answer.response(now)))
}
