//! No byte of a line changes on the way through stages that change nothing.

use bulkhead_sample_server::{Data, Gzip};

use crate::rig::{Sample, Setup, Site};

/// Lines that are easy to spoil, each valid JSON of a member.
fn nasty() -> Vec<(&'static str, String)> {
    let long = "é€😀x".repeat(310_000);
    assert!(long.len() > 3_000_000);
    let mut lines: Vec<(&'static str, String)> = [
        ("decimals", r#""valueQuantity":{"value":1.10}"#),
        ("exponents", r#""valueQuantity":{"value":1e2,"low":1E+02,"high":-0.0}"#),
        ("more digits than a double", r#""valueQuantity":{"value":0.12345678901234567890123}"#),
        ("a whole number beyond 64 bits", r#""valueQuantity":{"value":123456789012345678901234567890}"#),
        ("escapes", r#""valueString":"\u00e9\u20ac\ud83d\ude00\/\"\\\b\f\n\r\t""#),
        ("an escaped name", r#""value\u0053tring":"x""#),
        ("line separators", "\"valueString\":\"a\u{2028}b\u{2029}c\u{85}d\""),
        ("zero width and marks", "\"valueString\":\"\u{feff}a\u{200d}b\u{301}\""),
        ("blanks", "\"valueString\" :\t\"x\"  ,  \"note\" : [ { } , { } ]"),
        ("delete and nul", r#""valueString":"\u0000\u007f""#),
        ("deep", r#""extension":[{"extension":[{"extension":[{"url":"u","valueCode":"c"}]}]}]"#),
    ]
    .into_iter()
    .map(|(name, element)| {
        let line = format!(
            r#"{{"resourceType":"Observation","id":"n","subject":{{"reference":"Patient/m"}},{element}}}"#
        );
        (name, line)
    })
    .collect();
    lines.push((
        "type at the end",
        r#"{"subject":{"reference":"Patient/m"},"id":"n","meta":{},"resourceType":"Observation"}"#.into(),
    ));
    lines.push((
        "blanks around",
        " \t{ \"resourceType\" : \"Observation\" , \"id\":\"n\", \"subject\" : { \"reference\" : \"Patient/m\" } } \t".into(),
    ));
    lines.push((
        "three megabytes",
        format!(
            r#"{{"resourceType":"Observation","id":"n","subject":{{"reference":"Patient/m"}},"valueString":"{long}"}}"#
        ),
    ));
    // Long characters at every offset to whatever pieces the bytes travel in.
    for shift in 0..64 {
        let text = format!("{}{}", "x".repeat(shift), "é€😀".repeat(1_000));
        lines.push((
            "shifted",
            format!(
                r#"{{"resourceType":"Observation","id":"s{shift}","subject":{{"reference":"Patient/m"}},"valueString":"{text}"}}"#
            ),
        ));
    }
    for (index, (_, line)) in lines.iter_mut().enumerate() {
        // Ids are told apart, as a server's are.
        *line = line.replace("\"id\":\"n\"", &format!("\"id\":\"n-{index}\""));
    }
    lines
}

/// Items: 101, 103, 104.
/// Faults: F16, F18, F20.
#[test]
fn nasty_lines_pass_byte_for_byte() {
    let lines = nasty();
    let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let plain = texts.join("\n");
    let cases = [
        ("newlines", format!("{plain}\n"), Gzip::Never, "1MiB"),
        ("no last newline", plain.clone(), Gzip::Never, "1MiB"),
        ("carriage returns", format!("{}\r\n", texts.join("\r\n")), Gzip::Never, "1MiB"),
        ("byte order mark", format!("\u{feff}{plain}\n"), Gzip::Never, "1MiB"),
        ("empty lines", format!("\n{}\n\n", texts.join("\n\n")), Gzip::Never, "1MiB"),
        ("gzip", format!("{plain}\n"), Gzip::Always, "1MiB"),
        ("small blocks", format!("{plain}\n"), Gzip::Auto, "4KiB"),
    ];
    for (name, text, gzip, block) in cases {
        let data = Site::new();
        data.write("Observation.ndjson", text);
        let server = Sample::start(Data::folder(data.folder()), |options| {
            options.behaviour.gzip = gzip;
        });
        let mut setup = Setup::new(&server.base, ["Observation"]);
        setup.tables = format!("[limits]\nblock = \"{block}\"\n");
        let site = Site::with(&setup, &["m".to_owned()]);
        let ended = site.run().expect(0);
        let (empty, crlf) = (lines.len() + 1, lines.len());
        let told = match name {
            "carriage returns" => format!("  {crlf} lines end with CR LF;"),
            "empty lines" => format!("  {empty} empty lines were passed over\n"),
            _ => String::new(),
        };
        assert!(ended.out.contains(&told), "case: {name}\n{}", ended.out);
        let delivered = site.delivered("");
        let found = &delivered[0].lines["Observation"];
        assert_eq!(found.len(), lines.len(), "case: {name}");
        for ((line, expected), found) in lines.iter().zip(found) {
            assert!(found == expected.as_bytes(), "case: {name}, line: {line}");
        }
    }
}
