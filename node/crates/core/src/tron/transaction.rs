//! Transactions with their signatures, before they are sent and as blocks have them.

use k256::ecdsa::SigningKey;
use prost::Message;

use super::{
    Address, Body, Signature, TransactionId, TronError,
    message::{self, Envelope, decode},
};
use crate::Hash;

/// Bytes of a transaction at most (java-tron, `TRANSACTION_MAX_BYTE_SIZE`).
pub const TRANSACTION_BYTES_MAX: usize = 500 * 1024;

const TRANSACTION: &str = "a transaction";

/// A transaction that its owner signed, before it is sent or as a block has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    raw: Vec<u8>,
    id: TransactionId,
    body: Body,
    signature: Signature,
    ended: Option<message::Ended>,
}

impl Transaction {
    /// Puts a signature to a body.
    ///
    /// # Errors
    /// [`TronError::Signer`] where it is another's than the owner's, [`TronError::Unrecoverable`],
    /// [`TronError::TooLong`], [`TronError::Field`] where a value is one that no transaction has.
    pub fn new(body: &Body, signature: Signature) -> Result<Self, TronError> {
        let raw = body.encode();
        let body = Body::decode(&raw)?;
        Self::checked(raw, body, signature, None)
    }

    /// Signs a body with its owner's key. Nonces are those of RFC 6979: signed again, after a crash, it has
    /// the same bytes and the same id.
    ///
    /// # Errors
    /// [`TronError::Signer`] where the key is another's, [`TronError::TooLong`], [`TronError::Field`] where
    /// a value is one that no transaction has.
    pub fn sign(body: &Body, key: &SigningKey) -> Result<Self, TronError> {
        let (owner, signer) = (body.contract.owner(), Address::of_key(key.verifying_key()));
        if owner != signer {
            return Err(TronError::Signer { owner, signer });
        }
        let raw = body.encode();
        let body = Body::decode(&raw)?;
        let id = TransactionId(Hash::of(&raw));
        let (signature, recovery) = key.sign_prehash_recoverable(id.0.as_bytes());
        let signature = Signature::new(&signature, recovery)?;
        Self { raw, id, body, signature, ended: None }.short_enough()
    }

    fn checked(
        raw: Vec<u8>,
        body: Body,
        signature: Signature,
        ended: Option<message::Ended>,
    ) -> Result<Self, TronError> {
        let id = TransactionId(Hash::of(&raw));
        let (owner, signer) = (body.contract.owner(), signature.signer(&id.0)?);
        if owner != signer {
            return Err(TronError::Signer { owner, signer });
        }
        Self { raw, id, body, signature, ended }.short_enough()
    }

    fn short_enough(self) -> Result<Self, TronError> {
        match self.envelope().encoded_len() {
            bytes if bytes > TRANSACTION_BYTES_MAX => Err(TronError::TooLong { bytes }),
            _ => Ok(self),
        }
    }

    /// Reads a transaction: one signature, the owner's, and at most one result.
    ///
    /// # Errors
    /// [`TronError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TronError::TooLong { bytes: bytes.len() });
        }
        Self::from_envelope(decode(TRANSACTION, bytes)?)
    }

    /// Reads a transaction's parts, as [`Transaction::decode`].
    ///
    /// # Errors
    /// [`TronError`].
    pub fn from_envelope(envelope: Envelope) -> Result<Self, TronError> {
        let field = |field, wanted| TronError::Field { what: TRANSACTION, field, wanted };
        let [signature] = envelope.signature.as_slice() else {
            return Err(field("signature", "exactly one"));
        };
        let signature = Signature::from_bytes(signature)?;
        let ended = match envelope.ret.as_slice() {
            [] => None,
            [ended] => Some(*ended),
            _ => return Err(field("ret", "at most one")),
        };
        let body = Body::decode(&envelope.raw_data)?;
        Self::checked(envelope.raw_data, body, signature, ended)
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            raw_data: self.raw.clone(),
            signature: vec![self.signature.as_bytes().to_vec()],
            ret: self.ended.into_iter().collect(),
        }
    }

    /// The whole message, with how it ended where a block has it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.envelope().encode_to_vec()
    }

    /// The same transaction as it is in a block.
    #[must_use]
    pub fn ended_as(mut self, ended: message::Ended) -> Self {
        self.ended = Some(ended);
        self
    }

    /// The leaf in its block's tree. It depends on how it ended: before a block has it there is none.
    #[must_use]
    pub fn leaf(&self) -> Option<Hash> {
        self.ended.map(|_| self.envelope().leaf())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// The signed part, as it was signed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The owner's signature.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// How it ended, where a block has it.
    #[must_use]
    pub fn ended(&self) -> Option<message::Ended> {
        self.ended
    }
}
