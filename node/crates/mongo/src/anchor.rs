//! The log's `anchor.tron` entries: that a checkpoint's root is in a transaction of TRON.

use lucid_core::{Hash, Timestamp, json::INTEGER_MAX};
use serde::Deserialize;

/// An `anchor.tron` entry of version 1.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchor {
    /// When, by the node's clock.
    pub(crate) at: Timestamp,
    /// The block's id, hex.
    pub(crate) block_id: String,
    /// The block's number.
    pub(crate) block_number: u64,
    /// The anchors' contract; none where a transfer's memo has the root.
    pub(crate) contract: Option<String>,
    /// How the root is in the transaction.
    pub(crate) form: String,
    /// The chain's first block.
    pub(crate) genesis: String,
    /// `anchor.tron`.
    pub(crate) kind: String,
    /// The root that was anchored.
    pub(crate) log_root: Hash,
    /// Entries under it: those before this place are anchored.
    pub(crate) log_size: u64,
    /// TRON's network.
    pub(crate) network: String,
    /// The transaction, hex.
    pub(crate) tx_id: String,
    /// 1.
    pub(crate) v: u64,
}

impl Anchor {
    /// The text of `kind`.
    pub(crate) const KIND: &str = "anchor.tron";

    /// Reads the entry at `index`.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub(crate) fn parse(bytes: &[u8], index: u64) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!("entry {index} is no anchor.tron as this version knows it: {what}")
        };
        let anchor: Self = serde_json::from_slice(bytes).map_err(|e| wrong(&e.to_string()))?;
        let short =
            [&anchor.form, &anchor.genesis, &anchor.network, &anchor.block_id, &anchor.tx_id];
        match &anchor {
            a if a.kind != Self::KIND || a.v != 1 => Err(wrong("kind or v")),
            a if a.block_number > INTEGER_MAX => Err(wrong("block_number")),
            a if a.log_size > index => Err(wrong("log_size is beyond its own place")),
            a if a.contract.as_ref().is_some_and(|text| text.len() > 128) => Err(wrong("contract")),
            _ if short.iter().any(|text| text.is_empty() || text.len() > 128) => {
                Err(wrong("a text is empty or over 128 bytes"))
            }
            _ => Ok(anchor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let hash = "ab".repeat(32);
        format!(
            r#"{{"at":"2026-02-01T00:00:08.000Z","block_id":"{hash}","block_number":9,"contract":null,"form":"memo","genesis":"{hash}","kind":"anchor.tron","log_root":"{hash}","log_size":7,"network":"nile","tx_id":"{hash}","v":1}}"#
        )
    }

    #[test]
    fn one_form_is_read() {
        let anchor = Anchor::parse(text().as_bytes(), 7).unwrap();
        assert_eq!((anchor.log_size, anchor.network.as_str(), anchor.contract), (7, "nile", None));
        for (bad, index) in [
            (text(), 6),
            (text().replace(r#""v":1"#, r#""v":2"#), 9),
            (text().replace(r#""v":1"#, r#""v":1,"w":1"#), 9),
            (text().replace("anchor.tron", "anchor.none"), 9),
            (text().replace("nile", ""), 9),
            (text().replace("nile", &"n".repeat(129)), 9),
            (text().replace(r#""block_number":9"#, r#""block_number":9007199254740992"#), 9),
            (String::new(), 9),
        ] {
            let error = Anchor::parse(bad.as_bytes(), index).unwrap_err();
            assert!(error.starts_with(&format!("entry {index} is no anchor.tron")), "{error}");
        }
    }
}
