//! A plugin as shipped: bytes, digest, embedded manifest, imports. Nothing of it is run here.

mod anatomy;

use std::{borrow::Cow, io::Read as _, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use bulkhead_model::Instant;
use wasmparser::{Encoding, Parser, Payload};

use crate::{
    Denied, Error, Grants, Manifest, Signature, SignatureError, Signer, TrustedKey,
    convert::is_plain, grant,
};

pub use anatomy::{Anatomy, CustomSection, Extent, SectionPlace, Tool};

/// The custom section that carries the manifest.
pub const EMBEDDED_MANIFEST: &str = "bulkhead:manifest";

/// The largest component, in bytes: ten times what a plugin with an interpreter in it takes.
const LARGEST: u64 = 64 << 20;

/// Interfaces of the contract start with this.
const CONTRACT: &str = "bulkhead:plugin/";

/// A plugin as shipped. The bytes that are hashed are the bytes that are compiled.
#[derive(Clone, Debug)]
pub struct Package {
    bytes: Vec<u8>,
    sha256: String,
    manifest: Option<Manifest>,
    manifest_json: Option<String>,
    imports: Vec<String>,
}

impl Package {
    /// Reads a package from a file, once.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and as [`Package::from_bytes`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |source| Error::Read { source };
        let file = fs_err::File::open(path).map_err(refuse)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(refuse)?;
        Self::from_bytes(bytes)
    }

    /// Reads a package without running it.
    ///
    /// # Errors
    ///
    /// [`Error::NotAPlugin`] for anything but a binary component, and for a manifest that
    /// declares what cannot be; [`Error::Manifest`] for one that this host does not read.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() as u64 > LARGEST {
            return Err(Error::NotAPlugin("the file is larger than 64 MiB"));
        }
        let Outline { manifest_json, imports } = Outline::of(&bytes)?;
        let manifest = manifest_json
            .as_deref()
            .map(serde_json::from_str::<Manifest>)
            .transpose()
            .map_err(|source| Error::Manifest { source })?;
        if let Some(flaw) = manifest.as_ref().and_then(Manifest::flaw) {
            return Err(Error::NotAPlugin(flaw));
        }
        let sha256 = hex(digest(&SHA256, &bytes).as_ref());
        Ok(Self { bytes, sha256, manifest, manifest_json, imports })
    }

    /// The same with `json` embedded as its manifest. For building plugins.
    ///
    /// # Errors
    ///
    /// As [`Package::from_bytes`]; [`Error::NotAPlugin`] when it has a manifest already.
    pub fn with_manifest(self, json: &str) -> Result<Self, Error> {
        if self.manifest_json.is_some() {
            return Err(Error::NotAPlugin(
                "the component has an embedded manifest already",
            ));
        }
        let section = wasm_encoder::CustomSection {
            name: Cow::Borrowed(EMBEDDED_MANIFEST),
            data: Cow::Borrowed(json.as_bytes()),
        };
        let mut bytes = self.bytes;
        bytes.push(0);
        wasm_encoder::Encode::encode(&section, &mut bytes);
        Self::from_bytes(bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Who of `trusted` signed these bytes, in a signature that counts at `now`.
    ///
    /// # Errors
    ///
    /// [`SignatureError`]: why it does not count.
    pub fn verify(
        &self,
        signature: &Signature,
        trusted: &[TrustedKey],
        now: Instant,
    ) -> Result<Signer, SignatureError> {
        signature.over(&self.bytes, trusted, now)
    }

    /// What it is made of. Read anew at each call.
    ///
    /// # Errors
    ///
    /// [`Error::NotAPlugin`] for a component that is broken within.
    pub fn anatomy(&self) -> Result<Anatomy, Error> {
        Anatomy::of(&self.bytes)
    }

    /// The embedded manifest.
    ///
    /// # Errors
    ///
    /// [`Error::NotAPlugin`] when there is none.
    pub fn manifest(&self) -> Result<&Manifest, Error> {
        self.manifest.as_ref().ok_or(Error::NotAPlugin(
            "the component has no embedded manifest: build it with `bulkhead plugin build`",
        ))
    }

    /// Every disagreement between what it imports, what its manifest asks for and `grants`,
    /// as loading it would find them. Runs nothing.
    pub fn denied(&self, manifest: &Manifest, grants: &Grants) -> Vec<Denied> {
        grant::check(self, manifest, grants)
    }

    /// The embedded manifest as it stands in the file.
    pub fn manifest_json(&self) -> Option<&str> {
        self.manifest_json.as_deref()
    }

    /// Full names of everything the component imports, sorted.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Names of the contract's interfaces that it imports, without those that come with
    /// every batch (`types`, `batches`).
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        let named =
            self.imports.iter().filter_map(|import| import.strip_prefix(CONTRACT));
        named
            .map(|name| name.split_once('@').map_or(name, |(name, _)| name))
            .filter(|name| !matches!(*name, "types" | "batches"))
    }

    /// Whether it imports an interface of the contract, or, of `wasi`, any part.
    pub fn uses(&self, interface: &str) -> bool {
        match interface {
            "wasi" => self.foreign_imports().any(|import| import.starts_with("wasi:")),
            // With WASI they come by WASI's names.
            "clock" | "random" => {
                let own = self.interfaces().any(|imported| imported == interface);
                let prefix = format!("wasi:{interface}");
                own || self.foreign_imports().any(|import| import.starts_with(&prefix))
            }
            _ => self.interfaces().any(|imported| imported == interface),
        }
    }

    /// Imports that are not of the contract at all.
    pub fn foreign_imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str).filter(|name| !name.starts_with(CONTRACT))
    }
}

/// What the outermost component says, read without validating the rest.
struct Outline {
    manifest_json: Option<String>,
    imports: Vec<String>,
}

impl Outline {
    fn of(bytes: &[u8]) -> Result<Self, Error> {
        if let Some(why) = no_wasm(bytes) {
            return Err(Error::NotAPlugin(why));
        }
        let mut outline = Self { manifest_json: None, imports: Vec::new() };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|_| BROKEN)?;
            if let Payload::ModuleSection { .. } | Payload::ComponentSection { .. } =
                payload
            {
                depth += 1;
            } else if let Payload::End(_) = payload {
                depth = depth.saturating_sub(1);
            } else if depth == 0 {
                outline.take(payload)?;
            }
        }
        outline.imports.sort();
        Ok(outline)
    }

    /// Takes what a section of the outermost component says.
    fn take(&mut self, payload: Payload<'_>) -> Result<(), Error> {
        if let Payload::Version { encoding: Encoding::Module, .. } = payload {
            return Err(Error::NotAPlugin(
                "the file is a core module: make it a component with `bulkhead plugin build`",
            ));
        }
        if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                let name = import.map_err(|_| BROKEN)?.name.name;
                // Goes to terminals before the engine has validated it.
                if !name.chars().all(is_plain) {
                    return Err(BROKEN);
                }
                self.imports.push(name.to_owned());
            }
        } else if let Payload::CustomSection(section) = payload
            && section.name() == EMBEDDED_MANIFEST
        {
            if self.manifest_json.is_some() {
                return Err(Error::NotAPlugin("the component has two manifests"));
            }
            let json = std::str::from_utf8(section.data())
                .map_err(|_| Error::NotAPlugin("the manifest is not text"))?;
            self.manifest_json = Some(json.to_owned());
        }
        Ok(())
    }
}

/// What a file is that is not binary WebAssembly. Compiled code is told apart so that whoever
/// offers it knows why it is never loaded: it would run as it is.
fn no_wasm(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\0asm") {
        None
    } else if bytes.starts_with(b"\x7fELF") {
        Some("the file is compiled code (`.cwasm`): give the component it was made from")
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        Some("the file is WebAssembly as text: build it with `bulkhead plugin build`")
    } else {
        Some("the file is not WebAssembly")
    }
}

const BROKEN: Error = Error::NotAPlugin("the component is cut short or broken");

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
