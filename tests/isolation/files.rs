//! Files that are not what they seem: made of a guest, and of an honest one that it is taken for.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use bulkhead_guest_builder::{Forgery, Guest, Tampered, Unsigned};
use bulkhead_model::Instant;
use bulkhead_sandbox::{Cache, Error, Package, Sandbox, Signature, TrustedKey};
use minisign::KeyPair;

use crate::{
    beside::load_as,
    ground::{Ground, attackers},
};

/// 2026-11-26T12:00:00Z.
const NOW: Instant = Instant::from_unix_ms(1_795_694_400_000);

/// What is loaded for a guest, and where.
pub(crate) struct Offered {
    pub(crate) package: Package,
    pub(crate) sandbox: Sandbox,
    /// A file that must be as it was when all is over, with what was in it.
    heals: Option<(PathBuf, Vec<u8>)>,
}

/// A package with its manifest, as it is before anything is done to its file.
fn whole(guest: &Guest) -> Result<Package, Error> {
    let package = Package::from_bytes(guest.component())?;
    package.with_manifest(&guest.manifest().to_string())
}

fn file(ground: &Ground, guest: &Guest) -> PathBuf {
    ground.path(&format!("{}.wasm", guest.name))
}

/// What an operator would load who was given this guest's file.
pub(crate) async fn offered(ground: &Ground, guest: &Guest) -> Result<Offered, Error> {
    let hostile = whole(guest)?;
    let sandbox = ground.attackers();
    let fine = |package| Ok(Offered { package, sandbox, heals: None });
    let Some(forgery) = guest.head.file else { return fine(hostile) };
    let (honest, path) = (whole(&guest.honest())?, file(ground, guest));
    let read = |bytes: &[u8]| {
        fs_err::write(&path, bytes).unwrap();
        Package::read(&path)
    };
    let bytes = hostile.bytes();
    match forgery {
        Forgery::CutShort => fine(read(&bytes[..bytes.len() - 1])?),
        Forgery::TrailingByte => fine(read(&[bytes, b"\x7f"].concat())?),
        Forgery::CompiledCode => {
            let code = Code::at(ground, guest);
            code.fill(ground, guest, &hostile).await?;
            let compiled = fs_err::read(code.of(&hostile)).unwrap();
            // Without the MAC it is what the engine would load.
            fine(read(&compiled[..compiled.len() - 32])?)
        }
        Forgery::Signature(fault) => {
            let (bytes, signature, trusted) = signed(fault, guest, &hostile, &honest);
            let package = read(&bytes)?;
            let refused = package.verify(&signature, &[trusted], NOW);
            refused.map_err(|source| Error::Signature { source })?;
            fine(package)
        }
        Forgery::ReplacedAfterReading => {
            let package = read(honest.bytes())?;
            fs_err::write(&path, bytes).unwrap();
            fine(package)
        }
        Forgery::ReplacedWhileItRuns => fine(read(honest.bytes())?),
        Forgery::Cache(fault) => {
            let code = Code::at(ground, guest);
            code.fill(ground, guest, &honest).await?;
            code.fill(ground, guest, &hostile).await?;
            let (theirs, ours) = (code.of(&honest), code.of(&hostile));
            let was = fs_err::read(&theirs).unwrap();
            harm(fault, &code.folder, &theirs, &ours);
            let sandbox = code.sandbox(ground)?;
            Ok(Offered { package: honest, sandbox, heals: Some((theirs, was)) })
        }
    }
}

/// What happens to the file between the first records and the last.
pub(crate) fn meanwhile(ground: &Ground, guest: &Guest) {
    if guest.head.file == Some(Forgery::ReplacedWhileItRuns) {
        let hostile = whole(guest).unwrap();
        fs_err::write(file(ground, guest), hostile.bytes()).unwrap();
    }
}

/// Why things are not as they must be when all is over.
pub(crate) fn aftermath(
    ground: &Ground,
    guest: &Guest,
    offered: &Offered,
) -> Option<&'static str> {
    if let Some(Forgery::ReplacedAfterReading | Forgery::ReplacedWhileItRuns) =
        guest.head.file
    {
        let next = Package::read(&file(ground, guest)).unwrap();
        if next.sha256() == offered.package.sha256() {
            return Some("another file has the digest that was pinned");
        }
    }
    let (path, was) = offered.heals.as_ref()?;
    let is_link = fs_err::symlink_metadata(path).unwrap().is_symlink();
    let is_healed = !is_link && fs_err::read(path).unwrap() == *was;
    (!is_healed).then_some("the compiled code was not made anew")
}

/// The file that is offered, its signature, and the key that the operator trusts.
fn signed(
    fault: Unsigned,
    guest: &Guest,
    hostile: &Package,
    honest: &Package,
) -> (Vec<u8>, Signature, TrustedKey) {
    let pair = || KeyPair::generate_unencrypted_keypair().unwrap();
    let (team, stranger) = (pair(), pair());
    let sign = |pair: &KeyPair, bytes: &[u8], comment: &str| {
        let made =
            minisign::sign(None, &pair.sk, Cursor::new(bytes), Some(comment), None);
        Signature::parse(&made.unwrap().to_bytes()).unwrap()
    };
    let bytes = hostile.bytes();
    let by_team = || sign(&team, bytes, "x");
    let (offered, signature) = match fault {
        Unsigned::ByAStranger => (bytes.to_vec(), sign(&stranger, bytes, "x")),
        Unsigned::OfTheHonestFile => (bytes.to_vec(), sign(&team, honest.bytes(), "x")),
        Unsigned::Expired => (bytes.to_vec(), sign(&team, bytes, "expires:2026-11-25")),
        Unsigned::SectionAppended => ([bytes, b"\0\x06\x05extra"].concat(), by_team()),
        Unsigned::SectionStripped => (guest.component(), by_team()),
    };
    (offered, signature, TrustedKey::parse("team", &team.pk.to_base64()).unwrap())
}

/// What somebody does who may write to where compiled code is kept.
fn harm(fault: Tampered, folder: &Path, theirs: &Path, ours: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    match fault {
        Tampered::Flipped => {
            let mut bytes = fs_err::read(theirs).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs_err::write(theirs, bytes).unwrap();
        }
        Tampered::Swapped => {
            fs_err::copy(ours, theirs).unwrap();
        }
        Tampered::Linked => {
            fs_err::remove_file(theirs).unwrap();
            fs_err::os::unix::fs::symlink(ours, theirs).unwrap();
        }
        Tampered::Shared => {
            let everybody = std::fs::Permissions::from_mode(0o777);
            fs_err::set_permissions(folder, everybody).unwrap();
        }
    }
}

/// A place for compiled code of its own.
struct Code {
    folder: PathBuf,
}

impl Code {
    fn at(ground: &Ground, guest: &Guest) -> Self {
        Self { folder: ground.path(&format!("code-of-{}", guest.name)) }
    }

    fn sandbox(&self, ground: &Ground) -> Result<Sandbox, Error> {
        let cache = Cache::open(&self.folder, &self.folder.with_extension("key"))?;
        Ok(attackers(Sandbox::new(Some(cache))?, ground.isolation))
    }

    /// Compiles a package into it.
    async fn fill(
        &self,
        ground: &Ground,
        guest: &Guest,
        package: &Package,
    ) -> Result<(), Error> {
        load_as(ground, guest, package, &self.sandbox(ground)?).await.map(drop)
    }

    /// The file with the code of a package.
    fn of(&self, package: &Package) -> PathBuf {
        let entries = fs_err::read_dir(&self.folder).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let is_its = |path: &PathBuf| {
            path.file_name().unwrap().to_string_lossy().starts_with(package.sha256())
        };
        paths.find(is_its).unwrap()
    }
}
