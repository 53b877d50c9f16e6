//! Doors for the fuzz targets (`fuzz/`) and their bounded runs: what a guest may answer, made
//! of any bytes, and led through the checks that stand between guest and pipeline.
//!
//! Each answer comes with the number of records it is about, and the manifest is always
//! [`manifest`].

use bulkhead_pipeline::{Checkpoint, Receipt, Verdict};

use crate::{
    ConfigProblem, Manifest, RejectCode, Role,
    bindings::{
        filter::exports::bulkhead::plugin::filter::Decision,
        lifecycle::exports::bulkhead::plugin::lifecycle,
        sink::exports::bulkhead::plugin::sink,
        transform::exports::bulkhead::plugin::transform::{
            Action, Changes, Edit, Output,
        },
        wit::types,
    },
    convert::{self, Complaint},
};

/// Records of a batch, at most: enough for three words of a set.
const MOST: usize = 150;

/// What answers are held against: it declares the code `no` and the stream `view/visits`.
pub fn manifest() -> Manifest {
    Manifest {
        bulkhead: 1,
        name: "x".to_owned(),
        version: "1".to_owned(),
        description: String::new(),
        role: Role::Filter,
        settings: serde_json::Value::Null,
        capabilities: Vec::new(),
        fields: Vec::new(),
        streams: vec!["view/visits".to_owned()],
        events: Vec::new(),
        metrics: Vec::new(),
        rejects: vec![RejectCode { code: "no".to_owned(), meaning: "no".to_owned() }],
    }
}

/// A filter's answer over so many records, and its verdicts if it is allowed.
pub fn decision(data: &[u8]) -> (usize, Option<Vec<Verdict>>) {
    let mut from = Choices(data);
    let len = from.below(MOST);
    let decision = Decision { keep: from.positions(len), rejects: from.rejections(len) };
    (len, convert::decision(decision, len, &manifest()).ok())
}

/// A transform's answer, likewise.
pub fn changes(data: &[u8]) -> (usize, Option<Vec<Verdict>>) {
    let mut from = Choices(data);
    let len = from.below(MOST);
    let edits = from.list(len, |from, at| Edit {
        index: from.index(at),
        action: match from.below(4) {
            0 => Action::Drop,
            1 => Action::Replace(from.bytes()),
            _ => Action::Emit(from.list(3, |from, _| Output {
                stream: (from.below(2) == 0).then(|| from.text("view/visits")),
                body: from.bytes(),
            })),
        },
    });
    let changes = Changes { edits, rejects: from.rejections(len) };
    (len, convert::changes(changes, len, &manifest()).ok())
}

/// A sink's receipt, likewise.
pub fn receipt(data: &[u8]) -> (usize, Option<Receipt>) {
    let mut from = Choices(data);
    let len = from.below(MOST);
    let receipt = sink::Receipt {
        accepted: from.positions(len),
        rejects: from.rejections(len),
        durable: (from.below(2) == 0).then(|| from.checkpoint()),
    };
    (len, convert::receipt(receipt, len, &manifest()).ok())
}

/// A sink's checkpoint, if it is allowed.
pub fn checkpoint(data: &[u8]) -> Option<Checkpoint> {
    convert::checkpoint(Choices(data).checkpoint()).ok()
}

/// What a plugin has against its settings, as it may be shown.
pub fn config_problems(data: &[u8]) -> Vec<ConfigProblem> {
    let mut from = Choices(data);
    let problems = from.list(100, |from, _| lifecycle::ConfigProblem {
        pointer: from.text("/a"),
        code: from.text("no"),
        message: from.text("no"),
    });
    convert::config_problems(problems)
}

/// The code of a plugin's error, as it may be shown.
pub fn complaint(data: &[u8]) -> String {
    let mut from = Choices(data);
    let failure = types::Failure { code: from.text("busy"), message: from.text("") };
    let error = if from.below(2) == 0 {
        types::PluginError::Fatal(failure)
    } else {
        types::PluginError::Retryable(types::Retry {
            failure,
            after_ms: Some(from.number()),
        })
    };
    match convert::complaint(error) {
        Complaint::Fatal(code) | Complaint::Retryable(code, ..) => code,
    }
}

/// Makes values of bytes: what is over is zero.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Mostly `at`, as an honest guest counts, else any.
    fn index(&mut self, at: usize) -> u32 {
        match self.byte() {
            0..=239 => u32::try_from(at).unwrap_or(u32::MAX),
            240..=250 => self.byte().into(),
            251..=255 => self.number(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.below(20).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes.to_vec()
    }

    /// Mostly `usual`.
    fn text(&mut self, usual: &str) -> String {
        match self.byte() {
            0..=239 => usual.to_owned(),
            240..=250 => String::from_utf8_lossy(&self.bytes()).into_owned(),
            251..=255 => usual.repeat(usize::from(self.byte())),
        }
    }

    /// At most `most`, each told its place; none once the bytes are over.
    fn list<T>(
        &mut self,
        most: usize,
        mut one: impl FnMut(&mut Self, usize) -> T,
    ) -> Vec<T> {
        let (mut list, mut at) = (Vec::new(), 0);
        while list.len() < most && !self.0.is_empty() {
            at += self.below(8);
            if self.byte().is_multiple_of(8) {
                break;
            }
            list.push(one(self, at));
            at += 1;
        }
        list
    }

    fn positions(&mut self, len: usize) -> types::Positions {
        match self.below(4) {
            0 => types::Positions::All,
            1 => types::Positions::None,
            _ => {
                let odd = usize::from(self.byte() > 240);
                let words = (0..len.div_ceil(64) + odd).map(|word| {
                    let (low, high) = (self.number(), self.number());
                    let bits = u64::from(high) << 32 | u64::from(low);
                    // Mostly none beyond the last record.
                    let of_this = len.saturating_sub(word * 64).min(64);
                    let is_honest = self.byte() < 240;
                    let mask =
                        u64::MAX.checked_shr(u32::try_from(64 - of_this).unwrap_or(0));
                    if is_honest { bits & mask.unwrap_or(0) } else { bits }
                });
                types::Positions::Bits(words.collect())
            }
        }
    }

    fn rejections(&mut self, len: usize) -> Vec<types::Rejection> {
        self.list(len, |from, at| types::Rejection {
            index: from.index(at),
            class: match from.below(6) {
                0 => types::RejectClass::Malformed,
                1 => types::RejectClass::Unsupported,
                2 => types::RejectClass::Policy,
                3 => types::RejectClass::TooLarge,
                4 => types::RejectClass::RefusedDownstream,
                _ => types::RejectClass::Other,
            },
            code: from.text("no"),
        })
    }

    fn checkpoint(&mut self) -> sink::Checkpoint {
        let token = match self.byte() {
            0..=250 => self.bytes(),
            251..=255 => vec![0; (64 << 10) + self.below(3)],
        };
        sink::Checkpoint { durable_through: self.number().into(), token }
    }
}
