use proptest::prelude::*;

use super::*;

/// Reads one value to its end and gives all text in it.
fn value<'l>(
    scanner: &mut Scanner<'l, '_, ()>,
    json: &'l str,
    said: &mut Vec<String>,
) -> Result<(), Syntax> {
    match scanner.value()? {
        Value::Scalar => {}
        Value::Text => said.push(scanner.text().said(json).into_owned()),
        Value::Array => {
            let mut has_item = scanner.first_item();
            while has_item {
                value(scanner, json, said)?;
                has_item = scanner.next_item()?;
            }
        }
        Value::Object => {
            let mut has_key = scanner.first_key()?;
            while has_key {
                said.push(scanner.text().said(json).into_owned());
                value(scanner, json, said)?;
                has_key = scanner.next_key()?;
            }
        }
    }
    Ok(())
}

fn scan(json: &str) -> Result<Vec<String>, Syntax> {
    let mut observer = ();
    let mut scanner = Scanner::new(json.as_bytes(), &mut observer);
    let mut said = Vec::new();
    value(&mut scanner, json, &mut said)?;
    scanner.end()?;
    Ok(said)
}

/// Items: 128.
/// Faults: F18.
#[test]
fn knows_the_grammar_to_the_letter() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let (deepest, too_deep) = (nested(127), nested(128));
    let many_digits = "9".repeat(400);
    let (legal, illegal) = (true, false);
    let cases = [
        ("a literal", "true", legal),
        ("blank around", " \t\r\n[ 1 , { } ] \n", legal),
        ("another blank", "\u{a0}1", illegal),
        ("a literal cut short", "tru", illegal),
        ("a literal and more", "nullx", illegal),
        ("zero", "-0", legal),
        ("a leading zero", "01", illegal),
        ("a plus", "+1", illegal),
        ("a lone minus", "-", illegal),
        ("a fraction", "-0.50", legal),
        ("a fraction without digits", "1.", illegal),
        ("a fraction without a lead", ".5", illegal),
        ("an exponent", "1E+02", legal),
        ("an exponent without digits", "1e+", illegal),
        ("an exponent beyond a double", "1e999", illegal),
        ("an exponent below a double", "1e-999", legal),
        ("digits beyond a double", &many_digits, illegal),
        ("infinity", "Infinity", illegal),
        ("a comma before the end of an array", "[1,]", illegal),
        ("no comma", "[1 2]", illegal),
        ("only a comma", "[,]", illegal),
        ("a comma before the end of an object", r#"{"a":1,}"#, illegal),
        ("no colon", r#"{"a" 1}"#, illegal),
        ("no value", r#"{"a":}"#, illegal),
        ("a key without quotes", "{a:1}", illegal),
        ("single quotes", "['a']", illegal),
        ("the wrong end", "[1}", illegal),
        ("no end", "[[1]", illegal),
        ("a string without an end", r#""abc"#, illegal),
        ("a backslash at the end", r#""abc\"#, illegal),
        ("an unknown escape", r#""\x41""#, illegal),
        ("short hex", r#""\u12""#, illegal),
        ("hex with a sign", r#""\u+123""#, illegal),
        ("a pair of surrogates", r#""\uD83D\uDE00""#, legal),
        ("a leading surrogate alone", r#""\uD83D""#, illegal),
        ("a leading surrogate and text", r#""\uD83Dxxxxxx""#, illegal),
        ("a trailing surrogate alone", r#""\uDE00""#, illegal),
        ("two leading surrogates", r#""\uD83D\uD83D""#, illegal),
        ("a control character", "\"a\u{1f}b\"", illegal),
        (
            "a control character after 40 bytes",
            "\"0123456789012345678901234567890123456789\tb\"",
            illegal,
        ),
        ("delete is no control character here", "\"a\u{7f}b\"", legal),
        ("a raw newline", "\"a\nb\"", illegal),
        ("a comment", "[1/**/]", illegal),
        ("two values", "1 2", illegal),
        ("nothing", "", illegal),
        ("as deep as allowed", &deepest, legal),
        ("deeper than allowed", &too_deep, illegal),
    ];
    for (name, json, expected) in cases {
        assert_eq!(scan(json).is_ok(), expected, "case: {name}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(json).is_ok(),
            expected,
            "serde_json, case: {name}"
        );
    }
}

#[test]
fn says_what_escapes_mean() {
    let json = r#"["a\"\\\/\b\f\n\r\tz","\u00e9\uD83D\uDE00é","\u0000"]"#;
    assert_eq!(
        scan(json),
        Ok(vec![
            "a\"\\/\u{8}\u{c}\n\r\tz".to_owned(),
            "é😀é".to_owned(),
            "\0".to_owned()
        ])
    );
}

proptest! {
    #[test]
    fn finds_the_end_of_any_string(text in "[ -~é😀\u{7f}]{0,200}", after in "[\"\\\\a]{0,3}") {
        let mut json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(scan(&json), Ok(vec![text]));
        json.push_str(&after);
        prop_assert_eq!(scan(&json).is_ok(), after.is_empty());
    }

    #[test]
    fn agrees_with_serde_json_on_strings_of_anything(body in r#"[\x00-\x22\\u0-9a-fD8CE"éx]{0,40}"#) {
        let json = format!("\"{body}\"");
        let theirs = serde_json::from_str::<String>(&json).ok().map(|text| vec![text]);
        prop_assert_eq!(scan(&json).ok(), theirs);
    }

    #[test]
    fn agrees_with_serde_json_on_numbers(number in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?[,0]?") {
        let theirs = serde_json::from_str::<serde_json::Value>(&number).is_ok();
        prop_assert_eq!(scan(&number).is_ok(), theirs, "{}", number);
    }
}
