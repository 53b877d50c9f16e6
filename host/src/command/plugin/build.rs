//! `bulkhead plugin build`: from a crate to a plugin as shipped.
//!
//! Compiles the crate, makes a component of it, asks the component for its manifest in a
//! sandbox without any capability, embeds that, and refuses what no host would load.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use bulkhead_model::ByteSize;
use bulkhead_sandbox::{Package, Sandbox};

use super::{
    cargo::{Crate, require_target},
    componentize::componentize,
    faults,
    inspect::causes,
    text::plain,
};
use crate::failure::Failure;

/// Builds plugins from Rust crates: compiles, makes a component, embeds the manifest.
///
/// The same sources, lock file and toolchain give the same bytes: folders of this machine do
/// not appear in the plugin, and RUSTFLAGS of the environment are not used. Without rustup's
/// target wasm32-unknown-unknown, it is added first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead plugin build
  bulkhead plugin build plugins/cohort-filter plugins/files-sink --out plugins/built --locked

Builds with the profile `guest` if the workspace defines it, else with `release`.
`bulkhead plugin inspect FILE` then tells what an operator will see.")]
pub(super) struct Build {
    /// Folders of the crates to build.
    #[arg(value_name = "DIR", default_value = ".")]
    dirs: Vec<PathBuf>,

    /// Where plugins go [default: `plugins` in the crate's target directory].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Fails when Cargo.lock would have to change.
    #[arg(long)]
    locked: bool,
}

impl Build {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        // What is wrong with one of them is said before the first is compiled.
        let crates = self
            .dirs
            .iter()
            .map(|dir| Crate::find(dir))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for dir in &self.dirs {
            require_target(dir)?;
        }
        let sandbox = Sandbox::new(None)?;
        for found in &crates {
            let core = found.build(self.locked)?;
            let building = || format!("building plugin `{}`", found.name);
            let package = package(&sandbox, &core).await.with_context(building)?;
            let out = match &self.out {
                Some(out) => out.clone(),
                None => found.target_dir.join("plugins"),
            };
            let path = out.join(format!("{}.wasm", found.library));
            store(&path, package.bytes()).with_context(building)?;
            let summary = summary(&package, &path)?;
            std::io::stdout().lock().write_all(summary.as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes a plugin as shipped of a core module.
async fn package(sandbox: &Sandbox, core: &[u8]) -> anyhow::Result<Package> {
    let hint = "export the plugin with `bulkhead_plugin::export!(filter MyType)`";
    shipped(sandbox, componentize(core)?, hint).await
}

/// Makes a plugin as shipped of a component, or says what is wrong with it.
pub(super) async fn shipped(
    sandbox: &Sandbox,
    component: Vec<u8>,
    hint: &str,
) -> anyhow::Result<Package> {
    let bare = Package::from_bytes(component).map_err(of_plugin)?;
    let told = sandbox.describe(&bare).await.map_err(|error| {
        let why = causes(&anyhow::Error::new(error));
        refused(format!("the component does not say what it is: {why}")).hint(hint)
    })?;
    let package = bare.with_manifest(&told).map_err(of_plugin)?;
    let faults = faults::faults(&package, package.manifest().map_err(of_plugin)?);
    if !faults.is_empty() {
        let listed: Vec<String> =
            faults.iter().map(|fault| format!("  {fault}")).collect();
        return Err(
            refused(format!("no host would load it:\n{}", listed.join("\n"))).into()
        );
    }
    Ok(package)
}

fn refused(what: String) -> Failure {
    Failure { blame: "plugin", ..Failure::refused(what) }
}

fn of_plugin(error: bulkhead_sandbox::Error) -> Failure {
    refused(causes(&anyhow::Error::new(error)))
}

/// Writes a plugin whole or not at all, readable for everybody: it holds no secret.
pub(super) fn store(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).with_context(writing)?;
    file.write_all(bytes).with_context(writing)?;
    file.as_file().sync_all().with_context(writing)?;
    file.persist(path).map_err(|failed| failed.error).with_context(writing)?;
    Ok(())
}

pub(super) fn summary(package: &Package, path: &Path) -> anyhow::Result<String> {
    let manifest = package.manifest()?;
    let size = u64::try_from(package.bytes().len()).unwrap_or(u64::MAX);
    let mut lines = vec![
        format!(
            "{} {} ({})",
            plain(&manifest.name),
            plain(&manifest.version),
            manifest.role.as_str()
        ),
        format!("  file    {}", path.display()),
        format!("  size    {}", ByteSize::from_bytes(size)),
        format!("  sha256  {}", package.sha256()),
    ];
    let asks = manifest.capabilities.iter();
    lines.extend(asks.map(|asked| {
        format!("  asks    {}: {}", plain(&asked.interface), plain(&asked.why))
    }));
    if manifest.capabilities.is_empty() {
        lines.push("  asks    for nothing".to_owned());
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{super::componentize::tests::describing, *};

    const TOLD: &str =
        r#"{"bulkhead":1,"name":"mine","version":"0.1.0","role":"filter"}"#;

    #[tokio::test]
    async fn the_same_module_gives_the_same_plugin_with_its_manifest_in_it() {
        let sandbox = Sandbox::new(None).unwrap();
        let core = describing(TOLD, "");
        let built = package(&sandbox, &core).await.unwrap();
        assert_eq!(built.manifest().unwrap().name, "mine");
        assert_eq!(built.bytes(), package(&sandbox, &core).await.unwrap().bytes());
        let expected = format!(
            "mine 0.1.0 (filter)\n  file    o/mine.wasm\n  size    {}\n  sha256  {}\n  \
             asks    for nothing\n",
            ByteSize::from_bytes(built.bytes().len() as u64),
            built.sha256()
        );
        assert_eq!(summary(&built, Path::new("o/mine.wasm")).unwrap(), expected);
    }

    #[tokio::test]
    async fn does_not_build_what_no_host_would_load() {
        let sandbox = Sandbox::new(None).unwrap();
        let asks = TOLD.replace(
            "\"filter\"",
            r#""filter","capabilities":[{"interface":"artifacts","why":"x"}]"#,
        );
        let cases = [
            ("no JSON", "hello"),
            ("no manifest", "{}"),
            ("asks for what its role cannot have", asks.as_str()),
        ];
        for (name, told) in cases {
            let built = package(&sandbox, &describing(told, "")).await;
            assert!(built.is_err(), "case: {name}");
        }
    }

    #[test]
    fn a_stored_plugin_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/x.wasm");
        store(&path, b"first").unwrap();
        store(&path, b"second").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"second");
        assert_eq!(fs_err::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
