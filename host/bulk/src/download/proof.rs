//! Proofs that a file is whole: its checksum, its length, the end of its compression.
//!
//! Nobody specifies whether a published checksum or length is of the bytes on the wire or of
//! the lines within. Either is taken, a file that fits neither is not the file.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA384, SHA512};
use bytes::Bytes;

use crate::manifest::{Checksum, Claims};

/// What is learnt while a file comes in. Shared between the two ends of the decompression.
#[derive(Default)]
pub(crate) struct Proof {
    claims: Claims,
    /// The bytes received, before decompression.
    pub(crate) wire_bytes: Arc<AtomicU64>,
    wire: Option<Mutex<Context>>,
    lines: Option<Mutex<Context>>,
    line_bytes: AtomicU64,
    packed: AtomicBool,
    checked: AtomicBool,
}

/// Which claim does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Checksum,
    Length,
}

impl Broken {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Length => "length",
        }
    }
}

impl Proof {
    pub(crate) fn of(claims: Claims) -> Self {
        let context = || {
            let checksum = claims.checksum.as_ref()?;
            Some(Mutex::new(Context::new(algorithm(checksum)?)))
        };
        let (wire, lines) = (context(), context());
        Self { claims, wire, lines, ..Self::default() }
    }

    /// Sees bytes as they came.
    pub(crate) fn see_wire(&self, chunk: &Bytes) {
        let before = self.wire_bytes.fetch_add(length(chunk), Ordering::Relaxed);
        // Compressed data begins so, lines never do. A first chunk of one byte hides it,
        // which costs a proof and nothing else.
        if before == 0 && chunk.starts_with(&[0x1f, 0x8b]) {
            self.packed.store(true, Ordering::Relaxed);
        }
        update(self.wire.as_ref(), chunk);
    }

    /// Sees bytes as they are handed on.
    pub(crate) fn see_lines(&self, chunk: &Bytes) {
        self.line_bytes.fetch_add(length(chunk), Ordering::Relaxed);
        update(self.lines.as_ref(), chunk);
    }

    /// How many bytes were received, and how many handed on.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let at = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (at(&self.wire_bytes), at(&self.line_bytes))
    }

    /// Holds what came against the claims, at the end.
    pub(crate) fn check(&self) -> Result<(), Broken> {
        let (wire, lines) = self.sizes();
        if let Some(claimed) = self.claims.length {
            if claimed != wire && claimed != lines {
                return Err(Broken::Length);
            }
            self.checked.store(true, Ordering::Relaxed);
        }
        if let (Some(Checksum(claimed)), Some(wire), Some(lines)) =
            (&self.claims.checksum, &self.wire, &self.lines)
        {
            let fits = |context: &Mutex<Context>| {
                let context = context.lock().unwrap_or_else(PoisonError::into_inner);
                context.clone().finish().as_ref() == claimed.as_slice()
            };
            if !fits(lines) && !fits(wire) {
                return Err(Broken::Checksum);
            }
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether the end was seen by its checksum, its length or the trailer of compressed
    /// data. Means something only once the file has ended without an error.
    pub(crate) fn has_end(&self) -> bool {
        self.packed.load(Ordering::Relaxed) || self.checked.load(Ordering::Relaxed)
    }
}

fn algorithm(checksum: &Checksum) -> Option<&'static Algorithm> {
    match checksum.0.len() {
        32 => Some(&SHA256),
        48 => Some(&SHA384),
        64 => Some(&SHA512),
        _ => None,
    }
}

fn update(context: Option<&Mutex<Context>>, chunk: &Bytes) {
    if let Some(context) = context {
        context.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
    }
}

fn length(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}
