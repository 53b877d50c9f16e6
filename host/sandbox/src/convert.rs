//! From a guest's answers to the pipeline's words, checked: every value here is
//! guest-controlled, and what the contract does not allow is a crash of the guest.

use std::time::Duration;

use bulkhead_pipeline::{
    Batch, Checkpoint, Limit, Output, Positions, Receipt, Reject, RejectClass, Verdict,
};
use bytes::Bytes;

use crate::{
    Limits, Manifest,
    bindings::{
        filter, lifecycle::exports::bulkhead::plugin::lifecycle, sink, transform,
        wit::types,
    },
    error::ConfigProblem,
};

/// The largest token of a checkpoint, in bytes.
const LARGEST_TOKEN: usize = 64 << 10;

/// An answer that the contract does not allow.
#[derive(Debug)]
pub(crate) struct Breach;

/// A set of positions over `len` records, or `None` when it is not one.
pub(crate) fn positions(wit: types::Positions, len: usize) -> Option<Positions> {
    let positions = match wit {
        types::Positions::All => Positions::All,
        types::Positions::None => Positions::None,
        types::Positions::Bits(words) => Positions::Bits(words),
    };
    positions.fits(len).then_some(positions)
}

/// Verdicts of a filter.
pub(crate) fn decision(
    wit: filter::exports::bulkhead::plugin::filter::Decision,
    len: usize,
    manifest: &Manifest,
) -> Result<Vec<Verdict>, Breach> {
    let keep = positions(wit.keep, len).ok_or(Breach)?;
    let mut verdicts: Vec<Verdict> = (0..len)
        .map(|at| if keep.contains(at) { Verdict::Keep } else { Verdict::Drop })
        .collect();
    for (index, reject) in rejections(wit.rejects, len, manifest)? {
        let verdict = verdicts.get_mut(index as usize).ok_or(Breach)?;
        if *verdict == Verdict::Keep {
            return Err(Breach);
        }
        *verdict = Verdict::Reject(reject);
    }
    Ok(verdicts)
}

/// Verdicts of a transform.
pub(crate) fn changes(
    wit: transform::exports::bulkhead::plugin::transform::Changes,
    len: usize,
    manifest: &Manifest,
) -> Result<Vec<Verdict>, Breach> {
    use transform::exports::bulkhead::plugin::transform::Action;

    let mut verdicts = vec![Verdict::Keep; len];
    let mut last = None;
    for edit in wit.edits {
        if last.is_some_and(|last| edit.index <= last) {
            return Err(Breach);
        }
        last = Some(edit.index);
        let verdict = verdicts.get_mut(edit.index as usize).ok_or(Breach)?;
        *verdict = match edit.action {
            Action::Drop => Verdict::Drop,
            Action::Replace(body) => Verdict::Replace(Bytes::from(body)),
            Action::Emit(outputs) => {
                let one =
                    |output: transform::exports::bulkhead::plugin::transform::Output| {
                        let is_declared = output
                            .stream
                            .as_ref()
                            .is_none_or(|stream| manifest.streams.contains(stream));
                        let body = Bytes::from(output.body);
                        is_declared
                            .then_some(Output { stream: output.stream, body })
                            .ok_or(Breach)
                    };
                Verdict::Emit(outputs.into_iter().map(one).collect::<Result<_, _>>()?)
            }
        };
    }
    for (index, reject) in rejections(wit.rejects, len, manifest)? {
        let verdict = verdicts.get_mut(index as usize).ok_or(Breach)?;
        if *verdict != Verdict::Keep {
            return Err(Breach);
        }
        *verdict = Verdict::Reject(reject);
    }
    Ok(verdicts)
}

/// The same verdicts, with a refusal in place of every output that is far larger than its
/// record.
pub(crate) fn bounded(
    mut verdicts: Vec<Verdict>,
    batch: &Batch,
    limits: &Limits,
) -> Vec<Verdict> {
    for (verdict, record) in verdicts.iter_mut().zip(batch.records()) {
        let input = record.body.len();
        let is_allowed = match verdict {
            Verdict::Drop | Verdict::Keep | Verdict::Reject(_) => true,
            Verdict::Emit(outputs) => {
                limits.allows(input, outputs.iter().map(|output| output.body.len()))
            }
            Verdict::Replace(body) => limits.allows(input, std::iter::once(body.len())),
        };
        if !is_allowed {
            let reject = Reject::new(RejectClass::TooLarge, Limit::Expansion.code());
            *verdict = Verdict::Reject(reject);
        }
    }
    verdicts
}

/// A sink's receipt.
pub(crate) fn receipt(
    wit: sink::exports::bulkhead::plugin::sink::Receipt,
    len: usize,
    manifest: &Manifest,
) -> Result<Receipt, Breach> {
    let accepted = positions(wit.accepted, len).ok_or(Breach)?;
    let rejects = rejections(wit.rejects, len, manifest)?;
    if rejects.iter().any(|(index, _)| accepted.contains(*index as usize)) {
        return Err(Breach);
    }
    let durable = wit.durable.map(checkpoint).transpose()?;
    Ok(Receipt { accepted, rejects, durable })
}

/// A sink's checkpoint. How far it may reach, the lane checks.
pub(crate) fn checkpoint(
    wit: sink::exports::bulkhead::plugin::sink::Checkpoint,
) -> Result<Checkpoint, Breach> {
    if wit.token.len() > LARGEST_TOKEN {
        return Err(Breach);
    }
    Ok(Checkpoint { durable_through: wit.durable_through, token: wit.token })
}

/// Rejections: rising, within the batch, with codes that the manifest declares.
fn rejections(
    wit: Vec<types::Rejection>,
    len: usize,
    manifest: &Manifest,
) -> Result<Vec<(u32, Reject)>, Breach> {
    let mut last = None;
    let one = |rejection: types::Rejection| {
        let rises = last.is_none_or(|last| rejection.index > last);
        let is_declared =
            manifest.rejects.iter().any(|declared| declared.code == rejection.code);
        if !rises
            || rejection.index as usize >= len
            || !is_code(&rejection.code)
            || !is_declared
        {
            return Err(Breach);
        }
        last = Some(rejection.index);
        let class = match rejection.class {
            types::RejectClass::Malformed => RejectClass::Malformed,
            types::RejectClass::Unsupported => RejectClass::Unsupported,
            types::RejectClass::Policy => RejectClass::Policy,
            types::RejectClass::TooLarge => RejectClass::TooLarge,
            types::RejectClass::RefusedDownstream => RejectClass::RefusedDownstream,
            types::RejectClass::Other => RejectClass::Other,
        };
        Ok((rejection.index, Reject::new(class, rejection.code)))
    };
    wit.into_iter().map(one).collect()
}

/// What a plugin said went wrong: a code that is safe to show, and whether to ask again.
pub(crate) enum Complaint {
    Fatal(String),
    /// The code, how long to wait, and the plugin's own words: tainted.
    Retryable(String, Option<Duration>, String),
}

/// The longest words of a plugin that are kept for a sealed quarantine, in bytes.
const LONGEST_MESSAGE: usize = 4 << 10;

/// The plugin's words. The message may hold patient data: what is fatal stops the file, so
/// that its words belong to no record and are dropped; the others are cut.
pub(crate) fn complaint(wit: types::PluginError) -> Complaint {
    let code = |failure: types::Failure| {
        if is_code(&failure.code) { failure.code } else { "unspeakable".to_owned() }
    };
    match wit {
        types::PluginError::Fatal(failure) => Complaint::Fatal(code(failure)),
        types::PluginError::Retryable(retry) => {
            let after = retry.after_ms.map(|ms| Duration::from_millis(ms.into()));
            let mut message = retry.failure.message.clone();
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
            Complaint::Retryable(code(retry.failure), after, message)
        }
    }
}

/// What a plugin has against its settings. Guest-controlled: cut and cleaned. It is shown,
/// whatever telemetry is granted: see `Live::configured` for why nothing secret can be in it.
pub(crate) fn config_problems(wit: Vec<lifecycle::ConfigProblem>) -> Vec<ConfigProblem> {
    let shown = |text: String| {
        text.chars().filter(|char| is_plain(*char)).take(LONGEST_WORDS).collect()
    };
    let one = |problem: lifecycle::ConfigProblem| ConfigProblem {
        pointer: shown(problem.pointer),
        code: shown(problem.code),
        message: shown(problem.message),
    };
    wit.into_iter().take(MOST_PROBLEMS).map(one).collect()
}

/// Problems with settings that are shown.
const MOST_PROBLEMS: usize = 64;

/// Characters of one text of a plugin that are shown.
const LONGEST_WORDS: usize = 500;

/// Whether a character may go to a terminal: it neither controls it nor turns text around.
pub(crate) fn is_plain(char: char) -> bool {
    !char.is_control()
        && !matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        && !matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
}

/// `[a-z0-9][a-z0-9.-]{0,63}`.
pub(crate) fn is_code(code: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    code.len() <= 64
        && code.as_bytes().first().is_some_and(is_first)
        && code.bytes().all(|byte| is_first(&byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests;
