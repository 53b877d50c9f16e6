//! Scanner and oracle say the same of anything: real shapes, random shapes, damaged lines.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{oracle, *};
use crate::content_hash;

const LINES: [&str; 7] = [
    r##"{"resourceType":"Observation","id":"o-1","meta":{"versionId":"2","lastUpdated":"2026-01-31T10:00:00.123Z","profile":["http://h/x"]},"contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Practitioner","id":"d"}],"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Gr\u00f6\u00dfe \uD83D\uDE00"}]},"subject":{"reference":"Patient/1"},"performer":[{"reference":"#p"},{"reference":"#d"},{"type":"Patient","identifier":{"value":"7"}}],"valueQuantity":{"value":-1.50e+2,"unit":"cm"},"note":[{"text":"a\tb\\\"c\""}]}"##,
    r#"{ "resourceType" : "Patient" , "id" : "1" , "active" : true , "link" : [ { "other" : { "reference" : "Patient/2" } , "type" : "seealso" } ] , "deceasedBoolean" : false , "x" : null }"#,
    r#"{"resourceType":"Consent","id":"c","patient":{"reference":"https://ehr.example/fhir/Patient/3"},"provision":{"actor":[{"role":{},"reference":{"reference":"Patient/4","display":"J"}}],"data":[{"meaning":"instance","reference":{"reference":"Observation/9"}}]}}"#,
    r#"{"resourceType":"MedicationRequest","subject":{"reference":"Patient/5"},"reason":[{"reference":{"reference":"Condition/6"}}],"performer":[{"reference":{"type":"Patient","identifier":{"value":"8"}}}]}"#,
    r#"{"resourceType":"Claim","payee":{"party":{"reference":"Patient/6"}},"patient":{"identifier":{"value":"m"}},"extension":[{"url":"u","valueReference":{"reference":["Patient/10",{"reference":"Patient/11"}]}}]}"#,
    r#"{"resourceType":"Observation","meta":[{"extension":[{"valueReference":{"reference":"Patient/12"}}]}],"subject":{"reference":"Patient?identifier=1","type":["Patient"]},"note":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}"#,
    "{\"resourceType\":\"Task\",\"for\":{\"reference\":\"Patient/é\"},\"id\":\"t\",\"id\":\"u\"}",
];

const KEYS: [&str; 16] = [
    "resourceType",
    "id",
    "meta",
    "lastUpdated",
    "contained",
    "reference",
    "type",
    "identifier",
    "subject",
    "performer",
    "extension",
    "patient",
    "display",
    "provision",
    "actor",
    r"r\u0065ference",
];

const TEXTS: [&str; 12] = [
    "Observation",
    "Patient",
    "Consent",
    "Patient/1",
    "Patient/2",
    "#a",
    "a",
    "Group/1",
    "",
    "2026-01-31T10:00:00Z",
    r"Pati\u0065nt",
    r"\ud800",
];

/// JSON of the words that matter, mostly legal.
fn json() -> impl Strategy<Value = String> {
    let scalar =
        select(vec!["null", "true", "0", "-1.5e3", "1e999", "01", "\"\"", "{}", "[]"]);
    let text = select(TEXTS.as_slice()).prop_map(|text| format!("\"{text}\""));
    let leaf = prop_oneof![1 => scalar.prop_map(str::to_owned), 4 => text];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            3 => object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec((select(KEYS.as_slice()), value), 0..7).prop_map(|fields| {
        let field = |(key, value): &(&str, String)| format!("\"{key}\":{value}");
        format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
    })
}

fn agree(line: &[u8]) -> Result<(), TestCaseError> {
    let bases = Bases::new(["https://ehr.example/fhir".to_owned()]);
    for expected in ["", "Observation", "Group"] {
        let peek = Peek::new(expected.parse().ok().as_ref(), bases.clone());
        let oracle = oracle::envelope(line, expected, &bases);
        prop_assert_eq!(peek.read(line), oracle, "{}", String::from_utf8_lossy(line));
        // One walk finds the same, and hashes what a walk for nothing else does.
        if let Ok(text) = std::str::from_utf8(line) {
            let both = peek.read_str(text).map(|envelope| (envelope, content_hash(text)));
            let at_once = peek.read_content(text);
            let at_once = at_once.map(|(envelope, content)| (envelope, Some(content)));
            prop_assert_eq!(at_once, both, "{}", text);
        }
    }
    Ok(())
}

#[test]
fn agrees_on_real_shapes_cut_anywhere() {
    for line in LINES {
        for end in 0..=line.len() {
            agree(&line.as_bytes()[..end]).unwrap();
        }
    }
}

#[test]
fn agrees_on_real_shapes_with_any_byte_replaced() {
    for line in LINES {
        for at in 0..line.len() {
            for byte in b"\"\\{}[],: 0e-\x00\x1f\xff\n" {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] = *byte;
                agree(&bytes).unwrap();
            }
        }
    }
}

/// Places at which a scanner that looks at many bytes at once begins anew.
const BORDERS: [usize; 5] = [16, 32, 48, 64, 128];

/// What may stand across such a place.
const STRADDLERS: [&str; 18] = [
    r"\n",
    r"\\",
    r#"\""#,
    r"\\\",
    r"\u0041",
    r"\uD83D\uDE00",
    r"\uD83D",
    r"\uDE00",
    r"\u00",
    "\u{1f}",
    "\u{0}",
    "\n",
    "\u{7f}",
    "é",
    "😀",
    "\"",
    r#"","reference":"Patient/2"#,
    r#"\\","#,
];

#[test]
fn agrees_on_whatever_straddles_a_border() {
    for border in BORDERS {
        for straddler in STRADDLERS {
            for before in border - 14..border + 3 {
                for (open, close) in
                    [(r#"{"a":""#, "\""), (r#"{""#, "\":1"), ("{\"a\":", "")]
                {
                    let fill = before.saturating_sub(open.len());
                    let letters = "x".repeat(fill);
                    let mut line = format!("{open}{letters}{straddler}{close}");
                    for tail in ["", "}", r#","resourceType":"Observation"}"#] {
                        agree(format!("{line}{tail}").as_bytes()).unwrap();
                    }
                    line.insert_str(1, &" ".repeat(5));
                    agree(format!("{line},\"resourceType\":\"Group\"}}").as_bytes())
                        .unwrap();
                }
            }
        }
    }
}

#[test]
fn agrees_on_real_shapes_wherever_they_stand() {
    for line in LINES {
        let body = line.strip_prefix('{').unwrap();
        for shift in 0..=128 {
            let (blank, letters) = (" ".repeat(shift), "x".repeat(shift));
            for line in [
                format!("{blank}{line}{blank}"),
                format!("{{{blank}{body}"),
                format!("{{\"{letters}\":\"{letters}\",{body}"),
                line.replace(':', &format!(":{blank}")),
            ] {
                agree(line.as_bytes()).unwrap();
            }
        }
    }
}

/// Every single byte of a line, broken, at every place of a sixty-four-byte block.
#[test]
fn agrees_on_a_broken_byte_wherever_it_stands() {
    let body = r#""resourceType":"Task","for":{"reference":"Patient/1"},"a":[1,{"b":-0.5e1},true]}"#;
    for shift in 0..64 {
        let line = format!("{{\"{}\":null,{body}", "x".repeat(shift));
        for at in line.len() - body.len()..line.len() {
            for byte in b"\"\\{}[],: 0\x1f" {
                let mut bytes = line.clone().into_bytes();
                bytes[at] = *byte;
                agree(&bytes).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_on_long_texts(
        before in "[ -~éß]{0,140}",
        text in r#"([a-z ]{0,70}(\\["\\/bfnrtu]|\\u[0-9a-fD]{4}|[\x00-\x1f"é😀])?){0,6}"#,
        blank in "[ \t\r\n]{0,70}",
    ) {
        let before = before.replace(['"', '\\'], "");
        agree(format!(
            "{{\"resourceType\":\"Observation\",\"{before}\":{blank}[{blank}\"{text}\"{blank}],{blank}\"subject\"{blank}:{{\"reference\":\"Patient/1\",\"{text}\":0}}}}{blank}"
        ).as_bytes())?;
    }

    #[test]
    fn agrees_on_random_resources(value in object(json()), kind in select(TEXTS.as_slice())) {
        agree(value.as_bytes())?;
        let rest = value.strip_prefix('{').unwrap();
        let comma = if rest == "}" { "" } else { "," };
        agree(format!("{{\"resourceType\":\"{kind}\"{comma}{rest}").as_bytes())?;
    }

    #[test]
    fn agrees_on_damaged_lines(
        line in select(LINES.as_slice()),
        cuts in vec((any::<prop::sample::Index>(), 0_usize..4, "[\\x00-\\x7f]{0,3}"), 1..4),
    ) {
        let mut bytes = line.as_bytes().to_vec();
        for (at, len, with) in cuts {
            let at = at.index(bytes.len());
            let end = (at + len).min(bytes.len());
            bytes.splice(at..end, with.into_bytes());
        }
        agree(&bytes)?;
    }

    /// Items: 128.
    /// Faults: F19.
    #[test]
    fn agrees_on_depth(depth in 120_usize..132, objects: bool) {
        let (open, close) = if objects { (r#"{"a":"#, "}") } else { ("[", "]") };
        let line = format!(r#"{{"resourceType":"X","a":{}1{}}}"#, open.repeat(depth), close.repeat(depth));
        agree(line.as_bytes())?;
    }
}
