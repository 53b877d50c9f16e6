//! The plugin as the host calls it, in memory.

use std::{cell::RefCell, rc::Rc};

use bulkhead_plugin::{
    outbound_http::Response,
    testing::{Case, Records, Sent, Stage},
};
use serde_json::{Value, json};

use super::*;

/// A FHIR server that keeps what it is sent, refuses ids that begin with `bad`, and takes at
/// most so many entries.
#[derive(Clone, Default)]
struct Store {
    taken: Rc<RefCell<Vec<String>>>,
    most: Option<usize>,
}

impl Store {
    fn answer(&self, sent: &Sent) -> Response {
        let bundle: Value = serde_json::from_slice(&sent.body).unwrap();
        let entries = bundle["entry"].as_array().unwrap();
        if self.most.is_some_and(|most| entries.len() > most) {
            return status(413);
        }
        let key = |entry: &Value| {
            let request = &entry["request"];
            format!(
                "{} {}",
                request["method"].as_str().unwrap(),
                request["url"].as_str().unwrap()
            )
        };
        let is_bad = |entry: &Value| key(entry).contains("/bad");
        if bundle["type"] == "transaction" {
            if entries.iter().any(is_bad) {
                return status(422);
            }
            self.taken.borrow_mut().extend(entries.iter().map(key));
            return status(200);
        }
        let statuses: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let status = match key(entry) {
                    key if key.starts_with("DELETE") => "404 Not Found",
                    _ if is_bad(entry) => "422 Unprocessable Entity",
                    key => {
                        self.taken.borrow_mut().push(key);
                        "201 Created"
                    }
                };
                json!({ "response": { "status": status } })
            })
            .collect();
        let body = json!({ "resourceType": "Bundle", "entry": statuses }).to_string();
        Response { body: body.into_bytes(), ..status(200) }
    }

    fn stage(&self) -> Stage {
        let store = self.clone();
        Stage::new().destination("dwh", move |sent| Ok(store.answer(sent)))
    }

    fn taken(&self) -> Vec<String> {
        self.taken.borrow().clone()
    }
}

fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

fn patient(id: &str) -> Case {
    Case::resource(&json!({ "resourceType": "Patient", "id": id }).to_string())
}

fn sink(stage: &Stage, settings: &Value) -> HttpSink {
    let mut whole = json!({ "destination": "dwh" });
    for (key, value) in settings.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut sink: HttpSink = stage.sink(&whole.to_string()).unwrap();
    sink.open(Assignment { export_id: "e1".to_owned(), file: 3, resume: None }).unwrap();
    sink
}

/// What became of a batch after as many calls as it took.
#[derive(Debug, Default, PartialEq)]
struct Ended {
    accepted: Vec<u64>,
    rejected: Vec<(u64, String)>,
    durable: u64,
    calls: usize,
}

/// Hands cases over as the host does, until all are settled.
fn deliver(sink: &mut HttpSink, cases: Vec<Case>) -> Result<Ended, PluginError> {
    let numbered = cases.into_iter().zip(1..).map(|(case, seq)| case.seq(seq));
    let mut left: Vec<Case> = numbered.collect();
    let mut ended = Ended::default();
    while !left.is_empty() {
        let records = Records::new(left.clone());
        let seqs = records.batch().seqs();
        let receipt = sink.deliver(&records.batch())?;
        ended.calls += 1;
        let mut next = Vec::new();
        for (at, case) in left.into_iter().enumerate() {
            let reject =
                receipt.rejects.iter().find(|reject| reject.index as usize == at);
            match (receipt.accepted.contains(at), reject) {
                (true, None) => ended.accepted.push(seqs[at]),
                (false, Some(reject)) => {
                    ended.rejected.push((seqs[at], reject.code.clone()));
                }
                (false, None) => next.push(case),
                (true, Some(_)) => panic!("taken and refused"),
            }
        }
        assert!(next.len() < seqs.len(), "nothing was settled");
        left = next;
        let durable = receipt.durable.unwrap().durable_through;
        assert!(durable >= ended.durable, "durable fell");
        let first_left = left
            .first()
            .map_or(u64::MAX, |case| Records::new([case.clone()]).batch().seqs()[0]);
        assert!(durable < first_left, "durable beyond what is settled");
        ended.durable = durable;
    }
    Ok(ended)
}

fn rejected(at: u64, code: &str) -> Vec<(u64, String)> {
    vec![(at, code.to_owned())]
}

#[test]
fn sends_bundles_of_so_many_rows_and_each_is_durable_when_it_is_answered() {
    let store = Store::default();
    let stage = store.stage();
    let mut sink = sink(&stage, &json!({ "rows": 2, "path": "/fhir" }));
    let cases = vec![
        patient("a"),
        patient("b"),
        Case::deleted("Patient", "c"),
        patient("d"),
        patient("e"),
    ];
    let ended = deliver(&mut sink, cases).unwrap();
    let expected =
        Ended { accepted: vec![1, 2, 3, 4, 5], rejected: vec![], durable: 5, calls: 3 };
    assert_eq!(ended, expected);
    let expected = [
        "PUT Patient/a",
        "PUT Patient/b",
        "DELETE Patient/c",
        "PUT Patient/d",
        "PUT Patient/e",
    ];
    assert_eq!(store.taken(), expected);
    assert!(stage.sent().iter().all(|sent| sent.request.path_and_query == "/fhir"));
    let checkpoint = Checkpoint { durable_through: 5, token: vec![] };
    assert_eq!(sink.flush(), Ok(checkpoint.clone()));
    assert_eq!(sink.close(CloseReason::EndOfFile), Ok(Some(checkpoint)));
}

#[test]
fn a_refusal_stops_the_run_unless_the_operator_says_otherwise() {
    let cases = || vec![patient("a"), patient("b"), patient("bad"), patient("d")];
    let store = Store::default();
    let stage = store.stage();
    let stopped = deliver(&mut sink(&stage, &json!({})), cases());
    assert_eq!(stopped, Err(PluginError::fatal("refused", "")));
    assert_eq!(store.taken(), Vec::<String>::new());

    for framing in ["fhir-transaction", "fhir-batch"] {
        let store = Store::default();
        let stage = store.stage();
        let settings = json!({ "refused": "reject", "framing": framing });
        let ended = deliver(&mut sink(&stage, &settings), cases()).unwrap();
        assert_eq!(ended.accepted, [1, 2, 4], "case: {framing}");
        assert_eq!(ended.rejected, rejected(3, "refused"), "case: {framing}");
        assert_eq!(ended.durable, 4, "case: {framing}");
        assert_eq!(store.taken(), ["PUT Patient/a", "PUT Patient/b", "PUT Patient/d"]);
    }
}

#[test]
fn what_is_too_much_at_once_is_sent_in_parts_whatever_the_setting() {
    let store = Store { most: Some(3), ..Store::default() };
    let stage = store.stage();
    let cases = (0..20).map(|at| patient(&format!("p{at}"))).collect();
    let ended = deliver(&mut sink(&stage, &json!({})), cases).unwrap();
    assert_eq!((ended.accepted.len(), ended.durable), (20, 20));
    assert_eq!(store.taken().len(), 20, "each once");

    // The host itself refuses what is larger than the destination takes.
    let alone = Stage::new().destination("dwh", |_| Err(HttpError::BodyTooLarge));
    let settings = json!({ "refused": "reject" });
    let ended =
        deliver(&mut sink(&alone, &settings), vec![patient("a"), patient("b")]).unwrap();
    let codes: Vec<&str> = ended.rejected.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, ["unsendable", "unsendable"]);
}

#[test]
fn a_server_that_is_busy_gets_the_same_again() {
    /// Name, answer, code of the failure, milliseconds to wait.
    type Row<'a> = (&'a str, Result<Response, HttpError>, &'a str, Option<u32>);

    let busy = Response {
        headers: vec![("retry-after".to_owned(), "2".to_owned())],
        ..status(429)
    };
    let cases: [Row<'_>; 4] = [
        ("busy", Ok(busy), "status-429", Some(2_000)),
        ("down", Ok(status(503)), "status-503", None),
        ("late", Err(HttpError::TimedOut), "http.timed-out", None),
        ("not there", Err(HttpError::ConnectFailed), "http.connect-failed", None),
    ];
    for (name, answer, code, after) in cases {
        let stage = Stage::new().destination("dwh", move |_| answer.clone());
        let ended = deliver(&mut sink(&stage, &json!({})), vec![patient("a")]);
        let Err(PluginError::Retryable { failure, after_ms }) = ended else {
            panic!("case: {name}: {ended:?}")
        };
        assert_eq!((failure.code.as_str(), after_ms), (code, after), "case: {name}");
    }
}

#[test]
fn what_asking_again_cannot_mend_stops_the_run() {
    let cases: [(&str, Result<Response, HttpError>, &str); 4] = [
        ("the wrong credential", Ok(status(401)), "not-authorized"),
        ("another place", Ok(status(307)), "redirected"),
        ("used up", Err(HttpError::Quota), "http.quota"),
        ("not granted", Err(HttpError::UnknownDestination), "http.unknown-destination"),
    ];
    for (name, answer, code) in cases {
        let stage = Stage::new().destination("dwh", move |_| answer.clone());
        let settings = json!({ "refused": "reject" });
        let ended = deliver(&mut sink(&stage, &settings), vec![patient("a")]);
        assert_eq!(ended, Err(PluginError::fatal(code, "")), "case: {name}");
    }
}

#[test]
fn lines_and_arrays_part_data_from_deletions_and_keep_the_order() {
    let stage = Stage::new().destination("dwh", |_| Ok(status(202)));
    let settings =
        json!({ "framing": "ndjson", "path": "/in", "deletions-path": "/gone" });
    let cases = || {
        vec![
            patient("a"),
            Case::deleted("Patient", "a"),
            Case::retracted("Patient", "b"),
            patient("b"),
            Case::resource(r#"{"resourceType":"view/visits","n":1}"#),
        ]
    };
    deliver(&mut sink(&stage, &settings), cases()).unwrap();
    let sent = stage.sent();
    let paths: Vec<&str> =
        sent.iter().map(|sent| sent.request.path_and_query.as_str()).collect();
    assert_eq!(paths, ["/in", "/gone", "/in"]);
    let keys: Vec<String> =
        sent.iter().filter_map(|sent| sent.request.idempotency_key.clone()).collect();
    assert_eq!(keys.len(), 3);
    assert!(
        keys[0].starts_with("e1-3-1-1-u-") && keys[1].starts_with("e1-3-2-3-d-"),
        "{keys:?}"
    );

    let stage = Stage::new().destination("dwh", |_| Ok(status(202)));
    let ended =
        deliver(&mut sink(&stage, &json!({ "framing": "json-array" })), cases()).unwrap();
    assert_eq!(ended.accepted, [1, 4, 5]);
    assert!(ended.rejected.iter().all(|(_, code)| code == "no-place-for-deletions"));

    let ended =
        deliver(&mut sink(&Store::default().stage(), &json!({})), cases()).unwrap();
    assert_eq!(ended.rejected, rejected(5, "not-a-resource"));
}

#[test]
fn records_of_one_line_stay_together() {
    let store = Store::default();
    let stage = store.stage();
    let mut sink = sink(&stage, &json!({ "rows": 2 }));
    let lines = [1, 2, 2, 2, 3, 4];
    let cases =
        lines.iter().zip(0..).map(|(seq, at)| patient(&format!("p{at}")).seq(*seq));
    let records = Records::new(cases.collect::<Vec<_>>());
    let receipt = sink.deliver(&records.batch()).unwrap();
    assert_eq!(receipt.accepted, Positions::Bits(vec![0b1]), "line 2 would be parted");
    assert_eq!(receipt.durable.unwrap().durable_through, 1);
}

#[test]
fn a_batch_entry_that_is_to_come_again_is_the_only_one_to_come_again() {
    let tries = Rc::new(RefCell::new(0));
    let stage = Stage::new().destination("dwh", move |sent| {
        *tries.borrow_mut() += 1;
        let entries = if *tries.borrow() == 1 {
            json!([
                { "response": { "status": "200 OK" } },
                { "response": { "status": "503 Busy" } },
                { "response": { "status": "200 OK" } },
            ])
        } else {
            let bundle: Value = serde_json::from_slice(&sent.body).unwrap();
            assert_eq!(bundle["entry"].as_array().unwrap().len(), 1);
            json!([{ "response": { "status": "200 OK" } }])
        };
        let body = json!({ "resourceType": "Bundle", "entry": entries }).to_string();
        Ok(Response { body: body.into_bytes(), ..status(200) })
    });
    let settings = json!({ "framing": "fhir-batch" });
    let cases = vec![patient("a"), patient("b"), patient("c")];
    let ended = deliver(&mut sink(&stage, &settings), cases).unwrap();
    assert_eq!((ended.accepted, ended.durable, ended.calls), (vec![1, 3, 2], 3, 2));
}

#[test]
fn a_short_answer_counts_nothing_as_delivered() {
    // A server that answers for the first record alone, whatever it was sent.
    let stage = Stage::new().destination("dwh", |_| {
        let entries = json!([{ "response": { "status": "200 OK" } }]);
        let body = json!({ "resourceType": "Bundle", "entry": entries }).to_string();
        Ok(Response { body: body.into_bytes(), ..status(200) })
    });
    let settings = json!({ "framing": "fhir-batch" });
    let cases = vec![patient("a"), patient("b"), patient("c")];
    let ended = deliver(&mut sink(&stage, &settings), cases).unwrap();
    assert_eq!((ended.accepted, ended.durable), (vec![1, 2, 3], 3));
    assert!(ended.calls >= 3, "each record got an answer of its own: {}", ended.calls);
}

#[test]
fn resumes_where_it_was() {
    let store = Store::default();
    let stage = store.stage();
    let mut sink = sink(&stage, &json!({}));
    let resume = Some(Checkpoint { durable_through: 7, token: vec![] });
    sink.open(Assignment { export_id: "e1".to_owned(), file: 3, resume }).unwrap();
    assert_eq!(sink.flush().unwrap().durable_through, 7);
    let records = Records::new([patient("a").seq(8)]);
    let receipt = sink.deliver(&records.batch()).unwrap();
    assert_eq!(receipt.durable.unwrap().durable_through, 8);
}
