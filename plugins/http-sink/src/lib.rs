//! A sink that sends records over HTTP: FHIR Bundles, NDJSON or JSON arrays.
//!
//! It is blind: this component imports `batches` and `outbound-http` and nothing else, so it
//! decides how many records go at once and what an answer means, and the host moves the
//! bytes. Nothing is buffered: what a server answered 2xx for is durable, and nothing else is.
//! One call sends one request and hands the rest of the batch back, so that a slow server
//! uses up the time of one request and not that of a call.
//!
//! This file owns the life of an instance; `load` what to send next, `answer` what an answer
//! means.
//!
//! Source: FHIR R4 "http: batch/transaction"; RFC 9110 section 15.

mod answer;
mod load;
mod settings;

use bulkhead_plugin::{
    Assignment, Batch, Checkpoint, CloseReason, FinishedExport, Manifest, PluginError,
    Positions, Problems, Receipt, RejectClass, Rejection, Role, Sink,
    outbound_http::{HttpError, Method, Request},
};

use answer::{Answer, Fate};
use load::{Load, Shipment};
use settings::Plan;
pub use settings::{Framing, Refused, Settings};

/// Sends one file of an export.
pub struct HttpSink {
    plan: Plan,
    open: Option<OpenFile>,
}

/// A file under way.
struct OpenFile {
    /// Export and file, for idempotency keys.
    name: String,
    /// The last line up to which everything is settled.
    durable: u64,
    /// The last line of which anything was handed over.
    handed: u64,
    /// Records of the next request at most: fewer after one that was refused as a whole.
    at_once: usize,
}

impl Sink for HttpSink {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new::<Settings>("http-sink", env!("CARGO_PKG_VERSION"), Role::Sink)
            .describe("Sends records over HTTP: FHIR Bundles, NDJSON or JSON arrays.")
            .ask(
                "outbound-http",
                "to send the records; their bytes go from the host to the destination and do \
                 not pass through this plugin",
            )
            .reject(
                "no-place-for-deletions",
                "A deletion or retraction, and `deletions-path` is not set.",
            )
            .reject("not-a-resource", "A row of a stream, which no Bundle can hold.")
            .reject(
                "answer-incomplete",
                "The answer to the record alone, in a Bundle `batch`, has not one entry.",
            )
            .reject("refused", "The server refuses the record: ask its people why.")
            .reject(
                "unsendable",
                "Alone, too large for the server or for `request-bytes` of the destination; or \
                 without an id.",
            )
    }

    fn new(settings: Settings) -> Result<Self, Problems> {
        Ok(Self { plan: Plan::try_from(settings)?, open: None })
    }

    fn open(&mut self, work: Assignment) -> Result<(), PluginError> {
        let Assignment { export_id, file, resume } = work;
        let durable = resume.map_or(0, |resume| resume.durable_through);
        self.open = Some(OpenFile {
            name: format!("{export_id}-{file}"),
            durable,
            handed: durable,
            at_once: self.plan.rows,
        });
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch<'_>) -> Result<Receipt, PluginError> {
        let load = Load::of(*batch)?;
        let open = self.open.as_mut().ok_or_else(not_open)?;
        let mut settled = Settled::of(&load);
        open.ship(&self.plan, *batch, &load, &mut settled)?;
        Ok(open.receipt(&load, settled))
    }

    fn flush(&mut self) -> Result<Checkpoint, PluginError> {
        self.open.as_ref().map(OpenFile::checkpoint).ok_or_else(not_open)
    }

    fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, PluginError> {
        let open = self.open.take();
        match why {
            CloseReason::EndOfFile => {
                open.as_ref().map(OpenFile::checkpoint).map(Some).ok_or_else(not_open)
            }
            CloseReason::FatalElsewhere | CloseReason::Shutdown => Ok(None),
        }
    }

    fn conclude(&mut self, _: FinishedExport) -> Result<(), PluginError> {
        // Each request was whole by itself.
        Ok(())
    }
}

/// What has become of the records of a batch so far.
struct Settled {
    taken: Vec<bool>,
    rejects: Vec<Rejection>,
}

impl Settled {
    fn of(load: &Load) -> Self {
        Self { taken: vec![false; load.len()], rejects: Vec::new() }
    }

    fn take(&mut self, at: usize) {
        if let Some(taken) = self.taken.get_mut(at) {
            *taken = true;
        }
    }

    fn reject(&mut self, at: usize, class: RejectClass, code: &str) {
        self.rejects.push(Rejection::new(at, class, code));
    }
}

impl OpenFile {
    /// Rejects what cannot be sent, then sends one request. Requests that are refused as a
    /// whole are made smaller until one is not, or is of one line.
    fn ship(
        &mut self,
        plan: &Plan,
        batch: Batch<'_>,
        load: &Load,
        settled: &mut Settled,
    ) -> Result<(), PluginError> {
        let start = load.reject_unsendable(plan, 0, settled);
        loop {
            let Some(shipment) = load.next(plan, start, self.at_once) else {
                return Ok(());
            };
            let len = shipment.rows.len();
            let answer = match self.send(plan, batch, load, &shipment) {
                Ok(response) => answer::read(&response, plan.framing, len),
                Err(HttpError::BodyTooLarge) => Answer::Unsendable,
                Err(error) => return in_vain(error.into(), settled),
            };
            let (code, class) = match answer {
                Answer::Again(error) | Answer::Stop(error) => {
                    return in_vain(error, settled);
                }
                Answer::Each(fates) => {
                    return settle(plan, &shipment, &fates, settled);
                }
                Answer::Taken => {
                    shipment.rows.for_each(|at| settled.take(at));
                    self.at_once = self.at_once.saturating_mul(2).min(plan.rows);
                    return Ok(());
                }
                Answer::Incomplete => {
                    ("answer-incomplete", RejectClass::RefusedDownstream)
                }
                Answer::Refused => ("refused", RejectClass::RefusedDownstream),
                Answer::Unsendable => ("unsendable", RejectClass::TooLarge),
            };
            // What is too much, or not told apart, is no word about the records.
            let may_split = plan.refused == Refused::Reject || code != "refused";
            if may_split && !shipment.is_one_line {
                self.at_once = (len.min(self.at_once) / 2).max(1);
                continue;
            }
            if plan.refused == Refused::Fatal {
                return in_vain(PluginError::fatal(code, ""), settled);
            }
            shipment.rows.for_each(|at| settled.reject(at, class, code));
            return Ok(());
        }
    }

    fn send(
        &self,
        plan: &Plan,
        batch: Batch<'_>,
        load: &Load,
        shipment: &Shipment,
    ) -> Result<bulkhead_plugin::outbound_http::Response, HttpError> {
        let mut request = Request::new(Method::Post, shipment.path.clone());
        if !plan.framing.is_bundle() {
            let key = load.key(&shipment.rows);
            request = request.idempotency_key(format!("{}-{key}", self.name));
        }
        let which =
            Positions::where_true((0..load.len()).map(|at| shipment.rows.contains(&at)));
        let framing = plan.framing.on_the_wire();
        request.send_records(&plan.destination, &batch, which, framing)
    }

    /// What is settled, and how far everything is.
    fn receipt(&mut self, load: &Load, settled: Settled) -> Receipt {
        let Settled { taken, mut rejects } = settled;
        rejects.sort_by_key(|reject| reject.index);
        let is_rejected = |at: usize| {
            rejects.binary_search_by_key(&at, |reject| reject.index as usize).is_ok()
        };
        let first_left =
            (0..load.len()).find(|at| taken.get(*at) != Some(&true) && !is_rejected(*at));
        self.handed = self.handed.max(load.last_seq());
        // What is left comes again before anything else: when nothing is, all is settled.
        let through = first_left.map_or(self.handed, |at| load.before(at));
        self.durable = self.durable.max(through);
        let accepted = Positions::where_true(taken);
        Receipt { accepted, rejects, durable: Some(self.checkpoint()) }
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { durable_through: self.durable, token: Vec::new() }
    }
}

/// Each entry of a Bundle `batch` for itself.
fn settle(
    plan: &Plan,
    shipment: &Shipment,
    fates: &[Fate],
    settled: &mut Settled,
) -> Result<(), PluginError> {
    let mut moved = false;
    let mut again = None;
    let each = shipment.rows.clone().zip(fates).zip(&shipment.deletions);
    for ((at, fate), is_deletion) in each {
        match fate {
            Fate::Taken => settled.take(at),
            // What is not there need not be deleted.
            Fate::Gone if *is_deletion => settled.take(at),
            Fate::Again => {
                again = Some(PluginError::retryable("entries-not-taken", ""));
                continue;
            }
            Fate::Gone | Fate::Refused if plan.refused == Refused::Fatal => {
                return in_vain(PluginError::fatal("refused", ""), settled);
            }
            Fate::Gone | Fate::Refused => {
                settled.reject(at, RejectClass::RefusedDownstream, "refused");
            }
        }
        moved = true;
    }
    match again {
        Some(error) if !moved => in_vain(error, settled),
        Some(_) | None => Ok(()),
    }
}

/// A failure, unless something of the batch was settled: then that is told first, and the
/// rest comes again.
fn in_vain(error: PluginError, settled: &Settled) -> Result<(), PluginError> {
    let moved = settled.taken.contains(&true) || !settled.rejects.is_empty();
    if moved { Ok(()) } else { Err(error) }
}

fn not_open() -> PluginError {
    PluginError::fatal("not-open", "no file is open")
}

bulkhead_plugin::export!(sink HttpSink);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
