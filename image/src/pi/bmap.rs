//! The block map of an image (bmap, version 2.0), with which `bmaptool copy` writes what is used and checks it.
//!
//! It is XML: the image's length, its blocks of 4,096 bytes, and for each range of blocks that are used their SHA-256.
//! The whole file has a SHA-256, too, taken with sixty-four zeros in that hash's own place. What is not in a range is
//! not written, and stays on the card what it was: only what nothing ever reads may be left out.

use std::{
    fmt::Write as _,
    io::{Read, Seek, SeekFrom},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::assemble::Extent;

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// The map of an image whose used parts are `extents`, which begin at blocks' boundaries, in order and apart.
///
/// # Errors
/// The image's.
pub(super) fn map(
    image: &mut (impl Read + Seek),
    bytes: u64,
    extents: &[Extent],
) -> Result<String> {
    let blocks: Vec<_> = extents
        .iter()
        .map(|extent| (extent.start / BLOCK, (extent.start + extent.bytes).div_ceil(BLOCK) - 1))
        .collect();
    let mapped: u64 = blocks.iter().map(|(first, last)| last - first + 1).sum();
    let mut ranges = String::new();
    for (first, last) in blocks {
        let end = ((last + 1) * BLOCK).min(bytes);
        let hash = hash(image, first * BLOCK, end - first * BLOCK)?;
        let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
        // Writing to a text does not fail.
        let _ = writeln!(ranges, "        <Range chksum=\"{hash}\"> {range} </Range>");
    }
    let text = |own: &str| {
        format!(
            "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    <ImageSize> {bytes} </ImageSize>\n    \
             <BlockSize> {BLOCK} </BlockSize>\n    <BlocksCount> {} </BlocksCount>\n    \
             <MappedBlocksCount> {mapped} </MappedBlocksCount>\n    <ChecksumType> sha256 </ChecksumType>\n    \
             <BmapFileChecksum> {own} </BmapFileChecksum>\n    <BlockMap>\n{ranges}    </BlockMap>\n</bmap>\n",
            bytes.div_ceil(BLOCK)
        )
    };
    let own = hex::encode(Sha256::digest(text(&"0".repeat(64))));
    Ok(text(&own))
}

/// The SHA-256 of a part of an image.
fn hash(image: &mut (impl Read + Seek), start: u64, bytes: u64) -> Result<String> {
    image.seek(SeekFrom::Start(start)).context("reading the image")?;
    let mut hash = Sha256::new();
    let mut part = image.take(bytes);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = part.read(&mut buffer).context("reading the image")?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn used_blocks_are_named_with_their_hashes() {
        let mut image = vec![0_u8; 5 * 4096 + 100];
        image[0] = 1;
        image[3 * 4096 + 5] = 2;
        let extents = [Extent { start: 0, bytes: 4097 }, Extent { start: 3 * 4096, bytes: 6 }];
        let text = map(&mut Cursor::new(&image), image.len() as u64, &extents).unwrap();
        for words in [
            "<ImageSize> 20580 </ImageSize>",
            "<BlocksCount> 6 </BlocksCount>",
            "<MappedBlocksCount> 3 </MappedBlocksCount>",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let first = hex::encode(Sha256::digest(&image[..2 * 4096]));
        let second = hex::encode(Sha256::digest(&image[3 * 4096..4 * 4096]));
        assert!(text.contains(&format!("<Range chksum=\"{first}\"> 0-1 </Range>")), "{text}");
        assert!(text.contains(&format!("<Range chksum=\"{second}\"> 3 </Range>")), "{text}");
    }

    #[test]
    fn the_last_block_ends_where_the_image_does_and_the_map_names_its_own_hash() {
        let image = vec![7_u8; 4096 + 10];
        let extents = [Extent { start: 0, bytes: 4096 + 10 }];
        let text = map(&mut Cursor::new(&image), 4106, &extents).unwrap();
        assert!(text.contains(&hex::encode(Sha256::digest(&image))), "{text}");
        let (before, rest) = text.split_once("<BmapFileChecksum> ").unwrap();
        let (own, after) = rest.split_at(64);
        let zeroed = format!("{before}<BmapFileChecksum> {}{after}", "0".repeat(64));
        assert_eq!(own, hex::encode(Sha256::digest(zeroed)));
    }
}
