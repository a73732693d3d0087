//! What TRON's nodes and an operator's files say of transactions, blocks, addresses and amounts.

use lucid_core::tron::{Address, Body, Header, Sun, Transaction};

use super::text;

/// Addresses in base58: 34 characters, a checksum among them.
pub fn tron_address(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::from_bytes(&address.to_bytes()), Ok(address));
    }
}

/// Amounts in TRX: what is read is what is said again, whatever zeros were around it.
pub fn tron_amount(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(sun) = text.parse::<Sun>() {
        let said = sun.to_string();
        let number = said.strip_suffix(" TRX");
        assert_eq!(number.and_then(|number| number.parse().ok()), Some(sun));
    }
}

/// The signed part of a transaction.
pub fn tron_body(bytes: &[u8]) {
    if let Ok(body) = Body::decode(bytes) {
        assert_eq!(body.encode(), bytes);
    }
}

/// A block's header with its signature.
pub fn tron_header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::new(header.body().clone(), header.signature()), Ok(header));
    }
}

/// A transaction with its signature, the owner's. Others may write its parts in another order: what is
/// written here is read as the same one.
pub fn tron_transaction(bytes: &[u8]) {
    if let Ok(transaction) = Transaction::decode(bytes) {
        let again = Transaction::decode(&transaction.encode());
        assert_eq!(again.as_ref(), Ok(&transaction));
        assert_eq!(transaction.body().encode(), transaction.raw());
    }
}
