//! What a report says of lines that are no records.

use std::fmt::Write;

use bulkhead_pipeline::Counts;

/// Whether nothing else is counted than lines that are no records, and references.
pub(super) fn are_all(counts: &Counts) -> bool {
    let Counts { heads, referred, empty_lines, crlf_lines, .. } = *counts;
    let lines = Counts { heads, referred, empty_lines, crlf_lines, ..Counts::default() };
    *counts == lines
}

/// What was passed over, and how lines end.
pub(super) fn write(out: &mut String, total: &Counts) -> std::fmt::Result {
    let Counts { heads, empty_lines, crlf_lines, .. } = *total;
    if heads > 0 {
        writeln!(
            out,
            "  {heads} lines that only head blocks of the files were passed over"
        )?;
    }
    if empty_lines > 0 {
        writeln!(out, "  {empty_lines} empty lines were passed over")?;
    }
    if crlf_lines > 0 {
        writeln!(out, "  {crlf_lines} lines end with CR LF; the CR was taken off")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 103.
    #[test]
    fn lines_that_are_no_records_are_counted_and_are_no_row() {
        let mut text = String::new();
        write(&mut text, &Counts::default()).unwrap();
        assert_eq!(text, "");
        let counts =
            Counts { heads: 1, empty_lines: 2, crlf_lines: 3, ..Counts::default() };
        assert!(are_all(&counts));
        assert!(!are_all(&Counts { read: 1, ..counts.clone() }));
        write(&mut text, &counts).unwrap();
        assert_eq!(
            text,
            "  1 lines that only head blocks of the files were passed over\n  \
             2 empty lines were passed over\n  \
             3 lines end with CR LF; the CR was taken off\n"
        );
    }
}
