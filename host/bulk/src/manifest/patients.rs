//! The manifest of what no server made one for: a file for each patient.

use url::Url;

use super::{FileId, FileList, Manifest, OutputFile};

impl Manifest {
    /// What `$everything` of these patients makes: a file for each, in their order. Nothing of it
    /// can be downloaded: see [`crate::Client::everything`].
    pub fn of_patients(base: &Url, patients: &[String]) -> Self {
        let file = |position| OutputFile {
            id: FileId { page: 0, list: FileList::Output, position },
            resource_type: None,
            url: base.clone(),
            count: None,
            size_hint: None,
            continues_in: None,
            extension: None,
            count_severity: None,
            expires: None,
        };
        let output =
            patients.iter().zip(0..).map(|(_, position)| file(position)).collect();
        Self { output, pages: 1, ..Self::empty() }
    }
}
