//! zstd, and what it costs to find out that it would not pay.

use std::hint::black_box;

use anyhow::{Result, anyhow, ensure};
use lucid_core::chunk::Codec;
use lucid_pipeline::codec::{Compressor, Decompressor};
use zstd_safe::CCtx;

use super::{CHUNK_BYTES, Material};
use crate::samples::{Row, Work};

const GROUP: &str = "zstd, level 3, 8 MiB";

const LEVEL: u8 = 3;

/// Compression of both kinds, the probe, and decompression.
pub(super) fn rows(material: &Material) -> Result<Vec<Row<'_>>> {
    let (codec, count) = Compressor::new(LEVEL).compress(&material.text, &mut scratch());
    ensure!(codec == Codec::Zstd, "the text does not shrink");
    let percent = 100.0 * count as f64 / CHUNK_BYTES as f64;
    let text = format!("compress text (to {percent:.1} %)");
    Ok(vec![
        compress(text, &material.text),
        library("compress random bytes, without the probe", &material.noise),
        compress("probe random bytes and leave them".to_owned(), &material.noise),
        decompress(material),
    ])
}

fn scratch() -> Vec<u8> {
    vec![0; CHUNK_BYTES]
}

/// As the pipeline does it, the probe included.
fn compress(name: String, plain: &[u8]) -> Row<'_> {
    let (mut compressor, mut payload) = (Compressor::new(LEVEL), scratch());
    Row::new(GROUP, name, Work::Bytes(plain.len()), move || {
        black_box(compressor.compress(black_box(plain), &mut payload));
        Ok(())
    })
}

/// The library alone.
fn library<'a>(name: &str, plain: &'a [u8]) -> Row<'a> {
    let mut context = CCtx::create();
    let mut payload = vec![0; zstd_safe::compress_bound(plain.len())];
    Row::new(GROUP, name, Work::Bytes(plain.len()), move || {
        let compressed = context.compress(&mut payload[..], black_box(plain), i32::from(LEVEL));
        black_box(compressed.map_err(|code| anyhow!(zstd_safe::get_error_name(code)))?);
        Ok(())
    })
}

fn decompress(material: &Material) -> Row<'_> {
    let mut payload = scratch();
    let (_, count) = Compressor::new(LEVEL).compress(&material.text, &mut payload);
    payload.truncate(count);
    let (mut decompressor, mut plain) = (Decompressor::default(), scratch());
    Row::new(GROUP, "decompress text", Work::Bytes(CHUNK_BYTES), move || {
        decompressor.decompress(black_box(&payload), &mut plain)?;
        black_box(&plain);
        Ok(())
    })
}
