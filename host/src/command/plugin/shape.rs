//! What a plugin is made of, for people and as JSON, and what of it its limits would refuse.

use std::fmt;

use bulkhead_model::ByteSize;
use bulkhead_sandbox::{Anatomy, Extent, Limits, SectionPlace, Tool};
use serde::Serialize;

use super::text::plain;

/// What a plugin is made of, nested modules and components included. Every member is always
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shape {
    core_modules: usize,
    core_instances: usize,
    nested_components: usize,
    nested_instances: usize,
    functions: usize,
    code_bytes: usize,
    /// Linear memories, in bytes.
    pub(super) memories: Declared,
    /// Tables, in elements.
    pub(super) tables: Declared,
    start_functions: usize,
    custom_sections: Vec<Section>,
    /// More than are listed when there are many.
    custom_section_count: usize,
    /// What made it, as it says.
    pub(super) toolchain: Vec<Named>,
    /// Which default limits it would run into before its first call.
    pub(super) over_default_limits: Vec<String>,
}

/// How much is declared of memories or tables, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Declared {
    pub(super) count: usize,
    pub(super) minimum: u64,
    /// `null` when one of them declares no end.
    pub(super) maximum: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Section {
    name: String,
    bytes: usize,
    place: &'static str,
}

/// A language, library or program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Named {
    field: String,
    name: String,
    version: String,
}

impl From<&Anatomy> for Shape {
    fn from(anatomy: &Anatomy) -> Self {
        let sections = anatomy.custom_sections.iter().map(|section| Section {
            name: plain(&section.name),
            bytes: section.bytes,
            place: match section.place {
                SectionPlace::BehindManifest => "behind-manifest",
                SectionPlace::Nested => "nested",
                SectionPlace::Outermost => "outermost",
            },
        });
        Self {
            core_modules: anatomy.modules,
            core_instances: anatomy.core_instances,
            nested_components: anatomy.components,
            nested_instances: anatomy.instances,
            functions: anatomy.functions,
            code_bytes: anatomy.code,
            memories: anatomy.memories.into(),
            tables: anatomy.tables.into(),
            start_functions: anatomy.start_functions,
            custom_sections: sections.collect(),
            custom_section_count: anatomy.custom_section_count,
            toolchain: anatomy.tools.iter().map(Named::from).collect(),
            over_default_limits: over(anatomy, &Limits::default()),
        }
    }
}

impl From<Extent> for Declared {
    fn from(Extent { count, minimum, maximum }: Extent) -> Self {
        Self { count, minimum, maximum }
    }
}

impl From<&Tool> for Named {
    fn from(Tool { field, name, version }: &Tool) -> Self {
        Self { field: plain(field), name: plain(name), version: plain(version) }
    }
}

impl Named {
    /// `rustc 1.95.0`.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.name, self.version).trim_end().to_owned()
    }
}

/// Which of `limits` it runs into before its first call, each with the setting to raise.
fn over(anatomy: &Anatomy, limits: &Limits) -> Vec<String> {
    let mut over = Vec::new();
    let memory = anatomy.memories.minimum;
    if memory > limits.memory.bytes() {
        over.push(format!(
            "it begins with {} of memory, and `limits.memory` is {} unless you raise it",
            ByteSize::from_bytes(memory),
            limits.memory
        ));
    }
    let elements = anatomy.tables.minimum;
    if elements > limits.table_elements as u64 {
        over.push(format!(
            "its tables begin with {elements} elements, and `limits.table-elements` is {} \
             unless you raise it",
            limits.table_elements
        ));
    }
    over
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWhat it is made of")?;
        let code = ByteSize::from_bytes(self.code_bytes as u64);
        writeln!(
            f,
            "  {}, {}, {} ({code})",
            count(self.core_modules, "module"),
            count(self.core_instances, "instance"),
            count(self.functions, "function"),
        )?;
        if self.nested_components > 0 {
            let nested = count(self.nested_components, "nested component");
            writeln!(f, "  {nested}, {}", count(self.nested_instances, "instance"))?;
        }
        let size = |bytes: u64| ByteSize::from_bytes(bytes).to_string();
        writeln!(f, "  memory: {}", self.memories.words(size))?;
        writeln!(f, "  tables: {}", self.tables.words(|of| format!("{of} elements")))?;
        if self.start_functions > 0 {
            let start = count(self.start_functions, "function");
            writeln!(f, "  {start} run at its start, before the first call")?;
        }
        let tools: Vec<String> = self.toolchain.iter().map(Named::words).collect();
        if !tools.is_empty() {
            writeln!(f, "  made with (as it says): {}", tools.join(", "))?;
        }
        let mut sections: Vec<String> = self
            .custom_sections
            .iter()
            .map(|section| format!("{} ({} bytes)", section.name, section.bytes))
            .collect();
        let more = self.custom_section_count.saturating_sub(sections.len());
        if more > 0 {
            sections.push(format!("{more} more"));
        }
        if !sections.is_empty() {
            writeln!(f, "  custom sections, which never run: {}", sections.join(", "))?;
        }
        for over in &self.over_default_limits {
            writeln!(f, "  ! {over}")?;
        }
        Ok(())
    }
}

impl Declared {
    fn words(&self, of: impl Fn(u64) -> String) -> String {
        let most = self.maximum.map_or_else(
            || "no end of its own: your limit holds".to_owned(),
            |most| format!("at most {}", of(most)),
        );
        if self.count == 0 {
            return "none".to_owned();
        }
        format!("{} at its start, {most}", of(self.minimum))
    }
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use bulkhead_sandbox::Package;

    use super::*;

    fn shape(component: &str) -> Shape {
        let package = Package::from_bytes(wat::parse_str(component).unwrap()).unwrap();
        Shape::from(&package.anatomy().unwrap())
    }

    #[test]
    fn says_which_default_limits_it_would_run_into() {
        let cases = [
            ("none", "(memory 1) (table 1 funcref)", 0),
            ("as much as there is", "(memory 1024) (table 20000 funcref)", 0),
            ("a page too many", "(memory 1025)", 1),
            ("an element too many", "(table 20001 funcref)", 1),
            ("both", "(memory 65536) (table 1000000 funcref)", 2),
        ];
        for (name, fields, expected) in cases {
            let found = shape(&format!("(component (core module {fields}))"));
            assert_eq!(found.over_default_limits.len(), expected, "case: {name}");
        }
    }

    #[test]
    fn tells_people_what_it_is_made_of() {
        let found = shape(
            r#"(component
              (core module $m (memory 1) (table 2 3 funcref) (func $f) (start $f)
                (@producers (language "Rust" "") (processed-by "rustc" "1.95.0")))
              (core instance (instantiate $m))
              (@custom "x" "abc"))"#,
        );
        let expected = "
What it is made of
  1 module, 1 instance, 1 function (2 B)
  memory: 65.5 kB at its start, no end of its own: your limit holds
  tables: 2 elements at its start, at most 3 elements
  1 function run at its start, before the first call
  made with (as it says): Rust, rustc 1.95.0
";
        let shown = found.to_string();
        let (body, sections) = shown.split_once("  custom sections").unwrap();
        assert_eq!(body, expected);
        assert!(sections.contains("x (3 bytes)"), "{sections}");
    }
}
