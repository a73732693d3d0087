//! Bodies that come with a checksum: held in memory until they prove to be whole.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lucid_api::{
    Code, Problem,
    ports::{Answer, BodyStream, Checksum, ChecksumAlgorithm, UploadJob},
};
use sha2::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::services::problem;

/// Bodies held at once, together: twice the largest one, so that one that is slow does not stop the
/// others.
const ROOM_KIB: u32 = 2 * (UploadJob::CHECKED_BYTES_MAX >> 10) as u32;

/// The room for such bodies.
pub(super) struct Checks {
    room: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM_KIB as usize)) }
    }
}

impl Checks {
    /// Receives all of a body and compares its checksum; gives the body again, and the room it takes
    /// until that is dropped.
    ///
    /// # Errors
    /// `too_large`, `checksum_mismatch`, the body's.
    pub(super) async fn check(
        &self,
        checksum: &Checksum,
        body_bytes: Option<u64>,
        mut body: BodyStream,
    ) -> Answer<(BodyStream, OwnedSemaphorePermit)> {
        let most = UploadJob::CHECKED_BYTES_MAX;
        let bytes = body_bytes.unwrap_or(most);
        if bytes > most {
            return Err(too_large());
        }
        // All of it at once: bodies that each wait for the other's room would wait for ever.
        let room = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM_KIB).max(1);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await;
        let room = room.map_err(|error| problem::internal(&error))?;
        let mut sum = Sum::new(checksum.algorithm);
        let (mut pieces, mut count) = (Vec::new(), 0);
        while let Some(piece) = body.next().await {
            let piece = piece?;
            count += piece.len() as u64;
            if count > bytes {
                return Err(too_large());
            }
            sum.update(&piece);
            pieces.push(Ok::<Bytes, Problem>(piece));
        }
        if sum.finish() != checksum.digest {
            let detail = "the body has another checksum: it was altered on its way; send it again";
            return Err(Problem::new(Code::ChecksumMismatch, detail));
        }
        Ok((stream::iter(pieces).boxed(), room))
    }
}

fn too_large() -> Problem {
    let most = UploadJob::CHECKED_BYTES_MAX;
    let detail = format!("a body with a checksum has at most {most} bytes: send smaller ones");
    Problem::new(Code::TooLarge, detail)
}

enum Sum {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Crc32c(u32),
}

impl Sum {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            ChecksumAlgorithm::Crc32c => Self::Crc32c(0),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha1(sum) => hex::encode(sum.finalize()),
            Self::Sha256(sum) => hex::encode(sum.finalize()),
            Self::Crc32c(sum) => hex::encode(sum.to_be_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(
        algorithm: ChecksumAlgorithm,
        digest: &str,
        parts: &[&'static [u8]],
    ) -> Answer<Vec<u8>> {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
        let checksum = Checksum { algorithm, digest: digest.to_owned() };
        let (mut body, _room) =
            Checks::default().check(&checksum, None, stream::iter(parts).boxed()).await?;
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn published_digests() {
        use ChecksumAlgorithm::{Crc32c, Sha1, Sha256};
        // FIPS 180 examples ("abc") and the check value of CRC-32C (RFC 3720 gives the polynomial).
        let rows: [(_, &str, &[&'static [u8]]); 3] = [
            (Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d", &[b"a", b"bc"]),
            (
                Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                &[b"ab", b"c"],
            ),
            (Crc32c, "e3069283", &[b"1234", b"56789"]),
        ];
        for (algorithm, digest, parts) in rows {
            assert_eq!(check(algorithm, digest, parts).await.unwrap(), parts.concat());
            let altered = check(algorithm, digest, &[b"other"]).await.unwrap_err();
            assert_eq!(altered.code, Code::ChecksumMismatch);
        }
    }

    #[tokio::test]
    async fn more_than_announced_is_refused() {
        let checksum = Checksum { algorithm: ChecksumAlgorithm::Sha1, digest: String::new() };
        for (announced, code) in [
            (Some(2), Code::TooLarge),
            (Some(UploadJob::CHECKED_BYTES_MAX + 1), Code::TooLarge),
            (Some(3), Code::ChecksumMismatch),
        ] {
            let body = stream::iter([Ok(Bytes::from_static(b"abc"))]).boxed();
            let answer = Checks::default().check(&checksum, announced, body).await;
            assert_eq!(answer.err().map(|problem| problem.code), Some(code), "{announced:?}");
        }
    }
}
