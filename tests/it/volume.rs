//! Much of it: what an export takes does not grow with what it brings.

use std::fmt::Write;

use bulkhead_sample_server::{Data, Gzip};

use crate::rig::{Sample, Setup, Site};

/// Bytes of a line, about.
const LINE: usize = 8_192;

/// More than what may grow, up to a bound: buffers on their way, a log of entries and the one before
/// it, and where in them each key stands. Measured: 92, 105, 150, 178 and 173 MiB for 39, 78, 312, 625
/// and 1,250 MiB of lines.
const MAY_GROW: u64 = 112 << 20;

/// So many observations, in one file.
fn observations(count: usize) -> String {
    let filling = "x".repeat(LINE - 96);
    let mut text = String::with_capacity(count * LINE);
    for number in 0..count {
        let _ = writeln!(
            text,
            r#"{{"resourceType":"Observation","id":"o{number}","subject":{{"reference":"Patient/m"}},"valueString":"{filling}"}}"#
        );
    }
    text
}

/// The most memory that an export of so many took, in bytes.
fn peak(count: usize) -> u64 {
    let data = Site::new();
    data.write("Observation.ndjson", observations(count));
    let server = Sample::start(Data::folder(data.folder()), |options| {
        options.behaviour.gzip = Gzip::Never;
    });
    let site = Site::with(&Setup::new(&server.base, ["Observation"]), &["m".to_owned()]);
    let (ended, peak) = site.program(&["run"]).start().finish_weighed();
    let ended = ended.expect(0);
    let sums = format!("The sums agree: {count} read = {count} delivered");
    assert!(ended.out.contains(&sums), "{}", ended.out);
    peak
}

/// Faults: F40.
#[test]
fn four_times_as_many_lines_take_no_more_memory() {
    let few = 10_000;
    let many = 4 * few;
    let grown = peak(many).saturating_sub(peak(few));
    // Were lines kept, all of the difference would be there.
    let kept = (many - few) * LINE;
    assert!(u64::try_from(kept).unwrap() > 2 * MAY_GROW, "the test proves something");
    eprintln!("{grown} bytes more for {kept} bytes more");
    assert!(grown < MAY_GROW, "{grown} bytes more for {kept} bytes more");
}
