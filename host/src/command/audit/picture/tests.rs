use super::*;

fn node(kind: Kind, column: Column, row: usize, title: &str) -> Node {
    Node { kind, column, row, title: title.to_owned(), notes: vec!["a note".to_owned()] }
}

fn flow() -> Flow {
    let edge = |from, to, cargo| Edge {
        from,
        to,
        carries: vec![cargo],
        note: "everybody whom the server exports; as the server sent it".to_owned(),
    };
    Flow {
        nodes: vec![
            node(Kind::Source, Column::Middle, 0, "server"),
            node(Kind::Gate, Column::Middle, 1, "filter <script>"),
            node(Kind::Given, Column::Left, 1, "cohort"),
            node(Kind::Given, Column::Left, 1, "key"),
            node(Kind::Kept, Column::Right, 1, "kept"),
            node(Kind::Store, Column::Middle, 2, "store"),
            node(Kind::Store, Column::Left, 2, "another"),
        ],
        edges: vec![
            edge(0, 1, Cargo::Bodies),
            edge(2, 1, Cargo::Membership),
            edge(1, 4, Cargo::Codes),
            edge(1, 5, Cargo::Bodies),
            edge(1, 6, Cargo::Bodies),
        ],
        reach: Vec::new(),
    }
}

#[test]
fn no_two_boxes_overlap_and_all_are_inside() {
    let (places, rows) = lay_out(&flow());
    assert_eq!(rows.len(), 3);
    for (at, one) in places.iter().enumerate() {
        assert!(one.w > 0 && one.x + one.w <= WIDTH, "box {at}");
        for other in places.iter().skip(at + 1) {
            let is_apart = one.x + one.w <= other.x
                || other.x + other.w <= one.x
                || one.bottom() <= other.y
                || other.bottom() <= one.y;
            assert!(is_apart, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn the_picture_is_told_in_words_too_and_holds_no_markup_of_others() {
    let svg = draw(&flow(), "<b>", 3);
    assert!(
        svg.contains("<title id=\"flow-3-title\">Data flow of chain &lt;b&gt;</title>")
    );
    assert!(
        svg.contains("From server to filter &lt;script&gt;: bodies (everybody"),
        "{svg}"
    );
    assert!(!svg.contains("<script>"));
    assert_eq!(draw(&flow(), "<b>", 3), svg, "the same flow, the same picture");
}

#[test]
fn a_way_is_thick_when_whole_resources_go_along_it_sealed_or_not() {
    let cases = [
        (vec![Cargo::Bodies], "way bodies"),
        (vec![Cargo::Codes, Cargo::Sealed], "way bodies"),
        (vec![Cargo::Codes, Cargo::Positions], "way other"),
    ];
    for (carries, class) in cases {
        let mut flow = flow();
        flow.edges.truncate(1);
        flow.edges[0].carries = carries;
        let svg = draw(&flow, "x", 1);
        let ways: Vec<&str> = svg.matches("class=\"way bodies\"").collect();
        assert_eq!(ways.len(), usize::from(class == "way bodies"), "case: {class}");
        assert!(svg.contains(&format!("class=\"{class}\"")), "case: {class}");
    }
}

#[test]
fn cuts_lines_at_spaces_and_long_words_anywhere() {
    let cases: [(&str, usize, &[&str]); 4] = [
        ("one two three", 7, &["one two", "three"]),
        ("abcdefgh", 3, &["abc", "def", "gh"]),
        ("a bcdef", 3, &["a", "bcd", "ef"]),
        ("", 3, &[""]),
    ];
    for (text, most, expected) in cases {
        assert_eq!(wrap(text, most), expected, "case: {text}");
    }
}
