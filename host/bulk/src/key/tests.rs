//! Keys made here, by the library's own encoders, and by no one.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der};
use base64::engine::general_purpose::STANDARD;

use super::*;

fn armour(label: &str, der: &[u8]) -> Secret {
    Secret::new(format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----",
        STANDARD.encode(der)
    ))
}

fn ec_jwk(key: &SigningKey, extra: &Value) -> Secret {
    let Pair::Ec(pair) = &key.pair else { panic!("not an EC key") };
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let mut jwk = public_members(&key.pair);
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(d.as_ref()));
    for (name, value) in extra.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    Secret::new(jwk.to_string())
}

#[test]
fn a_key_survives_its_own_pem() {
    for algorithm in [Algorithm::Es384, Algorithm::Rs384] {
        let made = SigningKey::generate(algorithm).unwrap();
        let read = SigningKey::parse(&made.to_pem().unwrap()).unwrap();
        assert_eq!(read.algorithm(), algorithm);
        assert_eq!(read.public_jwks(), made.public_jwks());
    }
}

#[test]
fn reads_ec_keys_in_every_wrapping() {
    let made = SigningKey::generate(Algorithm::Es384).unwrap();
    let Pair::Ec(pair) = &made.pair else { panic!("not an EC key") };
    let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    let jwk = ec_jwk(&made, &json!({}));
    let set = format!(
        r#"{{"keys":[{},{}]}}"#,
        public_members(&made.pair),
        jwk.expose_str().unwrap()
    );
    let cases = [
        ("SEC 1", armour("EC PRIVATE KEY", sec1.as_ref())),
        ("JWK", jwk),
        ("set whose first key is public", Secret::new(set)),
    ];
    for (name, text) in cases {
        let read = SigningKey::parse(&text).unwrap();
        assert_eq!(read.public_jwks(), made.public_jwks(), "case: {name}");
    }
}

#[test]
fn says_why_a_key_is_of_no_use() {
    let made = SigningKey::generate(Algorithm::Es384).unwrap();
    let other = SigningKey::generate(Algorithm::Es384).unwrap();
    let swapped = json!({ "x": public_members(&other.pair)["x"] });
    let cases = [
        ("nothing", Secret::new(""), KeyError::Format),
        ("not a key", Secret::new("{\"a\":1}"), KeyError::Format),
        (
            "public JWK",
            Secret::new(public_members(&made.pair).to_string()),
            KeyError::Public,
        ),
        ("P-256", ec_jwk(&made, &json!({"crv": "P-256"})), KeyError::Unsupported),
        ("symmetric", Secret::new(r#"{"kty":"oct","d":"AA"}"#), KeyError::Unsupported),
        ("halves of two keys", ec_jwk(&made, &swapped), KeyError::Rejected),
        ("public PEM", armour("PUBLIC KEY", b"x"), KeyError::Public),
        ("encrypted PEM", armour("ENCRYPTED PRIVATE KEY", b"x"), KeyError::Format),
        ("damaged PEM", armour("RSA PRIVATE KEY", b"x"), KeyError::Rejected),
    ];
    for (name, text, expected) in cases {
        assert_eq!(SigningKey::parse(&text).unwrap_err(), expected, "case: {name}");
    }
}

/// Items: 14.
#[test]
fn a_registered_id_is_kept_and_none_becomes_the_thumbprint() {
    let made = SigningKey::generate(Algorithm::Es384).unwrap();
    let named = SigningKey::parse(&ec_jwk(&made, &json!({"kid": "prod-1"}))).unwrap();
    assert_eq!(named.kid(), "prod-1");
    assert_eq!(made.kid().len(), 43);
    assert_eq!(SigningKey::parse(&made.to_pem().unwrap()).unwrap().kid(), made.kid());
}

/// Items: 14.
#[test]
fn computes_the_thumbprint_of_rfc_7638() {
    // The example key of RFC 7638 section 3.1, whose thumbprint the section states.
    let members = json!({
        "e": "AQAB",
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    });
    let digest = digest::digest(&digest::SHA256, members.to_string().as_bytes());
    assert_eq!(
        URL_SAFE_NO_PAD.encode(digest),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

/// Items: 14, 15.
#[test]
fn a_set_of_two_keys_is_read_whole_and_published_whole() {
    let [old, new] = [(); 2].map(|()| SigningKey::generate(Algorithm::Es384).unwrap());
    let private = |key: &SigningKey, kid: &str| {
        ec_jwk(key, &json!({"kid": kid})).expose_str().unwrap().to_owned()
    };
    let set = format!(r#"{{"keys":[{},{}]}}"#, private(&old, "a"), private(&new, "b"));
    let keys = SigningKey::parse_all(&Secret::new(set)).unwrap();
    let ids: Vec<&str> = keys.iter().map(SigningKey::kid).collect();
    assert_eq!(ids, ["a", "b"]);
    let public = SigningKey::public_set(&keys).unwrap();
    let published = public["keys"].as_array().unwrap();
    assert_eq!(published.len(), 2);
    assert!(published.iter().all(|key| key.get("d").is_none()));
    let same = [old.with_kid("a".to_owned()), new.with_kid("a".to_owned())];
    assert_eq!(SigningKey::public_set(&same).unwrap_err(), KeyError::SameId);
    let [first, _] = same;
    let copy =
        SigningKey::parse(&first.to_pem().unwrap()).unwrap().with_kid("a".to_owned());
    let once = SigningKey::public_set(&[first, copy]).unwrap();
    assert_eq!(once["keys"].as_array().unwrap().len(), 1);
}

/// Items: 13, 14.
#[test]
fn the_public_set_holds_no_private_member() {
    for algorithm in [Algorithm::Es384, Algorithm::Rs384] {
        let set = SigningKey::generate(algorithm).unwrap().public_jwks();
        let members: Vec<&str> =
            set["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match algorithm {
            Algorithm::Es384 => &["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"],
            Algorithm::Rs384 => &["alg", "e", "key_ops", "kid", "kty", "n", "use"],
        };
        assert_eq!(members, expected);
    }
}

/// The content of the first DER element of `bytes`, and what follows it.
fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = match bytes[1] {
        short @ 0..=0x7f => (usize::from(short), &bytes[2..]),
        long => {
            let digits = usize::from(long & 0x7f);
            let length =
                bytes[2..2 + digits].iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, &bytes[2 + digits..])
        }
    };
    rest.split_at(length)
}

/// The PKCS#1 key within a PKCS#8 one.
fn pkcs1(pkcs8: &[u8]) -> &[u8] {
    let (outer, _) = element(pkcs8);
    let (_version, rest) = element(outer);
    let (_algorithm, rest) = element(rest);
    element(rest).0
}

#[test]
fn reads_rsa_keys_in_every_wrapping() {
    let made = SigningKey::generate(Algorithm::Rs384).unwrap();
    let Pair::Rsa(pair) = &made.pair else { panic!("not an RSA key") };
    let pkcs8: Pkcs8V1Der<'static> = AsDer::<Pkcs8V1Der<'static>>::as_der(pair).unwrap();
    let pkcs1 = pkcs1(pkcs8.as_ref());
    let mut jwk = json!({ "kty": "RSA" });
    let (mut numbers, _) = element(pkcs1);
    for name in ["version", "n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let (number, rest) = element(numbers);
        // Sign bytes stay where DER puts them: some tools write them into JWKs too.
        jwk[name] = json!(URL_SAFE_NO_PAD.encode(number));
        numbers = rest;
    }
    let mut bare = jwk.clone();
    bare.as_object_mut().unwrap().remove("qi");
    let cases = [
        ("PKCS#1", armour("RSA PRIVATE KEY", pkcs1), Ok(made.public_jwks())),
        ("JWK", Secret::new(jwk.to_string()), Ok(made.public_jwks())),
        (
            "JWK without factors",
            Secret::new(bare.to_string()),
            Err(KeyError::Unsupported),
        ),
    ];
    for (name, text, expected) in cases {
        let read = SigningKey::parse(&text).map(|key| key.public_jwks());
        assert_eq!(read, expected, "case: {name}");
    }
}
