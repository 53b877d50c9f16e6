//! A plugin's words on an operator's terminal.

/// `words` on one line, with nothing in it that moves the cursor, changes colours or turns
/// the direction of writing: plugin-controlled, and read by those who must judge the plugin.
pub(crate) fn plain(words: &str) -> String {
    let mut plain = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().map(|letter| {
            if letter.is_control() || is_format(letter) { '\u{FFFD}' } else { letter }
        }));
    }
    plain
}

/// Characters that show nothing and change how others show: zero-width, marks and overrides
/// of direction, tags.
///
/// Source: Unicode 16, general category Cf, as far as it can deceive; UAX #9.
const fn is_format(letter: char) -> bool {
    matches!(
        letter,
        '\u{AD}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_that_could_deceive() {
        let cases = [
            ("words", "reads the store", "reads the store"),
            ("letters of any script", "größer 患者", "größer 患者"),
            ("line ends become spaces", "a\n  b\tc", "a b c"),
            ("escape sequences", "\u{1b}[31mred", "\u{FFFD}[31mred"),
            ("one-byte escape", "\u{9b}31mred", "\u{FFFD}31mred"),
            ("overridden direction", "a\u{202E}b", "a\u{FFFD}b"),
            ("zero width", "pay\u{200B}pal", "pay\u{FFFD}pal"),
            ("nothing", " \n ", ""),
        ];
        for (name, words, expected) in cases {
            assert_eq!(plain(words), expected, "case: {name}");
        }
    }
}
