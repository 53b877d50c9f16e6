use std::io::Cursor;

use minisign::KeyPair;

use super::*;

const BYTES: &[u8] = b"\0asm, say";

/// 2026-11-26T12:00:00Z.
const NOW: Instant = Instant::from_unix_ms(1_795_694_400_000);

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn trusted(name: &str, pair: &KeyPair) -> TrustedKey {
    TrustedKey::parse(name, &pair.pk.to_base64()).unwrap()
}

fn signed(pair: &KeyPair, bytes: &[u8], comment: &str) -> String {
    let signature =
        minisign::sign(None, &pair.sk, Cursor::new(bytes), Some(comment), None).unwrap();
    signature.into_string()
}

fn verify(text: &str, keys: &[TrustedKey]) -> Result<Signer, String> {
    let signature =
        Signature::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    signature.over(BYTES, keys, NOW).map_err(|error| error.to_string())
}

/// Attacks: 49.
#[test]
fn only_a_trusted_key_over_these_bytes_counts() {
    let (team, other) = (pair(), pair());
    let (key, others) = (trusted("team", &team), trusted("other", &other));
    let (id, stranger) = (key.id(), others.id());
    let good = signed(&team, BYTES, "file:x");
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n")
    };
    let comment = with(2, "trusted comment: file:y");
    let foreign = signed(&other, BYTES, "file:x");
    let theirs: Vec<&str> = foreign.lines().collect();
    let changed = format!(
        "key {id} (`team`) did not sign these bytes: the plugin or its signature was \
         changed, or they do not belong together"
    );
    let unknown =
        format!("it is signed by key {stranger}, and trusted are only {id} (`team`)");
    let cases = [
        ("whole", good.clone(), None),
        ("other bytes", signed(&team, b"\0asm, sax", "file:x"), Some(changed.as_str())),
        ("another comment", comment, Some(&changed)),
        ("another's comment signature", with(3, theirs[3]), Some(&changed)),
        ("by nobody we know", foreign.clone(), Some(&unknown)),
    ];
    for (name, text, expected) in cases {
        let found = verify(&text, std::slice::from_ref(&key));
        assert_eq!(found.as_ref().err().map(String::as_str), expected, "case: {name}");
        assert!(found.is_err() || found == verify(&text, &[others.clone(), key.clone()]));
    }
    let signer = verify(&foreign, &[key, others]).unwrap();
    assert_eq!((signer.name.as_str(), signer.key), ("other", stranger));
}

/// Attacks: 49.
#[test]
fn a_signature_counts_to_the_end_of_its_last_day() {
    let team = pair();
    let key = [trusted("team", &team)];
    let over = |day: &str| {
        format!("key {} (`team`) signed it, but only until {day}", key[0].id())
    };
    let bad = |what: &str| format!("the signature file is no minisign signature: {what}");
    let form = bad("its day of expiry is not of the form `expires:2027-01-31`");
    let cases = [
        ("no day", "timestamp:1\tfile:x\thashed", Ok(None)),
        ("a later day", "timestamp:1\texpires:2027-01-31", Ok(Some("2027-01-31"))),
        ("written with `=`", "expires=2027-01-31", Ok(Some("2027-01-31"))),
        ("today", "expires:2026-11-26", Ok(Some("2026-11-26"))),
        ("yesterday", "file:x\texpires:2026-11-25", Err(over("2026-11-25"))),
        ("in capitals", "EXPIRES=2026-11-25", Err(over("2026-11-25"))),
        ("amid words", "by bob, expires:2026-11-25 or so", Err(over("2026-11-25"))),
        ("no date", "expires:never", Err(form.clone())),
        ("nothing", "expires:", Err(form.clone())),
        ("a time", "expires:2027-01-31T00:00:00Z", Err(form.clone())),
        ("no such day", "expires:2027-02-30", Err(form)),
        (
            "two days",
            "expires:2025-01-31 expires:2027-01-31",
            Err(bad("it has two days of expiry")),
        ),
        ("a file called so", "file:expires-2026-11-25.wasm", Ok(None)),
    ];
    for (name, comment, expected) in cases {
        let found = verify(&signed(&team, BYTES, comment), &key);
        let found = found.map(|signer| signer.expires.map(|day| day.to_string()));
        assert_eq!(found, expected.map(|day| day.map(ToOwned::to_owned)), "case: {name}");
    }
}

/// Attacks: 49.
#[test]
fn what_is_no_signature_is_refused_as_such() {
    let team = pair();
    let good = signed(&team, BYTES, "x");
    let lines: Vec<&str> = good.lines().collect();
    let short = lines[..3].join("\n");
    let cut = format!("{}\n{}\n{}\n{}", lines[0], &lines[1][..20], lines[2], lines[3]);
    let long = format!("{good}{}", "x".repeat(4_096));
    let cases: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("no text", b"\xff\xfe"),
        ("no signature", b"hello"),
        ("a line too few", short.as_bytes()),
        ("half a line", cut.as_bytes()),
        ("without end", long.as_bytes()),
    ];
    for (name, bytes) in cases {
        let refused = Signature::parse(bytes);
        assert!(matches!(refused, Err(SignatureError::Malformed(_))), "case: {name}");
    }
}

/// Attacks: 49.
#[test]
fn signatures_of_the_old_kind_do_not_count() {
    // Made by minisign 0.9 over `test`; from the tests of minisign-verify.
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let old = "untrusted comment: signature from minisign secret key\n\
        RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
        trusted comment: timestamp:1555779966\tfile:test\n\
        QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
    let key = [TrustedKey::parse("jedisct1", key).unwrap()];
    let signature = Signature::parse(old.as_bytes()).unwrap();
    assert_eq!(key[0].id().to_string(), "E7620F1842B4E81F");
    let refused = signature.over(b"test", &key, NOW);
    assert!(matches!(refused, Err(SignatureError::Legacy)), "{refused:?}");
}

#[test]
fn two_keys_of_one_number_are_both_tried() {
    // Whoever makes a key chooses its number.
    let (team, other) = (pair(), pair());
    let mut text = other.pk.to_bytes();
    text[2..10].copy_from_slice(&team.pk.to_bytes()[2..10]);
    let twin = minisign::PublicKey::from_bytes(&text).unwrap();
    let twin = TrustedKey::parse("twin", &twin.to_base64()).unwrap();
    let key = trusted("team", &team);
    assert_eq!(twin.id(), key.id());
    let text = signed(&team, BYTES, "x");
    assert!(verify(&text, std::slice::from_ref(&twin)).is_err());
    assert_eq!(verify(&text, &[twin, key]).unwrap().name, "team");
}

#[test]
fn reads_public_keys_as_they_are_written() {
    let team = pair();
    let line = team.pk.to_base64();
    let file = team.pk.to_box().unwrap().into_string();
    let cases = [
        ("a line", line.clone(), true),
        ("with blanks", format!("  {line}\n\n"), true),
        ("a file", file, true),
        ("a comment alone", "untrusted comment: x\n".to_owned(), false),
        ("two keys", format!("{line}\n{line}"), false),
        ("cut short", line[..50].to_owned(), false),
        ("nothing", String::new(), false),
        ("the private key", team.sk.to_box(None).unwrap().into_string(), false),
    ];
    for (name, text, expected) in cases {
        let read = TrustedKey::parse("team", &text);
        assert_eq!(read.is_ok(), expected, "case: {name}");
        let id = read.ok().map(|key| key.id().to_string());
        let keynum: [u8; 8] = team.pk.keynum().try_into().unwrap();
        let own = format!("{:016X}", u64::from_le_bytes(keynum));
        assert_eq!(id, expected.then_some(own), "case: {name}");
    }
}

#[test]
fn a_comment_cannot_write_on_the_terminal_what_it_likes() {
    let team = pair();
    let comment = format!("a\u{1b}[2J\u{202e}b{}", "x".repeat(300));
    let signer =
        verify(&signed(&team, BYTES, &comment), &[trusted("team", &team)]).unwrap();
    assert_eq!(signer.comment.chars().count(), LONGEST_COMMENT);
    assert!(signer.comment.starts_with("a [2J b"), "{}", signer.comment);
}
