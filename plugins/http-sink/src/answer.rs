//! What a server's answer means for the records that were sent.
//!
//! Source: RFC 9110 section 15; FHIR R4 "http: batch/transaction" (3.1.0.11.2).

use bulkhead_plugin::{PluginError, outbound_http::Response};
use serde::Deserialize;

use crate::settings::Framing;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The same again, later.
    Again(PluginError),
    /// Each entry has a fate of its own.
    Each(Vec<Fate>),
    /// There are not as many entries as records were sent: whose they are cannot be told.
    Incomplete,
    /// Something of it is not acceptable to the server.
    Refused,
    /// Nothing more can be sent.
    Stop(PluginError),
    /// All of it was taken.
    Taken,
    /// It is too much at once.
    Unsendable,
}

/// What has become of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is to be sent again.
    Again,
    /// The server has no such resource.
    Gone,
    /// The server does not take it.
    Refused,
    /// The server took it.
    Taken,
}

/// Reads the answer to a request of `rows` records.
pub(crate) fn read(response: &Response, framing: Framing, rows: usize) -> Answer {
    match response.status {
        200..=299 if framing == Framing::FhirBatch => entries(response, rows),
        200..=299 => Answer::Taken,
        // The host follows none, so that data goes where the operator said.
        300..=399 => Answer::Stop(PluginError::fatal("redirected", "")),
        401 | 403 => Answer::Stop(PluginError::fatal("not-authorized", "")),
        404 | 405 | 410 | 501 | 505 => {
            Answer::Stop(PluginError::fatal("not-an-endpoint", ""))
        }
        413 => Answer::Unsendable,
        400..=407 | 409..=424 | 426..=428 | 430..=499 => Answer::Refused,
        // 408, 425, 429 and what is the server's own fault.
        _ => Answer::Again(busy(response)),
    }
}

fn busy(response: &Response) -> PluginError {
    let failure = bulkhead_plugin::Failure {
        code: format!("status-{}", response.status),
        message: String::new(),
    };
    PluginError::Retryable { failure, after_ms: response.retry_after_ms() }
}

/// Only as much of a Bundle `batch-response` as is needed.
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    response: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

fn entries(response: &Response, rows: usize) -> Answer {
    let unreadable = || Answer::Stop(PluginError::fatal("answer-unreadable", ""));
    if response.truncated {
        // `response-bytes` of the destination is too small, or the request too large.
        return Answer::Stop(PluginError::fatal("answer-too-long", ""));
    }
    let Ok(bundle) = serde_json::from_slice::<Bundle>(&response.body) else {
        return unreadable();
    };
    let fates: Option<Vec<Fate>> =
        bundle.entry.iter().map(|entry| fate(entry.response.as_ref()?)).collect();
    let Some(fates) = fates.filter(|fates| !fates.is_empty()) else {
        return unreadable();
    };
    // Of several records of one resource the host sends the last alone; a server that leaves
    // entries out says nothing of what it took. The one cannot be told from the other, and fewer
    // are sent at once, until each answer is as long as what was sent.
    if fates.len() != rows {
        return Answer::Incomplete;
    }
    if fates.iter().all(|fate| *fate == Fate::Taken) {
        return Answer::Taken;
    }
    Answer::Each(fates)
}

/// `201 Created`, or a number alone.
fn fate(response: &Status) -> Option<Fate> {
    let status: u16 = response.status.split_whitespace().next()?.parse().ok()?;
    Some(match status {
        200..=299 => Fate::Taken,
        404 | 410 => Fate::Gone,
        408 | 425 | 429 | 500..=599 => Fate::Again,
        _ => Fate::Refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str, framing: Framing) -> Answer {
        let body = body.as_bytes().to_vec();
        read(&Response { status, body, ..Response::default() }, framing, 2)
    }

    #[test]
    fn tells_what_a_status_means() {
        let again = |status: u16| {
            Answer::Again(PluginError::retryable(format!("status-{status}"), ""))
        };
        let stop = |code: &str| Answer::Stop(PluginError::fatal(code, ""));
        let cases = [
            (200, Answer::Taken),
            (202, Answer::Taken),
            (204, Answer::Taken),
            (302, stop("redirected")),
            (401, stop("not-authorized")),
            (403, stop("not-authorized")),
            (404, stop("not-an-endpoint")),
            (400, Answer::Refused),
            (409, Answer::Refused),
            (412, Answer::Refused),
            (422, Answer::Refused),
            (413, Answer::Unsendable),
            (429, again(429)),
            (500, again(500)),
            (503, again(503)),
            (501, stop("not-an-endpoint")),
            (599, again(599)),
        ];
        for (status, expected) in cases {
            let found = answer(status, "", Framing::FhirTransaction);
            assert_eq!(found, expected, "case: {status}");
        }
        let busy = Response {
            status: 503,
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            ..Response::default()
        };
        let Answer::Again(PluginError::Retryable { after_ms, .. }) =
            read(&busy, Framing::Ndjson, 1)
        else {
            panic!("not again")
        };
        assert_eq!(after_ms, Some(7_000));
    }

    #[test]
    fn reads_each_entry_of_a_batch() {
        let of = |statuses: &[&str]| {
            let entries = statuses.iter().map(|status| {
                format!(r#"{{"response":{{"status":"{status}","etag":"x"}}}}"#)
            });
            let entries: Vec<String> = entries.collect();
            let body =
                format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","));
            answer(200, &body, Framing::FhirBatch)
        };
        let unreadable = || Answer::Stop(PluginError::fatal("answer-unreadable", ""));
        let cases = [
            ("all taken", of(&["201 Created", "200"]), Answer::Taken),
            (
                "one refused",
                of(&["201 Created", "422 Unprocessable Entity"]),
                Answer::Each(vec![Fate::Taken, Fate::Refused]),
            ),
            (
                "gone and busy",
                of(&["404 Not Found", "503"]),
                Answer::Each(vec![Fate::Gone, Fate::Again]),
            ),
            ("fewer than records, all taken", of(&["200"]), Answer::Incomplete),
            ("fewer than records", of(&["400"]), Answer::Incomplete),
            ("more than records", of(&["200", "200", "200"]), Answer::Incomplete),
            ("no status", of(&["fine", "200"]), unreadable()),
            ("no entry", of(&[]), unreadable()),
            ("no Bundle", answer(200, "ok", Framing::FhirBatch), unreadable()),
        ];
        for (name, found, expected) in cases {
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
