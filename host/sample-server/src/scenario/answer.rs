//! What a door answers instead of what it should.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bulkhead_model::Instant;
use serde::Deserialize;
use serde_json::{Value, json};

use super::units::Shift;
use crate::{export::http_date, outcome::with_type};

/// An answer that takes the place of the right one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answer {
    /// The status, 200 to 599.
    pub status: u16,
    /// The body. Default: none.
    #[serde(default)]
    pub body: Content,
    /// The `Retry-After` header. Default: none.
    pub retry_after: Option<RetryAfter>,
    /// Whether a 401 says what it wants. Default: it does.
    #[serde(default)]
    pub challenge: Challenge,
    /// Another `Content-Type` than that of the body.
    pub content_type: Option<String>,
}

/// A body.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Nothing.
    #[default]
    Empty,
    /// A page as a proxy writes it.
    Html,
    /// JSON.
    Json(Value),
    /// An OAuth error by its code.
    Oauth(String),
    /// An `OperationOutcome` with one issue of severity `error` for each code.
    Outcome(Vec<String>),
    /// Plain text.
    Text(String),
    /// An error as object storage writes it.
    Xml,
}

/// Whether a 401 carries `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// It does not.
    Absent,
    /// It does.
    #[default]
    Kept,
}

/// A `Retry-After` value. Dates and epochs count from the server's own `Date`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// `Sun Nov  6 08:49:37 1994`.
    Asctime(Shift),
    /// Milliseconds since 1970.
    EpochMs(Shift),
    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    Imf(Shift),
    /// A negative number of seconds.
    Negative(u32),
    /// `Sunday, 06-Nov-94 08:49:37 GMT`.
    Rfc850(Shift),
    /// A number of seconds.
    Seconds(u64),
    /// Anything else.
    Text(String),
}

impl Answer {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            body: Content::Empty,
            retry_after: None,
            challenge: Challenge::Kept,
            content_type: None,
        }
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: Content) -> Self {
        Self { body, ..self }
    }

    /// With an `OperationOutcome` of these issue codes.
    #[must_use]
    pub fn outcome<'a>(self, codes: impl IntoIterator<Item = &'a str>) -> Self {
        self.body(Content::Outcome(codes.into_iter().map(str::to_owned).collect()))
    }

    /// With a `Retry-After` header.
    #[must_use]
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// Without `WWW-Authenticate`.
    #[must_use]
    pub fn without_challenge(self) -> Self {
        Self { challenge: Challenge::Absent, ..self }
    }

    /// With another `Content-Type`.
    #[must_use]
    pub fn content_type(self, value: impl Into<String>) -> Self {
        Self { content_type: Some(value.into()), ..self }
    }

    pub(crate) fn response(&self, now: Instant) -> Response {
        let status = StatusCode::from_u16(self.status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (content_type, text) = self.body.written();
        let mut response = with_type(status, content_type, text);
        let headers = response.headers_mut();
        if self.body == Content::Empty {
            headers.remove(header::CONTENT_TYPE);
        }
        if let Some(value) = self.content_type.as_deref().map(HeaderValue::from_str)
            && let Ok(value) = value
        {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(value) = self.retry_after.as_ref().map(|value| value.written(now))
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.insert(header::RETRY_AFTER, value);
        }
        match (status, self.challenge) {
            (StatusCode::UNAUTHORIZED, Challenge::Kept) => {
                let value = "Bearer realm=\"fhir\", error=\"invalid_token\"";
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
            }
            (_, Challenge::Absent | Challenge::Kept) => {}
        }
        response
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        (!(200..=599).contains(&self.status)).then_some("a status is from 200 to 599")
    }
}

impl Content {
    fn written(&self) -> (&'static str, String) {
        match self {
            Self::Empty => ("text/plain", String::new()),
            Self::Html => (
                "text/html; charset=utf-8",
                "<html><head><title>Error</title></head><body><h1>Something went wrong\
                 </h1></body></html>"
                    .to_owned(),
            ),
            Self::Json(value) => ("application/json", value.to_string()),
            Self::Oauth(code) => {
                let error = json!({"error": code, "error_description": "ordered"});
                ("application/json", error.to_string())
            }
            Self::Outcome(codes) => {
                let issue: Vec<Value> = codes
                    .iter()
                    .map(|code| {
                        json!({"severity": "error", "code": code, "diagnostics": "ordered"})
                    })
                    .collect();
                let outcome = json!({"resourceType": "OperationOutcome", "issue": issue});
                ("application/fhir+json; charset=utf-8", outcome.to_string())
            }
            Self::Text(text) => ("text/plain; charset=utf-8", text.clone()),
            Self::Xml => (
                "application/xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code>\
                 <Message>Request has expired</Message></Error>"
                    .to_owned(),
            ),
        }
    }
}

impl RetryAfter {
    fn written(&self, now: Instant) -> String {
        match self {
            Self::Asctime(shift) => {
                let Parts { weekday, day, month, year, time } = parts(shift.of(now));
                let weekday: String = weekday.chars().take(3).collect();
                format!("{weekday} {month} {day:>2} {time} {year}")
            }
            Self::EpochMs(shift) => shift.of(now).unix_ms().to_string(),
            Self::Imf(shift) => http_date(shift.of(now)),
            Self::Negative(seconds) => format!("-{seconds}"),
            Self::Rfc850(shift) => {
                let Parts { weekday, day, month, year, time } = parts(shift.of(now));
                let year = year % 100;
                format!("{weekday}, {day:02}-{month}-{year:02} {time} GMT")
            }
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A date, taken apart.
struct Parts {
    weekday: &'static str,
    day: u32,
    month: String,
    year: u32,
    time: String,
}

/// Takes `Sun, 06 Nov 1994 08:49:37 GMT` apart.
fn parts(instant: Instant) -> Parts {
    let text = http_date(instant);
    let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let short = words.next().unwrap_or_default().to_owned();
    let mut number = || words.next().map(str::to_owned).unwrap_or_default();
    let (day, month, year, time) = (number(), number(), number(), number());
    let weekday = WEEKDAYS.iter().find(|name| name.starts_with(&short));
    Parts {
        weekday: weekday.copied().unwrap_or_default(),
        day: day.parse().unwrap_or(1),
        month,
        year: year.parse().unwrap_or(1970),
        time,
    }
}

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writes_retry_after_in_every_notation() {
        let now = Instant::from_unix_ms(784_111_717_000);
        let a_minute = Shift::ahead(Duration::from_mins(1));
        let cases = [
            ("asctime", RetryAfter::Asctime(a_minute), "Sun Nov  6 08:49:37 1994"),
            ("epoch", RetryAfter::EpochMs(a_minute), "784111777000"),
            ("imf", RetryAfter::Imf(a_minute), "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("negative", RetryAfter::Negative(5), "-5"),
            ("rfc 850", RetryAfter::Rfc850(a_minute), "Sunday, 06-Nov-94 08:49:37 GMT"),
            ("seconds", RetryAfter::Seconds(18_000), "18000"),
            ("garbage", RetryAfter::Text("soon".to_owned()), "soon"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(value.written(now), expected, "case: {name}");
        }
    }
}
