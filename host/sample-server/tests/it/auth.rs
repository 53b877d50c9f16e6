//! The token endpoint: every wrong claim is refused, and a token opens what it was given for.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA384,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bulkhead_sample_server::{
    Auth, Behaviour, Client, Data, Options, Ready, Running, Scenario, Server,
};
use serde_json::{Value, json};

use crate::client::{ASYNC, Answer, NOW, options, send, target};

struct Key {
    pair: EcdsaKeyPair,
}

impl Key {
    fn new() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap() }
    }

    fn jwks(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(48);
        json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "k1", "alg": "ES384",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]})
        .to_string()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn header() -> Value {
    json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})
}

fn claims(server: &Running, jti: &str) -> Value {
    let exp = server.control.now().unix_ms() / 1000 + 240;
    json!({"iss": "me", "sub": "me", "aud": server.token_url.as_str(), "exp": exp, "jti": jti})
}

async fn ask(server: &Running, assertion: &str, scope: &str) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_assertion", assertion)
        .finish();
    post(server, &body).await
}

async fn post(server: &Running, body: &str) -> (u16, Value) {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = send(server.addr, "POST", "/auth/token", &form, body).await;
    (answer.status, answer.json())
}

async fn start(key: &Key) -> Running {
    let client = Client::from_jwks("me", &key.jwks()).unwrap();
    let data = Data::made_up(10, 1);
    let options = bulkhead_sample_server::Options {
        auth: Auth::Clients(vec![client]),
        start: Some(NOW),
        ..options(data)
    };
    Server::start(options).await.unwrap()
}

/// A server that asks for tokens, and its client.
pub(crate) struct Signed {
    pub(crate) server: Running,
    key: Key,
    asked: AtomicU32,
}

impl Signed {
    /// Starts one that misbehaves and whose jobs are done at once.
    pub(crate) async fn start(data: Data, scenario: Scenario) -> Self {
        Self::with(data, scenario, |_| {}).await
    }

    /// Starts one with other options too.
    pub(crate) async fn with(
        data: Data,
        scenario: Scenario,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let key = Key::new();
        let client = Client::from_jwks("me", &key.jwks()).unwrap();
        let behaviour = Behaviour { ready: Ready::AfterPolls(0), ..Behaviour::default() };
        let auth = Auth::Clients(vec![client]);
        let start = Some(NOW);
        let mut options = Options { auth, start, behaviour, scenario, ..options(data) };
        change(&mut options);
        let server = Server::start(options).await.unwrap();
        Self { server, key, asked: AtomicU32::new(0) }
    }

    /// Asks for a token, with an assertion of its own.
    pub(crate) async fn reply(&self) -> (u16, Value) {
        let jti = format!("jti-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        let assertion = self.key.sign(&header(), &claims(&self.server, &jti));
        ask(&self.server, &assertion, "system/*.rs").await
    }

    pub(crate) async fn token(&self) -> String {
        let (status, reply) = self.reply().await;
        assert_eq!(status, 200, "{reply}");
        reply["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [ASYNC[0], ASYNC[1], ("Authorization", bearer.as_str())];
        send(self.server.addr, "GET", path, &headers, "").await
    }
}

#[tokio::test]
async fn refuses_every_wrong_claim() {
    let key = Key::new();
    let server = start(&key).await;
    let now = NOW.unix_ms() / 1000;
    let wrong: &[(&str, &str, Value)] = &[
        ("another issuer", "iss", json!("you")),
        ("no issuer", "iss", Value::Null),
        ("sub is not iss", "sub", json!("you")),
        ("aud without path", "aud", json!(server.base_url.as_str())),
        ("aud with a slash more", "aud", json!(format!("{}/", server.token_url))),
        ("over", "exp", json!(now)),
        ("too far ahead", "exp", json!(now + 301)),
        ("exp as text", "exp", json!((now + 60).to_string())),
        ("no exp", "exp", Value::Null),
        ("not yet", "nbf", json!(now + 60)),
        ("no jti", "jti", Value::Null),
        ("empty jti", "jti", json!("")),
    ];
    for (name, claim, value) in wrong {
        let mut claims = claims(&server, name);
        claims[*claim] = value.clone();
        let (status, body) =
            ask(&server, &key.sign(&header(), &claims), "system/*.rs").await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_client")),
            "case: {name}"
        );
    }
    let headers: &[(&str, Value)] = &[
        ("other kid", json!({"alg": "ES384", "kid": "k2", "typ": "JWT"})),
        ("no kid", json!({"alg": "ES384", "typ": "JWT"})),
        ("no typ", json!({"alg": "ES384", "kid": "k1"})),
        ("other alg", json!({"alg": "HS256", "kid": "k1", "typ": "JWT"})),
        ("no signature wanted", json!({"alg": "none", "kid": "k1", "typ": "JWT"})),
        ("alg of another key", json!({"alg": "RS384", "kid": "k1", "typ": "JWT"})),
        (
            "jku",
            json!({"alg": "ES384", "kid": "k1", "typ": "JWT", "jku": "https://e.org/j"}),
        ),
    ];
    for (name, header) in headers {
        let assertion = key.sign(header, &claims(&server, name));
        let (status, body) = ask(&server, &assertion, "system/*.rs").await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_client")),
            "case: {name}"
        );
    }
    let forged = Key::new().sign(&header(), &claims(&server, "forged"));
    let (status, body) = ask(&server, &forged, "system/*.rs").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    let assertion = key.sign(&header(), &claims(&server, "once"));
    assert_eq!(ask(&server, &assertion, "system/*.rs").await.0, 200);
    let (status, body) = ask(&server, &assertion, "system/*.rs").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")), "replay");
    server.shutdown().await;
}

#[tokio::test]
async fn refuses_wrong_requests_and_scopes() {
    let key = Key::new();
    let server = start(&key).await;
    let cases = [
        ("no grant type", "scope=a", "invalid_request"),
        ("other grant", "grant_type=password", "unsupported_grant_type"),
        (
            "other assertion",
            "grant_type=client_credentials&client_assertion_type=x",
            "invalid_request",
        ),
    ];
    for (name, body, expected) in cases {
        let (status, body) = post(&server, body).await;
        assert_eq!((status, &body["error"]), (400, &json!(expected)), "case: {name}");
    }
    let assertion = key.sign(&header(), &claims(&server, "scope"));
    let (status, body) = ask(&server, &assertion, "system/Nothing.rs").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")));
    server.shutdown().await;
}

#[tokio::test]
async fn a_token_opens_what_it_was_given_for_while_it_lives() {
    let key = Key::new();
    let server = start(&key).await;
    let open =
        send(server.addr, "GET", "/fhir/.well-known/smart-configuration", &[], "").await;
    assert_eq!(open.json()["token_endpoint"], server.token_url.as_str());
    let refused = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"fhir\""));

    let assertion = key.sign(&header(), &claims(&server, "1"));
    let (status, body) =
        ask(&server, &assertion, "system/Patient.rs system/Claim.rs").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["scope"], "system/Patient.rs");
    assert_eq!(body["expires_in"], 300);
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let with_token = [ASYNC[0], ASYNC[1], ("Authorization", bearer.as_str())];

    let denied =
        send(server.addr, "GET", "/fhir/$export?_type=Task", &with_token, "").await;
    assert_eq!(denied.status, 403);
    let kickoff = send(server.addr, "GET", "/fhir/$export", &with_token, "").await;
    assert_eq!(kickoff.status, 202);
    let status_url = target(kickoff.header("content-location").unwrap());
    assert_eq!(send(server.addr, "GET", &status_url, &[], "").await.status, 401);
    assert_eq!(send(server.addr, "GET", &status_url, &with_token, "").await.status, 202);
    let manifest = send(server.addr, "GET", &status_url, &with_token, "").await.json();
    assert_eq!(manifest["requiresAccessToken"], true);
    assert_eq!(manifest["output"].as_array().unwrap().len(), 1);
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    assert_eq!(send(server.addr, "GET", &file, &[], "").await.status, 401);
    assert_eq!(send(server.addr, "GET", &file, &with_token, "").await.status, 200);

    let log = server.control.requests();
    assert_eq!(log.iter().filter(|request| request.status == 401).count(), 3);
    server.control.advance(std::time::Duration::from_secs(301));
    let late = send(server.addr, "GET", &file, &with_token, "").await;
    assert_eq!(late.status, 401);
    server.shutdown().await;
}

#[tokio::test]
async fn takes_rs384_as_well() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let jwks = json!({"keys": [{"kty": "RSA", "kid": "r1", "alg": "RS384",
        "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e)}]});
    let client = Client::from_jwks("me", &jwks.to_string()).unwrap();
    let options = bulkhead_sample_server::Options {
        auth: Auth::Clients(vec![client]),
        ..options(Data::made_up(10, 1))
    };
    let server = Server::start(options).await.unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS384", "kid": "r1", "typ": "JWT"});
    let signed = format!("{}.{}", part(&header), part(&claims(&server, "1")));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA384, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let (status, body) = ask(&server, &assertion, "system/*.read").await;
    assert_eq!((status, &body["scope"]), (200, &json!("system/*.read")), "{body}");
    server.shutdown().await;
}
