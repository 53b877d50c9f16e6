//! A sink that sends one request when it is handed a batch, and lives only when the answer is
//! the one that the test expects.
//!
//! Memory: 4096 the destination's name, 8192 the path, 12288 headers, 14336 what
//! `send-records` is asked, 2048 the answer; the rest as in `guest`.

use bulkhead_pipeline::{Receipt, Sink as _, SinkError};
use bulkhead_sandbox::{Grants, Plugin, PluginSink, Role, Sandbox};

use crate::guest::{Ground, Guest, batch};

/// What a guest asks for.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) destination: Vec<u8>,
    /// As in the WIT: get, post, put, patch, delete.
    pub(crate) method: u32,
    pub(crate) path: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) timeout_ms: Option<u32>,
    pub(crate) body: &'static [u8],
    /// How often.
    pub(crate) times: u32,
}

/// What the guest expects; it dies when it gets anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A word of `http-error`.
    Error(Word),
    /// An answer: status, bytes of the body, whether it was cut.
    Status(u16, u32, bool),
    /// Whatever comes.
    Whatever,
}

/// The words of `http-error` in the order of the WIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Word {
    UnknownDestination,
    MethodNotGranted,
    PathNotGranted,
    HeaderNotGranted,
    DestinationDenied,
    ConnectFailed,
    TlsFailed,
    TimedOut,
    BodyTooLarge,
    ResponseTooLarge,
    Quota,
    Protocol,
}

pub(crate) const POST: u32 = 1;
pub(crate) const GET: u32 = 0;

impl Ask {
    /// A POST of nothing to the destination `dwh`.
    pub(crate) fn post(path: &str) -> Self {
        Self {
            destination: b"dwh".to_vec(),
            method: POST,
            path: path.as_bytes().to_vec(),
            headers: Vec::new(),
            timeout_ms: None,
            body: b"",
            times: 1,
        }
    }

    /// The guest that asks this.
    pub(crate) fn guest(&self, expect: Expect) -> Guest {
        let check = match expect {
            Expect::Error(word) => format!(
                "(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
                 (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const {}))
                   (then (unreachable)))",
                word as u8
            ),
            Expect::Status(status, bytes, is_cut) => format!(
                "(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
                 (if (i32.ne (i32.load16_u (i32.const 2052)) (i32.const {status}))
                   (then (unreachable)))
                 (if (i32.ne (i32.load (i32.const 2068)) (i32.const {bytes}))
                   (then (unreachable)))
                 (if (i32.ne (i32.load8_u (i32.const 2072)) (i32.const {}))
                   (then (unreachable)))",
                u32::from(is_cut)
            ),
            Expect::Whatever => String::new(),
        };
        let Self { destination, method, path, headers, timeout_ms, body, times } = self;
        let pages = |bytes: &[u8]| bytes.len() >> 12;
        // What is long lies behind everything else.
        let far =
            |bytes: &[u8], near: u32, far: u32| if pages(bytes) > 0 { far } else { near };
        let name_at = far(destination, 4096, 1 << 20);
        let path_at = far(path, 8192, 2 << 20);
        let mut table = Vec::new();
        let mut texts = Vec::new();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            let at = 12_288 + 8 * 2 * headers.len() + texts.len();
            table.extend_from_slice(&u32::try_from(at).unwrap().to_le_bytes());
            table.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
            texts.extend_from_slice(text.as_bytes());
        }
        table.extend(texts);
        let data = [
            (name_at, &destination[..]),
            (path_at, &path[..]),
            (12_288, &table[..]),
            (3 << 20, *body),
        ]
        .map(|(at, bytes)| format!("(data (i32.const {at}) \"{}\")", escape(bytes)))
        .join("\n");
        let (has_timeout, timeout) =
            (u32::from(timeout_ms.is_some()), timeout_ms.unwrap_or(0));
        let on_batch = format!(
            "(local.set $left (i32.const {times}))
             (loop $again
               (call $send
                 (i32.const {name_at}) (i32.const {}) (i32.const {method})
                 (i32.const {path_at}) (i32.const {})
                 (i32.const 12288) (i32.const {})
                 (i32.const 0) (i32.const 0) (i32.const 0)
                 (i32.const {has_timeout}) (i32.const {timeout})
                 (i32.const {}) (i32.const {})
                 (i32.const 2048))
               (global.set $top (i32.const 32768))
               (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
             {check}",
            destination.len(),
            path.len(),
            headers.len(),
            3 << 20,
            body.len(),
        );
        Guest {
            imports: r#"(import "bulkhead:plugin/outbound-http@0.1.0" "send" (func $send
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
            items: data.leak(),
            memory: "64",
            on_batch: on_batch.leak(),
            ..Guest::new(Role::Sink)
        }
        .asking("outbound-http")
    }

    /// Asks, and gives what became of the guest: `Ok` when it got what it expected.
    pub(crate) async fn expect(
        &self,
        expect: Expect,
        ground: Ground,
    ) -> Result<Receipt, SinkError> {
        self.expect_in(&Sandbox::new(None).unwrap(), expect, ground).await
    }

    /// The same of a guest of this sandbox.
    pub(crate) async fn expect_in(
        &self,
        sandbox: &Sandbox,
        expect: Expect,
        ground: Ground,
    ) -> Result<Receipt, SinkError> {
        let plugin = self.guest(expect).load(sandbox, ground).await.unwrap();
        deliver(plugin).await
    }
}

/// Records of a batch, all of them, to `dwh` at `/b`, in a framing of the WIT: ndjson,
/// json-array, fhir-batch, fhir-transaction.
pub(crate) fn sending_records(framing: u32, expect: Expect) -> Guest {
    let words =
        [4096, 3, POST, 8192, 2, 0, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    let check = match expect {
        Expect::Status(status, ..) => format!(
            "(if (i32.load8_u (i32.const 2048)) (then (unreachable)))
             (if (i32.ne (i32.load16_u (i32.const 2052)) (i32.const {status}))
               (then (unreachable)))"
        ),
        Expect::Error(_) | Expect::Whatever => String::new(),
    };
    // The handle of the batch, all positions, the framing.
    let on_batch = format!(
        "(i32.store (i32.const 14384) (local.get $of))
         (i32.store8 (i32.const 14388) (i32.const 0))
         (i32.store8 (i32.const 14400) (i32.const {framing}))
         (call $send (i32.const 14336) (i32.const 2048))
         {check}"
    );
    let items = format!(
        r#"(data (i32.const 4096) "dwh") (data (i32.const 8192) "/b")
           (data (i32.const 14336) "{}")"#,
        escape(&words)
    );
    Guest {
        imports: r#"(import "bulkhead:plugin/outbound-http@0.1.0" "send-records"
            (func $send (param i32 i32)))"#,
        items: items.leak(),
        memory: "64",
        on_batch: on_batch.leak(),
        ..Guest::new(Role::Sink)
    }
    .asking("outbound-http")
}

/// Hands one batch of two records over.
pub(crate) async fn deliver(plugin: Plugin) -> Result<Receipt, SinkError> {
    let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
    sink.open(None).await.unwrap();
    sink.deliver(&batch(2)).await
}

/// A grant of `dwh`.
pub(crate) fn granted() -> Grants {
    Grants { destinations: vec!["dwh".to_owned()], ..Grants::default() }
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<Vec<_>>().concat()
}
