//! Hashes, signatures and the tree of a block's transactions.

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use crate::address::Address;

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Keccak-256, as Ethereum and TRON use it: before SHA-3's last change of the padding.
pub(crate) fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The first four bytes of a call of a function, by its signature.
pub(crate) fn selector(signature: &str) -> [u8; 4] {
    let hash = keccak(signature.as_bytes());
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The root over a block's transactions (java-tron, `MerkleTree`): parents are the SHA-256 of both children,
/// and a last node without a sibling is its own parent. No transactions have the root of zeroes.
pub(crate) fn tree_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let parents = level.chunks(2).map(|pair| match pair {
            [left, right] => sha256(&[left.as_slice(), right].concat()),
            alone => alone[0],
        });
        level = parents.collect();
    }
    level.first().copied().unwrap_or_default()
}

/// Signs a digest: r ‖ s ‖ v, v 0 or 1 as java-tron writes it in block headers plus 27.
pub(crate) fn sign(key: &SigningKey, digest: &[u8; 32]) -> Vec<u8> {
    let (signature, recovery) = key.sign_prehash_recoverable(digest);
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(27 + u8::from(recovery.is_y_odd()));
    bytes
}

/// Why a signature is nobody's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    /// It has not 65 bytes.
    #[error("Signature size is {0}")]
    Size(usize),
    /// Its last byte is none of 0, 1, 27 and 28.
    #[error("Header byte out of range: {0}")]
    Header(u8),
    /// Its s is in the upper half of the group's order; wallets and libraries write the lower.
    #[error("s is in the upper half of the order")]
    HighS,
    /// No key signs so.
    #[error("Could not recover public key from signature")]
    Nobody,
}

/// Whose signature of a digest this is.
pub(crate) fn signer(signature: &[u8], digest: &[u8; 32]) -> Result<Address, SignatureError> {
    let [rs @ .., v] = signature else { return Err(SignatureError::Size(0)) };
    if signature.len() != 65 {
        return Err(SignatureError::Size(signature.len()));
    }
    let recovery = match *v {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        other => return Err(SignatureError::Header(other)),
    };
    let signature = Signature::from_slice(rs).map_err(|_| SignatureError::Nobody)?;
    if signature.normalize_s() != signature {
        return Err(SignatureError::HighS);
    }
    VerifyingKey::recover_from_prehash(digest, &signature, recovery)
        .map(|key| Address::of_key(&key))
        .map_err(|_| SignatureError::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_node_without_a_sibling_is_carried_up() {
        let leaf = |n: u8| [n; 32];
        let node = |l: [u8; 32], r: [u8; 32]| sha256(&[l, r].concat());
        assert_eq!(tree_root(&[]), [0; 32]);
        assert_eq!(tree_root(&[leaf(1)]), leaf(1));
        let two = node(leaf(1), leaf(2));
        assert_eq!(tree_root(&[leaf(1), leaf(2)]), two);
        assert_eq!(tree_root(&[leaf(1), leaf(2), leaf(3)]), node(two, leaf(3)));
        let five: Vec<_> = (1..=5).map(leaf).collect();
        let four = node(two, node(leaf(3), leaf(4)));
        assert_eq!(tree_root(&five), node(four, leaf(5)));
    }

    #[test]
    fn a_signature_is_its_signers_in_one_form() {
        let key = SigningKey::from_slice(&[0x11; 32]).unwrap();
        let address = Address::of_key(key.verifying_key());
        let digest = sha256(b"text");
        let good = sign(&key, &digest);
        assert_eq!(signer(&good, &digest), Ok(address));
        assert_ne!(signer(&good, &sha256(b"another")), Ok(address));
        assert_eq!(signer(&good[..64], &digest), Err(SignatureError::Size(64)));
        assert_eq!(signer(&[], &digest), Err(SignatureError::Size(0)));
        let last = |v: u8| [&good[..64], &[v]].concat();
        assert_eq!(signer(&last(good[64] - 27), &digest), Ok(address));
        assert_eq!(signer(&last(29), &digest), Err(SignatureError::Header(29)));
        let s = *Signature::from_slice(&good[..64]).unwrap().s();
        let high = [&good[..32], (-s).to_bytes().as_slice(), &[55 - good[64]]].concat();
        assert_eq!(signer(&high, &digest), Err(SignatureError::HighS));
    }
}
