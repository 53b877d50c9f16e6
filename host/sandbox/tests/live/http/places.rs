//! Where requests go, whatever a name leads to and whatever the environment says.

use std::process::Command;

use bulkhead_test_servers::{OK, Server, Tail};

use super::{
    ask::{Ask, Expect, Word},
    site::{config, ground, names, to},
};

const FINE: Expect = Expect::Status(200, 2, false);

/// Attacks: 33.
#[tokio::test]
async fn of_what_a_name_leads_to_only_what_is_allowed_is_dialled() {
    let server = Server::ok().await;
    let port = server.addr.port();
    // The same port at other addresses of this machine.
    let second =
        Server::on(&format!("127.0.0.2:{port}"), |_| OK.to_owned(), Tail::Close).await;
    let sixth =
        Server::on(&format!("[::1]:{port}"), |_| OK.to_owned(), Tail::Close).await;
    let denied = Expect::Error(Word::DestinationDenied);
    let cases: [(&str, &[&[&str]], Expect); 6] = [
        ("the allowed one", &[&["127.0.0.1"]], FINE),
        ("both families mixed", &[&["::1", "127.0.0.2", "10.0.0.1", "127.0.0.1"]], FINE),
        ("another", &[&["127.0.0.2"]], denied),
        ("the other family", &[&["::1"]], denied),
        ("mapped", &[&["::ffff:127.0.0.2", "::ffff:169.254.169.254"]], denied),
        ("none", &[&[]], denied),
    ];
    for (name, answers, expected) in cases {
        let (lookup, asked) = names(answers);
        let mut config =
            config(&format!("http://localhost:{port}/v1/"), &["127.0.0.1/32"]);
        config.lookup = lookup;
        let ended = Ask::post("/x").expect(expected, ground(config)).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
        assert_eq!(asked.asked(), ["localhost"], "case: {name}");
    }
    assert_eq!((server.seen.count(), second.seen.count(), sixth.seen.count()), (2, 0, 0));
}

/// Attacks: 33, 35.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_by_what_is_dialled() {
    let server = Server::ok().await;
    let port = server.addr.port();
    let second =
        Server::on(&format!("127.0.0.2:{port}"), |_| OK.to_owned(), Tail::Close).await;
    let (lookup, asked) = names(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let mut config = config(&format!("http://localhost:{port}/v1/"), &["127.0.0.1/32"]);
    config.lookup = lookup;
    // The server closes after each answer, so that each request is dialled.
    let ask = Ask { times: 2, ..Ask::post("/x") };
    let ended = ask.expect(Expect::Error(Word::DestinationDenied), ground(config)).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!((server.seen.count(), second.seen.count()), (1, 0));
    assert_eq!(asked.asked(), ["localhost"; 2], "and nothing else");
}

/// Attacks: 34.
#[tokio::test]
async fn names_of_metadata_services_lead_nowhere() {
    for address in
        ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200"]
    {
        let (lookup, _) = names(&[&[address]]);
        let mut config = config("https://metadata.google.internal/v1/", &["10.0.0.0/8"]);
        config.lookup = lookup;
        let expected = Expect::Error(Word::DestinationDenied);
        let ended = Ask::post("/x").expect(expected, ground(config)).await;
        assert!(ended.is_ok(), "case: {address}: {ended:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_no_tls_is_told_apart() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", gone.local_addr().unwrap());
    drop(gone);
    let ended = Ask::post("/x")
        .expect(
            Expect::Error(Word::ConnectFailed),
            ground(config(&url, &["127.0.0.0/8"])),
        )
        .await;
    assert!(ended.is_ok(), "{ended:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let ended = Ask::post("/x")
        .expect(Expect::Error(Word::TlsFailed), ground(config(&url, &["127.0.0.0/8"])))
        .await;
    assert!(ended.is_ok(), "{ended:?}");
}

/// Attacks: 37.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    const INNER: &str = "BULKHEAD_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let server = Server::ok().await;
        Ask::post("/x").expect(FINE, ground(to(&server))).await.unwrap();
        assert_eq!(server.seen.lines(), ["POST /v1/in/x HTTP/1.1"]);
        return;
    }
    let proxy = Server::start(|_| OK.to_owned(), Tail::Close).await;
    let own = std::env::current_exe().unwrap();
    let name = "http::places::proxies_of_the_environment_are_not_used";
    let mut inner = Command::new(own);
    inner.args(["--exact", name, "--test-threads=1"]).env(INNER, "1");
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let url = format!("http://{}", proxy.addr);
        inner.env(variable, &url).env(variable.to_lowercase(), url);
    }
    inner.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let ended =
        tokio::task::spawn_blocking(move || inner.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.seen.count(), 0, "the proxy was asked");
}
