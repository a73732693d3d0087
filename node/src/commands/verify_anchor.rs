//! What `verify` says of the TRON part of an evidence file: what it checked, and what it could not.

use lucid_core::{
    Timestamp,
    tron::{
        Address, BlockId, BlockNumber, TransactionId,
        anchor::{AnchorClaims, AnchorForm, Genesis},
    },
};
use serde::Serialize;

/// What is proved of an anchor without a node of TRON.
#[derive(Serialize, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says what one thing was compared with")]
pub struct AnchorReport {
    form: AnchorForm,
    /// The account that signed the transaction.
    anchored_by: Address,
    /// The contract that was called, or null for a memo.
    contract: Option<Address>,
    network: &'static str,
    genesis: Genesis,
    tx_id: TransactionId,
    block_id: BlockId,
    block_number: BlockNumber,
    /// As the block's header says.
    block_time: Timestamp,
    /// The witness that the header names.
    witness: Address,
    /// Whose key signed the header.
    signer: Address,
    /// Whether `anchored_by` is what the verifier gave.
    address_pinned: bool,
    /// Whether `contract` is what the verifier gave.
    contract_pinned: bool,
    /// Whether `genesis` is what the verifier gave.
    network_pinned: bool,
    /// In words: what holds whatever TRON's nodes say.
    checked_offline: Vec<String>,
    /// Whether a node of TRON was asked, and bears it out.
    borne_out_online: bool,
    /// In words: what only a node of TRON can say, where nobody asked.
    needs_a_tron_node: Vec<String>,
}

impl AnchorReport {
    /// The report of these claims.
    #[must_use]
    pub fn of(claims: &AnchorClaims) -> Self {
        Self {
            form: claims.form,
            anchored_by: claims.address,
            contract: claims.contract,
            network: claims.genesis.name(),
            genesis: claims.genesis,
            tx_id: claims.transaction,
            block_id: claims.block,
            block_number: claims.block_number,
            block_time: claims.block_time,
            witness: claims.witness,
            signer: claims.signer,
            address_pinned: claims.pins.address.is_some(),
            contract_pinned: claims.pins.contract.is_some(),
            network_pinned: claims.pins.network.is_some(),
            checked_offline: claims.checked_offline(),
            borne_out_online: false,
            needs_a_tron_node: claims.needs_a_node(),
        }
    }

    /// The same, where a node of TRON was asked and bears it out: the block is in its chain and solid, the
    /// transaction succeeded, and what it called is `LucidAnchors`.
    #[must_use]
    pub fn borne_out(self) -> Self {
        Self { borne_out_online: true, needs_a_tron_node: Vec::new(), ..self }
    }

    /// Whether a node of TRON was asked, and bears it out.
    #[must_use]
    pub fn is_borne_out(&self) -> bool {
        self.borne_out_online
    }

    /// Where it is anchored, in a few words.
    #[must_use]
    pub fn in_short(&self) -> String {
        format!("in block {} of TRON's network {}", self.block_number, self.network)
    }

    /// What a verifier must be told for it to hold: the network, where it has no name.
    #[must_use]
    pub fn arguments(&self) -> String {
        match self.genesis.is_known() {
            true => String::new(),
            false => format!(" --network {}", self.genesis),
        }
    }

    /// For people: the rows of a table.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let pinned = |pinned: bool| if pinned { ", as you gave it" } else { "" };
        let by = match self.address_pinned {
            true => format!("{}, as you gave it", self.anchored_by),
            false => format!(
                "{}, NOT PINNED: any account can anchor (--anchor-address ADDRESS)",
                self.anchored_by
            ),
        };
        let how = match &self.contract {
            Some(contract) => {
                format!("by a call of {contract}{}", pinned(self.contract_pinned))
            }
            None => "by a memo".to_owned(),
        };
        let network = format!("{} ({}){}", self.network, self.genesis, pinned(self.network_pinned));
        let mut rows = vec![
            ("anchor", self.in_short()),
            ("", format!("transaction {}, {how}", self.tx_id)),
            ("network", network),
            ("block", format!("{}, made {} as its header says", self.block_id, self.block_time)),
            ("anchored by", by),
        ];
        let list = |name: &'static str, texts: &[String]| {
            let rows = texts.iter().enumerate();
            let named =
                move |(n, text): (usize, &String)| (if n == 0 { name } else { "" }, text.clone());
            rows.map(named).collect::<Vec<_>>()
        };
        rows.extend(list("checked", &self.checked_offline));
        rows.extend(list("NOT checked", &self.needs_a_tron_node));
        if self.borne_out_online {
            let said = "the TRON node that was asked has that block in its chain, solid, with this transaction";
            rows.push(("online", said.to_owned()));
        }
        rows
    }
}
