//! What must hold of anything that a plugin may be, and of anything that it may answer. A
//! body fails by panicking.

use std::{collections::BTreeSet, sync::OnceLock};

use bulkhead_sandbox::{Error, Package, Sandbox, beyond_grants, fuzzing};

/// Any bytes are refused or read, the same way each time, without a word that could deceive on
/// a terminal; and what is read may be compiled and asked what it is.
pub(crate) fn loader(data: &[u8]) {
    let package = match Package::from_bytes(data.to_vec()) {
        Ok(package) => package,
        Err(error) => return shown(&error.to_string()),
    };
    assert_eq!(package.bytes(), data);
    assert_eq!(package.sha256().len(), 64);
    assert!(package.imports().is_sorted());
    package.imports().iter().for_each(|import| shown(import));
    let named: BTreeSet<&str> = package.interfaces().collect();
    let foreign = package.foreign_imports().count();
    assert!(named.len() + foreign <= package.imports().len());
    if let Ok(anatomy) = package.anatomy() {
        assert!(anatomy.custom_sections.len() <= anatomy.custom_section_count);
        assert!(anatomy.code <= data.len());
        anatomy.custom_sections.iter().for_each(|section| shown(&section.name));
        for tool in &anatomy.tools {
            for word in [&tool.field, &tool.name, &tool.version] {
                shown(word);
            }
        }
    }
    if let Ok(manifest) = package.manifest() {
        for word in [&manifest.name, &manifest.version, &manifest.description] {
            shown(word);
        }
        for denied in beyond_grants(&package, manifest) {
            shown(&denied.to_string());
        }
        // A second manifest is refused, so that nobody can put another before it.
        let json = package.manifest_json().unwrap_or_default().to_owned();
        assert!(matches!(
            package.clone().with_manifest(&json),
            Err(Error::NotAPlugin(_))
        ));
    }
    // It may answer anything, and must end.
    let told = runtime().block_on(sandbox().describe(&package));
    if let Err(error) = told {
        shown(&error.to_string());
    }
}

/// A whole plugin in which up to four bytes are others: most of what lies deep within it is
/// still reached.
pub(crate) fn patched(data: &[u8]) {
    let mut bytes = include_bytes!("../seeds/guests/transform.wasm").to_vec();
    let len = bytes.len();
    for patch in data.chunks_exact(3).take(4) {
        let &[high, low, with] = patch else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % len;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= with;
        }
    }
    loader(&bytes);
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| match Sandbox::new(None) {
        Ok(sandbox) => sandbox,
        Err(error) => unreachable!("{error}"),
    })
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let builder = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match builder {
            Ok(runtime) => runtime,
            Err(error) => unreachable!("{error}"),
        }
    })
}

fn shown(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Whatever a guest answers becomes one verdict a record, a receipt without contradiction and
/// words that may be shown, or it is a breach of the contract.
pub(crate) fn convert(data: &[u8]) {
    use bulkhead_pipeline::Verdict;
    use bulkhead_sandbox::fuzzing as doors;

    let manifest = fuzzing::manifest();
    let is_code = |code: &str| manifest.rejects.iter().any(|known| known.code == code);
    for (len, verdicts) in [doors::decision(data), doors::changes(data)] {
        let Some(verdicts) = verdicts else { continue };
        assert_eq!(verdicts.len(), len);
        for verdict in verdicts {
            match verdict {
                Verdict::Reject(reject) => assert!(is_code(&reject.code), "{reject:?}"),
                Verdict::Emit(rows) => {
                    let streams = rows.iter().filter_map(|row| row.stream.as_ref());
                    let mut unknown =
                        streams.filter(|stream| !manifest.streams.contains(*stream));
                    assert_eq!(unknown.next(), None);
                }
                Verdict::Drop | Verdict::Keep | Verdict::Replace(_) => {}
            }
        }
    }
    if let (len, Some(receipt)) = doors::receipt(data) {
        assert!(receipt.accepted.fits(len));
        let mut last = None;
        for (index, reject) in &receipt.rejects {
            assert!((*index as usize) < len && last < Some(*index));
            assert!(!receipt.accepted.contains(*index as usize), "taken and refused");
            assert!(is_code(&reject.code), "{reject:?}");
            last = Some(*index);
        }
        let token = receipt.durable.map_or(0, |checkpoint| checkpoint.token.len());
        assert!(token <= 64 << 10);
    }
    assert!(doors::checkpoint(data).is_none_or(|point| point.token.len() <= 64 << 10));
    let problems = doors::config_problems(data);
    assert!(problems.len() <= 64);
    for problem in problems {
        let words = [&problem.pointer, &problem.code, &problem.message];
        for word in words {
            shown(word);
            assert!(word.chars().count() <= 500);
        }
    }
    let code = doors::complaint(data);
    assert!(!code.is_empty() && code.len() <= 64 && code.is_ascii(), "{code:?}");
    shown(&code);
}
