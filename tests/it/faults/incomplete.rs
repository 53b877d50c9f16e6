//! A server that leaves elements out, and says so by a tag.

use bulkhead_sample_server::Scenario;
use serde_json::{Value, json};

use super::{HOUR, held, site, start};

/// The same without its code, tagged as incomplete.
fn cut(whole: &Value) -> Value {
    let mut cut = whole.clone();
    cut.as_object_mut().unwrap().remove("code");
    let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    cut["meta"]["tag"] = json!([{"system": system, "code": "SUBSETTED"}]);
    cut
}

/// Items: 46.
#[test]
fn what_comes_incomplete_never_replaces_what_was_delivered_whole() {
    let server = start(Scenario::default());
    let site = site(&server);
    site.run().expect(0);
    let all = held(&site);
    let (key, whole) = all.iter().find(|(key, _)| key.starts_with("Condition/")).unwrap();
    assert!(whole["code"].is_object());

    // Nobody asked for elements: the type is held, for the change did not come.
    server.control.advance(HOUR);
    server.control.put(&cut(whole).to_string()).unwrap();
    for _ in 0..2 {
        let ended = site.run().expect(3);
        let line = "! Condition: suspect: 1 came with elements left out";
        assert!(ended.out.contains(line), "{}", ended.out);
        assert_eq!(&held(&site)[key], whole);
    }

    // They are asked for: it is told, and the whole one stays.
    site.edit("bulkhead.toml", "types =", "elements = [\"id\"]\ntypes =");
    let ended = site.run().expect(0);
    let line = "! 1 resources came with elements left out (tag SUBSETTED)";
    assert!(ended.out.contains(line), "{}", ended.out);
    assert_eq!(&held(&site)[key], whole);
    site.edit("bulkhead.toml", "elements = [\"id\"]\n", "");

    // It comes whole again.
    server.control.advance(HOUR);
    let mut changed = whole.clone();
    changed["language"] = json!("en");
    server.control.put(&changed.to_string()).unwrap();
    site.run().expect(0);
    assert_eq!(held(&site)[key]["language"], "en");

    // Who knows that the server does so to all that it has may have it so.
    server.control.advance(HOUR);
    server.control.put(&cut(whole).to_string()).unwrap();
    site.run().expect(3);
    site.edit("bulkhead.toml", "[limits]", "[sync]\nincomplete = \"deliver\"\n[limits]");
    site.run().expect(0);
    assert!(held(&site)[key]["code"].is_null());
}
