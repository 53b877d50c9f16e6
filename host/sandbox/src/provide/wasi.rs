//! WASI 0.2 for guests whose language expects it: virtual and empty.
//!
//! There is no WASI context behind these interfaces, only this folder: nothing of the machine
//! can leak through a default. No environment, no arguments, standard input at its end; what is
//! written to standard output or error is counted and dropped (`cli.rs`). Clocks and randomness
//! are those of the grants `clock` and `random`; without them time stands still and chance is a
//! function of the plugin's digest, so a filter with WASI is still a function of its batch
//! (`clocks.rs`, `random.rs`). Streams and polls are wasmtime's own (`io.rs`). Files and sockets
//! are not: no line of an implementation is linked, see `absent.rs`.
//!
//! Source: WASI 0.2.12, worlds `wasi:cli/imports` and below.

mod absent;
mod cli;
mod clocks;
mod io;
mod random;

use wasmtime::{
    Result,
    component::{Component, HasSelf, Linker},
};
use wasmtime_wasi::p2::bindings as wit;

use crate::context::Context;

/// The interfaces of WASI 0.2 that can be granted, in words for those who grant.
#[derive(Clone, Copy, Debug)]
pub struct VirtualWasi;

/// The latest 0.2 whose interfaces are known here.
const LATEST: u32 = 12;

/// Every interface, with what a plugin gets by it.
const WORDS: [(&str, &str); 27] = [
    ("cli/environment", "sees no environment, no arguments and no working directory"),
    ("cli/exit", "can end itself, which counts as a crash"),
    ("cli/stderr", "can write to standard error, which is counted and dropped"),
    ("cli/stdin", "finds standard input at its end"),
    ("cli/stdout", "can write to standard output, which is counted and dropped"),
    ("cli/terminal-input", "finds no terminal"),
    ("cli/terminal-output", "finds no terminal"),
    ("cli/terminal-stderr", "finds no terminal"),
    ("cli/terminal-stdin", "finds no terminal"),
    ("cli/terminal-stdout", "finds no terminal"),
    (
        "clocks/monotonic-clock",
        "sees a clock that stands still, unless `clock` is granted",
    ),
    ("clocks/wall-clock", "sees a clock that stands still, unless `clock` is granted"),
    ("filesystem/preopens", "finds no folder"),
    ("filesystem/types", "has no folder to open a file in"),
    ("io/error", "can ask for the words of an error"),
    ("io/poll", "can wait, within the time of a call"),
    ("io/streams", "can use the streams named here"),
    (
        "random/insecure",
        "draws what is the same in every run, unless `random` is granted",
    ),
    (
        "random/insecure-seed",
        "draws what is the same in every run, unless `random` is granted",
    ),
    ("random/random", "draws what is the same in every run, unless `random` is granted"),
    ("sockets/instance-network", "holds a network that leads nowhere"),
    ("sockets/ip-name-lookup", "is denied every lookup of a name"),
    ("sockets/network", "holds a network that leads nowhere"),
    ("sockets/tcp", "has no socket"),
    ("sockets/tcp-create-socket", "is denied every socket"),
    ("sockets/udp", "has no socket"),
    ("sockets/udp-create-socket", "is denied every socket"),
];

impl VirtualWasi {
    /// What it comes to, for operators.
    pub const SUMMARY: &str = "virtual WASI: sees no files, no environment, no arguments and no \
        network; standard input is empty, output is counted and dropped; clocks stand still and \
        randomness is the same in every run, unless `clock` and `random` are granted";

    /// Whether `import` is an interface that the grant `wasi = true` gives.
    pub fn provides(import: &str) -> bool {
        Self::words(import).is_some()
    }

    /// What a plugin gets by `import`; `None` for what can never be had.
    pub fn words(import: &str) -> Option<&'static str> {
        let (name, patch) = import.strip_prefix("wasi:")?.split_once("@0.2.")?;
        patch.parse::<u32>().ok().filter(|patch| *patch <= LATEST)?;
        WORDS.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
    }
}

/// Links all of it, for one component: of what is absent, just what it imports.
pub(super) fn link(linker: &mut Linker<Context>, component: &Component) -> Result<()> {
    type Own = HasSelf<Context>;
    let l = linker;
    wit::cli::environment::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::exit::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::stdin::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::stdout::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::stderr::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::terminal_input::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::terminal_output::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::terminal_stdin::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::terminal_stdout::add_to_linker::<_, Own>(l, |c| c)?;
    wit::cli::terminal_stderr::add_to_linker::<_, Own>(l, |c| c)?;
    wit::clocks::wall_clock::add_to_linker::<_, Own>(l, |c| c)?;
    wit::clocks::monotonic_clock::add_to_linker::<_, Own>(l, |c| c)?;
    wit::random::random::add_to_linker::<_, Own>(l, |c| c)?;
    wit::random::insecure::add_to_linker::<_, Own>(l, |c| c)?;
    wit::random::insecure_seed::add_to_linker::<_, Own>(l, |c| c)?;
    io::link(l)?;
    absent::link(l, component)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 47.
    #[test]
    fn knows_what_is_virtual_and_nothing_else() {
        let cases = [
            ("the oldest", "wasi:cli/environment@0.2.0", true),
            ("the latest", "wasi:sockets/udp@0.2.12", true),
            ("a later one", "wasi:cli/environment@0.2.13", false),
            ("the next", "wasi:cli/environment@0.3.0", false),
            ("no version", "wasi:cli/environment", false),
            ("a version that is none", "wasi:cli/environment@0.2.0-rc", false),
            ("HTTP", "wasi:http/outgoing-handler@0.2.0", false),
            ("a store", "wasi:keyvalue/store@0.2.0", false),
            ("settings", "wasi:config/store@0.2.0", false),
            ("another's", "evil:cli/environment@0.2.0", false),
            ("an end alone", "wasi:x/cli/environment@0.2.0", false),
        ];
        for (name, import, expected) in cases {
            assert_eq!(VirtualWasi::provides(import), expected, "case: {name}");
        }
    }
}
