//! The node's own transactions: registrations of sessions, anchors.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use k256::ecdsa::SigningKey;

use super::Transaction;
use crate::{
    ChainId,
    rules::{BASE_FEE, TX_GAS_MAX},
};

/// The bytes are no secp256k1 key: zero, or not below the group's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("these 32 bytes are no secp256k1 key")]
pub struct SignError;

/// A key that signs transactions. Nonces are those of RFC 6979, so that the same transaction signed
/// again, after a crash, has the same bytes and the same hash. The key is wiped when dropped and has no
/// `Debug`.
pub struct Signer {
    key: SigningKey,
    address: Address,
}

/// An EIP-1559 transaction before it is signed, at the base fee and without a tip.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsigned {
    /// Which chain.
    pub chain_id: ChainId,
    /// The signer's next nonce.
    pub nonce: u64,
    /// The contract or account, or nothing where a contract is created.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata or init code.
    pub input: Bytes,
    /// The most gas; at most [`TX_GAS_MAX`].
    pub gas_limit: u64,
}

impl Unsigned {
    /// A call of `to` with `input`, nothing sent along, with all the gas that a transaction may have: what
    /// is not used is not paid, and the node's own calls are its own contracts'.
    #[must_use]
    pub fn call(chain_id: ChainId, nonce: u64, to: Address, input: Bytes) -> Self {
        Self { chain_id, nonce, to: Some(to), value: U256::ZERO, input, gas_limit: TX_GAS_MAX }
    }
}

impl Signer {
    /// The signer of a private key.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn new(key: &[u8; 32]) -> Result<Self, SignError> {
        let key = SigningKey::from_slice(key).map_err(|_| SignError)?;
        let point = key.verifying_key().to_sec1_point(false);
        // SEC 1, 2.3.3: 0x04, then the coordinates, whose hash's last 20 bytes are the address.
        let address = Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..]);
        Ok(Self { key, address })
    }

    /// The key's account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs `unsigned`. It is not checked: [`Transaction::decode`] is what holds it against the rules.
    #[must_use]
    pub fn sign(&self, unsigned: Unsigned) -> Transaction {
        let tx = TxEip1559 {
            chain_id: unsigned.chain_id.0,
            nonce: unsigned.nonce,
            gas_limit: unsigned.gas_limit,
            max_fee_per_gas: u128::from(BASE_FEE),
            max_priority_fee_per_gas: 0,
            to: unsigned.to.map_or(TxKind::Create, TxKind::Call),
            value: unsigned.value,
            access_list: Default::default(),
            input: unsigned.input,
        };
        let signature = self.signature(tx.signature_hash());
        let envelope = TxEnvelope::Eip1559(tx.into_signed(signature));
        Transaction { raw: envelope.encoded_2718().into(), envelope, sender: self.address }
    }

    /// Signs a hash: low `s` (EIP-2), and the point's parity.
    pub(crate) fn signature(&self, hash: B256) -> Signature {
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash.as_slice());
        let (r, s) = signature.split_bytes();
        Signature::new(U256::from_be_slice(&r), U256::from_be_slice(&s), recovery.is_y_odd())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, hex};

    use super::*;

    #[test]
    fn signs_what_decodes_to_itself_and_twice_the_same() {
        // The first account of every Hardhat and Anvil node.
        let key = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let signer = Signer::new(&key).unwrap();
        assert_eq!(signer.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let unsigned = Unsigned::call(ChainId(7), 3, signer.address(), vec![1, 2, 3].into());
        let signed = signer.sign(unsigned.clone());
        assert_eq!(signed, Transaction::decode(signed.raw(), ChainId(7)).unwrap());
        assert_eq!(signed, signer.sign(unsigned));
        assert_eq!(signed.sender(), signer.address());
        assert_eq!(signed.tip(), 0);
        assert_eq!(signed.effective_gas_price(), u128::from(BASE_FEE));
    }

    #[test]
    fn zero_and_the_order_are_no_keys() {
        let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        for bad in [[0; 32], order, [0xff; 32]] {
            assert_eq!(Signer::new(&bad).err(), Some(SignError));
        }
    }
}
