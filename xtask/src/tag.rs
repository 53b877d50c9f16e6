//! What a test says it proves: `/// Items: 71, 98.`, `/// Faults: F13.`, `/// Attacks: 4.`
//! above it.
//!
//! Reads text, not Rust: a tag belongs to the function that follows it, with nothing but
//! further documentation and attributes between.

/// One test and what it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The file, from the root.
    pub(crate) path: String,
    /// The function.
    pub(crate) test: String,
    /// Ids, in the order written.
    pub(crate) ids: Vec<String>,
}

/// Where the reader is in front of a function.
#[derive(Default)]
struct Front {
    ids: Vec<String>,
    is_test: bool,
    in_attribute: bool,
}

/// The tags of one file that begin with one of `openings`, and those that belong to no test.
pub(crate) fn read(path: &str, text: &str, openings: &[&str]) -> (Vec<Tag>, Vec<String>) {
    let mut tags = Vec::new();
    let mut wrong = Vec::new();
    let mut front = Front::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if front.in_attribute {
            front.in_attribute = !line.ends_with(']');
        } else if let Some(said) = line.strip_prefix("///") {
            front.ids.extend(ids(said, openings));
        } else if line.starts_with("#[") {
            front.is_test |=
                matches!(line, "#[test]") || line.starts_with("#[tokio::test");
            front.in_attribute = !line.ends_with(']');
        } else {
            let Front { ids, is_test, .. } = std::mem::take(&mut front);
            if ids.is_empty() {
                continue;
            }
            match function(line).filter(|_| is_test) {
                Some(name) => {
                    tags.push(Tag { path: path.to_owned(), test: name.to_owned(), ids });
                }
                None => wrong.push(format!(
                    "{path}:{}: {} stand above no test",
                    index + 1,
                    ids.join(", ")
                )),
            }
        }
    }
    (tags, wrong)
}

/// Names of all tests of one file.
pub(crate) fn tests(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut front = Front::default();
    for line in text.lines().map(str::trim) {
        if front.in_attribute || line.starts_with("#[") {
            front.is_test |=
                matches!(line, "#[test]") || line.starts_with("#[tokio::test");
            front.in_attribute = !line.ends_with(']');
        } else if !line.starts_with("///") && std::mem::take(&mut front).is_test {
            found.extend(function(line).map(ToOwned::to_owned));
        }
    }
    found
}

/// The ids in one line of documentation: after each opening, up to a full stop.
fn ids(said: &str, openings: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    let said = said.trim();
    let is_tag = openings.iter().any(|opening| said.starts_with(opening));
    for opening in openings.iter().filter(|_| is_tag) {
        let Some((_, after)) = said.split_once(*opening) else { continue };
        let list = after.split('.').next().unwrap_or(after);
        ids.extend(list.split(',').map(|id| id.trim().to_owned()));
    }
    ids
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("fn ")?;
    after.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_stands_above_a_test() {
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [&'a str])]);
        let cases: &[Case<'_>] = &[
            ("one", "/// Items: 71.\n#[test]\nfn a() {", &[("a", &["71"])]),
            (
                "both in two lines, with words before",
                "    /// Says more.\n    /// Items: 71, 98.\n    /// Faults: F1, F2.\n    #[test]\n    fn a() {",
                &[("a", &["71", "98", "F1", "F2"])],
            ),
            (
                "both in one line",
                "/// Items: 142. Faults: F28.\n#[test]\nfn a() {",
                &[("a", &["142", "F28"])],
            ),
            (
                "an attribute over several lines",
                "/// Faults: F3.\n#[tokio::test(start_paused = true)]\n#[expect(\n    x,\n    reason = \"y\"\n)]\nasync fn a() {",
                &[("a", &["F3"])],
            ),
            ("none", "/// Says something of Items: no.\n#[test]\nfn a() {", &[]),
            (
                "what belongs to another",
                "/// Items: 1.\n#[test]\nfn a() {}\n\n#[test]\nfn b() {}",
                &[("a", &["1"])],
            ),
        ];
        for (name, text, expected) in cases {
            let (tags, wrong) = read("x.rs", text, &["Items:", "Faults:"]);
            let found: Vec<(&str, Vec<&str>)> = tags
                .iter()
                .map(|tag| {
                    (tag.test.as_str(), tag.ids.iter().map(String::as_str).collect())
                })
                .collect();
            let expected: Vec<(&str, Vec<&str>)> =
                expected.iter().map(|(test, ids)| (*test, ids.to_vec())).collect();
            assert_eq!((found, wrong), (expected, vec![]), "case: {name}");
        }
    }

    #[test]
    fn finds_tags_that_belong_to_no_test() {
        let cases = [
            (
                "a constant between",
                "/// Items: 7.\nconst A: u8 = 1;\n#[test]\nfn a() {",
                "x.rs:2",
            ),
            ("a function that is no test", "/// Items: 7.\nfn a() {", "x.rs:2"),
            ("a line without anything", "/// Items: 7.\n\n#[test]\nfn a() {", "x.rs:2"),
        ];
        for (name, text, place) in cases {
            let (tags, wrong) = read("x.rs", text, &["Items:", "Faults:"]);
            assert_eq!(tags, [], "case: {name}");
            assert_eq!(
                wrong,
                [format!("{place}: 7 stand above no test")],
                "case: {name}"
            );
        }
    }
}
