//! SPDX licence expressions, as far as crates.io has them.
//!
//! `WITH` binds first, then `AND`, then `OR`. The old `MIT/Apache-2.0` is read as `OR`.
//!
//! Source: SPDX specification 2.3, annex D; the Cargo Book, "The license field".

use std::{iter::Peekable, str::FromStr, vec::IntoIter};

use anyhow::{Result, bail};

/// A licence expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Each of them must be obeyed.
    All(Vec<Expression>),
    /// One of them may be chosen.
    Any(Vec<Expression>),
    /// One licence, with its exception (`Apache-2.0 WITH LLVM-exception`).
    Licence(String),
}

impl Expression {
    /// Whether the licences for which `allowed` is true are enough.
    pub(super) fn holds(&self, allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(allowed)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(allowed)),
            Self::Licence(id) => allowed(id),
        }
    }
}

impl FromStr for Expression {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = words(text).into_iter().peekable();
        let expression = any(&mut words)?;
        match words.next() {
            None => Ok(expression),
            Some(word) => bail!("`{word}` is one too many"),
        }
    }
}

type Words = Peekable<IntoIter<String>>;

fn any(words: &mut Words) -> Result<Expression> {
    let mut parts = vec![all(words)?];
    while words.next_if(|word| word == "OR" || word == "/").is_some() {
        parts.push(all(words)?);
    }
    Ok(joined(parts, Expression::Any))
}

fn all(words: &mut Words) -> Result<Expression> {
    let mut parts = vec![one(words)?];
    while words.next_if_eq("AND").is_some() {
        parts.push(one(words)?);
    }
    Ok(joined(parts, Expression::All))
}

fn one(words: &mut Words) -> Result<Expression> {
    if words.next_if_eq("(").is_some() {
        let inner = any(words)?;
        if words.next_if_eq(")").is_none() {
            bail!("a `)` is missing");
        }
        return Ok(inner);
    }
    let mut id = name(words)?;
    if words.next_if_eq("WITH").is_some() {
        id = format!("{id} WITH {}", name(words)?);
    }
    Ok(Expression::Licence(id))
}

fn name(words: &mut Words) -> Result<String> {
    match words.next() {
        Some(word)
            if !matches!(word.as_str(), "AND" | "OR" | "WITH" | "(" | ")" | "/") =>
        {
            Ok(word)
        }
        Some(_) | None => bail!("a licence is missing"),
    }
}

fn joined(
    mut parts: Vec<Expression>,
    join: fn(Vec<Expression>) -> Expression,
) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

fn words(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " / ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_when_the_allowed_licences_are_enough() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];
        let cases: &[(&str, &str, bool)] = &[
            ("one licence", "MIT", true),
            ("another", "GPL-3.0-only", false),
            ("a choice", "GPL-3.0-only OR MIT", true),
            ("an old choice", "Unlicense/MIT", true),
            ("an old choice, spaced", "Apache-2.0 / MIT", true),
            ("both needed", "MIT AND GPL-3.0-only", false),
            ("and binds before or", "GPL-3.0-only AND MIT OR ISC", true),
            ("parentheses bind first", "GPL-3.0-only AND (MIT OR ISC)", false),
            ("nested", "ISC AND (Apache-2.0 OR (ISC AND GPL-3.0-only))", true),
            ("exception", "Apache-2.0 WITH LLVM-exception", true),
            (
                "exception in a choice",
                "GPL-3.0-only OR Apache-2.0 WITH LLVM-exception",
                true,
            ),
            ("exception that is not allowed", "MIT WITH Other-exception", false),
        ];
        for (name, text, expected) in cases {
            let expression: Expression = text.parse().unwrap();
            assert_eq!(
                expression.holds(&|id| allowed.contains(&id)),
                *expected,
                "case: {name}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_expression() {
        let cases: &[(&str, &str, &str)] = &[
            ("empty", "", "a licence is missing"),
            ("open", "(MIT", "a `)` is missing"),
            ("closed too often", "MIT)", "`)` is one too many"),
            ("no second", "MIT OR", "a licence is missing"),
            ("no operator", "MIT ISC", "`ISC` is one too many"),
            ("exception of nothing", "WITH LLVM-exception", "a licence is missing"),
        ];
        for (name, text, expected) in cases {
            let refused = text.parse::<Expression>().unwrap_err().to_string();
            assert_eq!(&refused, expected, "case: {name}");
        }
    }
}
