//! What to do when a plugin has used up one of its limits: the setting by its full name.

use bulkhead_pipeline::{Crash, Limit, SinkError, StageError};

use crate::{
    config::ChainConfig,
    failure::{Exit, Failure},
};

/// The setting to change, or whom to ask.
pub(crate) fn raise(plugin: &str, limit: Limit) -> String {
    let setting = limit.setting();
    format!(
        "raise `plugins.{plugin}.limits.{setting}`, or ask the plugin's authors why it takes so much"
    )
}

/// The same of whatever limit stands among the causes of `error`.
pub(crate) fn advice(error: &anyhow::Error, chain: &ChainConfig) -> Option<String> {
    let (stage, limit) = error.chain().find_map(used_up)?;
    let mut stages = chain.stages.iter().chain([&chain.sink]);
    let plugin = stages.find(|known| known.name == stage)?;
    Some(raise(&plugin.plugin, limit))
}

/// `error`, with that advice where there is one.
pub(crate) fn advised(error: anyhow::Error, chain: &ChainConfig) -> anyhow::Error {
    let Some(hint) = advice(&error, chain) else { return error };
    let what = "a plugin has used up a limit".to_owned();
    let blame = "plugin or operator";
    error.context(Failure { exit: Exit::Failed, blame, what, hint: Some(hint) })
}

fn used_up<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<(&'a str, Limit)> {
    if let Some(error) = cause.downcast_ref::<StageError>() {
        return match error {
            StageError::Crashed { stage, crash: Crash::Limit(limit) }
            | StageError::Spent { stage, limit } => Some((stage, *limit)),
            _ => None,
        };
    }
    match cause.downcast_ref::<SinkError>()? {
        SinkError::Crashed { sink, crash: Crash::Limit(limit) }
        | SinkError::Spent { sink, limit } => Some((sink, *limit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StageConfig;

    #[test]
    fn names_the_setting_of_the_plugin_that_a_stage_uses() {
        let stage = |name: &str, plugin: &str| StageConfig {
            line: 1,
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            settings: serde_json::Value::Null,
        };
        let chain = ChainConfig {
            name: "c".to_owned(),
            stages: vec![stage("strip", "strip-1.2")],
            sink: stage("lake", "files-sink"),
            holds_on_fault: true,
            seed: None,
        };
        let (strip, lake) = ("strip".to_owned(), "lake".to_owned());
        let cases: [(&str, anyhow::Error, Option<&str>); 4] = [
            (
                "a stage that has died",
                StageError::Crashed {
                    stage: strip.clone(),
                    crash: Crash::Limit(Limit::Cpu),
                }
                .into(),
                Some("plugins.strip-1.2.limits.cpu"),
            ),
            (
                "a sink that may not go on, behind other words",
                anyhow::Error::new(SinkError::Spent {
                    sink: lake,
                    limit: Limit::RunArtifactBytes,
                })
                .context("delivering"),
                Some("plugins.files-sink.limits.run-artifact-bytes"),
            ),
            (
                "a stage of another chain",
                StageError::Spent { stage: "x".to_owned(), limit: Limit::Batch }.into(),
                None,
            ),
            (
                "a trap",
                StageError::Crashed { stage: strip, crash: Crash::Trap }.into(),
                None,
            ),
        ];
        for (name, error, expected) in cases {
            let found = advice(&error, &chain);
            match expected {
                Some(setting) => {
                    assert!(
                        found.is_some_and(|hint| hint.contains(setting)),
                        "case: {name}"
                    );
                }
                None => assert_eq!(found, None, "case: {name}"),
            }
        }
    }
}
