//! `[source]`: the server, what to ask it for, and how to sign in.
//!
//! How it is asked is in `asking`, signing in in `auth`, the network in `network`. A profile
//! fills in what the operator leaves open.

mod asking;
mod auth;
mod network;

use std::path::Path;

use bulkhead_bulk::{Kickoff, Profile, Rewrite};
use bulkhead_model::{Level, ResourceType};
use bulkhead_ndjson::Bases;
use bulkhead_net::Origin;
use url::Url;

pub(crate) use self::{
    asking::Asking,
    auth::{AuthConfig, SecretConfig, ServicesConfig},
    network::NetworkConfig,
};
use super::reader::Reader;
use crate::{failure::Failure, watermark::all_types};

/// Where data comes from.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    /// What the watermarks belong to. The base URL, unless the operator gives a name that
    /// stays when the URL changes.
    pub(crate) name: String,
    /// The FHIR base.
    pub(crate) base_url: Url,
    /// Other ways in which the server writes its base.
    pub(crate) base_aliases: Vec<Url>,
    /// What addresses begin with that the server writes wrongly.
    pub(crate) rewrite: Option<Rewrite>,
    /// Of whom the export is.
    pub(crate) level: Level,
    /// Types to ask for, sent explicitly so that a missing one can be noticed.
    pub(crate) types: Vec<ResourceType>,
    /// `_typeFilter` queries.
    pub(crate) type_filters: Vec<String>,
    /// Origins beside the base's that may get the token.
    pub(crate) trusted_origins: Vec<Origin>,
    /// Origins that may be spoken to without TLS.
    pub(crate) insecure_origins: Vec<Origin>,
    /// The profile that filled in what was left open.
    pub(crate) profile: Option<String>,
    /// How to kick off, and with which options.
    pub(crate) asking: Asking,
    /// TLS and the pace of requests.
    pub(crate) network: NetworkConfig,
    /// How to sign in.
    pub(crate) auth: AuthConfig,
}

impl SourceConfig {
    /// A kick-off with everything that the operator asks for; what changes from run to run
    /// (`since`, types) is left to the plan.
    pub(crate) fn kickoff(&self) -> Kickoff {
        let asking = &self.asking;
        Kickoff {
            until: asking.until,
            type_filters: self.type_filters.clone(),
            elements: asking.elements.clone(),
            include_associated_data: asking.include_associated_data.clone(),
            organize_output_by: asking.organize_output_by.clone(),
            allow_partial_manifests: asking.partial_manifests,
            separate_export_status: asking.separate_export_status,
            ..Kickoff::new(self.level.clone())
        }
    }

    /// Refuses a type of a command's option that no export asks for.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says which there are.
    pub(crate) fn expect(
        &self,
        name: &ResourceType,
        option: &str,
    ) -> Result<(), Failure> {
        let is_all = *name == all_types();
        if is_all || self.types.is_empty() || self.types.contains(name) {
            return Ok(());
        }
        let types: Vec<&str> = self.types.iter().map(ResourceType::as_str).collect();
        let what = format!("`{name}` of {option} is not among `source.types`");
        Err(Failure::refused(what).hint(format!("they are {}", types.join(", "))))
    }

    /// What references to the server's own resources begin with.
    pub(crate) fn bases(&self) -> Bases {
        let all = [&self.base_url].into_iter().chain(&self.base_aliases);
        Bases::new(all.map(Url::to_string))
    }

    /// What makes delivered data incomparable, besides server and level: a change of any of
    /// it begins anew.
    pub(crate) fn definition(&self) -> String {
        let asking = &self.asking;
        let mut parts = self.type_filters.clone();
        let mut option = |name: &str, value: String| {
            if !value.is_empty() {
                parts.push(format!("{name}={value}"));
            }
        };
        option("until", asking.until.map(|time| time.to_string()).unwrap_or_default());
        option("elements", asking.elements.join(","));
        option("include-associated-data", asking.include_associated_data.join(","));
        option(
            "organize-output-by",
            asking.organize_output_by.clone().unwrap_or_default(),
        );
        parts.join("\n")
    }
}

pub(crate) fn read(root: &Reader<'_>, folder: &Path) -> SourceConfig {
    let source = root.section("source");
    if !source.is_present() {
        root.problem(
            "`[source]` is missing: it names the server, see `bulkhead init --print`",
        );
    }
    let profile = profile(&source);
    let defaults = profile.as_ref().map(|p| p.defaults.clone()).unwrap_or_default();
    let base_url = base_url(&source);
    let name = source.text("name").unwrap_or_else(|| base_url.to_string());
    let types = types(&source);
    let rewrite = rewrite(&source, &base_url);
    let config = SourceConfig {
        name,
        base_url,
        base_aliases: base_aliases(&source),
        rewrite,
        level: level(&source),
        type_filters: asking::type_filters(&source, &types),
        types,
        trusted_origins: origins(&source, "trusted-origins"),
        insecure_origins: origins(&source, "insecure-origins"),
        asking: asking::read(&source, &defaults),
        network: network::read(&source, folder, &defaults),
        auth: auth::read(&source, folder, &defaults),
        profile: profile.map(|profile| profile.name),
    };
    source.finish();
    config
}

fn profile(source: &Reader<'_>) -> Option<Profile> {
    let names: Vec<&str> = Profile::names().collect();
    source.word("profile", &names).as_deref().and_then(Profile::named)
}

/// A stand-in where there is a problem, so that reading can go on to find the others.
fn nowhere() -> Url {
    #[expect(clippy::expect_used, reason = "a constant that parses")]
    Url::parse("https://nowhere.invalid/").expect("a URL")
}

fn base_url(source: &Reader<'_>) -> Url {
    if source.is_present() {
        let what = "the FHIR base, for example https://ehr.example.org/fhir";
        source.required_text("base-url", what);
    }
    let Some(url) = source.parsed::<Url>("base-url") else { return nowhere() };
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        source.problem_at("base-url", "`source.base-url` must begin with https://");
        return nowhere();
    }
    if url.query().is_some() || url.fragment().is_some() {
        source.problem_at("base-url", "`source.base-url` must have no `?` and no `#`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message =
            "`source.base-url` must not carry a user or a password: use `[source.auth]`";
        source.problem_at("base-url", message);
    }
    url
}

fn base_aliases(source: &Reader<'_>) -> Vec<Url> {
    let mut aliases = Vec::new();
    // What stands there is not shown: it may hold a password.
    let texts = source.texts("base-aliases").unwrap_or_default();
    for (text, number) in texts.iter().zip(1..) {
        match plain(text) {
            Ok(url) => aliases.push(url),
            Err(why) => {
                let message = format!("number {number} of `source.base-aliases` {why}");
                source.problem_at("base-aliases", message);
            }
        }
    }
    aliases
}

/// An address as a server writes one of its own.
fn plain(text: &str) -> Result<Url, &'static str> {
    let url = text.parse::<Url>().map_err(|_| NOT_PLAIN)?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_plain { Ok(url) } else { Err(NOT_PLAIN) }
}

const NOT_PLAIN: &str =
    "must be an address, as https://ehr.example.org/, without user, password, `?` or `#`";

fn rewrite(source: &Reader<'_>, base_url: &Url) -> Option<Rewrite> {
    let table = source.section("rewrite");
    if !table.is_present() {
        return None;
    }
    let what = "what addresses begin with, for example http://fhir:8080/";
    let from = table.required_text("from", what);
    let to = table.required_text("to", "what they should begin with");
    table.finish();
    let read = |key: &str, text: Option<String>| {
        let url = plain(&text?).map_err(|why| {
            table.problem_at(key, format!("`source.rewrite.{key}` {why}"));
        });
        url.ok()
    };
    let (from, to) = (read("from", from), read("to", to));
    let rewrite = Rewrite { from: from?, to: to? };
    if base_url.as_str().starts_with(rewrite.from.as_str()) {
        let message = "`source.rewrite.from` is what `source.base-url` begins with: write the \
                       right address as `source.base-url`";
        table.problem_at("from", message);
    }
    if rewrite.from.scheme() == "https" && rewrite.to.scheme() != "https" {
        let message = "`source.rewrite` must not lead from https to clear text";
        source.problem_at("rewrite", message);
    }
    Some(rewrite)
}

fn level(source: &Reader<'_>) -> Level {
    if source.is_table("level") {
        let table = source.section("level");
        let group = table.required_text("group", "the id of a Group on the server");
        table.finish();
        let group = group.unwrap_or_default();
        // An id is one segment of a path; servers use longer ones than FHIR allows.
        let climbs = matches!(group.as_str(), "." | "..")
            || group.contains(['/', '?', '#', '%', '\\'])
            || group.contains(char::is_whitespace);
        if climbs {
            source.problem_at(
                "level",
                "`source.level.group` must be the id of a Group alone",
            );
        }
        return Level::Group(group);
    }
    match source.word("level", &["system", "patient"]).as_deref() {
        Some("patient") => Level::Patient,
        _ => Level::System,
    }
}

fn types(source: &Reader<'_>) -> Vec<ResourceType> {
    let mut types = Vec::new();
    for name in source.texts("types").unwrap_or_default() {
        match name.parse() {
            Ok(name) if types.contains(&name) => {
                source
                    .problem_at("types", format!("`source.types` names `{name}` twice"));
            }
            Ok(name) => types.push(name),
            Err(error) => {
                source.problem_at(
                    "types",
                    format!("`{name}` in `source.types` is {error}"),
                );
            }
        }
    }
    types
}

fn origins(source: &Reader<'_>, key: &str) -> Vec<Origin> {
    let mut origins = Vec::new();
    for text in source.texts(key).unwrap_or_default() {
        match text.parse() {
            Ok(origin) => origins.push(origin),
            Err(error) => {
                let message = format!("`{text}` in `source.{key}`: {error}");
                source.problem_at(key, message);
            }
        }
    }
    origins
}
