//! Challenges: nonces that say themselves when and to whom they were given, and a list of those used.
//!
//! A nonce is `issued (8 bytes, ms) ‖ random (8) ‖ MAC (16)`, in base64url. The MAC is HMAC-SHA-256,
//! cut to 16 bytes, under a key of this process over the address and the rest. So giving challenges
//! out costs no memory, and nobody can use up those of another's address; only logins that were signed
//! are remembered, until their nonce has expired.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use lucid_core::Timestamp;
use sha2::Sha256;

use crate::Address;

/// How long a challenge is good for.
pub const NONCE_SECONDS: u64 = 300;
/// Logins that are remembered at once: 200 a second for as long as a nonce is good.
const USED_MAX: usize = 65_536;
const CLAIM_BYTES: usize = 16;
const MAC_BYTES: usize = 16;

/// Why a nonce does not sign in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Unknown,
    Expired,
    Used,
    /// More logins than are remembered.
    TooMany,
}

/// What makes nonces and knows those used.
pub(crate) struct Nonces {
    key: [u8; 32],
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    nonces: HashSet<[u8; CLAIM_BYTES]>,
    /// In the order of use.
    order: VecDeque<(Timestamp, [u8; CLAIM_BYTES])>,
}

/// A nonce whose form, MAC and age are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Nonce {
    claim: [u8; CLAIM_BYTES],
    /// When it was given out.
    pub(crate) issued: Timestamp,
}

impl Nonces {
    /// Nonces under a key that nobody else has.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, used: Mutex::default() }
    }

    /// A nonce for an address.
    pub(crate) fn make(&self, address: Address, now: Timestamp, random: [u8; 8]) -> String {
        let mut claim = [0; CLAIM_BYTES];
        claim[..8].copy_from_slice(&now.unix_millis().to_be_bytes());
        claim[8..].copy_from_slice(&random);
        let mut bytes = [0; CLAIM_BYTES + MAC_BYTES];
        bytes[..CLAIM_BYTES].copy_from_slice(&claim);
        bytes[CLAIM_BYTES..]
            .copy_from_slice(&self.mac(address, &claim).finalize().as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a nonce that was given to `address`.
    pub(crate) fn read(
        &self,
        nonce: &str,
        address: Address,
        now: Timestamp,
    ) -> Result<Nonce, Refused> {
        let mut bytes = [0; CLAIM_BYTES + MAC_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) {
            Ok(count) if count == bytes.len() => {}
            _ => return Err(Refused::Unknown),
        }
        let (claim, mac) = bytes.split_first_chunk().ok_or(Refused::Unknown)?;
        let right = self.mac(address, claim).verify_truncated_left(mac);
        right.map_err(|_| Refused::Unknown)?;
        let (issued, _) = claim.split_first_chunk().ok_or(Refused::Unknown)?;
        let issued = Timestamp::from_unix_millis(u64::from_be_bytes(*issued));
        if later(issued, NONCE_SECONDS) <= now {
            return Err(Refused::Expired);
        }
        Ok(Nonce { claim: *claim, issued })
    }

    /// Uses a nonce up.
    pub(crate) fn take(&self, nonce: Nonce, now: Timestamp) -> Result<(), Refused> {
        // The list is whole between its operations, none of which panics half way.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((expires, claim)) = used.order.front().copied() {
            if expires > now {
                break;
            }
            used.order.pop_front();
            used.nonces.remove(&claim);
        }
        if used.nonces.contains(&nonce.claim) {
            return Err(Refused::Used);
        }
        if used.nonces.len() >= USED_MAX {
            return Err(Refused::TooMany);
        }
        used.nonces.insert(nonce.claim);
        // From its use on, so that the order is that of the queue.
        used.order.push_back((later(now, NONCE_SECONDS), nonce.claim));
        Ok(())
    }

    fn mac(&self, address: Address, claim: &[u8; CLAIM_BYTES]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.chain_update(address.to_string()).chain_update(claim)
    }
}

pub(crate) fn later(at: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis().saturating_add(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
    const OTHER: &str = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    #[test]
    fn good_once_for_its_address_and_for_a_while() {
        let nonces = Nonces::new([1; 32]);
        let nonce = nonces.make(ADDRESS.parse().unwrap(), at(10), [7; 8]);
        let read = |nonce: &str, address: &str, now| {
            nonces.read(nonce, address.parse().unwrap(), at(now)).map(|nonce| nonce.issued)
        };
        assert_eq!(read(&nonce, ADDRESS, 11), Ok(at(10)));
        assert_eq!(read(&nonce, OTHER, 11), Err(Refused::Unknown), "it is another's");
        assert_eq!(read(&nonce, ADDRESS, 10 + NONCE_SECONDS), Err(Refused::Expired));
        let elsewhere = Nonces::new([2; 32]).make(ADDRESS.parse().unwrap(), at(10), [7; 8]);
        for wrong in ["", "a", &nonce[1..], &format!("{nonce}A"), &format!("{nonce}="), &elsewhere]
        {
            assert_eq!(read(wrong, ADDRESS, 11), Err(Refused::Unknown), "{wrong}");
        }
        for place in 0..nonce.len() {
            let mut altered = nonce.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(read(&altered, ADDRESS, 11), Err(Refused::Unknown), "{altered}");
        }
        let taken = nonces.read(&nonce, ADDRESS.parse().unwrap(), at(11)).unwrap();
        assert_eq!(nonces.take(taken, at(11)), Ok(()));
        assert_eq!(nonces.take(taken, at(9 + NONCE_SECONDS)), Err(Refused::Used));
    }

    #[test]
    fn the_list_of_used_ones_is_bounded_and_empties() {
        let (nonces, address) = (Nonces::new([1; 32]), ADDRESS.parse().unwrap());
        let nonce = |number: u64, now| {
            let text = nonces.make(address, now, number.to_be_bytes());
            nonces.read(&text, address, now).unwrap()
        };
        for number in 0..USED_MAX as u64 {
            nonces.take(nonce(number, at(0)), at(0)).unwrap();
        }
        let more = nonce(u64::MAX, at(1));
        assert_eq!(nonces.take(more, at(1)), Err(Refused::TooMany));
        assert_eq!(nonces.take(more, at(NONCE_SECONDS)), Ok(()));
        assert_eq!(nonces.used.lock().unwrap().nonces.len(), 1);
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let (nonces, address) = (Nonces::new([1; 32]), ADDRESS.parse().unwrap());
        let nonce = nonces.make(address, at(0), [0; 8]);
        let nonce = nonces.read(&nonce, address, at(0)).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..8).map(|_| scope.spawn(|| nonces.take(nonce, at(1)).is_ok())).collect();
            tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
        });
        assert_eq!(won, 1);
    }
}
