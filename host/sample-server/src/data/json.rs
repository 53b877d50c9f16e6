//! Writes JSON objects member by member, in the order given, with numbers as written.

use std::fmt::{Display, Write};

/// A coded value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Code {
    pub(super) system: &'static str,
    pub(super) value: &'static str,
    pub(super) display: &'static str,
}

/// An object under construction.
#[derive(Default)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    /// A member whose value is JSON already: a number, a boolean, a list.
    pub(super) fn raw(mut self, name: &str, json: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a String cannot fail.
        let _ = write!(self.0, "\"{name}\":{json}");
        self
    }

    /// A member whose value is text.
    pub(super) fn text(self, name: &str, text: impl AsRef<str>) -> Self {
        self.raw(name, quoted(text.as_ref()))
    }

    pub(super) fn object(self, name: &str, object: Self) -> Self {
        self.raw(name, object.end())
    }

    pub(super) fn objects(
        self,
        name: &str,
        objects: impl IntoIterator<Item = Self>,
    ) -> Self {
        let list = objects.into_iter().fold(String::new(), |mut list, object| {
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&object.end());
            list
        });
        self.raw(name, format_args!("[{list}]"))
    }

    pub(super) fn texts(self, name: &str, texts: &[&str]) -> Self {
        let list: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.raw(name, format_args!("[{}]", list.join(",")))
    }

    /// A Reference.
    pub(super) fn reference(self, name: &str, to: impl AsRef<str>) -> Self {
        self.object(name, reference(to))
    }

    /// A list of References.
    pub(super) fn references<T: AsRef<str>>(
        self,
        name: &str,
        to: impl IntoIterator<Item = T>,
    ) -> Self {
        self.objects(name, to.into_iter().map(reference))
    }

    /// A `CodeableConcept`.
    pub(super) fn concept(self, name: &str, code: Code) -> Self {
        self.object(name, concept(code))
    }

    /// A list of one `CodeableConcept`.
    pub(super) fn concepts(self, name: &str, code: Code) -> Self {
        self.objects(name, [concept(code)])
    }

    /// A Coding.
    pub(super) fn coding(self, name: &str, code: Code) -> Self {
        self.object(name, coding(code))
    }

    /// A narrative.
    pub(super) fn narrative(self, xhtml: &str) -> Self {
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{xhtml}</div>");
        self.object("text", Self::new().text("status", "generated").text("div", div))
    }

    /// An Identifier.
    pub(super) fn identifier(system: &str, value: impl AsRef<str>) -> Self {
        Self::new().text("system", system).text("value", value)
    }

    /// A Period.
    pub(super) fn period(self, name: &str, start: &str, end: &str) -> Self {
        self.object(name, Self::new().text("start", start).text("end", end))
    }

    /// A Quantity; `value` is the decimal as it shall be written.
    pub(super) fn quantity(self, name: &str, value: &str, unit: &str) -> Self {
        let quantity = Self::new()
            .raw("value", value)
            .text("unit", unit)
            .text("system", "http://unitsofmeasure.org")
            .text("code", unit);
        self.object(name, quantity)
    }

    /// Money in US dollars, from cents.
    pub(super) fn dollars(self, name: &str, cents: u64) -> Self {
        let value = decimal(cents, 2);
        self.object(name, Self::new().raw("value", value).text("currency", "USD"))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn reference(to: impl AsRef<str>) -> Object {
    Object::new().text("reference", to)
}

pub(super) fn coding(code: Code) -> Object {
    Object::new()
        .text("system", code.system)
        .text("code", code.value)
        .text("display", code.display)
}

pub(super) fn concept(code: Code) -> Object {
    Object::new().objects("coding", [coding(code)]).text("text", code.display)
}

/// `number` with its last `places` digits behind the point: `(110, 2)` is `1.10`.
pub(super) fn decimal(number: u64, places: u32) -> String {
    let one = 10_u64.pow(places);
    let width = places as usize;
    format!("{}.{:0width$}", number / one, number % one)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Legal unescaped, escaped here so that clients meet both forms.
            'é' => quoted.push_str("\\u00e9"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_members_in_order_and_decimals_as_given() {
        let object = Object::new()
            .text("b", "a \"quote\" and \\ and\nline")
            .quantity("q", &decimal(110, 2), "kg")
            .texts("t", &["x", "é"]);
        assert_eq!(
            object.end(),
            r#"{"b":"a \"quote\" and \\ and\nline","q":{"value":1.10,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"t":["x","\u00e9"]}"#
        );
    }
}
