//! Whether a plugin is signed by one of those whom its configuration names.

use bulkhead_sandbox::{Error, Package, Signature, SignatureError, Signer};

use super::refused;
use crate::{
    clock,
    config::{PluginConfig, SignedBy},
    failure::Failure,
};

/// Who signed `package`, over the bytes that were read; `None` when nobody needs to.
///
/// # Errors
///
/// A [`Failure`] that names the plugin, what is wrong with its signature and what to do.
pub(crate) fn signer(
    name: &str,
    plugin: &PluginConfig,
    package: &Package,
) -> anyhow::Result<Option<Signer>> {
    let Some(SignedBy { keys, file }) = &plugin.signed_by else { return Ok(None) };
    let verified = Signature::read(file)
        .and_then(|signature| package.verify(&signature, keys, clock::now()));
    let source = match verified {
        Ok(signer) => {
            tracing::info!(plugin = name, key = %signer.key, "signature verified");
            return Ok(Some(signer));
        }
        Err(source) => source,
    };
    let hint = hint(name, &source);
    let place = format!("plugin `{name}`, signature {}", file.display());
    let error = anyhow::Error::new(Error::Signature { source }).context(place);
    let mut refused = refused(&error);
    if let Some(failure) = refused.downcast_mut::<Failure>() {
        failure.hint = Some(hint);
    }
    Err(refused)
}

/// What to do about it.
fn hint(name: &str, error: &SignatureError) -> String {
    match error {
        SignatureError::Expired { .. } => {
            "ask its signers for a new signature, or for a newer plugin".to_owned()
        }
        SignatureError::Missing | SignatureError::Unreadable { .. } => format!(
            "ask its signers for the `.minisig` file; `plugins.{name}.signature` names it when \
             it lies elsewhere"
        ),
        SignatureError::OtherBytes { .. } => {
            "fetch plugin and signature anew from its signers, and find out who changed them"
                .to_owned()
        }
        SignatureError::UnknownKey { .. } => format!(
            "if you trust that key, ask its owner for the public key, add it under `[trust]` \
             and name it in `plugins.{name}.signed-by`; do not take it from the plugin's folder"
        ),
        SignatureError::Legacy
        | SignatureError::Malformed(_)
        | SignatureError::NotAKey => {
            "ask its signers for a signature made with `bulkhead plugin sign` or minisign"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, path::Path};

    use minisign::KeyPair;

    use super::{super::package, *};
    use crate::config::{Config, Pinning};

    fn config(folder: &Path, lines: &str, key: &KeyPair) -> PluginConfig {
        let text = format!(
            "[source]\nbase-url = \"https://ehr.example/fhir\"\n[trust.team]\npublic-key = \
             \"{}\"\n[plugins.p]\npath = \"p.wasm\"\n{lines}\n[[chain]]\nsink = {{ plugin = \
             \"p\" }}\n",
            key.pk.to_base64()
        );
        let path = folder.join("bulkhead.toml");
        let config = Config::parse(&path, &text, Pinning::Waived);
        config.map_err(|problems| problems.to_string()).unwrap().plugins["p"].clone()
    }

    fn sign(key: &KeyPair, bytes: &[u8], comment: &str) -> Vec<u8> {
        let signature =
            minisign::sign(None, &key.sk, Cursor::new(bytes), Some(comment), None);
        signature.unwrap().to_bytes()
    }

    /// Attacks: 47, 49.
    #[test]
    fn pin_and_signature_are_two_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (team, other) = (
            KeyPair::generate_unencrypted_keypair().unwrap(),
            KeyPair::generate_unencrypted_keypair().unwrap(),
        );
        let bytes = wat::parse_str("(component)").unwrap();
        fs_err::write(folder.path().join("p.wasm"), &bytes).unwrap();
        let digest = Package::from_bytes(bytes.clone()).unwrap().sha256().to_owned();
        let pin = format!("sha256 = \"{digest}\"");
        let wrong = format!("sha256 = \"{}\"", "0".repeat(64));
        let by = "signed-by = [\"team\"]";
        let good = || sign(&team, &bytes, "x");
        // case, lines of the plugin, signature, words of the refusal
        let cases = [
            ("neither", String::new(), None, None),
            ("the pin alone", pin.clone(), None, None),
            ("both", format!("{pin}\n{by}"), Some(good()), None),
            ("the signature alone", by.to_owned(), Some(good()), None),
            (
                "signed, the pin is wrong",
                format!("{wrong}\n{by}"),
                Some(good()),
                Some("SHA-256"),
            ),
            (
                "pinned, not signed",
                format!("{pin}\n{by}"),
                None,
                Some("there is no signature file"),
            ),
            (
                "pinned, signed by a stranger",
                format!("{pin}\n{by}"),
                Some(sign(&other, &bytes, "x")),
                Some("and trusted are only"),
            ),
            (
                "pinned, other bytes signed",
                format!("{pin}\n{by}"),
                Some(sign(&team, b"\0asm", "x")),
                Some("did not sign these bytes"),
            ),
            (
                "pinned, expired",
                format!("{pin}\n{by}"),
                Some(sign(&team, &bytes, "expires:2026-01-31")),
                Some("only until 2026-01-31"),
            ),
            (
                "pinned, no signature at all",
                format!("{pin}\n{by}"),
                Some(b"hello".to_vec()),
                Some("is no minisign signature"),
            ),
        ];
        for (name, lines, signature, expected) in cases {
            let path = folder.path().join("p.wasm.minisig");
            match signature {
                Some(signature) => fs_err::write(&path, signature).unwrap(),
                None => drop(fs_err::remove_file(&path)),
            }
            let found = package("p", &config(folder.path(), &lines, &team));
            match (found, expected) {
                (Ok(found), None) => assert_eq!(found.sha256(), digest, "case: {name}"),
                (Err(error), Some(words)) => {
                    let failure = error.downcast_ref::<Failure>().unwrap();
                    assert!(failure.what.contains(words), "case: {name}: {failure}");
                    assert!(
                        failure.what.contains("plugin `p`"),
                        "case: {name}: {failure}"
                    );
                    let is_signature = words != "SHA-256";
                    assert_eq!(failure.hint.is_some(), is_signature, "case: {name}");
                }
                (found, _) => panic!("case: {name}: {:?}", found.map(drop)),
            }
        }
    }
}
