//! WASI 0.2 in plain words, as a plugin meets it: virtual, with nothing of this machine in it.
//!
//! Source: WASI 0.2, `wasi:cli/imports`; what of it can be granted is for the sandbox to say.

/// One part of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// What its full names begin with.
    start: &'static str,
    /// What a plugin finds there.
    pub(super) finds: &'static str,
    /// The interface of the contract that gives the same.
    pub(super) like: Option<&'static str>,
}

/// The more exact ones first.
const PARTS: [Part; 8] = [
    Part {
        start: "wasi:cli/environment@",
        finds: "no variables, no arguments",
        like: None,
    },
    Part { start: "wasi:cli/exit@", finds: "an end, as by a trap", like: None },
    Part {
        start: "wasi:cli/",
        finds: "no input, no terminal; what it writes is counted and dropped",
        like: None,
    },
    Part {
        start: "wasi:clocks/",
        finds: "clocks that stand still, unless you grant `clock`",
        like: Some("clock"),
    },
    Part { start: "wasi:filesystem/", finds: "no folder and no file", like: None },
    Part { start: "wasi:io/", finds: "streams, with nothing behind them", like: None },
    Part {
        start: "wasi:random/",
        finds: "what is the same in every run, unless you grant `random`",
        like: Some("random"),
    },
    Part { start: "wasi:sockets/", finds: "no network", like: None },
];

/// The part that an import called `name` belongs to.
pub(super) fn find(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| name.starts_with(part.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_plugin_finds() {
        let cases = [
            ("wasi:cli/environment@0.2.6", Some("no variables, no arguments")),
            ("wasi:cli/exit@0.2.6", Some("an end, as by a trap")),
            (
                "wasi:clocks/wall-clock@0.2.6",
                Some("clocks that stand still, unless you grant `clock`"),
            ),
            ("wasi:io/poll@0.2.6", Some("streams, with nothing behind them")),
            ("wasi:sockets/tcp@0.2.6", Some("no network")),
            ("wasi:http/outgoing-handler@0.2.6", None),
            ("wasi:nn/tensor@0.2.0", None),
            ("bulkhead:plugin/bodies@0.1.0", None),
        ];
        for (name, expected) in cases {
            assert_eq!(find(name).map(|part| part.finds), expected, "case: {name}");
        }
    }
}
