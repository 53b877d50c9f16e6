//! Plugin state and its quota.

use bulkhead_ledger::{Error, StateQuota};

use super::*;

#[test]
fn keeps_bytes_by_namespace_and_key() {
    let Fixture { ledger, .. } = Fixture::new();
    let quota = StateQuota::default();
    ledger.state_set("a", "k", b"\0one", &quota).unwrap();
    ledger.state_set("b", "k", b"", &quota).unwrap();
    ledger.state_set("a", "k", b"two", &quota).unwrap();
    assert_eq!(ledger.state_get("a", "k").unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(ledger.state_get("b", "k").unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(ledger.state_usage("a").unwrap(), 64 + 1 + 3);
    ledger.state_delete("a", "k").unwrap();
    ledger.state_delete("a", "k").unwrap();
    assert_eq!(ledger.state_get("a", "k").unwrap(), None);
    assert_eq!(
        (ledger.state_usage("a").unwrap(), ledger.state_usage("b").unwrap()),
        (0, 65)
    );
}

#[test]
fn a_guest_cannot_outgrow_its_quota() {
    // Room for two entries of 64 + 1 + 8 bytes, and 4 bytes more.
    let quota = StateQuota { key_bytes: 2, value_bytes: 10, namespace_bytes: 150 };
    let cases: [(&str, &str, usize, Option<&str>); 8] = [
        ("fits", "a", 8, None),
        ("fits too", "b", 8, None),
        ("one too many", "c", 0, Some("quota")),
        ("grows within", "a", 10, None),
        ("grows to the brim", "b", 10, None),
        ("value too large", "a", 11, Some("value")),
        ("key too large", "abc", 1, Some("key")),
        ("shrinks", "a", 1, None),
    ];
    let Fixture { ledger, .. } = Fixture::new();
    for (name, key, size, expected) in cases {
        let refusal = match ledger.state_set("n", key, &vec![7; size], &quota) {
            Ok(()) => None,
            Err(Error::Quota { limit: 150, .. }) => Some("quota"),
            Err(Error::TooLarge { what, .. }) => what.strip_prefix("state "),
            Err(other) => panic!("case: {name}: {other:?}"),
        };
        assert_eq!(refusal, expected, "case: {name}");
    }
    assert_eq!(ledger.state_usage("n").unwrap(), 64 * 2 + 2 + 1 + 10);

    // A quota that was lowered below use lets values shrink, not grow.
    let lowered = StateQuota { namespace_bytes: 10, ..quota };
    ledger.state_set("n", "b", &[7; 9], &lowered).unwrap();
    assert!(matches!(
        ledger.state_set("n", "b", &[7; 10], &lowered),
        Err(Error::Quota { .. })
    ));
}
