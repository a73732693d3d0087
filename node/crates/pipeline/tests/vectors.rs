//! Published vectors: Wycheproof's AES-256-GCM and ChaCha20-Poly1305 through each implementation, and
//! its C2SP chunked-encryption vectors through the key schedule.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lucid_core::chunk::{
    Commitment, MessageKeys, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Salt, Suite, TAG_BYTES,
};
use lucid_pipeline::aead::{Aead, Implementation, SegmentCipher};
use wycheproof::TestResult;

fn implementations() -> Vec<Implementation> {
    vec![
        #[cfg(feature = "aws-lc")]
        Implementation::AwsLc,
        Implementation::RustCrypto,
    ]
}

fn check_aead(name: wycheproof::aead::TestName, suite: Suite, at_least: usize) {
    let set = wycheproof::aead::TestSet::load(name).unwrap();
    let groups = set.test_groups.iter();
    let mut run = 0;
    for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let key: [u8; 32] = test.key.as_slice().try_into().unwrap();
            let nonce: [u8; 12] = test.nonce.as_slice().try_into().unwrap();
            let sealed = [test.ct.as_slice(), &test.tag].concat();
            for implementation in implementations() {
                let aead = Aead::new(suite, &key, implementation);
                let mut plain = vec![0xaa; test.pt.len()];
                let opened = aead.open(nonce, &test.aad, &sealed, &mut plain);
                let place = format!("{} test {}", implementation.name(), test.tc_id);
                if test.result == TestResult::Invalid {
                    assert!(opened.is_err(), "{place} must be refused");
                    assert!(plain.iter().all(|byte| *byte == 0), "{place} gave plaintext");
                } else {
                    assert_eq!(opened, Ok(()), "{place}");
                    assert_eq!(plain, test.pt.as_slice(), "{place}");
                    let mut made = vec![0; sealed.len()];
                    aead.seal(nonce, &test.aad, &plain, &mut made);
                    assert_eq!(made, sealed, "{place}");
                }
                run += 1;
            }
        }
    }
    assert!(run >= at_least * implementations().len(), "only {run} vectors ran");
}

#[test]
fn wycheproof_aes_256_gcm() {
    check_aead(wycheproof::aead::TestName::AesGcm, Suite::Aes256Gcm, 60);
}

#[test]
fn wycheproof_chacha20_poly1305() {
    let name = wycheproof::aead::TestName::ChaCha20Poly1305;
    check_aead(name, Suite::ChaCha20Poly1305, 250);
}

/// A whole C2SP message, by the rules of the specification.
fn open_message(key: &[u8; 32], context: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let (salt, rest) = message.split_first_chunk::<24>()?;
    let (commitment, sealed) = rest.split_first_chunk::<32>()?;
    let keys = MessageKeys::derive(key, Suite::Aes256Gcm, &Salt(*salt), context);
    if !keys.commits_to(&Commitment(*commitment)) {
        return None;
    }
    let cipher = SegmentCipher::new(Suite::Aes256Gcm, &keys);
    let mut plain = Vec::new();
    let mut segments = sealed.chunks(SEALED_SEGMENT_BYTES).peekable();
    let mut counter = 0;
    loop {
        let segment = segments.next()?;
        let mut part = vec![0; segment.len().checked_sub(TAG_BYTES)?];
        cipher.open(counter, segment, &mut part).ok()?;
        plain.extend_from_slice(&part);
        counter += 1;
        if part.len() < SEGMENT_BYTES {
            return segments.peek().is_none().then_some(plain);
        }
    }
}

#[test]
fn wycheproof_chunked_encryption_cobblestone_256() {
    use sha2::Digest;
    use wycheproof::chunked_encryption::{TestName, TestSet};
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let (mut good, mut bad) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let message = miniz_oxide::inflate::decompress_to_vec_zlib(&test.ct).unwrap();
            let key = <[u8; 32]>::try_from(test.key.as_slice());
            let opened = key.ok().and_then(|key| open_message(&key, &test.ctx, &message));
            if test.result == TestResult::Valid {
                let plain = opened.unwrap_or_else(|| panic!("test {} must open", test.tc_id));
                assert_eq!(Some(plain.len()), test.msg_length, "test {}", test.tc_id);
                let digest = sha2::Sha512::digest(&plain);
                let expected = test.msg_sha512.as_ref().unwrap();
                assert_eq!(digest.as_slice(), expected.as_slice(), "test {}", test.tc_id);
                good += 1;
            } else {
                assert!(opened.is_none(), "test {} must be refused: {}", test.tc_id, test.comment);
                bad += 1;
            }
        }
    }
    assert!(good >= 5 && bad >= 5, "{good} good and {bad} bad vectors ran");
}
