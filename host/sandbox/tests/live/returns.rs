//! Any memory as the answer of a live guest: what the engine lifts and the host checks is
//! verdicts, a receipt, a complaint or the guest's death, and nobody else notices.
//!
//! The guest gets its answer as its settings, in hexadecimal, so that one compiled guest gives
//! thousands of answers. The same ones every time.

use bulkhead_pipeline::{
    Crash, Limit, Sink as _, SinkError, Stage as _, StageError, Verdict,
};
use bulkhead_sandbox::{Cache, Package, Plugin, PluginSink, PluginStage, Role, Sandbox};
use serde_json::Value;

use crate::guest::{Ground, Guest, batch};

/// Answers a role is given: a second or two.
const ANSWERS: u32 = 1_000;

/// Bytes of one: what is returned, and what its pointers find.
const LEN: usize = 512;

/// Where they lie.
const AT: u32 = 8_192;

const RECORDS: usize = 3;

/// A guest that returns what its settings say.
fn parrot(role: Role) -> Guest {
    let items = "
      (func $digit (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 58))
          (then (i32.sub (local.get 0) (i32.const 48)))
          (else (i32.sub (local.get 0) (i32.const 87)))))";
    let on_configure = "
      (local $from i32) (local $to i32) (local $end i32)
      (local.set $from (i32.add (local.get 0) (i32.const 1)))
      (local.set $to (i32.const 8192))
      (local.set $end (i32.sub (i32.add (local.get 0) (local.get 1)) (i32.const 1)))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (i32.store8 (local.get $to) (i32.or
          (i32.shl (call $digit (i32.load8_u (local.get $from))) (i32.const 4))
          (call $digit (i32.load8_u offset=1 (local.get $from)))))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $next)))";
    let on_batch = "(memory.copy (i32.const 1024) (i32.const 8192) (i32.const 64))";
    Guest { items, on_configure, on_batch, ..Guest::new(role) }
}

/// Xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 11) % u64::from(bound)).unwrap()
    }

    /// A word as answers hold them: a case, a length, a pointer that finds something, or one
    /// that does not.
    fn word(&mut self) -> u32 {
        match self.below(12) {
            0..=4 => 0,
            5 => 1,
            6 => self.below(8),
            7 | 8 => AT + 8 * self.below(60),
            9 => AT + self.below(512),
            10 => [u32::MAX, 1 << 31, 65_536, 65_535, 1 << 20][self.below(5) as usize],
            _ => self.below(u32::MAX),
        }
    }

    fn answer(&mut self) -> Vec<u8> {
        let words = (0..LEN / 4).flat_map(|_| self.word().to_le_bytes());
        let mut answer: Vec<u8> = words.collect();
        if self.below(2) == 0 {
            // Text in one place, so that codes can be read.
            let at = 64 + 8 * self.below(50) as usize;
            answer[at..at + 8].copy_from_slice(b"nono-no.");
        }
        answer
    }
}

/// A guest with this answer.
async fn with(sandbox: &Sandbox, package: &Package, answer: &[u8]) -> Plugin {
    let hex = answer.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    let Ground { stage, grants, mut limits, resources } = Ground::bare("a");
    // What a guest is charged for is another test's business.
    limits.cpu = std::time::Duration::from_secs(2);
    let settings = Value::String(hex.concat());
    Plugin::load(sandbox, package, stage, &settings, grants, limits, resources)
        .await
        .unwrap()
}

fn ends_well(crash: Crash) -> bool {
    match crash {
        Crash::Contract | Crash::Trap => true,
        Crash::Limit(limit) => !matches!(limit, Limit::Call | Limit::Cpu),
    }
}

/// Attacks: 13, 14, 15, 16, 17, 18.
#[tokio::test]
async fn any_answer_of_a_stage_is_verdicts_or_its_end_and_its_neighbour_stays_as_it_was()
{
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), &dir.path().join("key")).unwrap();
    let sandbox = Sandbox::new(Some(cache)).unwrap();
    let neighbour = Guest::filter("(i32.store8 (i32.const 1028) (i32.const 1))");
    let neighbour = neighbour.load(&sandbox, Ground::bare("neighbour")).await.unwrap();
    let mut beside = PluginStage::new(neighbour);
    let (mut kept, mut died, mut complained) = (0, 0, 0);
    for role in [Role::Filter, Role::Transform] {
        let package = parrot(role).package();
        let mut dice = Dice(0x5eed_0001);
        for answer in 0..ANSWERS {
            let plugin = with(&sandbox, &package, &dice.answer()).await;
            match PluginStage::new(plugin).judge(&batch(RECORDS)).await {
                Ok(verdicts) => {
                    assert_eq!(verdicts.len(), RECORDS, "{role:?}, answer {answer}");
                    kept += 1;
                }
                Err(StageError::Crashed { crash, .. }) => {
                    assert!(ends_well(crash), "{role:?}, answer {answer}: {crash:?}");
                    died += 1;
                }
                Err(
                    StageError::Fatal { code, .. } | StageError::Retryable { code, .. },
                ) => {
                    assert!(code.is_ascii() && code.len() <= 64, "{code}");
                    complained += 1;
                }
                Err(other) => panic!("{role:?}, answer {answer}: {other}"),
            }
            if answer % 100 == 0 {
                let judged = beside.judge(&batch(RECORDS)).await;
                assert_eq!(judged, Ok(vec![Verdict::Drop; RECORDS]), "answer {answer}");
            }
        }
    }
    // Each way out was taken: the answers are neither all nonsense nor all tame.
    assert!(kept > 50 && died > 50 && complained > 5, "{kept} {died} {complained}");
}

/// Attacks: 13, 15, 16, 17, 19, 20.
#[tokio::test]
async fn any_answer_of_a_sink_is_a_receipt_or_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), &dir.path().join("key")).unwrap();
    let sandbox = Sandbox::new(Some(cache)).unwrap();
    let package = parrot(Role::Sink).package();
    let mut dice = Dice(0x5eed_0002);
    let (mut taken, mut died) = (0, 0);
    for answer in 0..ANSWERS {
        let plugin = with(&sandbox, &package, &dice.answer()).await;
        let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        match sink.deliver(&batch(RECORDS)).await {
            Ok(receipt) => {
                assert!(receipt.accepted.fits(RECORDS), "answer {answer}");
                for (index, reject) in receipt.rejects {
                    assert!((index as usize) < RECORDS && reject.code == "no");
                }
                taken += 1;
            }
            Err(SinkError::Crashed { crash, .. }) => {
                assert!(ends_well(crash), "answer {answer}: {crash:?}");
                died += 1;
            }
            Err(SinkError::Fatal { code, .. } | SinkError::Retryable { code, .. }) => {
                assert!(code.is_ascii() && code.len() <= 64, "{code}");
            }
            Err(other) => panic!("answer {answer}: {other}"),
        }
    }
    assert!(taken > 20 && died > 20, "{taken} {died}");
}
