//! The known name that a misspelt one most likely means, or none.
//!
//! A wrong guess costs more than none: whoever follows it writes a setting that they never meant.
//! So the two have to share most of their letters, and of names of one or two letters nothing is
//! guessed.

/// The most that may be wrong, however long a name is.
const MOST: usize = 3;

/// Of so many letters one may be wrong.
const LETTERS: usize = 3;

/// The one of `known` that `name` most likely means; the first by the alphabet of several.
pub(super) fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = plain(name);
    let near = known.into_iter().filter_map(|known| {
        let wrong = strsim::damerau_levenshtein(known, &name);
        let shorter = known.chars().count().min(name.chars().count());
        (wrong <= (shorter / LETTERS).min(MOST)).then_some((wrong, known))
    });
    near.min().map(|(_, known)| known)
}

/// As our own names are written: `fileTries` and `FILE_TRIES` are no misspellings of it.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    let mut is_after_small = false;
    for letter in name.chars() {
        if letter == '_' {
            plain.push('-');
        } else {
            if letter.is_uppercase() && is_after_small {
                plain.push('-');
            }
            plain.extend(letter.to_lowercase());
        }
        is_after_small = letter.is_lowercase();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_what_shares_most_of_its_letters_and_nothing_else() {
        let known = [
            "accept-omission",
            "basic",
            "call",
            "cpu",
            "env",
            "file",
            "file-tries",
            "key",
            "kid",
            "level",
            "on",
            "url",
        ];
        // name, what is written, what it is taken for
        let cases = [
            ("a letter too much", "urll", Some("url")),
            ("a letter too few", "leel", Some("level")),
            ("two that changed places", "fiel", Some("file")),
            ("another letter", "keg", Some("key")),
            ("the plural of a long name", "accept-omissions", Some("accept-omission")),
            ("three letters of a long name", "acept-omisio", Some("accept-omission")),
            ("as other languages write it", "fileTries", Some("file-tries")),
            ("as the environment writes it", "FILE_TRIES", Some("file-tries")),
            ("the first of two as near", "kiy", Some("key")),
            ("one letter", "x", None),
            ("one letter of the right name", "u", None),
            ("two letters", "no", None),
            ("more than a third of a short name", "uri-x", None),
            ("half of a short name", "care", None),
            ("as long, with one letter in common", "csv", None),
            ("longer, with a short one in it", "encrypt-env", None),
            ("nothing at all", "", None),
        ];
        for (name, written, expected) in cases {
            assert_eq!(nearest(written, known), expected, "case: {name}");
        }
    }
}
