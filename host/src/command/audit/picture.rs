//! The ways of a chain as an SVG picture inside a page: the stages from top to bottom, what
//! they are given at the left, what stays on this machine at the right.
//!
//! Sizes are in pixels of the picture; it scales with the page. Widths of text are guessed from
//! its length, so that the same flow always gives the same picture. Colour is never the only
//! sign: ways of bodies are thick, all others thin and dashed, and both are named.

use std::fmt::Write;

use super::{
    escape::Text,
    flow::{Cargo, Column, Edge, Flow, Kind, Node, words},
};

const WIDTH: usize = 960;
/// Between two rows: an arrow and two lines of words.
const GAP: usize = 58;
/// Between two boxes of one column and row.
const STACKED: usize = 10;
/// How far the points of a gate reach.
const POINT: usize = 18;
const TITLE: usize = 18;
const NOTE: usize = 16;
/// Above and below the words of a box.
const PAD: usize = 9;

/// A box as it is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    x: usize,
    y: usize,
    w: usize,
    h: usize,
}

impl Place {
    const fn centre(self) -> usize {
        self.x + self.w / 2
    }

    const fn bottom(self) -> usize {
        self.y + self.h
    }
}

/// Draws the ways of chain `name`; `number` tells pictures of one page apart.
pub(super) fn draw(flow: &Flow, name: &str, number: usize) -> String {
    let mut svg = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut svg, flow, name, number);
    svg
}

fn write(out: &mut String, flow: &Flow, name: &str, number: usize) -> std::fmt::Result {
    let (places, rows) = lay_out(flow);
    let height = places.iter().map(|place| place.bottom()).max().unwrap_or(0) + 4;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"flow-{number}-title flow-{number}-desc\">"
    )?;
    writeln!(
        out,
        "<title id=\"flow-{number}-title\">Data flow of chain {}</title>",
        Text(name)
    )?;
    writeln!(out, "<desc id=\"flow-{number}-desc\">{}</desc>", Text(&spoken(flow)))?;
    for (kind, size) in [("bodies", 12), ("other", 9)] {
        writeln!(
            out,
            "<defs><marker id=\"{kind}-{number}\" class=\"head {kind}\" viewBox=\"0 0 10 10\" \
             refX=\"9\" refY=\"5\" markerUnits=\"userSpaceOnUse\" markerWidth=\"{size}\" \
             markerHeight=\"{size}\" orient=\"auto\"><path d=\"M0 0 10 5 0 10z\"/></marker></defs>"
        )?;
    }
    for edge in &flow.edges {
        let (Some(from), Some(to)) = (places.get(edge.from), places.get(edge.to)) else {
            continue;
        };
        let column = flow.nodes.get(edge.to).map(|node| (node.column, node.row));
        let end = rows.get(column.map_or(0, |(_, row)| row)).copied().unwrap_or(to.y);
        write_edge(out, edge, *from, *to, end, number)?;
    }
    for (node, place) in flow.nodes.iter().zip(&places) {
        write_node(out, node, *place)?;
    }
    writeln!(out, "</svg>")
}

/// Where every box is, and where every row begins.
fn lay_out(flow: &Flow) -> (Vec<Place>, Vec<usize>) {
    let count = flow.nodes.iter().map(|node| node.row + 1).max().unwrap_or(0);
    let mut places = vec![Place::default(); flow.nodes.len()];
    let mut rows = Vec::with_capacity(count);
    let mut top = 2;
    for row in 0..count {
        rows.push(top);
        let mut lowest = top;
        for column in [Column::Left, Column::Middle, Column::Right] {
            let mut y = top;
            for (node, place) in flow.nodes.iter().zip(&mut places) {
                if node.row != row || node.column != column {
                    continue;
                }
                let (x, w) = match node.kind {
                    // Its points reach out of the column.
                    Kind::Gate => {
                        (extent(column).0 - POINT, extent(column).1 + 2 * POINT)
                    }
                    Kind::Destination
                    | Kind::Given
                    | Kind::Kept
                    | Kind::Source
                    | Kind::Stage
                    | Kind::Store => extent(column),
                };
                let h = height(node);
                *place = Place { x, y, w, h };
                y += h + STACKED;
            }
            lowest = lowest.max(y.saturating_sub(STACKED));
        }
        top = lowest + GAP;
    }
    (places, rows)
}

const fn extent(column: Column) -> (usize, usize) {
    match column {
        Column::Left => (2, 230),
        Column::Middle => (280, 400),
        Column::Right => (728, 230),
    }
}

/// Letters that fit into a line of a title and of a note.
const fn letters(column: Column) -> (usize, usize) {
    match column {
        Column::Left | Column::Right => (28, 33),
        Column::Middle => (50, 58),
    }
}

fn height(node: &Node) -> usize {
    let (titles, notes) = lines(node);
    2 * PAD + titles.len() * TITLE + notes.len() * NOTE
}

fn lines(node: &Node) -> (Vec<String>, Vec<String>) {
    let (in_title, in_note) = letters(node.column);
    let notes = node.notes.iter().flat_map(|text| wrap(text, in_note)).collect();
    (wrap(&node.title, in_title), notes)
}

/// Cuts text into lines of at most `most` letters, at spaces where there are any.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let Some(line) = lines.last_mut() else { break };
            let used = line.chars().count();
            let space = usize::from(used > 0);
            if used + space + rest.len() <= most {
                if space > 0 {
                    line.push(' ');
                }
                line.extend(rest.drain(..));
            } else if used > 0 {
                lines.push(String::new());
            } else {
                line.extend(rest.drain(..most.min(rest.len())));
                if !rest.is_empty() {
                    lines.push(String::new());
                }
            }
        }
    }
    lines
}

fn write_node(out: &mut String, node: &Node, place: Place) -> std::fmt::Result {
    let Place { x, y, w, h } = place;
    let kind = class(node.kind);
    writeln!(out, "<g class=\"{kind}\">")?;
    if node.kind == Kind::Gate {
        // A bar across the way, with a point at each side.
        let (left, right, middle) = (x, x + w, y + h / 2);
        let (x, w) = (x + POINT, w - 2 * POINT);
        writeln!(
            out,
            "<polygon points=\"{left},{middle} {x},{y} {},{y} {right},{middle} {},{} {x},{}\"/>",
            x + w,
            x + w,
            y + h,
            y + h
        )?;
    } else {
        let round = match node.kind {
            Kind::Source => h / 2,
            Kind::Given => 14,
            Kind::Destination | Kind::Gate | Kind::Kept | Kind::Stage | Kind::Store => 4,
        };
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{round}\"/>"
        )?;
    }
    let (titles, notes) = lines(node);
    let mut at = y + PAD;
    let centre = place.centre();
    for title in titles {
        at += TITLE;
        let base = at - 5;
        writeln!(
            out,
            "<text class=\"title\" x=\"{centre}\" y=\"{base}\">{}</text>",
            Text(&title)
        )?;
    }
    for note in notes {
        at += NOTE;
        let base = at - 4;
        writeln!(out, "<text x=\"{centre}\" y=\"{base}\">{}</text>", Text(&note))?;
    }
    writeln!(out, "</g>")
}

/// `row` is where the row of the box at the end begins.
fn write_edge(
    out: &mut String,
    edge: &Edge,
    from: Place,
    to: Place,
    row: usize,
    number: usize,
) -> std::fmt::Result {
    let is_whole = |of: &Cargo| matches!(of, Cargo::Bodies | Cargo::Sealed);
    let kind = if edge.carries.iter().any(is_whole) { "bodies" } else { "other" };
    let is_beside = to.y < from.bottom();
    let path = if is_beside {
        // At the height of the side box, as far as the middle one is there.
        let (side, middle) = if from.w > to.w { (to, from) } else { (from, to) };
        let (top, low) = (middle.y + 8, middle.bottom().saturating_sub(8));
        let y = (side.y + side.h / 2).clamp(top.min(low), low);
        if from.x < to.x {
            format!("M{} {y}H{}", from.x + from.w, to.x)
        } else {
            format!("M{} {y}H{}", from.x, to.x + to.w)
        }
    } else if from.centre() == to.centre() {
        format!("M{} {}V{}", from.centre(), from.bottom(), to.y)
    } else {
        let turn = row.saturating_sub(14);
        format!("M{} {}V{turn}H{}V{}", from.centre(), from.bottom(), to.centre(), to.y)
    };
    writeln!(
        out,
        "<path class=\"way {kind}\" d=\"{path}\" marker-end=\"url(#{kind}-{number})\"/>"
    )?;
    if is_beside || from.centre() != to.centre() {
        // What side boxes give or keep is written in them.
        return Ok(());
    }
    let x = from.centre() + 12;
    let y = row.saturating_sub(GAP);
    writeln!(
        out,
        "<text class=\"cargo {kind}\" x=\"{x}\" y=\"{}\">{}</text>",
        y + 19,
        Text(&words(&edge.carries))
    )?;
    for (line, at) in wrap(&edge.note, 72).iter().take(2).zip(0..) {
        let y = y + 33 + 13 * at;
        writeln!(out, "<text class=\"cargo\" x=\"{x}\" y=\"{y}\">{}</text>", Text(line))?;
    }
    Ok(())
}

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Destination => "box destination",
        Kind::Gate => "box gate",
        Kind::Given => "box given",
        Kind::Kept => "box kept",
        Kind::Source => "box source",
        Kind::Stage => "box stage",
        Kind::Store => "box store",
    }
}

/// The picture in words, for who cannot see it.
fn spoken(flow: &Flow) -> String {
    let title = |at: usize| flow.nodes.get(at).map_or("?", |node| node.title.as_str());
    let ways = flow.edges.iter().map(|edge| {
        let note = if edge.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", edge.note)
        };
        let (from, to) = (title(edge.from), title(edge.to));
        format!("From {from} to {to}: {}{note}.", words(&edge.carries))
    });
    ways.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
