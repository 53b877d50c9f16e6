//! What to object to in one chain: what stands before what.

use super::{Found, Severity};
use crate::command::audit::survey::{ChainFacts, Survey};

pub(super) fn chain(chain: &ChainFacts, survey: &Survey, found: &mut Found) {
    let about = format!("chain `{}`", chain.name);
    let first_gate = chain.stages.iter().position(|stage| stage.is_gate);
    if first_gate.is_none() {
        let has_cohorts = !survey.configuration.cohorts.is_empty();
        found.add(
            if has_cohorts { Severity::Medium } else { Severity::Info },
            "no-cohort-gate",
            &about,
            "data of everybody whom the server exports reaches the sink: no stage keeps a cohort",
            "put a filter with `grants = { cohorts = [\"…\"] }` first, unless everybody is meant",
        );
    }
    if !chain.stages.iter().any(|stage| stage.role == "transform") {
        found.add(
            Severity::Info,
            "not-changed",
            &about,
            "bodies reach the sink as the server sent them: no transform stands before it",
            "put a transform such as `deidentify` before the sink, unless whole data is meant",
        );
    }
    for (stage, at) in chain.stages.iter().zip(0_usize..) {
        let plugin = survey.plugins.iter().find(|plugin| plugin.name == stage.plugin);
        let sees = plugin.is_some_and(|plugin| {
            plugin.has("bodies") || !plugin.names("projection").is_empty()
        });
        let is_before = first_gate.is_none_or(|gate| at < gate);
        if sees && is_before && first_gate.is_some() {
            found.add(
                Severity::Low,
                "sees-outsiders",
                &about,
                format!("`{}` sees content of patients outside the cohort", stage.name),
                "put the cohort filter before it",
            );
        }
        let is_changed_later =
            chain.stages.iter().skip(at).any(|of| of.role == "transform");
        if sees && stage.role == "filter" && is_changed_later {
            found.add(
                Severity::Info,
                "sees-unchanged",
                &about,
                format!(
                    "`{}` sees content before it is de-identified or changed",
                    stage.name
                ),
                "put it behind the transform if it can judge what is left",
            );
        }
    }
}
