//! A folder of files: byte for byte, whatever stands in them.

use std::{collections::BTreeMap, io::Write, path::Path};

use bulkhead_sample_server::{Data, Error, Folder, Server, Strictness};

use crate::client::{export, lines, options, send, start, target};

fn write(folder: &Path, name: &str, text: &[u8]) {
    fs_err::write(folder.join(name), text).unwrap();
}

async fn served(
    server: &bulkhead_sample_server::Running,
    path: &str,
) -> BTreeMap<String, Vec<u8>> {
    let manifest = export(server, path).await;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for file in manifest["output"].as_array().unwrap() {
        let url = target(file["url"].as_str().unwrap());
        let body = send(server.addr, "GET", &url, &[], "").await.body;
        files.entry(file["type"].as_str().unwrap().to_owned()).or_default().extend(body);
    }
    files
}

#[tokio::test]
async fn serves_every_byte_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let first = b"{\"resourceType\":\"Patient\",\"id\":\"a\",\"x\":1.10}\r\n\n{ \"id\":\"b\", \"resourceType\":\"Patient\"}";
    let second =
        "{\"resourceType\":\"Patient\",\"id\":\"ü\",\"name\":\"\\u00e9\"}\n".as_bytes();
    write(folder.path(), "Patient.000.ndjson", first);
    let mut packed =
        flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(second).unwrap();
    write(folder.path(), "Patient.001.ndjson.gz", &packed.finish().unwrap());
    let task = b"\n\xef\xbb\xbf{\"resourceType\":\"Task\",\"id\":\"t\",\"for\":{\"reference\":\"Patient/a\"}}\n";
    write(folder.path(), "anything.jsonl", task);
    write(folder.path(), "README.md", b"not served");
    let server = start(Data::folder(folder.path())).await;
    let files = served(&server, "$export").await;
    let patients = [first.as_slice(), b"\n", second].concat();
    assert_eq!(files.get("Patient").map(Vec::as_slice), Some(patients.as_slice()));
    assert_eq!(files.get("Task").map(Vec::as_slice), Some(task.as_slice()));
    let read = send(server.addr, "GET", "/fhir/Patient/b", &[], "").await;
    assert_eq!(read.text(), "{ \"id\":\"b\", \"resourceType\":\"Patient\"}");
    // Without a time a line counts as a day old.
    let since = server.control.now().minus(std::time::Duration::from_hours(25));
    assert_eq!(served(&server, &format!("$export?_since={since}")).await.len(), 2);
    let since = server.control.now().minus(std::time::Duration::from_hours(1));
    assert!(served(&server, &format!("$export?_since={since}")).await.is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn a_line_that_is_no_resource_is_refused_or_served_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"not json\n{\"resourceType\":\"Patient\",\"id\":\"a\"}\n[1]\n";
    write(folder.path(), "p.ndjson", text);
    let refused = Server::start(options(Data::folder(folder.path()))).await;
    assert!(matches!(refused, Err(Error::Line { line: 1, .. })), "{refused:?}");
    let lenient =
        Folder { strictness: Strictness::Lenient, ..Folder::new(folder.path()) };
    let server = start(Data::Folder(lenient)).await;
    let files = served(&server, "$export").await;
    assert_eq!(files.get("Patient").map(Vec::as_slice), Some(text.as_slice()));
    server.shutdown().await;
    let empty = tempfile::tempdir().unwrap();
    let refused = Server::start(options(Data::folder(empty.path()))).await;
    assert!(matches!(refused, Err(Error::EmptyFolder { .. })));
}

#[tokio::test]
async fn a_provenance_follows_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let text = br#"{"resourceType":"Patient","id":"p"}
{"resourceType":"Patient","id":"q"}
{"resourceType":"Group","id":"g","member":[{"entity":{"reference":"Patient/p"}}]}
{"resourceType":"Condition","id":"c","subject":{"reference":"https://from.example.org/fhir/Patient/p"}}
{"resourceType":"Provenance","id":"v","target":[{"reference":"Condition/c"}]}
{"resourceType":"Provenance","id":"w","target":[{"reference":"Patient/q"}]}
"#;
    write(folder.path(), "all.ndjson", text);
    let origin = Some("https://from.example.org/fhir".to_owned());
    let server =
        start(Data::Folder(Folder { origin, ..Folder::new(folder.path()) })).await;
    let manifest = export(&server, "Group/g/$export").await;
    let ids: Vec<String> = lines(&server, &manifest, "output")
        .await
        .iter()
        .map(|(_, line)| {
            let resource: serde_json::Value = serde_json::from_str(line).unwrap();
            resource["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids, ["c", "g", "p", "v"]);
    server.shutdown().await;
}
