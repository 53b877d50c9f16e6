//! Checked settings: holding a [`Plan`] proves that every name it gives is a good one.

use bulkhead_plugin::{Problem, Problems};

use crate::{
    layout::Layout,
    series::Series,
    settings::{Compression, Format, Settings},
};

/// What to write where.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) store: String,
    pub(crate) compression: Compression,
    pub(crate) part_size: u64,
    pub(crate) part_rows: Option<u64>,
    layout: Layout,
    /// Ends in a slash.
    base_url: Option<String>,
}

impl Plan {
    /// The name of one part. `export` has passed [`crate::layout::check_export_id`], the kind
    /// [`crate::layout::check_kind`].
    pub(crate) fn part(
        &self,
        export: &str,
        file: u32,
        series: &Series,
        part: usize,
    ) -> String {
        let mut name = self.layout.part(export, file, series, part);
        name.push_str(self.compression.extension());
        name
    }

    /// The name of the export's manifest.
    pub(crate) fn manifest(&self, export: &str) -> String {
        format!("{}manifest.json", self.layout.home(export))
    }

    /// How the manifest of `export` points at the artifact `name`.
    pub(crate) fn url(&self, export: &str, name: &str) -> String {
        if let Some(base) = &self.base_url {
            return format!("{base}{name}");
        }
        let home = self.layout.home(export);
        name.strip_prefix(&home).map_or_else(
            || format!("{}{name}", "../".repeat(home.matches('/').count())),
            str::to_owned,
        )
    }

    /// The settings that names follow from. A checkpoint under one is useless under another.
    pub(crate) fn fingerprint(&self) -> String {
        let extension = self.compression.extension();
        format!("{} {} {extension}", self.store, self.layout.as_str())
    }
}

impl TryFrom<Settings> for Plan {
    type Error = Problems;

    fn try_from(settings: Settings) -> Result<Self, Problems> {
        let Settings {
            store,
            layout,
            format,
            compression,
            part_size,
            part_rows,
            base_url,
        } = settings;
        let Format::Ndjson = format;
        let mut problems = Vec::new();
        if store.trim().is_empty() {
            let message = "`store` is empty; name one of the configured stores";
            problems.push(Problem::new("/store", "store-empty", message));
        }
        let layout = Layout::parse(&layout).map_err(|wrong| {
            let of = |message: String| Problem::new("/layout", "layout", message);
            problems.extend(wrong.into_iter().map(of));
        });
        let bytes = part_size.bytes().filter(|bytes| *bytes > 0);
        if bytes.is_none() {
            let message = "`part-size` is no size above zero; write a number of bytes, or a \
                           whole number and B, kB, MB, GB, KiB, MiB or GiB, as in `128MiB`";
            problems.push(Problem::new("/part-size", "part-size", message));
        }
        if part_rows == Some(0) {
            let message = "`part-rows` is 0; write 1 or more, or leave it out";
            problems.push(Problem::new("/part-rows", "part-rows", message));
        }
        let base_url = base_url.map(with_slash);
        if base_url.as_deref().is_some_and(|url| !is_base(url)) {
            let message = "`base-url` is no base; write an absolute URL without user, query and \
                           fragment, as in `https://data.example.org/fhir/`";
            problems.push(Problem::new("/base-url", "base-url", message));
        }
        match (layout, bytes) {
            (Ok(layout), Some(part_size)) if problems.is_empty() => {
                Ok(Self { store, compression, part_size, part_rows, layout, base_url })
            }
            _ => Err(problems),
        }
    }
}

fn with_slash(mut url: String) -> String {
    if !url.ends_with('/') {
        url.push('/');
    }
    url
}

/// Whether a name may be put behind `url`. User names are refused because a manifest is for
/// others to read.
fn is_base(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    // `file:///` has no host and is a base all the same.
    let has_place = rest.len() > 1 || scheme.eq_ignore_ascii_case("file");
    let is_plain =
        rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\"<>\\".contains(&byte));
    is_scheme && has_place && is_plain
}
