//! What tor says, and what a node keeps of its onion services.

use lucid_tunnel::{
    control::{Decoder, Event, Reply, Words},
    onion::{Descriptor, OnionAddress},
    service::List,
};

/// Replies of tor's control port: the same however the bytes come, and each an event or words, or neither.
pub fn tor_reply(bytes: &[u8]) {
    let whole = replies(bytes, bytes.len().max(1));
    assert_eq!(replies(bytes, 1), whole);
    for reply in whole.iter().flatten() {
        let _ = Event::of(reply);
        for line in reply.lines() {
            let _ = Words::of(line.text());
        }
    }
}

/// The replies before the first error, and whether there was one.
fn replies(bytes: &[u8], step: usize) -> Vec<Option<Reply>> {
    let mut decoder = Decoder::default();
    let mut replies = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.feed(piece);
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => replies.push(Some(reply)),
                Ok(None) => break,
                Err(_) => {
                    replies.push(None);
                    return replies;
                }
            }
        }
    }
    replies
}

/// Addresses of onion services.
pub fn onion_address(bytes: &[u8]) {
    let Some(text) = super::text(bytes) else { return };
    if let Ok(address) = text.parse::<OnionAddress>() {
        assert_eq!(address.to_string(), text);
    }
}

/// The outer layer of descriptors.
pub fn onion_descriptor(bytes: &[u8]) {
    if let Some(text) = super::text(bytes) {
        let _ = Descriptor::parse(text);
    }
}

/// The list of services.
pub fn tunnel_list(bytes: &[u8]) {
    if let Ok(list) = List::parse(bytes) {
        let again = list.bytes().expect("what was read can be written");
        assert_eq!(List::parse(&again).expect("what was written can be read"), list);
    }
}
