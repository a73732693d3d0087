//! A service's descriptor as anyone can read it: its outer layer (rend-spec-v3 §2.4).
//!
//! It tells who published it: whoever has the service's key makes a new signing key for each period, and certifies
//! it with the key of that period, blinded. Two nodes with one key sign with two keys for the same period.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Longest descriptor that relays take, in bytes.
const DESCRIPTOR_BYTES_MAX: usize = 50_000;
/// A certificate (cert-spec §2): version 1, type 8, expiry in hours (u32), key type 1, certified key (32), count of
/// extensions; one of them: length 32 (u16), type 4, flags, the key it is signed with (32); signature (64).
const CERTIFICATE_BYTES: usize = 140;

/// A text that is no descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("tor handed over something that is no onion service descriptor of version 3")]
pub struct DescriptorError;

/// Who signed a descriptor, and for which period.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Publisher {
    /// The service's key, blinded for the period.
    pub period: [u8; 32],
    /// The key that its publisher made for that period.
    pub signing: [u8; 32],
}

/// The outer layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Whose it is.
    pub publisher: Publisher,
    /// How often it was renewed; of two, relays keep the higher one.
    pub revision: u64,
}

impl Descriptor {
    /// Reads the outer layer. The signature is tor's to check, which did so before it handed it over.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn parse(text: &str) -> Result<Self, DescriptorError> {
        if text.len() > DESCRIPTOR_BYTES_MAX {
            return Err(DescriptorError);
        }
        let mut lines = text.lines();
        if lines.next() != Some("hs-descriptor 3") {
            return Err(DescriptorError);
        }
        let mut revision = None;
        let mut publisher = None;
        while let Some(line) = lines.next() {
            if let Some(number) = line.strip_prefix("revision-counter ") {
                let number = number.parse().map_err(|_| DescriptorError)?;
                once(&mut revision, number)?;
            } else if line == "descriptor-signing-key-cert" {
                let begin = lines.next() == Some("-----BEGIN ED25519 CERT-----");
                let body = lines.by_ref().take_while(|line| *line != "-----END ED25519 CERT-----");
                let body: String = body.collect();
                if !begin {
                    return Err(DescriptorError);
                }
                once(&mut publisher, certificate(&body)?)?;
            } else if line == "superencrypted" {
                break;
            }
        }
        match (publisher, revision) {
            (Some(publisher), Some(revision)) => Ok(Self { publisher, revision }),
            _ => Err(DescriptorError),
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), DescriptorError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DescriptorError),
    }
}

fn certificate(body: &str) -> Result<Publisher, DescriptorError> {
    let bytes = STANDARD.decode(body).map_err(|_| DescriptorError)?;
    let head = [1, 8];
    let extension = [1, 0, 32, 4];
    let is_one = bytes.len() == CERTIFICATE_BYTES
        && bytes[..2] == head
        && bytes[6] == 1
        && bytes[39..43] == extension;
    if !is_one {
        return Err(DescriptorError);
    }
    let key = |from: usize| -> Result<[u8; 32], DescriptorError> {
        bytes[from..from + 32].try_into().map_err(|_| DescriptorError)
    };
    Ok(Publisher { signing: key(7)?, period: key(44)? })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A descriptor's outer layer with these keys.
    pub(crate) fn sample(period: u8, signing: u8, revision: u64) -> String {
        let mut bytes = vec![1, 8, 0, 7, 0xd0, 0, 1];
        bytes.extend([signing; 32]);
        bytes.extend([1, 0, 32, 4, 0]);
        bytes.extend([period; 32]);
        bytes.extend([9; 64]);
        let body = STANDARD.encode(bytes);
        let (first, second) = body.split_at(64);
        format!(
            "hs-descriptor 3\ndescriptor-lifetime 180\ndescriptor-signing-key-cert\n\
             -----BEGIN ED25519 CERT-----\n{first}\n{second}\n-----END ED25519 CERT-----\n\
             revision-counter {revision}\nsuperencrypted\n-----BEGIN MESSAGE-----\nAAAA\n\
             -----END MESSAGE-----\nsignature x\n"
        )
    }

    #[test]
    fn the_outer_layer_is_read() {
        let read = Descriptor::parse(&sample(1, 2, 77)).unwrap();
        let publisher = Publisher { period: [1; 32], signing: [2; 32] };
        assert_eq!(read, Descriptor { publisher, revision: 77 });
    }

    #[test]
    fn others_are_refused() {
        let good = sample(1, 2, 77);
        let twice =
            good.replace("revision-counter 77\n", "revision-counter 1\nrevision-counter 2\n");
        for text in [
            String::new(),
            good.replace("hs-descriptor 3", "hs-descriptor 2"),
            good.replace("revision-counter 77", "revision-counter -1"),
            good.replace("revision-counter 77\n", ""),
            twice,
            good.replace("BEGIN ED25519", "BEGIN RSA"),
            good.replace("\nAQg", "\nAQk"),
            good.replace("\nAQg", "\nQg"),
            good.replace("-----END ED25519 CERT-----\n", ""),
            good.clone() + &"x".repeat(DESCRIPTOR_BYTES_MAX),
        ] {
            assert_eq!(Descriptor::parse(&text), Err(DescriptorError), "{text:.80}");
        }
    }
}
