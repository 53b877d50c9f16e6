use std::time::SystemTime;

use tempfile::TempDir;
use wasmtime::Config;

use super::*;

/// A cache in a directory of its own, its key beside it.
struct Ground {
    root: TempDir,
    engine: Engine,
}

impl Ground {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), engine: Engine::default() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn key(&self) -> PathBuf {
        self.root.path().join("cache.key")
    }

    fn cache(&self) -> Cache {
        Cache::open(&self.dir(), &self.key()).unwrap()
    }
}

#[test]
fn code_is_compiled_once() {
    let ground = Ground::new();
    let package = package("first");
    let path = ground.cache().path(&ground.engine, &package);
    component(&ground.cache(), &ground.engine, &package);
    let written = modified(&path);
    assert!(ground.cache().load(&path).is_some(), "another run trusts it");
    component(&ground.cache(), &ground.engine, &package);
    assert_eq!(modified(&path), written, "and does not write it again");
}

/// Attacks: 48.
#[test]
fn code_that_is_not_ours_is_compiled_again_and_never_loaded() {
    type Harm = fn(&Ground, &Path);
    let cases: [(&str, Harm); 8] = [
        ("a bit flipped at the start", |_, path| flip(path, 0)),
        ("a bit flipped in the middle", |_, path| {
            let len = fs_err::read(path).unwrap().len();
            flip(path, len / 2);
        }),
        ("a bit flipped in the MAC", |_, path| {
            let len = fs_err::read(path).unwrap().len();
            flip(path, len - 1);
        }),
        ("cut short", |_, path| {
            let bytes = fs_err::read(path).unwrap();
            fs_err::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("shorter than a MAC", |_, path| fs_err::write(path, b"short").unwrap()),
        ("longer than it was", |_, path| {
            let bytes = fs_err::read(path).unwrap();
            fs_err::write(path, [&*bytes, b"x"].concat()).unwrap();
        }),
        ("another plugin's", |ground, path| {
            let (cache, other) = (ground.cache(), package("second"));
            component(&cache, &ground.engine, &other);
            fs_err::copy(cache.path(&ground.engine, &other), path).unwrap();
        }),
        ("of another key", |ground, _| {
            fs_err::write(ground.key(), [1; MAC_LEN]).unwrap();
        }),
    ];
    for (name, harm) in cases {
        let ground = Ground::new();
        let package = package("first");
        let path = ground.cache().path(&ground.engine, &package);
        component(&ground.cache(), &ground.engine, &package);
        let whole = fs_err::read(&path).unwrap();
        harm(&ground, &path);
        let cache = ground.cache();
        assert!(cache.load(&path).is_none(), "case: {name}");
        component(&cache, &ground.engine, &package);
        assert!(cache.load(&path).is_some(), "compiled again: {name}");
        let healed = fs_err::read(&path).unwrap();
        let code = |bytes: &[u8]| bytes[..bytes.len() - MAC_LEN].to_vec();
        assert_eq!(code(&healed), code(&whole), "case: {name}");
    }
}

/// Attacks: 48.
#[test]
fn engines_of_another_kind_have_files_of_their_own() {
    let ground = Ground::new();
    let package = package("first");
    let other = Engine::new(Config::new().epoch_interruption(true)).unwrap();
    let cache = ground.cache();
    let (here, there) =
        (cache.path(&ground.engine, &package), cache.path(&other, &package));
    assert_ne!(here, there);
    component(&cache, &ground.engine, &package);
    // Even under the other's name the MAC does not fit, and the engine would refuse.
    fs_err::copy(&here, &there).unwrap();
    assert!(cache.load(&there).is_none());
    assert!(revive(&other, &cache.load(&here).unwrap()).is_err());
}

#[test]
fn a_cache_that_cannot_be_kept_is_done_without() {
    let ground = Ground::new();
    let cache = ground.cache();
    fs_err::remove_dir_all(ground.dir()).unwrap();
    component(&cache, &ground.engine, &package("first"));
}

/// Attacks: 48.
#[test]
fn a_key_within_the_cache_is_refused() {
    let ground = Ground::new();
    for key in [ground.dir().join("key"), ground.dir().join("../cache/key")] {
        assert!(Cache::open(&ground.dir(), &key).is_err(), "{}", key.display());
        assert!(!key.exists());
    }
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Attacks: 48.
    #[test]
    fn directories_that_others_may_write_to_are_refused() {
        for mode in [0o777, 0o770, 0o702, 0o720] {
            let ground = Ground::new();
            ground.cache();
            set_mode(&ground.dir(), mode);
            let refused = Cache::open(&ground.dir(), &ground.key());
            assert!(matches!(refused, Err(Error::Cache { .. })), "mode {mode:o}");
        }
    }

    /// Attacks: 48.
    #[test]
    fn a_link_to_a_directory_is_refused() {
        let ground = Ground::new();
        let real = ground.root.path().join("real");
        fs_err::create_dir(&real).unwrap();
        set_mode(&real, 0o700);
        fs_err::os::unix::fs::symlink(&real, ground.dir()).unwrap();
        match Cache::open(&ground.dir(), &ground.key()) {
            // Not for the rights that every link has: `chmod` would change its target's.
            Err(Error::Cache { source, .. }) => {
                assert_eq!(source.to_string(), "it is a symbolic link: remove it");
            }
            opened => panic!("{opened:?}"),
        }
    }

    /// Attacks: 48.
    #[test]
    fn a_link_in_place_of_a_file_gives_nothing_that_is_not_ours() {
        let ground = Ground::new();
        let (cache, package) = (ground.cache(), package("first"));
        let path = cache.path(&ground.engine, &package);
        let elsewhere = ground.root.path().join("elsewhere");
        fs_err::write(&elsewhere, vec![0; 10_000]).unwrap();
        fs_err::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(cache.load(&path).is_none());
        component(&cache, &ground.engine, &package);
        assert!(!fs_err::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs_err::read(&elsewhere).unwrap(), vec![0; 10_000]);
    }

    /// Attacks: 48.
    #[test]
    fn what_is_made_is_private() {
        let ground = Ground::new();
        let (cache, package) = (ground.cache(), package("first"));
        component(&cache, &ground.engine, &package);
        let file = cache.path(&ground.engine, &package);
        let modes = [(ground.dir(), 0o700), (ground.key(), 0o600), (file, 0o600)];
        for (path, expected) in modes {
            let mode = fs_err::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, expected, "{}", path.display());
        }
    }

    /// Attacks: 48.
    #[test]
    fn a_key_that_others_could_read_is_replaced() {
        let ground = Ground::new();
        let package = package("first");
        component(&ground.cache(), &ground.engine, &package);
        let known = fs_err::read(ground.key()).unwrap();
        set_mode(&ground.key(), 0o644);
        let cache = ground.cache();
        assert!(cache.load(&cache.path(&ground.engine, &package)).is_none());
        assert_ne!(fs_err::read(ground.key()).unwrap(), known);
    }

    /// Attacks: 48.
    #[test]
    fn a_file_that_is_not_ours_alone_is_not_used_though_its_mac_fits() {
        type Harm = fn(&Ground, &Path);
        let cases: [(&str, Harm); 4] = [
            ("a link to it", |ground, path| {
                let elsewhere = ground.root.path().join("elsewhere");
                fs_err::rename(path, &elsewhere).unwrap();
                fs_err::os::unix::fs::symlink(&elsewhere, path).unwrap();
            }),
            ("a second name", |ground, path| {
                fs_err::hard_link(path, ground.root.path().join("second")).unwrap();
            }),
            ("others may write", |_, path| set_mode(path, 0o666)),
            ("a group may write", |_, path| set_mode(path, 0o620)),
        ];
        for (name, harm) in cases {
            let (ground, package) = (Ground::new(), package("first"));
            let cache = ground.cache();
            component(&cache, &ground.engine, &package);
            let path = cache.path(&ground.engine, &package);
            assert!(cache.load(&path).is_some(), "before: {name}");
            harm(&ground, &path);
            assert!(cache.load(&path).is_none(), "case: {name}");
            component(&cache, &ground.engine, &package);
            assert!(cache.load(&path).is_some(), "compiled again: {name}");
        }
    }

    /// Attacks: 48.
    #[test]
    fn a_key_that_is_not_ours_alone_is_replaced() {
        type Harm = fn(&Ground);
        let cases: [(&str, Harm); 2] = [
            ("a link to it", |ground| {
                let elsewhere = ground.root.path().join("elsewhere");
                fs_err::rename(ground.key(), &elsewhere).unwrap();
                fs_err::os::unix::fs::symlink(&elsewhere, ground.key()).unwrap();
            }),
            ("a second name", |ground| {
                let second = ground.root.path().join("second");
                fs_err::hard_link(ground.key(), second).unwrap();
            }),
        ];
        for (name, harm) in cases {
            let ground = Ground::new();
            ground.cache();
            let known = fs_err::read(ground.key()).unwrap();
            harm(&ground);
            ground.cache();
            assert_ne!(fs_err::read(ground.key()).unwrap(), known, "case: {name}");
            let found = fs_err::symlink_metadata(ground.key()).unwrap();
            assert!(found.is_file(), "case: {name}");
        }
    }

    /// Attacks: 48.
    #[test]
    fn what_belongs_to_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give files away.
            return;
        }
        let (ground, package) = (Ground::new(), package("first"));
        let cache = ground.cache();
        component(&cache, &ground.engine, &package);
        let path = cache.path(&ground.engine, &package);
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(cache.load(&path).is_none(), "a file");
        std::os::unix::fs::chown(ground.dir(), Some(12_345), None).unwrap();
        let refused = Cache::open(&ground.dir(), &ground.key());
        assert!(matches!(refused, Err(Error::Cache { .. })), "the directory");
    }

    fn set_mode(path: &Path, mode: u32) {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// From the cache, else compiled and kept, as the sandbox does.
fn component(cache: &Cache, engine: &Engine, package: &Package) -> Component {
    let code = cache.find(engine, package).unwrap_or_else(|| {
        let compiled = engine.precompile_component(package.bytes()).unwrap();
        let code = Code::compiled(compiled);
        cache.keep(engine, package, &code);
        code
    });
    revive(engine, &code).unwrap()
}

fn package(name: &str) -> Package {
    let component = format!(
        r#"(component (core module (func (export "{name}") (result i32) (i32.const 7))))"#
    );
    Package::from_bytes(wat::parse_str(component).unwrap()).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs_err::read(path).unwrap();
    bytes[at] ^= 1;
    fs_err::write(path, bytes).unwrap();
}

fn modified(path: &Path) -> SystemTime {
    fs_err::metadata(path).unwrap().modified().unwrap()
}
