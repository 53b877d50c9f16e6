//! The tables of the page.

use std::fmt::Write;

use super::super::{
    escape::Text,
    flow::words as cargo,
    survey::{ChainFacts, PluginFacts, Survey},
    words,
};

/// Who can see and do what: a plugin a row, a power a column.
pub(super) fn write_powers(out: &mut String, survey: &Survey) -> std::fmt::Result {
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<caption>A plugin can do what is granted here and nothing \
         else: what is not granted is not linked. Every plugin knows of each record its type, \
         size, position and time of change.</caption>\n<thead><tr><th scope=\"col\">Plugin</th>\
         <th scope=\"col\">runs</th>"
    )?;
    for (_, title) in POWERS {
        writeln!(out, "<th scope=\"col\">{title}</th>")?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for plugin in &survey.plugins {
        writeln!(
            out,
            "<tr><th scope=\"row\">{} <span class=\"quiet\">{}</span></th><td>{}</td>",
            Text(&plugin.name),
            Text(&plugin.role),
            Text(words::isolated(plugin.isolation))
        )?;
        for (interface, _) in POWERS {
            let names = plugin.names(interface).join(", ");
            if !plugin.has(interface) {
                writeln!(out, "<td class=\"no\">no</td>")?;
            } else if names.is_empty() {
                writeln!(out, "<td class=\"yes\">yes</td>")?;
            } else {
                writeln!(out, "<td class=\"yes\">{}</td>", Text(&names))?;
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

/// Powers by interface, what is seen first.
const POWERS: [(&str, &str); 11] = [
    ("bodies", "sees bodies"),
    ("projection", "sees fields"),
    ("cohorts", "sees membership"),
    ("keyed-hash", "hashes with"),
    ("artifacts", "writes to stores"),
    ("outbound-http", "sends to"),
    ("state", "remembers"),
    ("telemetry", "reports"),
    ("clock", "clock"),
    ("random", "randomness"),
    ("wasi", "empty WASI"),
];

/// Every capability of every plugin.
pub(super) fn write_capabilities(out: &mut String, survey: &Survey) -> std::fmt::Result {
    writeln!(
        out,
        "<p>Used: in exports that the ledger remembers, by the file as it is now. What a killed \
         process had called and not yet written down is missing.</p>"
    )?;
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Capability</th>\
         <th scope=\"col\">Name</th><th scope=\"col\">Asked, and why</th>\
         <th scope=\"col\">Granted</th><th scope=\"col\">Used</th></tr></thead>"
    )?;
    for plugin in &survey.plugins {
        write_plugin(out, plugin)?;
    }
    writeln!(out, "</table></div>")
}

fn write_plugin(out: &mut String, plugin: &PluginFacts) -> std::fmt::Result {
    writeln!(
        out,
        "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"5\">{}: {} {} {}<br/>\
         <span class=\"mono\">{}</span> {}<br/><span class=\"quiet\">works in {}</span></th></tr>",
        Text(&plugin.name),
        Text(&plugin.role),
        Text(&plugin.title),
        Text(&plugin.version),
        Text(plugin.sha256.as_deref().unwrap_or("no file")),
        words::pinned(plugin.pin),
        Text(&plugin.works_in.join(", "))
    )?;
    if plugin.capabilities.is_empty() {
        writeln!(
            out,
            "<tr><td colspan=\"5\" class=\"quiet\">asks for nothing, is granted nothing</td></tr>"
        )?;
    }
    for row in &plugin.capabilities {
        let why = row.why.as_deref().map(|why| Text(why).to_string());
        let why =
            why.unwrap_or_else(|| "<span class=\"bad\">not asked for</span>".to_owned());
        let granted = if row.is_granted {
            "<td class=\"yes\">granted</td>"
        } else {
            "<td class=\"no\">not granted</td>"
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}<br/><span class=\"quiet\">{}</span></th>\
             <td class=\"mono\">{}</td><td>{why}</td>{granted}<td>{}</td></tr>",
            Text(&row.interface),
            Text(&row.can),
            Text(&row.name),
            Text(&words::used(&row.used, plugin.runs))
        )?;
    }
    for foreign in &plugin.foreign {
        writeln!(
            out,
            "<tr><th scope=\"row\" class=\"mono\">{}</th><td colspan=\"4\" class=\"bad\">no \
             capability of Bulkhead: a run refuses the plugin</td></tr>",
            Text(foreign)
        )?;
    }
    writeln!(out, "</tbody>")
}

/// Which data can reach which place.
pub(super) fn write_reach(out: &mut String, chain: &ChainFacts) -> std::fmt::Result {
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<caption>Which data of chain {} can reach which \
         place.</caption>\n<thead><tr><th scope=\"col\">Place</th><th scope=\"col\">By</th>\
         <th scope=\"col\">What</th><th scope=\"col\">Whose, in which form</th></tr></thead>\n\
         <tbody>",
        Text(&chain.name)
    )?;
    for reach in &chain.flow.reach {
        let by = if reach.by.is_empty() { "the host" } else { &reach.by };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            Text(&reach.place),
            Text(by),
            cargo(&reach.carries),
            Text(&reach.of)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

/// Where secrets are, and who may read or write what.
pub(super) fn write_places(out: &mut String, survey: &Survey) -> std::fmt::Result {
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<caption>By reference: no secret is in this page.</caption>\n\
         <thead><tr><th scope=\"col\">What</th><th scope=\"col\">Where</th>\
         <th scope=\"col\">Others</th></tr></thead>\n<tbody>"
    )?;
    for secret in &survey.secrets {
        let others = if secret.is_open {
            "<td class=\"bad\">anybody reads it</td>"
        } else {
            "<td></td>"
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"mono\">{}</td>{others}</tr>",
            Text(&secret.setting),
            Text(&secret.place)
        )?;
    }
    for key in &survey.configuration.recipients {
        writeln!(
            out,
            "<tr><th scope=\"row\">quarantine.recipients</th><td class=\"mono\">{}</td>\
             <td>its private key opens sealed bodies</td></tr>",
            Text(key)
        )?;
    }
    for of in &survey.destinations {
        let others = if of.is_in_clear {
            "<td class=\"bad\">without TLS</td>"
        } else {
            "<td></td>"
        };
        let ranges = if of.ranges.is_empty() {
            "public addresses alone".to_owned()
        } else {
            format!("also {}", of.ranges.join(", "))
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">destinations.{}</th><td>{} {} {}; {}; headers {}</td>{others}</tr>",
            Text(&of.name),
            Text(&of.methods),
            Text(&of.address),
            Text(&of.auth),
            Text(&ranges),
            Text(&of.headers.join(", "))
        )?;
    }
    for place in &survey.places {
        let others = match (place.is_read_by_all, place.is_written_by_others) {
            (_, true) => "<td class=\"bad\">others write it</td>",
            (true, false) => "<td>anybody reads it</td>",
            (false, false) => "<td></td>",
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"mono\">{}</td>{others}</tr>",
            place.what,
            Text(&place.path)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}
