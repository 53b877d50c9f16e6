//! What the faults may know of a request about a job, before it is answered.

use super::status::file_name;
use crate::{
    behaviour::Progress,
    cues::{FileFacts, JobFacts, Moment},
    scenario::{Array, On, Span},
    state::State,
};

/// The lists of a manifest that files are numbered over, in order. `outcome` is what the
/// fourth edition calls `error`.
pub(crate) const LISTS: [(&str, Array); 4] = [
    ("output", Array::Output),
    ("deleted", Array::Deleted),
    ("error", Array::Error),
    ("outcome", Array::Error),
];

/// Adds what is known of job `id` and of one of its files.
pub(crate) fn facts(
    state: &State,
    id: &str,
    file: Option<&str>,
    page: Option<u32>,
    moment: &mut Moment,
) {
    let now = state.clock.now();
    let jobs = state.jobs();
    let Some(job) = jobs.get(id) else { return };
    let span = if job.is_incremental { Span::Incremental } else { Span::Full };
    moment.level = Some(job.level.clone());
    moment.job = Some(JobFacts {
        id: id.to_owned(),
        ordinal: job.ordinal,
        span,
        transaction_time: job.transaction_time,
    });
    if moment.doors.contains(&On::Poll)
        && state.behaviour.progress(job.polls, job.kicked_off, now) == Progress::Done
    {
        moment.doors.push(On::Manifest);
        moment.page = Some(0);
    }
    if let Some(number) = page {
        moment.page = Some(number);
        moment.doors.push(On::Manifest);
    }
    let Some(name) = file else { return };
    let Some((number, found)) = job
        .plan
        .files()
        .enumerate()
        .find(|(number, file)| file_name(*number, file) == name)
    else {
        return;
    };
    let (output, deleted) = (job.plan.output.len(), job.plan.deleted.len());
    let array = if number < output {
        Array::Output
    } else if number < output + deleted {
        Array::Deleted
    } else {
        Array::Error
    };
    moment.file = Some(FileFacts {
        number: u32::try_from(number).unwrap_or(u32::MAX),
        resource_type: found.resource_type.clone(),
        array,
    });
}
