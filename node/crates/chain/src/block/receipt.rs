//! What a transaction in a block ended in.

use alloy_consensus::{Eip658Value, ReceiptEnvelope, ReceiptWithBloom, TxType};
use alloy_primitives::{Bloom, Log};
use alloy_rlp::{Decodable, Encodable, Header};

use crate::{ChainError, error::damaged};

/// A receipt. Its consensus bytes (EIP-2718, with the logs' bloom) are a leaf of `receipts_root`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The transaction's type: 0, 1 or 2.
    pub tx_type: TxType,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas used by the block's transactions up to this one.
    pub cumulative_gas_used: u64,
    /// What it emitted.
    pub logs: Vec<Log>,
}

/// The bloom of logs: address and topics of each (Yellow Paper, 4.3.1).
#[must_use]
pub fn bloom_of<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue_log(log);
    }
    bloom
}

impl Receipt {
    /// The bloom of its logs.
    #[must_use]
    pub fn bloom(&self) -> Bloom {
        bloom_of(&self.logs)
    }

    /// The EIP-2718 consensus encoding.
    #[must_use]
    pub fn consensus_bytes(&self) -> Vec<u8> {
        use alloy_eips::Encodable2718;

        self.envelope().encoded_2718()
    }

    /// The same as alloy has it.
    #[must_use]
    pub fn envelope(&self) -> ReceiptEnvelope {
        let receipt = alloy_consensus::Receipt {
            status: Eip658Value::Eip658(self.success),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        };
        let with_bloom = ReceiptWithBloom::new(receipt, self.bloom());
        ReceiptEnvelope::from_typed(self.tx_type, with_bloom)
    }

    /// The row's form: an RLP list of type, success, gas and logs. The bloom is made again.
    pub(crate) fn encode_row(&self, out: &mut Vec<u8>) {
        let kind = u8::from(self.tx_type);
        let payload_length = kind.length()
            + self.success.length()
            + self.cumulative_gas_used.length()
            + self.logs.length();
        Header { list: true, payload_length }.encode(out);
        kind.encode(out);
        self.success.encode(out);
        self.cumulative_gas_used.encode(out);
        self.logs.encode(out);
    }

    /// Reads [`encode_row`](Self::encode_row) from the front of `bytes`.
    pub(crate) fn decode_row(bytes: &mut &[u8]) -> Result<Self, ChainError> {
        let mut read = || -> Result<Self, alloy_rlp::Error> {
            let mut row = Header::decode_bytes(bytes, true)?;
            let kind = u8::decode(&mut row)?;
            Ok(Self {
                tx_type: TxType::try_from(kind)
                    .map_err(|_| alloy_rlp::Error::Custom("no transaction type"))?,
                success: bool::decode(&mut row)?,
                cumulative_gas_used: u64::decode(&mut row)?,
                logs: Vec::decode(&mut row)?,
            })
        };
        read().map_err(|error| damaged(format!("a receipt: {error}")))
    }
}
