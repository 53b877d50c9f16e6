//! Why one try of a file ended, and what follows from it.

use std::{ops::RangeInclusive, time::Duration};

use bulkhead_bulk::Error as BulkError;
use bulkhead_net::Error as NetError;
use bulkhead_pipeline::{LaneError, SinkError};

use crate::{
    export::blamed,
    failure::{Exit, Failure},
};

/// The job is gone from the server, and its files with it: only a new export can help.
#[derive(Debug, thiserror::Error)]
#[error("the job and its files are gone from the server")]
pub(in crate::export) struct JobLost;

/// Why one try ended.
pub(in crate::export) enum Ended {
    /// Try again, after a pause that the server may have named.
    Again(anyhow::Error, Option<Duration>),
    /// Who is needed for it is busy or away: the try does not count, and the pause may be the
    /// server's.
    Away(anyhow::Error, Option<Duration>, Away),
    /// A setting is missing without which this file cannot be had; the others go on.
    Barred(anyhow::Error),
    /// Nothing will mend this file; the others go on.
    Broken(anyhow::Error),
    /// The file is not the one that was begun.
    Changed,
    /// The whole export must stop.
    Fatal(anyhow::Error),
    /// The link is no longer good.
    Expired(anyhow::Error),
    /// The sink died on these lines.
    SinkDied(RangeInclusive<u64>, usize, anyhow::Error),
    /// Someone asked to stop.
    Stopped,
}

/// Who is busy or away, so that a file cannot be had for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum Away {
    /// The server, for this file: others may be had. When it stays so, the file has failed.
    ForFile,
    /// The server's host: nothing of it can be had.
    Host,
    /// Whoever gives out tokens: no file can be had.
    Tokens,
}

impl Ended {
    /// What went wrong with the file itself.
    pub(super) const fn error(&self) -> Option<&anyhow::Error> {
        match self {
            Self::Again(error, _)
            | Self::Away(error, ..)
            | Self::Barred(error)
            | Self::Broken(error)
            | Self::Fatal(error)
            | Self::Expired(error)
            | Self::SinkDied(_, _, error) => Some(error),
            Self::Changed | Self::Stopped => None,
        }
    }
}

/// What a failed download means.
pub(in crate::export) fn download_ended(error: BulkError) -> Ended {
    let after = error.retry_after();
    if error.is_of_token() {
        // It says nothing of the file, and every other file would meet it too.
        if error.is_transient() {
            return Ended::Away(error.into(), after, Away::Tokens);
        }
        return Ended::Fatal(blamed(error, "downloading the files of the export"));
    }
    if error.is_expired_link() {
        return Ended::Expired(error.into());
    }
    let away = match &error {
        BulkError::Busy { status: 408 | 425 | 429 | 502..=504, .. } => {
            Some(Away::ForFile)
        }
        BulkError::Network {
            source: NetError::Connect { .. } | NetError::Send { .. },
            ..
        } => Some(Away::Host),
        _ => None,
    };
    if error.is_mendable() {
        Ended::Barred(error.into())
    } else if let Some(away) = away {
        Ended::Away(error.into(), after, away)
    } else if error.is_transient() {
        Ended::Again(error.into(), after)
    } else {
        Ended::Broken(error.into())
    }
}

/// Whether a link that stays refused, with a fresh token and in a fresh manifest, is a matter of
/// settings or rights and not of its age.
pub(super) fn can_be_mended(error: &anyhow::Error) -> bool {
    error.downcast_ref::<BulkError>().is_some_and(BulkError::is_mendable)
}

/// Some files could not be had for want of a setting; the job stays for a run that has it.
pub(super) fn waits_for_a_setting(count: u64, error: anyhow::Error) -> anyhow::Error {
    let advice = error.downcast_ref::<BulkError>().and_then(BulkError::hint);
    let advice = advice.unwrap_or_else(|| "see what it met".to_owned());
    let hint = format!(
        "{advice}; then run again: it goes on where it was, with the same job. \
         `bulkhead cancel` gives the export up instead"
    );
    let what = format!("{count} files cannot be had with these settings");
    let (exit, blame) = (Exit::Failed, "operator");
    error.context(Failure { exit, blame, what, hint: Some(hint) })
}

/// Nothing could be had for as long as files may take: the job stays for the next run.
pub(super) fn stayed_away(error: anyhow::Error) -> anyhow::Error {
    let what = "the server could not be reached for longer than `limits.file-wait`";
    let hint = "running again goes on where it was; the job is not given up".to_owned();
    let (exit, blame) = (Exit::Failed, "network");
    error.context(Failure { exit, blame, what: what.to_owned(), hint: Some(hint) })
}

/// What a failed lane means.
pub(super) fn ended(error: LaneError) -> Ended {
    match error {
        LaneError::Intake(_) => Ended::Changed,
        LaneError::SinkDied { ref lines, records, .. } => {
            Ended::SinkDied(lines.clone(), records, error.into())
        }
        LaneError::Sink(SinkError::Retryable { after, .. }) => {
            Ended::Again(error.into(), after)
        }
        // A sink that lost its open parts says so at the next batch: begin again from the
        // last checkpoint.
        LaneError::Sink(SinkError::Fatal { ref code, .. }) if code == "not-open" => {
            Ended::Again(error.into(), None)
        }
        LaneError::Memory(_) => {
            let what = "the ledger of resources cannot be read".to_owned();
            let hint = Some(
                "look at the disk; if it is damaged, remove the folder `delivered` of the state \
                 folder and run with --full: everything is delivered again"
                    .to_owned(),
            );
            let failure = Failure { exit: Exit::Failed, blame: "host", what, hint };
            Ended::Fatal(anyhow::Error::new(error).context(failure))
        }
        _ => {
            let hint =
                "the log says more with `--log info`; running again goes on where it was";
            let what = "a plugin of the chain failed".to_owned();
            let failure = Failure {
                exit: Exit::Failed,
                blame: "plugin",
                what,
                hint: Some(hint.to_owned()),
            };
            Ended::Fatal(anyhow::Error::new(error).context(failure))
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_bulk::{Doing, Outcome};
    use bulkhead_model::SafeUrl;

    use super::*;

    fn url() -> SafeUrl {
        SafeUrl::of(&"https://ehr.example/files/1".parse().unwrap())
    }

    fn busy(doing: Doing, status: u16) -> BulkError {
        let outcome = Box::default();
        BulkError::Busy { doing, url: url(), status, retry_after: None, outcome }
    }

    fn refused(status: u16, body: &str) -> BulkError {
        let outcome = Box::new(Outcome::read(body.as_bytes()));
        BulkError::Refused { doing: Doing::Download, url: url(), status, outcome }
    }

    fn network(doing: Doing, source: NetError) -> BulkError {
        BulkError::Network { doing, source }
    }

    fn lost(doing: Doing) -> BulkError {
        network(doing, NetError::Send { url: url(), source: "reset".into() })
    }

    fn name(ended: &Ended) -> String {
        match ended {
            Ended::Again(..) => "again".to_owned(),
            Ended::Away(_, _, away) => format!("away: {away:?}"),
            Ended::Barred(_) => "barred".to_owned(),
            Ended::Broken(_) => "broken".to_owned(),
            Ended::Changed => "changed".to_owned(),
            Ended::Expired(_) => "expired".to_owned(),
            Ended::Fatal(_) => "fatal".to_owned(),
            Ended::SinkDied(..) => "sink died".to_owned(),
            Ended::Stopped => "stopped".to_owned(),
        }
    }

    /// Items: 98, 118, 124.
    /// Faults: F1, F13, F34.
    #[test]
    fn what_passes_or_can_be_mended_is_no_verdict_on_a_file() {
        let origin = || "https://files.example".parse().unwrap();
        let code = "invalid_client".to_owned();
        let token = BulkError::TokenRefused { url: url(), code, clock_offset: None };
        let forbidden = r#"{"resourceType":"OperationOutcome",
            "issue":[{"severity":"error","code":"forbidden"}]}"#;
        let cases = [
            ("too many", busy(Doing::Download, 429), "away: ForFile"),
            ("a gateway", busy(Doing::Download, 502), "away: ForFile"),
            ("busy", busy(Doing::Download, 503), "away: ForFile"),
            ("a bare 500", busy(Doing::Download, 500), "again"),
            ("a reset", lost(Doing::Download), "away: Host"),
            ("no token for now", busy(Doing::Token, 503), "away: Tokens"),
            ("no way to the tokens", lost(Doing::Token), "away: Tokens"),
            ("no token at all", token, "fatal"),
            (
                "an unlisted origin",
                network(Doing::Download, NetError::Credential { origin: origin() }),
                "barred",
            ),
            (
                "clear text",
                network(
                    Doing::Download,
                    NetError::Insecure { url: url(), origin: origin() },
                ),
                "barred",
            ),
            (
                "a private address",
                network(
                    Doing::Download,
                    NetError::Address { url: url(), origin: origin() },
                ),
                "barred",
            ),
            ("a link that ran out", refused(403, "<Error/>"), "expired"),
            ("forbidden", refused(403, forbidden), "expired"),
            ("a bad request", refused(400, ""), "broken"),
        ];
        for (case, error, expected) in cases {
            assert_eq!(name(&download_ended(error)), expected, "case: {case}");
        }
    }
}
