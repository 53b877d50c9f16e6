//! What a component is made of, read from its bytes without running or validating them.
//!
//! Counts and sums, not lists, where a plugin could make a list without end. Every name here
//! is the plugin's own: cleaned and cut, fit for a terminal, and proof of nothing.

use std::collections::BTreeSet;

use wasmparser::{
    ComponentInstance, Instance, KnownCustom, MemoryType, Parser, Payload,
    ProducersSectionReader, TableType,
};

use super::{BROKEN, EMBEDDED_MANIFEST};
use crate::{Error, convert::is_plain};

/// Custom sections and tools that are listed; more are counted.
const LISTED: usize = 64;

/// Characters of a name that are shown.
const LONGEST_NAME: usize = 100;

/// A page of linear memory is 64 KiB, as a power of two.
const PAGE: u32 = 16;

/// What a component is made of, nested components and modules included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// Core modules.
    pub modules: usize,
    /// Components within the outermost.
    pub components: usize,
    /// Instances of core modules that its instance sections make.
    pub core_instances: usize,
    /// Instances of components that they make.
    pub instances: usize,
    /// Functions with a body.
    pub functions: usize,
    /// Bytes of their bodies.
    pub code: usize,
    /// Linear memories, in bytes.
    pub memories: Extent,
    /// Tables, in elements.
    pub tables: Extent,
    /// Functions that run at instantiation, before the first call.
    pub start_functions: usize,
    /// Custom sections, in order: the first of them.
    pub custom_sections: Vec<CustomSection>,
    /// How many custom sections there are.
    pub custom_section_count: usize,
    /// What made it, as it says.
    pub tools: BTreeSet<Tool>,
}

/// How much is declared of memories or tables, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many.
    pub count: usize,
    /// At the start.
    pub minimum: u64,
    /// At most; `None` when one of them declares no end.
    pub maximum: Option<u64>,
}

impl Extent {
    fn add(&mut self, minimum: u64, maximum: Option<u64>) {
        let before = if self.count == 0 { Some(0) } else { self.maximum };
        self.count += 1;
        self.minimum = self.minimum.saturating_add(minimum);
        self.maximum = before.zip(maximum).map(|(sum, more)| sum.saturating_add(more));
    }
}

/// A custom section: data that the engine passes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name, cleaned.
    pub name: String,
    /// Bytes of its content.
    pub bytes: usize,
    /// Where it stands.
    pub place: SectionPlace,
}

/// Where a custom section stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionPlace {
    /// In the outermost component, behind its manifest: `bulkhead plugin build` puts nothing
    /// there.
    BehindManifest,
    /// In a nested module or component.
    Nested,
    /// In the outermost component, up to its manifest.
    Outermost,
}

/// A language, library or program that a `producers` section names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tool {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name, cleaned.
    pub name: String,
    /// Its version, cleaned.
    pub version: String,
}

impl Anatomy {
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Error> {
        let mut anatomy = Self::default();
        let (mut depth, mut has_manifest) = (0_u32, false);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|_| BROKEN)?;
            if let Payload::ModuleSection { .. } = payload {
                (depth, anatomy.modules) = (depth + 1, anatomy.modules + 1);
            } else if let Payload::ComponentSection { .. } = payload {
                (depth, anatomy.components) = (depth + 1, anatomy.components + 1);
            } else if let Payload::End(_) = payload {
                depth = depth.saturating_sub(1);
            } else if let Payload::CustomSection(section) = payload {
                let place = match (depth, has_manifest) {
                    (0, false) => SectionPlace::Outermost,
                    (0, true) => SectionPlace::BehindManifest,
                    (_, _) => SectionPlace::Nested,
                };
                has_manifest |= depth == 0 && section.name() == EMBEDDED_MANIFEST;
                anatomy.custom_section(&section, place);
            } else {
                anatomy.section(payload).map_err(|_| BROKEN)?;
            }
        }
        Ok(anatomy)
    }

    fn section(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        if let Payload::CodeSectionEntry(body) = payload {
            self.functions += 1;
            self.code += body.as_bytes().len();
        } else if let Payload::MemorySection(memories) = payload {
            for memory in memories {
                let MemoryType { initial, maximum, page_size_log2, .. } = memory?;
                let page = 1_u64 << page_size_log2.unwrap_or(PAGE).min(PAGE);
                let bytes = |pages: u64| pages.saturating_mul(page);
                self.memories.add(bytes(initial), maximum.map(bytes));
            }
        } else if let Payload::TableSection(tables) = payload {
            for table in tables {
                let TableType { initial, maximum, .. } = table?.ty;
                self.tables.add(initial, maximum);
            }
        } else if let Payload::StartSection { .. }
        | Payload::ComponentStartSection { .. } = payload
        {
            self.start_functions += 1;
        } else if let Payload::InstanceSection(instances) = payload {
            for instance in instances {
                let is_made = matches!(instance?, Instance::Instantiate { .. });
                self.core_instances += usize::from(is_made);
            }
        } else if let Payload::ComponentInstanceSection(instances) = payload {
            for instance in instances {
                let is_made = matches!(instance?, ComponentInstance::Instantiate { .. });
                self.instances += usize::from(is_made);
            }
        }
        Ok(())
    }

    fn custom_section(
        &mut self,
        section: &wasmparser::CustomSectionReader<'_>,
        place: SectionPlace,
    ) {
        self.custom_section_count += 1;
        if self.custom_sections.len() < LISTED {
            let (name, bytes) = (shown(section.name()), section.data().len());
            self.custom_sections.push(CustomSection { name, bytes, place });
        }
        if let KnownCustom::Producers(fields) = section.as_known() {
            // What does not read is passed over: it is a remark and binds nobody.
            let _ = self.producers(fields);
        }
    }

    fn producers(
        &mut self,
        fields: ProducersSectionReader<'_>,
    ) -> wasmparser::Result<()> {
        for field in fields {
            let field = field?;
            for value in field.values {
                let value = value?;
                if self.tools.len() >= LISTED {
                    return Ok(());
                }
                self.tools.insert(Tool {
                    field: shown(field.name),
                    name: shown(value.name),
                    version: shown(value.version),
                });
            }
        }
        Ok(())
    }
}

fn shown(name: &str) -> String {
    let plain = name.chars().map(|char| if is_plain(char) { char } else { '\u{FFFD}' });
    plain.take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anatomy(component: &str) -> Anatomy {
        Anatomy::of(&wat::parse_str(component).unwrap()).unwrap()
    }

    #[test]
    fn counts_what_lies_at_any_depth() {
        let found = anatomy(
            r"(component
              (core module $m (memory 2 4) (table 3 5 funcref) (func $f) (start $f))
              (core instance (instantiate $m))
              (core instance (instantiate $m))
              (component $c
                (core module (memory 1 1) (func) (func))
                (component))
              (instance (instantiate $c)))",
        );
        let page = 1 << PAGE;
        assert_eq!((found.modules, found.components), (2, 2));
        assert_eq!((found.core_instances, found.instances), (2, 1));
        assert_eq!((found.functions, found.start_functions), (3, 1));
        let memories = Extent { count: 2, minimum: 3 * page, maximum: Some(5 * page) };
        assert_eq!(found.memories, memories);
        assert_eq!(found.tables, Extent { count: 1, minimum: 3, maximum: Some(5) });
    }

    #[test]
    fn a_memory_without_an_end_makes_the_sum_endless() {
        let cases = [
            ("none", "", Extent::default()),
            ("bounded", "(memory 0 1)", extent(1, 0, Some(1 << PAGE))),
            ("endless", "(memory 0 1) (memory 1)", extent(2, 1 << PAGE, None)),
            ("endless first", "(memory 1) (memory 0 1)", extent(2, 1 << PAGE, None)),
            (
                "more than there can be",
                "(memory i64 0xffffffffffff) (memory i64 0xffffffffffff)",
                extent(2, u64::MAX, None),
            ),
        ];
        for (name, memories, expected) in cases {
            let found = anatomy(&format!("(component (core module {memories}))"));
            assert_eq!(found.memories, expected, "case: {name}");
        }
    }

    fn extent(count: usize, minimum: u64, maximum: Option<u64>) -> Extent {
        Extent { count, minimum, maximum }
    }

    /// Attacks: 49.
    #[test]
    fn sections_behind_the_manifest_stand_out() {
        let found = anatomy(
            r#"(component
              (@custom "before" "xy")
              (core module (@custom "within" "x") (@custom "bulkhead:manifest" ""))
              (@custom "bulkhead:manifest" "{}")
              (@custom "behind\1b[2J" "abc"))"#,
        );
        let listed: Vec<(&str, usize, SectionPlace)> = found
            .custom_sections
            .iter()
            .map(|section| (section.name.as_str(), section.bytes, section.place))
            .collect();
        let expected = [
            ("before", 2, SectionPlace::Outermost),
            ("within", 1, SectionPlace::Nested),
            ("bulkhead:manifest", 0, SectionPlace::Nested),
            ("bulkhead:manifest", 2, SectionPlace::Outermost),
            ("behind\u{FFFD}[2J", 3, SectionPlace::BehindManifest),
        ];
        assert_eq!(listed, expected);
        assert_eq!(found.custom_section_count, 5);
    }

    #[test]
    fn lists_are_bounded_whatever_a_component_holds() {
        let hundred =
            |text: fn(u32) -> String| (0..100).map(text).collect::<Vec<_>>().concat();
        let sections = hundred(|at| format!(r#"(@custom "s{at}" "")"#));
        let tools = hundred(|at| format!(r#"(processed-by "tool{at}" "1")"#));
        let found = anatomy(&format!(
            "(component {sections} (core module (@producers {tools})))"
        ));
        assert_eq!(found.custom_sections.len(), LISTED);
        assert_eq!(found.custom_section_count, 101);
        assert_eq!(found.tools.len(), LISTED);
    }

    #[test]
    fn tells_what_made_it_as_far_as_it_says() {
        let found = anatomy(
            r#"(component (core module (@producers
              (language "Rust" "") (processed-by "rustc" "1.95.0\1b[2J"))))"#,
        );
        let tools: Vec<(&str, &str, &str)> = found
            .tools
            .iter()
            .map(|tool| (tool.field.as_str(), tool.name.as_str(), tool.version.as_str()))
            .collect();
        let expected =
            [("language", "Rust", ""), ("processed-by", "rustc", "1.95.0\u{FFFD}[2J")];
        assert_eq!(tools, expected);
    }
}
