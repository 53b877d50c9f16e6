//! Numbers, `true`, `false` and `null`.
//!
//! Source: RFC 8259 §3 and §6; a number must be one that a double holds, as `serde_json` has it.

use super::Syntax;

/// What is left behind the scalar with which `text` begins.
#[inline(never)]
pub(crate) fn after_scalar(text: &[u8]) -> Result<&[u8], Syntax> {
    match text {
        [b't', b'r', b'u', b'e', rest @ ..]
        | [b'f', b'a', b'l', b's', b'e', rest @ ..]
        | [b'n', b'u', b'l', b'l', rest @ ..] => Ok(rest),
        number => after_number(number).ok_or(Syntax),
    }
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, and within what a double holds.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => after_digits(rest),
        _ => return None,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = after_some_digits(fraction)?;
    }
    let mut has_exponent = false;
    if let [b'e' | b'E', exponent @ ..] = rest {
        has_exponent = true;
        let unsigned =
            if let [b'+' | b'-', rest @ ..] = exponent { rest } else { exponent };
        rest = after_some_digits(unsigned)?;
    }
    let len = text.len() - rest.len();
    if has_exponent || len > SURELY_FINITE {
        let number = std::str::from_utf8(text.get(..len)?).ok()?;
        number.parse().ok().filter(|number: &f64| number.is_finite())?;
    }
    Some(rest)
}

fn after_some_digits(text: &[u8]) -> Option<&[u8]> {
    let [b'0'..=b'9', rest @ ..] = text else { return None };
    Some(after_digits(rest))
}

fn after_digits(mut text: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', rest @ ..] = text {
        text = rest;
    }
    text
}

/// A number of this many bytes without an exponent is below 10³⁰⁰; a double ends above 10³⁰⁸.
const SURELY_FINITE: usize = 300;
