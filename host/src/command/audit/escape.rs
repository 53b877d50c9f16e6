//! Words in a page: nothing that a plugin, a path or a name says is markup.

use std::fmt;

use crate::command::plain;

/// Text in HTML or SVG, in an element or a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // First what deceives the eye, then what the browser would read.
        for letter in plain(self.0).chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => fmt::Write::write_char(f, letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_becomes_markup() {
        let cases = [
            (
                "a tag",
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("an end of an attribute", "\" onload='x'", "&quot; onload=&#39;x&#39;"),
            ("an entity", "&lt;", "&amp;lt;"),
            ("a hidden turn", "a\u{202e}b\u{0}", "a\u{FFFD}b\u{FFFD}"),
        ];
        for (name, text, expected) in cases {
            assert_eq!(Text(text).to_string(), expected, "case: {name}");
        }
    }
}
