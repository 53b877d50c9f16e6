//! Compressed bytes, whole and broken, in chunks of every size.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn run(bytes: &[u8], chunk: usize) -> Result<Vec<u8>, GunzipError> {
    let chunks: Vec<_> =
        bytes.chunks(chunk).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    let whole = unpack(stream::iter(chunks)).try_fold(
        Vec::new(),
        |mut whole, bytes| async move {
            whole.extend_from_slice(&bytes);
            Ok(whole)
        },
    );
    whole.await
}

/// Items: 101, 105.
/// Faults: F15, F16.
#[tokio::test]
async fn unpacks_what_is_whole_and_refuses_what_is_not() {
    let text: Vec<u8> =
        (0..4000_u32).flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect();
    let packed = gzip(&text);
    let members = [gzip(&text[..100]), gzip(&[]), gzip(&text[100..])].concat();
    let mut damaged = packed.clone();
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let ok = || Ok(text.clone());
    let cases = [
        ("plain", text.clone(), ok()),
        ("empty", Vec::new(), Ok(Vec::new())),
        ("one byte", b"{".to_vec(), Ok(b"{".to_vec())),
        ("gzip", packed.clone(), ok()),
        ("several members", members, ok()),
        ("packed twice", gzip(&packed), ok()),
        ("zeros at the end", [packed.clone(), vec![0; 20]].concat(), ok()),
        (
            "text at the end",
            [packed.clone(), b"x".to_vec()].concat(),
            Err(GunzipError::Garbage),
        ),
        (
            "member after zeros",
            [packed.clone(), vec![0], packed.clone()].concat(),
            Err(GunzipError::Garbage),
        ),
        (
            "cut in the data",
            packed[..packed.len() / 2].to_vec(),
            Err(GunzipError::Truncated),
        ),
        (
            "cut in the trailer",
            packed[..packed.len() - 1].to_vec(),
            Err(GunzipError::Truncated),
        ),
        (
            "cut before the trailer",
            packed[..packed.len() - 8].to_vec(),
            Err(GunzipError::Truncated),
        ),
        (
            "cut in a later member",
            [packed.clone(), packed[..12].to_vec()].concat(),
            Err(GunzipError::Truncated),
        ),
        ("wrong checksum", damaged, Err(GunzipError::Damaged)),
        ("only the magic", MAGIC.to_vec(), Err(GunzipError::Truncated)),
    ];
    for (name, bytes, expected) in cases {
        for chunk in [1, 7, 4096, usize::MAX] {
            let found = run(&bytes, chunk).await;
            assert_eq!(found, expected, "case: {name}, chunks of {chunk}");
        }
    }
}

/// Items: 117.
/// Faults: F19.
#[tokio::test]
async fn a_bomb_unfolds_in_small_pieces() {
    let packed = gzip(&vec![b' '; 8 << 20]);
    let source = stream::iter([Ok::<_, GunzipError>(Bytes::from(packed))]);
    let largest = unpack(source)
        .try_fold(0, |largest, bytes| async move { Ok(bytes.len().max(largest)) })
        .await;
    assert!(largest.unwrap() <= CHUNK);
}
