//! Whole servers: the editions of the guide, the habits of products, many files and none.

use bulkhead_bulk::Version;
use bulkhead_sample_server::{
    Scenario,
    scenario::{Blocks, Edition, FilesAt, Organized, Profile},
};

use crate::row::{End, Row, check, row};

/// Faults: F39.
#[tokio::test]
async fn servers_of_every_edition_are_read() {
    let mut rows = Vec::new();
    for (name, edition) in
        [("1", Edition::V1), ("2", Edition::V2), ("3", Edition::V3), ("4", Edition::V4)]
    {
        let scenario = Scenario::default().in_mode(|modes| {
            modes.edition = edition;
            modes.unknown_members = true;
        });
        rows.push(
            row(format!("F39 version {name}"), scenario, End::Complete)
                .shown_by(|seen| seen.files() > 1),
        );
    }
    let told = Scenario::default().in_mode(|modes| modes.edition = Edition::V4);
    rows.push(
        row("F39 version 4, told", told, End::Complete)
            .set(|settings| settings.version = Version::V4)
            .shown_by(|seen| seen.asked("GET", "$export") == 0),
    );
    check(rows).await;
}

/// Faults: F41.
#[tokio::test]
async fn servers_with_the_habits_of_products_are_exported_from() {
    let like = |profile| Scenario::profile(profile).unwrap();
    let binary = Scenario::default().in_mode(|modes| modes.files_at = FilesAt::Binary);
    let binaries = |row: Row| {
        row.shown_by(|seen| seen.log.iter().any(|one| one.path.contains("/Binary/")))
    };
    check(vec![
        binaries(row("F41 hapi", like(Profile::HapiLike), End::Complete)),
        binaries(row("F41 files are binaries", binary, End::Complete)),
        binaries(row("F41 inferno", like(Profile::Inferno), End::Complete)),
        row("F41 epic", like(Profile::EpicLike), End::Complete)
            .shown_by(|seen| seen.files() > 0),
        row("F41 smart", like(Profile::SmartReference), End::Complete)
            .shown_by(|seen| seen.files() > 0),
    ])
    .await;
}

/// Faults: F32, F40.
#[tokio::test]
async fn many_files_none_and_organised_ones_come_whole() {
    let blocks = Blocks { continues: true, repeated: vec!["Organization".to_owned()] };
    let honoured = Scenario::default()
        .in_mode(|modes| modes.organized = Organized::Honoured(blocks));
    check(vec![
        row("F40 a file each", Scenario::default(), End::Complete)
            .asking(|kickoff| kickoff.types.clear())
            .behaving(|behaviour| behaviour.resources_per_file = 1.try_into().unwrap())
            .shown_by(|seen| seen.files() > 50),
        row("F40 no file", Scenario::default(), End::Complete)
            .asking(|kickoff| kickoff.types = vec!["Substance".parse().unwrap()])
            .shown_by(|seen| seen.files() == 0),
        row("F32 honoured", honoured, End::Complete)
            .asking(|kickoff| kickoff.organize_output_by = Some("Patient".to_owned()))
            .shown_by(|seen| {
                seen.manifest.as_ref().unwrap().organized_by.as_deref() == Some("Patient")
            }),
    ])
    .await;
}
