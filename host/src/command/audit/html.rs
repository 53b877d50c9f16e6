//! The survey as one page that needs nothing else: no script, no font, no picture from outside.
//!
//! The same survey gives the same bytes. Everything that is said by others goes through
//! [`Text`]; the page forbids itself scripts and resources besides.

mod tables;

use std::fmt::Write;

use super::{
    escape::Text,
    findings::Severity,
    picture,
    survey::{ChainFacts, Survey},
    words,
};

const STYLE: &str = include_str!("html/page.css");

/// How the log can be checked without this program.
const BY_HAND: &str = "\
previous=0000000000000000000000000000000000000000000000000000000000000000
number=1
while IFS= read -r line; do
  [ \"$(jq -r .previous <<<\"$line\")\" = \"$previous\" ] || echo \"broken before line $number\"
  [ \"$(jq -r .seq <<<\"$line\")\" = \"$number\" ] || echo \"not number $number\"
  previous=$(printf %s \"$line\" | sha256sum | cut -d' ' -f1)
  number=$((number + 1))
done < audit.ndjson
echo \"$previous\"    # the head: compare with one that was kept elsewhere";

/// The page.
pub(super) fn page(survey: &Survey) -> String {
    let mut html = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut html, survey);
    html
}

fn write(out: &mut String, survey: &Survey) -> std::fmt::Result {
    let of = &survey.configuration;
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Bulkhead audit of {} at {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        Text(&of.path),
        survey.made_at
    )?;
    writeln!(out, "<header>\n<h1>Audit of a Bulkhead configuration</h1>")?;
    writeln!(
        out,
        "<p>What every plugin asked for, was granted and has used; who can see what; which data \
         can reach which place. Made from the configuration, the plugins' files and the ledger of \
         past runs. No plugin was run and no server was asked.</p>"
    )?;
    write_facts(out, survey)?;
    writeln!(out, "</header>\n<main>")?;
    write_findings(out, survey)?;
    writeln!(out, "<section>\n<h2 id=\"flow\">Where data can go</h2>")?;
    writeln!(
        out,
        "<p>Drawn from the grants: what can be, not what was. The host carries bodies past stages \
         that never see them. What a plugin chooses to write may hold anything that it sees.</p>"
    )?;
    for (chain, number) in survey.chains.iter().zip(1..) {
        write_chain(out, chain, number)?;
    }
    writeln!(out, "</section>")?;
    writeln!(out, "<section>\n<h2 id=\"see\">Who can see and do what</h2>")?;
    tables::write_powers(out, survey)?;
    writeln!(out, "</section>")?;
    writeln!(out, "<section>\n<h2 id=\"capabilities\">Asked, granted, used</h2>")?;
    tables::write_capabilities(out, survey)?;
    writeln!(out, "</section>")?;
    writeln!(out, "<section>\n<h2 id=\"secrets\">Secrets and folders</h2>")?;
    tables::write_places(out, survey)?;
    writeln!(out, "</section>")?;
    write_log(out, survey)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_facts(out: &mut String, survey: &Survey) -> std::fmt::Result {
    let of = &survey.configuration;
    let log = words::log(survey);
    let made_at = survey.made_at.to_string();
    let facts = [
        ("Made", made_at.as_str()),
        ("Bulkhead", survey.bulkhead),
        ("Configuration", &of.path),
        ("its SHA-256", &of.sha256),
        ("Server", &survey.server.base_url),
        ("Level", &survey.server.level),
        ("Audit log", &log),
    ];
    writeln!(out, "<dl>")?;
    for (name, value) in facts {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", Text(value))?;
    }
    for plugin in &survey.plugins {
        let sha256 = plugin.sha256.as_deref().unwrap_or("no file");
        writeln!(
            out,
            "<dt>Plugin {}</dt><dd><span class=\"mono\">{}</span> {}</dd>",
            Text(&plugin.name),
            Text(sha256),
            words::pinned(plugin.pin)
        )?;
    }
    writeln!(out, "</dl>")
}

fn write_findings(out: &mut String, survey: &Survey) -> std::fmt::Result {
    writeln!(out, "<section>\n<h2 id=\"findings\">Findings</h2>\n<ul class=\"counts\">")?;
    for severity in Severity::ALL {
        let count = survey.findings.iter().filter(|of| of.severity == severity).count();
        let word = severity.as_str();
        writeln!(out, "<li><b class=\"{word}\">{count}</b> {word}</li>")?;
    }
    writeln!(out, "</ul>")?;
    if survey.findings.is_empty() {
        return writeln!(out, "<p>There is nothing to object to.</p>\n</section>");
    }
    writeln!(
        out,
        "<div class=\"wide\"><table class=\"findings\">\n<caption>The worst first.</caption>\n<thead><tr>\
         <th scope=\"col\">Severity</th><th scope=\"col\">About</th><th scope=\"col\">Finding</th>\
         <th scope=\"col\">What to do</th></tr></thead>\n<tbody>"
    )?;
    for finding in &survey.findings {
        let word = finding.severity.as_str();
        writeln!(
            out,
            "<tr><td class=\"severity {word}\">{word}</td><th scope=\"row\">{}</th>\
             <td>{} <code class=\"quiet\">{}</code></td><td>{}</td></tr>",
            Text(&finding.about),
            Text(&finding.what),
            Text(finding.code),
            Text(&finding.remedy)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>\n</section>")
}

fn write_chain(out: &mut String, chain: &ChainFacts, number: usize) -> std::fmt::Result {
    writeln!(out, "<h3>Chain {}</h3>\n<figure>", Text(&chain.name))?;
    out.write_str(&picture::draw(&chain.flow, &chain.name, number))?;
    writeln!(
        out,
        "<figcaption>Thick: whole resources. Thin and dashed: no resource. A gate lets pass only \
         what its filter keeps; that it keeps rightly is for its tests to show.</figcaption>\n\
         </figure>"
    )?;
    tables::write_reach(out, chain)
}

fn write_log(out: &mut String, survey: &Survey) -> std::fmt::Result {
    writeln!(out, "<section>\n<h2 id=\"log\">Audit log</h2>")?;
    writeln!(out, "<p>{}</p>", Text(&words::log(survey)))?;
    for wrong in &survey.log.wrong {
        writeln!(out, "<p class=\"bad\">{}</p>", Text(wrong))?;
    }
    let verified = survey.log.verified.map_or("never".to_owned(), |at| at.to_string());
    writeln!(out, "<p>Last verified: {verified}.</p>")?;
    writeln!(
        out,
        "<p>Every line names the SHA-256 of the line before it, and the ledger keeps the last \
         one. That shows a line that was edited, removed, added or moved. It does not show a log \
         that somebody who can write the state folder wrote anew together with the ledger: only a \
         head that was kept elsewhere does. Keep this page for its head; then \
         <code>bulkhead audit verify --head HASH</code> checks the log against it. Without \
         Bulkhead:</p>\n<pre><code>{}</code></pre>\n</section>",
        Lines(BY_HAND)
    )
}

/// Text of several lines.
struct Lines<'a>(&'a str);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.0.lines() {
            let words = line.trim_start();
            let indent = line.len() - words.len();
            writeln!(f, "{:indent$}{}", "", Text(words))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
