//! What of a plugin's limits can run out, by the name that an operator sets.

use std::fmt;

/// One of `[plugins.NAME.limits]`. What bounds a plugin without ending anything, such as the
/// rate of its events, is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Bytes of artifacts, a file of the export.
    ArtifactBytes,
    /// Artifacts begun, a file of the export.
    Artifacts,
    /// Wall time of one batch, over all calls that it takes.
    Batch,
    /// Processor time of one batch, likewise.
    BatchCpu,
    /// Wall time of one call.
    Call,
    /// Processor time of one call.
    Cpu,
    /// What a transform makes of a record, against what the record was.
    Expansion,
    /// Live handles.
    Handles,
    /// Bytes of HTTP bodies, a run.
    HttpBytes,
    /// HTTP requests, a run.
    HttpRequests,
    /// Time in which HTTP requests are under way, a run.
    HttpTime,
    /// Instances of core modules.
    Instances,
    /// Linear memories.
    Memories,
    /// Bytes of linear memory.
    Memory,
    /// Deaths within a span of time.
    Restarts,
    /// Bytes that one call returns or passes to the host.
    ReturnBytes,
    /// Bytes of artifacts, a run.
    RunArtifactBytes,
    /// Artifacts begun, a run.
    RunArtifacts,
    /// Bytes of state.
    StateBytes,
    /// Bytes of one value of state.
    StateValueBytes,
    /// Elements of tables.
    TableElements,
    /// Tables.
    Tables,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::ArtifactBytes,
        Self::Artifacts,
        Self::Batch,
        Self::BatchCpu,
        Self::Call,
        Self::Cpu,
        Self::Expansion,
        Self::Handles,
        Self::HttpBytes,
        Self::HttpRequests,
        Self::HttpTime,
        Self::Instances,
        Self::Memories,
        Self::Memory,
        Self::Restarts,
        Self::ReturnBytes,
        Self::RunArtifactBytes,
        Self::RunArtifacts,
        Self::StateBytes,
        Self::StateValueBytes,
        Self::TableElements,
        Self::Tables,
    ];

    /// Its key in `[plugins.NAME.limits]`.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::ArtifactBytes => "artifact-bytes",
            Self::Artifacts => "artifacts",
            Self::Batch => "batch",
            Self::BatchCpu => "batch-cpu",
            Self::Call => "call",
            Self::Cpu => "cpu",
            Self::Expansion => "expansion",
            Self::Handles => "handles",
            Self::HttpBytes => "http-bytes",
            Self::HttpRequests => "http-requests",
            Self::HttpTime => "http-time",
            Self::Instances => "instances",
            Self::Memories => "memories",
            Self::Memory => "memory",
            Self::Restarts => "restarts",
            Self::ReturnBytes => "return-bytes",
            Self::RunArtifactBytes => "run-artifact-bytes",
            Self::RunArtifacts => "run-artifacts",
            Self::StateBytes => "state-bytes",
            Self::StateValueBytes => "state-value-bytes",
            Self::TableElements => "table-elements",
            Self::Tables => "tables",
        }
    }

    /// The quarantine code of a record for which it runs out: `plugin-` and the setting.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ArtifactBytes => "plugin-artifact-bytes",
            Self::Artifacts => "plugin-artifacts",
            Self::Batch => "plugin-batch",
            Self::BatchCpu => "plugin-batch-cpu",
            Self::Call => "plugin-call",
            Self::Cpu => "plugin-cpu",
            Self::Expansion => "plugin-expansion",
            Self::Handles => "plugin-handles",
            Self::HttpBytes => "plugin-http-bytes",
            Self::HttpRequests => "plugin-http-requests",
            Self::HttpTime => "plugin-http-time",
            Self::Instances => "plugin-instances",
            Self::Memories => "plugin-memories",
            Self::Memory => "plugin-memory",
            Self::Restarts => "plugin-restarts",
            Self::ReturnBytes => "plugin-return-bytes",
            Self::RunArtifactBytes => "plugin-run-artifact-bytes",
            Self::RunArtifacts => "plugin-run-artifacts",
            Self::StateBytes => "plugin-state-bytes",
            Self::StateValueBytes => "plugin-state-value-bytes",
            Self::TableElements => "plugin-table-elements",
            Self::Tables => "plugin-tables",
        }
    }
}

impl Limit {
    /// Whether a fresh instance, or a smaller piece of the batch, would have no more of it.
    pub const fn is_for_good(self) -> bool {
        match self {
            Self::Batch
            | Self::BatchCpu
            | Self::HttpBytes
            | Self::HttpRequests
            | Self::HttpTime
            | Self::Restarts
            | Self::RunArtifactBytes
            | Self::RunArtifacts
            | Self::StateBytes => true,
            Self::ArtifactBytes
            | Self::Artifacts
            | Self::Call
            | Self::Cpu
            | Self::Expansion
            | Self::Handles
            | Self::Instances
            | Self::Memories
            | Self::Memory
            | Self::ReturnBytes
            | Self::StateValueBytes
            | Self::TableElements
            | Self::Tables => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`limits.{}`", self.setting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_that_of_its_setting() {
        for limit in Limit::ALL {
            assert_eq!(limit.code(), format!("plugin-{}", limit.setting()));
        }
    }
}
