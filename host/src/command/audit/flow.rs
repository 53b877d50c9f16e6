//! Which data can go where in a chain: from the source through the stages to the places where
//! it stays, with what every way carries.
//!
//! Drawn from grants, not from what happened: it says what can be. The host itself carries
//! bodies past stages that never see them; what a plugin chooses to write may hold anything
//! that it sees.

mod passing;

use serde::Serialize;

use self::passing::Passing;
use super::survey::{PluginFacts, StageFacts};
use crate::config::Remembers;

/// The ways of one chain.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Flow {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    /// Places where data stays, with what can come there.
    pub(super) reach: Vec<Reach>,
}

/// Something on the way.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) column: Column,
    pub(super) row: usize,
    pub(super) title: String,
    pub(super) notes: Vec<String>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A place outside this machine.
    Destination,
    /// A stage that lets only data of some patients pass.
    Gate,
    /// What a stage may ask the host.
    Given,
    /// Where the host or a stage keeps something on this machine.
    Kept,
    /// The server.
    Source,
    /// A stage or a sink.
    Stage,
    /// A folder.
    Store,
}

/// Where a node is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Column {
    Left,
    Middle,
    Right,
}

/// A way between two nodes, by their positions.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) carries: Vec<Cargo>,
    /// Whose data, in which form.
    pub(super) note: String,
}

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cargo {
    /// Whole resources.
    Bodies,
    /// Bytes that a plugin chooses, which may hold anything that it sees.
    Chosen,
    /// Declared codes.
    Codes,
    /// Numbers.
    Counts,
    /// Hashes under a key, or of ids.
    Hashes,
    /// How many of a record's patients are in a cohort.
    Membership,
    /// Which line of which file.
    Positions,
    /// Whole resources, and what a plugin says of them, for who holds a recipient's key alone.
    Sealed,
}

impl Cargo {
    /// In words.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Chosen => "bytes of its choice",
            Self::Codes => "codes",
            Self::Counts => "counts",
            Self::Hashes => "hashes",
            Self::Membership => "membership",
            Self::Positions => "positions",
            Self::Sealed => "sealed bodies",
        }
    }
}

/// What quarantine keeps of refused records besides their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seals {
    /// Their bodies, for the operator's recipients, behind every stage that guards.
    Bodies,
    /// Nothing.
    Nothing,
}

/// A place where data stays.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Reach {
    pub(super) place: String,
    /// Which stage brings it there; the host where it is empty.
    pub(super) by: String,
    pub(super) carries: Vec<Cargo>,
    /// Whose data, in which form.
    pub(super) of: String,
}

/// What several ways carry, in words.
pub(super) fn words(carries: &[Cargo]) -> String {
    carries.iter().map(|cargo| cargo.as_str()).collect::<Vec<_>>().join(", ")
}

/// The ways of a chain: `stages` in order, the sink last.
pub(super) fn flow(
    server: &str,
    stages: &[StageFacts],
    plugins: &[PluginFacts],
    remembers: Remembers,
    seals: Seals,
) -> Flow {
    let mut flow = Flow::default();
    let source = flow.node(
        Kind::Source,
        Column::Middle,
        0,
        "FHIR server",
        vec![server.to_owned()],
    );
    flow.host(source, remembers);
    let first_kept = first_kept(stages, plugins);
    let mut passing = Passing::default();
    let mut before = source;
    for (stage, row) in stages.iter().zip(1..) {
        let Some(plugin) = plugins.iter().find(|of| of.name == stage.plugin) else {
            continue;
        };
        let kind = if stage.is_gate { Kind::Gate } else { Kind::Stage };
        let title = format!("{} `{}`", stage.role, stage.name);
        let here = flow.node(kind, Column::Middle, row, &title, sees(plugin));
        flow.edge(before, here, vec![Cargo::Bodies], &passing.words());
        flow.given(here, row, plugin);
        let seals = if row > first_kept { seals } else { Seals::Nothing };
        flow.kept((here, row), stage, plugin, &passing, seals);
        passing.through(stage, plugin);
        before = here;
    }
    let last = stages.last().and_then(|of| plugins.iter().find(|p| p.name == of.plugin));
    if let (Some(sink), Some(plugin)) = (stages.last(), last) {
        flow.left(before, stages.len() + 1, sink, plugin, &passing);
    }
    flow
}

impl Flow {
    fn node(
        &mut self,
        kind: Kind,
        column: Column,
        row: usize,
        title: &str,
        notes: Vec<String>,
    ) -> usize {
        self.nodes.push(Node { kind, column, row, title: title.to_owned(), notes });
        self.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, carries: Vec<Cargo>, note: &str) {
        self.edges.push(Edge { from, to, carries, note: note.to_owned() });
    }

    /// What the host keeps of every record, whatever the chain does.
    fn host(&mut self, source: usize, remembers: Remembers) {
        let mut ledger = vec![Cargo::Counts, Cargo::Positions];
        let mut of = "lines of everybody whom the server exports".to_owned();
        if remembers == Remembers::Resources {
            ledger.insert(1, Cargo::Hashes);
            of += "; hashes of resources that were delivered, and of their patients";
        }
        let logs = vec![Cargo::Codes, Cargo::Counts];
        let notes = vec![
            format!("ledger: {}", words(&ledger)),
            format!("logs, reports, audit log: {}", words(&logs)),
        ];
        let kept = self.node(Kind::Kept, Column::Right, 0, "kept by the host", notes);
        self.edge(source, kept, ledger.clone(), "no body");
        let host = |place: &str, carries: Vec<Cargo>, of: &str| Reach {
            place: place.to_owned(),
            by: String::new(),
            carries,
            of: of.to_owned(),
        };
        self.reach.push(host("ledger", ledger, &of));
        let of = "exports, files and types as a whole";
        self.reach.push(host("logs, reports, audit log", logs, of));
    }

    /// What a stage may ask the host.
    fn given(&mut self, here: usize, row: usize, plugin: &PluginFacts) {
        let cohorts = plugin.names("cohorts");
        if !cohorts.is_empty() {
            let notes = vec!["ids stay with the host".to_owned()];
            let title = format!("cohort {}", listed(&cohorts));
            let node = self.node(Kind::Given, Column::Left, row, &title, notes);
            self.edge(node, here, vec![Cargo::Membership], "");
        }
        let keys = plugin.names("keyed-hash");
        if !keys.is_empty() {
            let notes = vec!["the key stays with the host".to_owned()];
            let title = format!("key {}", listed(&keys));
            let node = self.node(Kind::Given, Column::Left, row, &title, notes);
            self.edge(node, here, vec![Cargo::Hashes], "");
        }
    }

    /// What is kept of a stage's doing on this machine.
    fn kept(
        &mut self,
        (here, row): (usize, usize),
        stage: &StageFacts,
        plugin: &PluginFacts,
        passing: &Passing,
        seals: Seals,
    ) {
        let mut ways = vec![("quarantine", vec![Cargo::Codes, Cargo::Positions])];
        if seals == Seals::Bodies {
            ways.push(("quarantine, sealed", vec![Cargo::Sealed]));
        }
        if plugin.has("state") || stage.role == "sink" {
            // A checkpoint's token is the sink's own choice too.
            ways.push(("ledger", vec![Cargo::Chosen]));
        }
        if plugin.has("telemetry") {
            let mut said = vec![Cargo::Codes, Cargo::Counts];
            if plugin.says_text {
                said.insert(0, Cargo::Chosen);
            }
            ways.push(("logs, reports", said));
        }
        let notes =
            ways.iter().map(|(place, of)| format!("{place}: {}", words(of))).collect();
        let mut all: Vec<Cargo> =
            ways.iter().flat_map(|(_, carries)| carries.clone()).collect();
        all.sort_unstable();
        all.dedup();
        let node =
            self.node(Kind::Kept, Column::Right, row, "kept on this machine", notes);
        self.edge(here, node, all, "");
        for (place, carries) in ways {
            let made_of = if carries.contains(&Cargo::Chosen) {
                let sees = sees(plugin);
                let sees = sees.iter().map(|of| of.trim_start_matches("sees "));
                format!("; made of what it sees: {}", sees.collect::<Vec<_>>().join(", "))
            } else if carries.contains(&Cargo::Sealed) {
                "; for `quarantine.recipients` alone".to_owned()
            } else {
                String::new()
            };
            self.reach.push(Reach {
                place: place.to_owned(),
                by: stage.name.clone(),
                carries,
                of: passing.words() + &made_of,
            });
        }
    }

    /// Where records leave.
    fn left(
        &mut self,
        sink: usize,
        row: usize,
        stage: &StageFacts,
        plugin: &PluginFacts,
        passing: &Passing,
    ) {
        let stores = plugin.names("artifacts").into_iter();
        let places = stores.map(|name| (Kind::Store, "store", name)).chain(
            plugin
                .names("outbound-http")
                .into_iter()
                .map(|name| (Kind::Destination, "destination", name)),
        );
        for ((kind, what, name), at) in places.zip(0..) {
            let column = match at % 3 {
                0 => Column::Middle,
                1 => Column::Left,
                _ => Column::Right,
            };
            let title = format!("{what} `{name}`");
            let node = self.node(kind, column, row + at / 3, &title, Vec::new());
            let carries = vec![Cargo::Bodies, Cargo::Chosen];
            self.edge(sink, node, carries.clone(), &passing.words());
            self.reach.push(Reach {
                place: title,
                by: stage.name.clone(),
                carries,
                of: passing.words(),
            });
        }
    }
}

/// The first stage whose refusals are kept: the one behind every stage that says whose data may
/// pass. What the sink refuses is always kept. As `assemble::first_kept` has it for plugins that
/// are loaded.
fn first_kept(stages: &[StageFacts], plugins: &[PluginFacts]) -> usize {
    let before = stages.split_last().map_or(stages, |(_sink, before)| before);
    let is_guard = |stage: &StageFacts| {
        let plugin = plugins.iter().find(|of| of.name == stage.plugin);
        stage.role == "filter" || plugin.is_some_and(|of| of.has("cohorts"))
    };
    before.iter().rposition(is_guard).map_or(0, |at| at + 1)
}

/// What a plugin gets to see of a record.
pub(super) fn sees(plugin: &PluginFacts) -> Vec<String> {
    let mut sees = Vec::new();
    if plugin.has("bodies") {
        sees.push("sees whole bodies".to_owned());
    }
    let fields = plugin.names("projection");
    if !fields.is_empty() {
        sees.push(format!("sees fields {}", listed(&fields)));
    }
    let cohorts = plugin.names("cohorts");
    if !cohorts.is_empty() {
        sees.push(format!("sees membership in {}", listed(&cohorts)));
    }
    if !plugin.has("bodies") && fields.is_empty() {
        sees.push("sees no content: type, size, position, time of change".to_owned());
    }
    sees
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
