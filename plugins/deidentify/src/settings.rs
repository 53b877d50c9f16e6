//! Settings as an operator writes them, and the policy they are checked into.

use bulkhead_plugin::{Problem, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    date::{self, Shape},
    preset,
    rule::{Act, Pattern, Rules},
};

/// Settings of the stage.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Name of the granted key. One key per project: who holds it can link pseudonyms.
    pub key: String,
    /// What becomes of ids and of references to them.
    #[serde(default)]
    pub ids: Ids,
    /// Rules of your own, tried in order before the preset's. The first that matches an
    /// element wins.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The rules applied after yours.
    #[serde(default)]
    pub preset: Preset,
    /// Dates move by up to this many days, the same for all of one patient. 1 to 3650.
    #[serde(default = "default_shift_days")]
    pub shift_days: u16,
    /// The day, YYYY-MM-DD, at which a patient's age is judged. Without it, the newest date
    /// in the patient's own resource counts.
    #[serde(default)]
    pub as_of: Option<String>,
    /// URLs of further extensions to keep. What is in them is judged by the same rules.
    #[serde(default)]
    pub keep_extensions: Vec<String>,
    /// Further three-digit ZIP prefixes that become `000`.
    #[serde(default)]
    pub sparse_zip3: Vec<String>,
}

/// What becomes of ids.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// They stay.
    Keep,
    /// They become pseudonyms, alike wherever they occur.
    #[default]
    Pseudonym,
}

/// Rules that come with the plugin.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// None: what no rule of yours names stays, ids apart.
    None,
    /// Rules that help towards HIPAA Safe Harbor; see the README for what they do not do.
    #[default]
    SafeHarborAssist,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `Type.element.element`, `*.element` (any type) or `**.element` (any type and depth).
    /// A choice element is named as in JSON: `valueString`.
    pub path: String,
    /// What becomes of it.
    pub action: Action,
}

/// What becomes of an element.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An age over 89 becomes "90 or more"; a birth date that tells one is masked, else
    /// shifted.
    Age,
    /// It stays as it is; inside an object, dates stay and the rest is judged on its own.
    Keep,
    /// A text becomes a pseudonym; an Identifier keeps its system and a pseudonym.
    Pseudonym,
    /// A text becomes `[redacted]`; anything else goes.
    Redact,
    /// It goes.
    Remove,
    /// Dates move by the patient's offset.
    Shift,
    /// Dates keep their year.
    Year,
    /// Only the first three digits stay, `000` where few people live.
    Zip3,
}

/// Settings that were checked.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) key: String,
    pub(crate) ids: Ids,
    pub(crate) preset: Preset,
    pub(crate) rules: Rules,
    pub(crate) shift_days: i32,
    /// Days from 1970-01-01.
    pub(crate) as_of: Option<i32>,
    pub(crate) keep_extensions: Vec<String>,
    pub(crate) sparse_zip3: Vec<String>,
}

impl TryFrom<Settings> for Policy {
    type Error = Problems;

    fn try_from(settings: Settings) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        if settings.key.is_empty() {
            let message = "`key` is empty; name the key that you grant this plugin";
            problems.push(Problem::new("/key", "empty-key", message));
        }
        if !(1..=3650).contains(&settings.shift_days) {
            let message = "`shift-days` must be 1 to 3650";
            problems.push(Problem::new("/shift-days", "bad-shift-days", message));
        }
        let as_of = settings.as_of.as_deref().and_then(day);
        if settings.as_of.is_some() && as_of.is_none() {
            let message = "`as-of` must be a day, such as \"2026-01-01\"";
            problems.push(Problem::new("/as-of", "bad-as-of", message));
        }
        for (index, prefix) in settings.sparse_zip3.iter().enumerate() {
            if prefix.len() != 3 || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
                let pointer = format!("/sparse-zip3/{index}");
                problems.push(Problem::new(pointer, "bad-zip3", "want three digits"));
            }
        }
        let mut rules = Rules::default();
        for (index, rule) in settings.rules.iter().enumerate() {
            match Pattern::read(&rule.path).and_then(Pattern::unless_reserved) {
                Ok(pattern) => rules.push(pattern, Act::from(rule.action)),
                Err(message) => {
                    let pointer = format!("/rules/{index}/path");
                    problems.push(Problem::new(pointer, "bad-path", message));
                }
            }
        }
        if let Err(message) = preset::fill(&mut rules, settings.preset, settings.ids) {
            problems.push(Problem::new("/preset", "bad-path", message));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            key: settings.key,
            ids: settings.ids,
            preset: settings.preset,
            rules,
            shift_days: i32::from(settings.shift_days),
            as_of,
            keep_extensions: settings.keep_extensions,
            sparse_zip3: settings.sparse_zip3,
        })
    }
}

fn default_shift_days() -> u16 {
    50
}

fn day(text: &str) -> Option<i32> {
    if let Some(Shape::Day { days, tail: "" }) = date::read(text) {
        Some(days)
    } else {
        None
    }
}
