use super::{super::wire, *};
use crate::bindings::{
    filter::exports::bulkhead::plugin::filter::Decision,
    transform::exports::bulkhead::plugin::transform::{Action, Changes, Edit, Output},
    wit::types::{Failure, PluginError, RejectClass, Rejection, Retry},
};

fn words() -> Vec<Word> {
    let name = || "a name".to_owned();
    let rejects = vec![Rejection { index: 3, class: RejectClass::Policy, code: name() }];
    let failure = Failure { code: name(), message: String::new() };
    let outputs = vec![Output { stream: Some(name()), body: vec![1, 2, 3] }];
    let edits = vec![
        Edit { index: 0, action: Action::Drop },
        Edit { index: 1, action: Action::Replace(b"{}".to_vec()) },
        Edit { index: 2, action: Action::Emit(outputs) },
    ];
    let retry = Retry { failure, after_ms: Some(7) };
    let bits = || Positions::Bits(vec![u64::MAX, 1]);
    let (fields, values) = (vec![(name(), Value::Float(1.5))], vec![vec![1], vec![]]);
    let (level, framing) = (Level::Warn, Framing::DeleteBundles);
    let asks = [
        Ask::Column { column: Column::Seqs, of: 7 },
        Ask::Bodies { of: 1, start: 0, count: u32::MAX },
        Ask::Create {
            store: name(),
            name: name(),
            compression: Compression::Zstd,
            digest: Digest::Sha256,
        },
        Ask::Event { level, code: name(), fields },
        Ask::Hash { key: name(), values },
        Ask::WriteRecords { writer: 1, of: 2, which: bits(), framing },
    ];
    let answers = [
        Answer::Changes(Ok(Changes { edits, rejects: Vec::new() })),
        Answer::Decision(Ok(Decision { keep: bits(), rejects })),
        Answer::Done(Err(PluginError::Retryable(retry))),
    ];
    let asks = asks.into_iter().map(Word::Ask);
    let took = Took { ticks: 3, refused: Some(Limit::Memory) };
    let answers = answers.into_iter().map(|answer| Word::Answer { answer, took });
    let died = Word::Died { crash: Crash::Limit(Limit::Cpu), took };
    asks.chain(answers).chain([died]).collect()
}

fn put(word: &Word) -> Vec<u8> {
    let mut frame = Vec::new();
    word.put(&mut frame);
    frame
}

/// Attacks: 13, 16.
#[test]
fn any_bytes_are_one_word_or_none() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let (mut read, mut refused) = (0, 0);
    for word in words() {
        let whole = put(&word);
        assert_eq!(
            wire::read::<Word>(&whole).map(|word| put(&word)),
            Some(whole.clone())
        );
        for _ in 0..20_000 {
            let mut frame = whole.clone();
            for _ in 0..=next(3) {
                let at = next(frame.len());
                frame[at] = u8::try_from(next(256)).unwrap();
            }
            frame.truncate(whole.len() - next(whole.len().min(4)));
            match wire::read::<Word>(&frame) {
                Some(word) => {
                    read += 1;
                    assert_eq!(put(&word), frame, "two frames for one word");
                }
                None => refused += 1,
            }
        }
    }
    assert!(read > 1000 && refused > 1000, "read {read}, refused {refused}");
}
