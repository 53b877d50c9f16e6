use super::super::{
    capabilities::Row,
    findings::Finding,
    flow,
    survey::{Configuration, LogState, PluginFacts, Server, StageFacts},
};
use super::*;
use crate::config::Remembers;

const EVIL: &str = "<script>alert(1)</script>\"' onload=x &amp;\u{202e}";

fn survey(words: &str) -> Survey {
    let row = |interface: &str| Row {
        interface: interface.to_owned(),
        name: words.to_owned(),
        can: "can".to_owned(),
        why: Some(words.to_owned()),
        is_granted: true,
        ..Row::default()
    };
    let plugin = PluginFacts {
        name: words.to_owned(),
        path: words.to_owned(),
        title: words.to_owned(),
        version: words.to_owned(),
        description: words.to_owned(),
        role: "filter".to_owned(),
        works_in: vec![words.to_owned()],
        problems: vec![words.to_owned()],
        foreign: vec![words.to_owned()],
        capabilities: ["artifacts", "bodies", "cohorts", "projection", "keyed-hash"]
            .map(row)
            .into(),
        ..PluginFacts::default()
    };
    let stages = vec![
        StageFacts {
            name: words.to_owned(),
            plugin: words.to_owned(),
            role: "filter".to_owned(),
            is_gate: true,
        };
        2
    ];
    let plugins = vec![plugin];
    let flow =
        flow::flow(words, &stages, &plugins, Remembers::Resources, flow::Seals::Bodies);
    Survey {
        bulkhead: "0",
        made_at: bulkhead_model::Instant::from_unix_ms(0),
        configuration: Configuration {
            path: words.to_owned(),
            recipients: vec![words.to_owned()],
            ..Configuration::default()
        },
        server: Server { base_url: words.to_owned(), ..Server::default() },
        log: LogState { wrong: vec![words.to_owned()], ..LogState::default() },
        secrets: Vec::new(),
        places: Vec::new(),
        destinations: Vec::new(),
        plugins,
        chains: vec![ChainFacts { name: words.to_owned(), stages, flow }],
        findings: vec![Finding {
            severity: Severity::High,
            code: "x",
            about: words.to_owned(),
            what: words.to_owned(),
            remedy: words.to_owned(),
        }],
    }
}

/// The tags of a page in order; what stands between them is passed over.
fn tags(page: &str) -> Vec<&str> {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    body.split('<').skip(1).map(|tag| tag.split_once('>').unwrap().0).collect()
}

#[test]
fn a_plugin_s_words_are_words_and_every_element_is_closed() {
    let page = page(&survey(EVIL));
    assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{page}");
    let mut open = Vec::new();
    for tag in tags(&page) {
        let name = tag.split_whitespace().next().unwrap().trim_end_matches('/');
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "a quote that does not end: {tag}");
        let attributes = tag.split(' ').skip(1);
        assert!(!attributes.clone().any(|of| of.starts_with("on")), "a handler: {tag}");
    }
    assert_eq!(open, Vec::<&str>::new());
    // The same elements whatever the plugin says.
    let names = |page: &str| -> Vec<String> {
        let name = |tag: &str| tag.split_whitespace().next().unwrap().to_owned();
        tags(page).into_iter().map(name).collect()
    };
    let structure: Vec<String> = names(&page);
    for name in ["script", "img", "iframe", "object", "link"] {
        assert!(!structure.iter().any(|of| of == name), "element {name}");
    }
}

#[test]
fn the_page_asks_for_nothing_from_outside_and_is_the_same_every_time() {
    let page_of = || page(&survey("plain"));
    let page = page_of();
    for outside in ["src=", "href=", "url(http", "@import", "//"] {
        assert!(!page.contains(outside), "`{outside}`");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page_of(), page);
}
