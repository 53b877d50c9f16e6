//! The contract's values in frames. Exhaustive by construction: a new field or case of `wit/`
//! that is not named here does not compile.

use super::wire::{Source, Wire};
use crate::bindings::{
    filter::exports::bulkhead::plugin::filter::Decision,
    lifecycle::exports::bulkhead::plugin::lifecycle::ConfigProblem,
    sink::exports::bulkhead::plugin::sink::{
        Assignment, Checkpoint, CloseReason, FinishedExport, FinishedFile, Receipt,
    },
    transform::exports::bulkhead::plugin::transform::{Action, Changes, Edit, Output},
    wit::{
        artifacts::{self, ArtifactError, Committed, Compression, Digest},
        bodies::Rows,
        cohorts::{CohortError, Memberships},
        keyed_hash::HashError,
        outbound_http::{self, Head, HttpError, Method, Response},
        projection::{ProjectionError, TextColumn},
        state::StateError,
        telemetry::{Level, Value},
        types::{Failure, PluginError, Positions, RejectClass, Rejection, Retry},
    },
};

/// A record: its fields, in this order.
macro_rules! record {
    ($name:ty { $($field:ident),+ $(,)? }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)+
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                Some(Self { $($field: Wire::take(from)?),+ })
            }
        }
    };
}
pub(crate) use record;

/// A choice: a byte for the case, then what is in it.
macro_rules! choice {
    ($name:ty {
        $($tag:literal $case:ident $(($inner:ident))? $({ $($field:ident),+ })?),+ $(,)?
    }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$case $(($inner))? $({ $($field),+ })? => {
                        to.push($tag);
                        $($inner.put(to);)?
                        $($($field.put(to);)+)?
                    })+
                }
            }

            fn take(from: &mut Source<'_>) -> Option<Self> {
                Some(match u8::take(from)? {
                    $($tag => {
                        $(let $inner = Wire::take(from)?;)?
                        $($(let $field = Wire::take(from)?;)+)?
                        Self::$case $(($inner))? $({ $($field),+ })?
                    })+
                    _ => return None,
                })
            }
        }
    };
}
pub(super) use choice;

record!(Failure { code, message });
record!(Retry { failure, after_ms });
record!(Rejection { index, class, code });
choice!(PluginError { 0 Retryable(retry), 1 Fatal(failure) });
choice!(RejectClass {
    0 Malformed,
    1 Unsupported,
    2 Policy,
    3 TooLarge,
    4 RefusedDownstream,
    5 Other,
});
choice!(Positions { 0 All, 1 None, 2 Bits(words) });

record!(ConfigProblem { pointer, code, message });
record!(Decision { keep, rejects });
record!(Output { stream, body });
record!(Edit { index, action });
record!(Changes { edits, rejects });
choice!(Action { 0 Drop, 1 Replace(body), 2 Emit(outputs) });

record!(Assignment { export_id, file, resume });
record!(Checkpoint { durable_through, token });
record!(Receipt { accepted, rejects, durable });
record!(FinishedFile { file, token });
record!(FinishedExport { export_id, transaction_time, request, files });
choice!(CloseReason { 0 EndOfFile, 1 Shutdown, 2 FatalElsewhere });

record!(Rows { data, ends });
record!(TextColumn { data, ends, rows });
record!(Memberships { patients, members, outsiders, flags });
choice!(CohortError { 0 NotGranted, 1 UnknownCohort });
choice!(ProjectionError { 0 NotDeclared, 1 NotGranted });
choice!(HashError { 0 UnknownKey });
choice!(StateError { 0 Quota, 1 TooLarge, 2 Unavailable });
choice!(Level { 0 Debug, 1 Info, 2 Warn, 3 Error });
choice!(Value { 0 Int(int), 1 Float(float), 2 Flag(flag), 3 Text(text) });

record!(Committed { name, bytes, digest });
choice!(ArtifactError { 0 UnknownStore, 1 BadName, 2 Exists, 3 Quota, 4 Unavailable, 5 Closed });
choice!(Compression { 0 None, 1 Gzip, 2 Zstd });
choice!(Digest { 0 None, 1 Sha256 });
choice!(artifacts::Framing { 0 Lines, 1 DeleteBundles });

choice!(Method { 0 Get, 1 Post, 2 Put, 3 Patch, 4 Delete });
choice!(HttpError {
    0 UnknownDestination,
    1 MethodNotGranted,
    2 PathNotGranted,
    3 HeaderNotGranted,
    4 DestinationDenied,
    5 ConnectFailed,
    6 TlsFailed,
    7 TimedOut,
    8 BodyTooLarge,
    9 ResponseTooLarge,
    10 Quota,
    11 Protocol,
});
choice!(outbound_http::Framing { 0 Ndjson, 1 JsonArray, 2 FhirBatch, 3 FhirTransaction });
record!(Head { method, path_and_query, headers, idempotency_key, timeout_ms });
record!(Response { status, headers, body, truncated });
