//! One file, from the first byte to closed in the ledger, however often it takes.

mod ended;
mod failing;
mod memory;
mod origin;
mod outcomes;
mod patience;
mod renewal;
mod sealing;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;
use bulkhead_ledger::{ExportId, FileArray, FileCheckpoint, Proof};
use bulkhead_model::Instant;
use bulkhead_ndjson::{Block, Framer};
use bulkhead_pipeline::{
    Advance, Asked, Caution, CloseReason, FileKind, Intake, Lane, Tally,
};

pub(super) use self::{
    ended::JobLost,
    origin::{Origin, Shared},
    outcomes::Outcomes,
};
use self::{
    ended::{Away, Ended, can_be_mended, ended, stayed_away},
    patience::Patience,
};
use super::{Export, memory::Holdings, stop::Why, stopped};
use crate::{
    advice::advised,
    assemble,
    output::{Event, FileProgress},
};

/// Fresh manifests that are fetched for expired links of one file.
const REFRESHES: u32 = 2;

/// Everything needed for one file.
pub(super) struct FileWork {
    pub(super) export: Arc<Export>,
    pub(super) id: ExportId,
    pub(super) index: u32,
    pub(super) array: FileArray,
    pub(super) origin: Origin,
    /// What the export asked for.
    pub(super) asked: Arc<Asked>,
    /// The export's own moment.
    pub(super) export_time: Instant,
    pub(super) holdings: Option<Arc<Holdings>>,
}

impl FileWork {
    /// Processes the file to its end. A file that cannot be had is written down as failed
    /// and is no error here.
    pub(super) async fn process(mut self) -> anyhow::Result<()> {
        let name =
            self.origin.resource_type().map_or_else(String::new, ToString::to_string);
        let count = self.origin.count();
        let progress = self.export.output.file(self.index, self.array, &name, count);
        let tries = self.export.config.limits.file_tries;
        let mut caution = Caution::default();
        let mut refreshes = 0;
        let mut patience = Patience::new(self.export.config.limits.file_wait);
        let mut attempt = 0;
        let mut last = None;
        self.refresh_in_time().await?;
        while attempt < tries {
            attempt += 1;
            self.origin.wait_for_tokens(&self.export.stop).await?;
            let came = self.once(&caution, attempt, &progress).await;
            self.log(&came);
            let (error, wait) = match came {
                Ok((tally, _)) => {
                    progress.done(&tally);
                    return Ok(());
                }
                Err(Ended::Stopped) => return Err(stopped()),
                Err(Ended::Fatal(error)) => {
                    return Err(advised(error, &self.export.chain));
                }
                Err(Ended::Changed) => {
                    let (id, index) = (self.id.clone(), self.index);
                    // First: a process that dies between must not take what was delivered of
                    // the other file for what is delivered of this one.
                    if let Some(holdings) = &self.holdings {
                        holdings.give_up(index, 0)?;
                    }
                    self.ledger(move |ledger| ledger.restart_file(&id, index)).await?;
                    let error = anyhow::anyhow!(
                        "the file changed on the server while it was delivered"
                    );
                    (error, patience.pause(None))
                }
                Err(Ended::Expired(error)) if refreshes < REFRESHES => {
                    refreshes += 1;
                    self.refresh().await?;
                    (error, patience.pause(Some(Duration::ZERO)))
                }
                Err(Ended::Expired(error)) if !can_be_mended(&error) => {
                    return self.fail(&error, &progress).await;
                }
                Err(Ended::Barred(error) | Ended::Expired(error)) => {
                    return self.set_aside(error, &progress).await;
                }
                Err(Ended::Broken(error)) => return self.fail(&error, &progress).await,
                Err(Ended::SinkDied(lines, records, error)) => {
                    // What the sink died on is handed over more carefully the next time.
                    caution.learn(&lines, records);
                    self.give_up_try().await?;
                    (error, patience.pause(Some(Duration::ZERO)))
                }
                Err(Ended::Again(error, after)) => {
                    self.give_up_try().await?;
                    (error, patience.pause(after))
                }
                Err(Ended::Away(error, asked, away)) => {
                    self.give_up_try().await?;
                    let Some(wait) = patience.spend(asked) else {
                        return match away {
                            Away::ForFile => self.fail(&error, &progress).await,
                            Away::Host | Away::Tokens => Err(stayed_away(error)),
                        };
                    };
                    if away == Away::Tokens {
                        self.origin.hold(wait);
                    }
                    attempt -= 1;
                    (error, wait)
                }
            };
            tracing::info!(file = self.index, attempt, error = %format!("{error:#}"), "trying a file again");
            progress.again(attempt);
            last = Some(error);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.export.stop.requested() => return Err(stopped()),
            }
        }
        let error = last.unwrap_or_else(|| anyhow::anyhow!("no try was made"));
        self.fail(&error, &progress).await
    }

    /// One try, from the last checkpoint to the end of the file. Gives its bytes too.
    async fn once(
        &self,
        caution: &Caution,
        attempt: u32,
        progress: &FileProgress,
    ) -> Result<(Tally, u64), Ended> {
        let resume = self.resume().await.map_err(Ended::Fatal)?;
        self.sweep().await.map_err(Ended::Fatal)?;
        let mut lane = self.lane(caution.clone());
        if let Some(holdings) = &self.holdings {
            lane = lane.with_memory(match self.origin.sealed() {
                Some(sealed) => sealed.memory(holdings, self.index),
                None => holdings.memory(self.index),
            });
        }
        if let Some(resume) = &resume {
            lane = lane.resuming(resume);
        }
        lane.open().await.map_err(ended)?;
        progress.begin(resume.as_ref().map_or(0, |resume| resume.through));
        let bytes = match self.stream(&mut lane, attempt, progress).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let why = match (&error, self.export.stop.why()) {
                    (_, Why::Signal) => CloseReason::Shutdown,
                    (_, Why::GivenUp | Why::NotAtAll) => CloseReason::FatalElsewhere,
                };
                lane.stop(why).await;
                return Err(error);
            }
        };
        let advance = lane.finish().await.map_err(ended)?;
        let tally = advance.tally.clone();
        self.write_down(advance, Last::Yes).await.map_err(Ended::Fatal)?;
        Ok((tally, bytes))
    }

    async fn stream(
        &self,
        lane: &mut Lane,
        attempt: u32,
        progress: &FileProgress,
    ) -> Result<u64, Ended> {
        if let Some(file) = self.origin.remote() {
            self.export.log_request(&self.id, self.array, file);
        }
        let limits = self.export.config.limits.framer;
        let mut framer = Framer::new(self.origin.framing(limits));
        // It may wait: its origin may have asked for fewer requests.
        let mut incoming = tokio::select! {
            biased;
            () = self.export.stop.requested() => return Err(Ended::Stopped),
            incoming = self.origin.open(&self.export.client) => incoming?,
        };
        if self.origin.is_first_unlabelled(&incoming) {
            let remark =
                "files are not labelled as NDJSON; they are read as it all the same";
            self.export.output.event(Event::Remark(remark.to_owned()));
        }
        let wire = incoming.wire_bytes();
        let mut bytes = 0;
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.export.stop.requested() => return Err(Ended::Stopped),
                chunk = incoming.next() => chunk,
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk?;
            bytes += chunk.len() as u64;
            framer.push(chunk);
            while let Some(block) = framer.next_block() {
                self.take(lane, &block).await?;
                progress.advance(lane.tally(), wire.load(Ordering::Relaxed));
            }
        }
        let (last, passed) = framer.finish();
        lane.note_passed(passed);
        if let Some(block) = last {
            self.take(lane, &block).await?;
        }
        progress.advance(lane.tally(), wire.load(Ordering::Relaxed));
        // Of a file without an end of its own only a count can tell that it is whole.
        let is_whole = incoming.is_proven_whole() || self.origin.count().is_some();
        let proof = if is_whole { Proof::Proven } else { Proof::Unproven };
        self.note_proof(proof).await.map_err(Ended::Fatal)?;
        self.check_count(lane, attempt)?;
        Ok(bytes)
    }

    /// What one try came to, for other tools.
    fn log(&self, came: &Result<(Tally, u64), Ended>) {
        let Some(file) = self.origin.remote() else { return };
        match came {
            Ok((tally, bytes)) => {
                self.export.log_file(&self.id, file, *bytes, tally.total().read);
            }
            Err(ended) => {
                if let Some(error) = ended.error() {
                    self.export.log_no_file(&self.id, file, error);
                }
            }
        }
    }

    /// Notes whether the file showed that it is whole.
    async fn note_proof(&self, proof: Proof) -> anyhow::Result<()> {
        let (id, index) = (self.id.clone(), self.index);
        self.ledger(move |ledger| {
            let known = ledger.files(&id)?.into_iter().find(|file| file.index == index);
            match known {
                Some(file) if file.proof == proof => Ok(()),
                Some(_) | None => ledger.note_proof(&id, index, proof),
            }
        })
        .await
    }

    async fn take(&self, lane: &mut Lane, block: &Block) -> Result<(), Ended> {
        if let Some(advance) = lane.take(block).await.map_err(ended)? {
            self.write_down(advance, Last::No).await.map_err(Ended::Fatal)?;
        }
        self.seal_ahead(lane).await.map_err(Ended::Fatal)?;
        self.write_ahead(lane).await.map_err(Ended::Fatal)
    }

    /// A file with another number of resources than was announced is fetched once more; if
    /// it is the same again, what came is delivered and the verdict will say so.
    fn check_count(&self, lane: &Lane, attempt: u32) -> Result<(), Ended> {
        let read = lane.tally().total().read;
        let is_comparable =
            self.array == FileArray::Output && self.origin.resource_type().is_some();
        match self.origin.count() {
            Some(count) if is_comparable && count != read && attempt == 1 => {
                let error =
                    anyhow::anyhow!("{read} resources came, the manifest says {count}");
                Err(Ended::Again(error, None))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn lane(&self, caution: Caution) -> Lane {
        let kind = match self.array {
            FileArray::Deleted => FileKind::Deleted,
            FileArray::Output if self.origin.is_organised() => FileKind::Organised,
            FileArray::Outcome | FileArray::Output => {
                FileKind::Output(self.origin.resource_type().cloned())
            }
            FileArray::Recalled => FileKind::Recalled,
            FileArray::Replayed => FileKind::Replayed,
        };
        let bases = self.export.config.source.bases();
        let intake = Intake::new(self.index, kind, bases).asking(Arc::clone(&self.asked));
        let of = assemble::FileOf {
            export_id: self.id.as_str(),
            export_time: self.export_time,
            file: self.index,
        };
        let chain = &self.export.loaded;
        if let Some(sealed) = self.origin.sealed() {
            let stages = sealed.stages(&self.export, self.export_time);
            return assemble::replaying(chain, stages, intake, &of, caution);
        }
        assemble::lane(chain, intake, &of, caution)
    }

    async fn resume(&self) -> anyhow::Result<Option<Advance>> {
        let id = self.id.clone();
        let files = self.ledger(move |ledger| ledger.files(&id)).await?;
        let own = files.into_iter().find(|file| file.index == self.index);
        let Some(checkpoint) = own.and_then(|file| file.checkpoint) else {
            return Ok(None);
        };
        Ok(Some(Advance {
            through: checkpoint.durable_through,
            token: checkpoint.token,
            prefix_hash: checkpoint.prefix_hash,
            tally: serde_json::from_str(&checkpoint.tally)
                .context("reading a checkpoint")?,
            quarantined: Vec::new(),
            handled: Vec::new(),
        }))
    }

    async fn write_down(&self, mut advance: Advance, last: Last) -> anyhow::Result<()> {
        self.origin.mend(&mut advance.handled);
        if let Some(holdings) = &self.holdings {
            self.remember(holdings, &mut advance).await?;
        }
        let checkpoint = FileCheckpoint {
            durable_through: advance.through,
            token: advance.token,
            prefix_hash: advance.prefix_hash,
            tally: serde_json::to_string(&advance.tally)?,
        };
        let refused = self.entries(advance.quarantined).await?;
        let (id, index) = (self.id.clone(), self.index);
        self.ledger(move |ledger| match last {
            Last::No => ledger.checkpoint(&id, index, &checkpoint, &refused),
            Last::Yes => ledger.close_file(&id, index, &checkpoint, &refused),
        })
        .await
    }

    /// Asks the ledger on a thread that may wait for the disk.
    async fn ledger<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&bulkhead_ledger::Ledger) -> Result<R, bulkhead_ledger::Error>
        + Send
        + 'static,
    ) -> anyhow::Result<R> {
        let ledger = self.export.ledger.clone();
        Ok(tokio::task::spawn_blocking(move || ask(&ledger)).await??)
    }
}

/// Whether an advance is the file's last.
#[derive(Clone, Copy)]
enum Last {
    No,
    Yes,
}
