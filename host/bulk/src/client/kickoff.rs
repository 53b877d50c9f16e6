//! The kick-off: which request is sent, and which one after a refusal.

use bulkhead_model::{Level, SafeUrl};
use bulkhead_net::{Method, Request, Response, StatusCode, header};

use super::{
    Client, Server,
    door::{FHIR_JSON, WithToken, date},
};
use crate::{
    error::{Doing, Error},
    kickoff::{Accepted, Kickoff, Style},
    operation_outcome::{Complaint, Outcome, SAVES_WORK},
    poll::StatusSource,
    safe_headers::SafeHeaders,
    settings::{Handling, KickoffMethod, SinceStyle, Version},
};

impl Client {
    /// Starts an export.
    ///
    /// Parameters that only save work (`_elements`, `organizeOutputBy`,
    /// `allowPartialManifests`) are left out when the server names them in a refusal, and
    /// [`Accepted::left_out`] says so; parameters that bound what is exported never are. The
    /// method changes once when the server knows the other one only and the settings leave
    /// it open.
    ///
    /// # Errors
    ///
    /// [`Error::KickoffUnknown`] when a job may be running although no answer came; do not
    /// send again blindly. [`Error::Busy`] when an export is already running.
    /// [`Error::Settings`] when what is asked for contradicts itself.
    pub async fn kickoff(
        &self,
        server: &Server,
        kickoff: &Kickoff,
    ) -> Result<Accepted, Error> {
        let version = self.version(server, &kickoff.level);
        if let Some(reason) = kickoff.fault() {
            return Err(Error::Settings { reason });
        }
        let (mut method, mut may_switch) = self.method(version, kickoff)?;
        let mut kickoff = kickoff.clone();
        let mut left_out = Vec::new();
        if self.settings.since_style == SinceStyle::Unsupported && kickoff.since.is_some()
        {
            left_out.push("_since".to_owned());
        }
        loop {
            let request = self.kickoff_request(server, &kickoff, version, &method);
            let error = match self.kickoff_once(request, &kickoff).await? {
                Ok(accepted) => return Ok(Accepted { left_out, ..accepted }),
                Err(error) => error,
            };
            let Error::Refused { status, outcome, .. } = &error else {
                return Err(error);
            };
            if may_switch && is_wrong_method(*status, outcome, &kickoff.level) {
                may_switch = false;
                method = if method == Method::GET { Method::POST } else { Method::GET };
                continue;
            }
            let refused = SAVES_WORK.into_iter().find(|name| {
                matches!(status, 400 | 404 | 422 | 501)
                    && outcome.names(name)
                    && kickoff.leave_out(name)
            });
            match refused {
                Some(name) => left_out.push(name.to_owned()),
                None => return Err(without_patients(&kickoff, error)),
            }
        }
    }

    /// The method to begin with, and whether the other one may be tried.
    fn method(
        &self,
        version: Version,
        kickoff: &Kickoff,
    ) -> Result<(Method, bool), Error> {
        let forced_post = version == Version::V4 || !kickoff.patients.is_empty();
        match self.settings.method {
            KickoffMethod::Post => Ok((Method::POST, false)),
            KickoffMethod::Get if !kickoff.patients.is_empty() => Err(Error::Settings {
                reason: "a kick-off with patients needs the method post",
            }),
            KickoffMethod::Get if version == Version::V4 => Err(Error::Settings {
                reason: "version 4 of the guide knows no kick-off by get",
            }),
            KickoffMethod::Get => Ok((Method::GET, false)),
            KickoffMethod::Auto if forced_post => Ok((Method::POST, false)),
            KickoffMethod::Auto => Ok((Method::GET, true)),
        }
    }

    fn kickoff_request(
        &self,
        server: &Server,
        kickoff: &Kickoff,
        version: Version,
        method: &Method,
    ) -> Request {
        let mut url = self.base.clone();
        let segment = server.capability.segment(&kickoff.level, version);
        let path = kickoff.level.kickoff_path();
        let parent = path.strip_suffix("$export").unwrap_or_default();
        url.set_path(&format!("{}{parent}${segment}", self.base.path()));
        let post = *method == Method::POST;
        let style = Style {
            version,
            since: self.settings.since_style,
            commas: self.settings.filter_commas,
        };
        if !post {
            kickoff.write_query(&mut url, style);
        }
        let text = header::HeaderValue::from_static;
        let separate = kickoff.separate_export_status;
        let prefer = match (self.settings.handling, separate) {
            (Handling::Strict, false) => "respond-async",
            (Handling::Strict, true) => "respond-async,separate-export-status",
            (Handling::Lenient, false) => "respond-async,handling=lenient",
            (Handling::Lenient, true) => {
                "respond-async,separate-export-status,handling=lenient"
            }
        };
        let request = Request::new(method.clone(), url)
            .header(header::ACCEPT, text(FHIR_JSON))
            .header(PREFER, text(prefer))
            // Keeps servers from handing out an earlier job that looks the same.
            .header(header::CACHE_CONTROL, text("no-cache"));
        if post {
            let body = kickoff.body(style).to_string();
            request.header(header::CONTENT_TYPE, text(FHIR_JSON)).body(body)
        } else {
            request
        }
    }

    /// The outer error ends the kick-off; the inner one may be answered by another request.
    async fn kickoff_once(
        &self,
        request: Request,
        kickoff: &Kickoff,
    ) -> Result<Result<Accepted, Error>, Error> {
        let sent_to = request.url().clone();
        let url = SafeUrl::of(&sent_to);
        let response = match self.door.send(Doing::Kickoff, request, WithToken::Yes).await
        {
            Ok(response) => response,
            Err(Error::Network { doing: Doing::Kickoff, source })
                if source.may_have_arrived() && source.is_transient() =>
            {
                return Err(Error::KickoffUnknown { url, source: Some(source) });
            }
            Err(error) => return Err(error),
        };
        if matches!(
            response.status,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        ) {
            // A gateway answers for a server that may well have taken the request.
            return Err(Error::KickoffUnknown { url, source: None });
        }
        if !response.status.is_success() {
            return Ok(Err(self.door.refusal(Doing::Kickoff, response).await));
        }
        let location = response
            .text(&header::CONTENT_LOCATION)
            .filter(|text| !text.trim().is_empty())
            .and_then(|text| response.url.join(text.trim()).ok());
        let Some(status_url) = location.map(|url| self.door.mended(&url)) else {
            let status = response.status.as_u16();
            return Err(Error::NoStatusUrl { url, status });
        };
        let applied = kickoff.separate_export_status && applies_status(&response);
        let status_source =
            if applied { StatusSource::ExportStatus } else { StatusSource::Http };
        let date = date(&response);
        let headers = SafeHeaders::of(&response.headers);
        let left_out = Vec::new();
        Ok(Ok(Accepted { status_url, date, left_out, status_source, headers }))
    }
}

/// Whether the server knows the kick-off, but by the other method. Of a group a 404 may mean
/// that there is no such group.
fn is_wrong_method(status: u16, outcome: &Outcome, level: &Level) -> bool {
    match status {
        405 | 501 => true,
        404 => !matches!(level, Level::Group(_)),
        400 => outcome.complaint() == Complaint::Method,
        _ => false,
    }
}

/// Whether both preferences apply, in one header line or in several.
fn applies_status(response: &Response) -> bool {
    let lines = response.headers.get_all(PREFERENCE_APPLIED).into_iter();
    let applied: Vec<String> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|preference| preference.trim().to_ascii_lowercase())
        .collect();
    ["respond-async", "separate-export-status"]
        .iter()
        .all(|wanted| applied.iter().any(|preference| preference == wanted))
}

/// A server that refuses a patient is likely to name the patient.
fn without_patients(kickoff: &Kickoff, mut error: Error) -> Error {
    if let Error::Refused { outcome, .. } = &mut error
        && !kickoff.patients.is_empty()
    {
        outcome.text = None;
    }
    error
}

const PREFER: header::HeaderName = header::HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: header::HeaderName =
    header::HeaderName::from_static("preference-applied");
