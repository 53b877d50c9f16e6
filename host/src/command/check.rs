//! `bulkhead check`: everything that can be known without the server.

mod unnamed;

use std::{fmt::Write as _, io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use bulkhead_model::{ByteSize, PatientSet};
use bulkhead_sandbox::Sandbox;

use crate::{
    assemble,
    cohort::{self, Cohorts},
    config::{ChainConfig, CohortSource, Config, Pinning, QuarantineConfig, apart},
    failure::{Exit, Failure},
};

/// Load the configuration, every plugin and every grant, and contact no server.
///
/// Reports every problem at once, each with its line and what to write instead, and shows
/// what each plugin asks, what it gets, and the most memory a run can take.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// Allow plugins without a pinned sha256. For plugin developers.
    #[arg(long)]
    dev: bool,
}

impl Check {
    /// Exits 0 when an export could start, 2 when the configuration forbids it.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let pinning = if self.dev { Pinning::Waived } else { Pinning::Required };
        let config = Config::read(&self.config, pinning)?;
        let mut problems = Vec::new();
        let mut text = String::new();
        let source = &config.source;
        writeln!(
            text,
            "{}: {} level of {}",
            config.path.display(),
            source.level,
            source.base_url
        )?;
        let known = problems.len();
        for (setting, secret) in apart::secrets(&config) {
            // Those of plugins and destinations are read with their stages.
            if setting.starts_with("`source.")
                && let Err(error) = secret.read()
            {
                problems.push(format!("{setting}: {}", whole(&error)));
            }
        }
        if problems.len() == known
            && let Err(error) = assemble::client(&config)
        {
            problems.push(format!("{error:#}"));
        }
        if let Err(error) = assemble::state::look(&config.state) {
            problems.push(format!("`state.path`: {}", whole(&error)));
        }
        for (name, address) in &config.stores {
            if let Some(flaw) = assemble::state::flaw_of_store(address) {
                problems.push(format!("`stores.{name}.url`: {flaw}"));
            }
        }
        let cohorts = read_cohorts(&config, &mut text, &mut problems)?;
        writeln!(text, "{}", quarantine(&config.quarantine))?;
        let sandbox = assemble::forgetful_sandbox()?;
        for chain in &config.chains {
            check_chain(&config, chain, &sandbox, &cohorts, &mut text, &mut problems)
                .await?;
        }
        let mut out = std::io::stdout().lock();
        write!(out, "{text}")?;
        if problems.is_empty() {
            writeln!(out, "\nNo problem found. `bulkhead run` contacts the server.")?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "\n{} to mend:", plural(problems.len(), "problem"))?;
        for problem in problems {
            writeln!(out, "- {problem}")?;
        }
        Ok(Exit::Refused.into())
    }
}

/// What is wrong and what to do, in one line.
fn whole(error: &anyhow::Error) -> String {
    let hint = error.downcast_ref::<Failure>().and_then(|of| of.hint.as_deref());
    hint.map_or_else(|| format!("{error:#}"), |hint| format!("{error:#} ({hint})"))
}

fn read_cohorts(
    config: &Config,
    text: &mut String,
    problems: &mut Vec<String>,
) -> anyhow::Result<Cohorts> {
    let mut cohorts = Cohorts::new();
    for (name, source) in &config.cohorts {
        let set = match source {
            CohortSource::Group(id) => {
                writeln!(
                    text,
                    "cohort `{name}`: Group/{id} of the server, read at each run"
                )?;
                PatientSet::default()
            }
            CohortSource::Identifier(identifier) => {
                writeln!(
                    text,
                    "cohort `{name}`: the Group `{identifier}` of the server, read at each run"
                )?;
                PatientSet::default()
            }
            CohortSource::Csv { .. } | CohortSource::Ndjson(_) => {
                match cohort::read_file(source) {
                    Ok(set) if set.is_empty() => {
                        problems.push(format!("cohort `{name}` has no patient"));
                        set
                    }
                    Ok(set) => {
                        writeln!(
                            text,
                            "cohort `{name}`: {}",
                            plural(set.len(), "patient")
                        )?;
                        set
                    }
                    Err(error) => {
                        problems.push(format!("cohort `{name}`: {error:#}"));
                        PatientSet::default()
                    }
                }
            }
        };
        cohorts.insert(name.clone(), Arc::new(set));
    }
    Ok(cohorts)
}

async fn check_chain(
    config: &Config,
    chain: &ChainConfig,
    sandbox: &Sandbox,
    cohorts: &Cohorts,
    text: &mut String,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    writeln!(text, "\nchain `{}`", chain.name)?;
    let mut worst = 0;
    let mut loaded = Vec::new();
    for stage in chain.stages.iter().chain([&chain.sink]) {
        let Some(plugin) = config.plugins.get(&stage.plugin) else { continue };
        // One stage at a time: one bad plugin hides no other.
        let package = match assemble::package(&stage.plugin, plugin) {
            Ok(package) => package,
            Err(error) => {
                problems.push(at(config, plugin.line, &error));
                continue;
            }
        };
        let manifest = match package.manifest() {
            Ok(manifest) => manifest,
            Err(error) => {
                let error = anyhow::anyhow!("plugin `{}`: {error}", stage.plugin);
                problems.push(at(config, plugin.line, &error));
                continue;
            }
        };
        writeln!(
            text,
            "  {} `{}`: {} {} sha256 {}",
            manifest.role.as_str(),
            stage.name,
            manifest.name,
            manifest.version,
            package.sha256()
        )?;
        for asked in &manifest.capabilities {
            let is_granted = plugin.grants.grants(&asked.interface);
            let mark = if is_granted { "granted" } else { "NOT GRANTED" };
            writeln!(text, "    asks {:12} {mark}: {}", asked.interface, asked.why)?;
        }
        if !package.interfaces().any(|interface| interface == "bodies") {
            writeln!(text, "    never receives a resource: it does not import `bodies`")?;
        }
        for note in unnamed::notes(config, &stage.plugin, plugin) {
            writeln!(text, "    note: {note}")?;
        }
        worst += plugin.limits.memory.bytes();
        match assemble::try_stage(config, chain, stage, &package, sandbox, cohorts).await
        {
            // Grants stand with the plugin, settings with the stage.
            Err(error) => problems.push(at(config, stage.line, &error)),
            Ok(plugin) => {
                match plugin.walls() {
                    Some(walls) => {
                        writeln!(text, "    runs in a process of its own ({walls})")?;
                    }
                    None => writeln!(text, "    runs in this process")?,
                }
                loaded.push(plugin);
            }
        }
        for name in &plugin.grants.destinations {
            let Some(to) = config.destinations.get(name) else { continue };
            let (methods, address, auth) = (to.methods(), to.address(), to.auth.shown());
            writeln!(
                text,
                "    destination `{name}`: {methods} below {address}, {auth}"
            )?;
            let origin = to.place.origin();
            if !origin.is_https() && !origin.is_loopback() {
                writeln!(
                    text,
                    "      in clear text, which everybody on the way can read"
                )?;
            }
            let allow: Vec<String> = to.allow.iter().map(ToString::to_string).collect();
            if !allow.is_empty() {
                let allow = allow.join(", ");
                writeln!(text, "      may lead to {allow}, beside public addresses")?;
            }
        }
        for name in &plugin.grants.stores {
            let url = config.stores.get(name).map_or("", String::as_str);
            writeln!(text, "    store `{name}`: {url}")?;
        }
    }
    if config.quarantine.seals() {
        let first = assemble::first_kept(&loaded);
        let from = chain.stages.iter().chain([&chain.sink]).nth(first);
        if let Some(from) = from.filter(|_| loaded.len() > chain.stages.len()) {
            writeln!(
                text,
                "  quarantine: bodies that `{}` or a later stage refuses are sealed; no filter \
                 stands behind it",
                from.name
            )?;
        }
    }
    // Reads their secrets and certificates; dials nothing.
    if let Err(error) = assemble::destinations(config, chain) {
        problems.push(format!("chain `{}`: {error:#}", chain.name));
    }
    // Roles can be told only when every stage is there.
    if loaded.len() == chain.stages.len() + 1
        && let Some(sink) = loaded.pop()
        && let Err(error) = assemble::check_roles(chain, &loaded, &sink)
    {
        problems.push(at(config, chain.sink.line, &error));
    }
    let lanes = config.limits.files_in_flight as u64;
    // A lane holds a block as it came and as it leaves, and one unfinished line.
    let framer = &config.limits.framer;
    let mut lane = worst + (3 * framer.block_bytes + framer.line_bytes) as u64;
    if config.quarantine.seals() {
        // Bodies that wait to be sealed: 4 MiB, and what one block adds.
        lane += (4 << 20) + framer.block_bytes as u64;
    }
    let most = ByteSize::from_bytes(lanes * lane + (64 << 20));
    writeln!(
        text,
        "  memory: at most {most} with {lanes} files in flight, if every plugin takes all it may"
    )?;
    Ok(())
}

/// What becomes of the bodies of refused records.
fn quarantine(config: &QuarantineConfig) -> String {
    if !config.seals() {
        return "quarantine: positions and codes alone; no body is kept without \
                `quarantine.recipients`"
            .to_owned();
    }
    let keys: Vec<String> = config.recipients.iter().map(ToString::to_string).collect();
    format!(
        "quarantine: bodies are sealed to {}; at most {} in all",
        keys.join(", "),
        config.max_bytes
    )
}

/// A problem with its place in the configuration.
fn at(config: &Config, line: usize, error: &anyhow::Error) -> String {
    format!("{}:{line}: {error:#}", config.path.display())
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
