fn main() {
    let path = std::env::args().nth(1).unwrap();
    let data = std::fs::read(path).unwrap();
    let kind = std::env::args().nth(2).and_then(|k| k.parse().ok());
    for _ in 0..5 {
        let t = std::time::Instant::now();
        let mut framer = bulkhead_ndjson::Framer::new(Default::default());
        let peek = bulkhead_ndjson::Peek::new(kind.as_ref(), Default::default());
        let mut n = 0; let mut bad = 0; let mut pats = 0;
        let mut f = |b: bulkhead_ndjson::Block| {
            let text = std::str::from_utf8(&b.bytes).unwrap();
            for l in &b.lines { if let bulkhead_ndjson::Line::Whole { span, .. } = l { n += 1; match peek.read_str(&text[span.clone()]) { Ok(e) => pats += e.patients.linked.len(), Err(_) => bad += 1 } } } };
        for c in data.chunks(1 << 16) { framer.push(c); while let Some(b) = framer.next_block() { f(b) } }
        if let (Some(b), _) = framer.finish() { f(b) }
        let s = t.elapsed().as_secs_f64();
        println!("{n} lines {bad} bad {pats} patients {:.0} MB/s {:.0} ns/line", data.len() as f64 / s / 1e6, s * 1e9 / n as f64);
    }
}
