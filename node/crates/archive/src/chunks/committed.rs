//! Whether a chunk file's bytes are the ones that its session committed to. It takes no key.

use lucid_core::{
    Hash,
    chunk::{
        COMMITMENT_BYTES, ChunkHeader, ChunkSummary, Commitment, PREFIX_BYTES, SALT_BYTES,
        SEALED_SEGMENT_BYTES, Salt,
    },
    merkle,
};

/// What the tree commits to about this chunk file, worked out from its bytes.
///
/// # Errors
/// What makes it none, in words.
pub(super) fn summary(file: &[u8]) -> Result<ChunkSummary, String> {
    let short = || format!("the file has only {} bytes", file.len());
    let prefix: &[u8; PREFIX_BYTES] = file.first_chunk().ok_or_else(short)?;
    let (header, rest) = prefix.split_at(ChunkHeader::BYTES);
    let (salt, commitment) = rest.split_at(SALT_BYTES);
    let mut bytes = [0; ChunkHeader::BYTES];
    bytes.copy_from_slice(header);
    let header = ChunkHeader::parse(&bytes).map_err(|error| error.to_string())?;
    header.layout().check_file_bytes(file.len() as u64).map_err(|error| error.to_string())?;
    let mut summary = ChunkSummary {
        header,
        salt: Salt([0; SALT_BYTES]),
        commitment: Commitment([0; COMMITMENT_BYTES]),
        chunk_root: merkle::EMPTY_ROOT,
    };
    summary.salt.0.copy_from_slice(salt);
    summary.commitment.0.copy_from_slice(commitment);
    let segments = file[PREFIX_BYTES..].chunks(SEALED_SEGMENT_BYTES);
    let leaves: Vec<Hash> = segments.map(merkle::leaf_hash).collect();
    summary.chunk_root = merkle::root(&leaves);
    Ok(summary)
}

/// Refuses a file that is not this chunk's.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn check(file: &[u8], committed: &ChunkSummary) -> Result<(), String> {
    let found = summary(file)?;
    if found == *committed {
        return Ok(());
    }
    let what = if found.header != committed.header {
        "its header is another chunk's"
    } else if found.chunk_root != committed.chunk_root {
        "its segments are not those that were acknowledged"
    } else {
        "its salt or commitment is not the one that was acknowledged"
    };
    Err(what.to_owned())
}
