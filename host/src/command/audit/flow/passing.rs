//! Whose data comes to a place of a chain, and what has been made of it before. No I/O.

use super::listed;
use crate::command::audit::survey::{PluginFacts, StageFacts};

/// Whose data passes at a place of the chain, in which form.
#[derive(Debug, Default)]
pub(super) struct Passing {
    gates: Vec<String>,
    changes: Vec<String>,
}

impl Passing {
    /// What stands behind this stage is what it lets through.
    pub(super) fn through(&mut self, stage: &StageFacts, plugin: &PluginFacts) {
        if stage.is_gate {
            let cohorts = listed(&plugin.names("cohorts"));
            self.gates.push(format!("`{}` keeps of cohort {cohorts}", stage.name));
        } else if stage.role == "filter" {
            self.gates.push(format!("`{}` keeps", stage.name));
        } else if stage.role == "transform" {
            self.changes.push(format!("`{}`", stage.name));
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let who = if self.gates.is_empty() {
            "everybody whom the server exports".to_owned()
        } else {
            format!("what {}", self.gates.join(", and "))
        };
        if self.changes.is_empty() {
            format!("{who}; as the server sent it")
        } else {
            format!("{who}; as {} made it", self.changes.join(", then "))
        }
    }
}
