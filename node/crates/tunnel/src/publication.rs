//! Whether the network has our descriptor of an address, or somebody else's.
//!
//! Two nodes with one key both publish, and relays keep whichever came with the higher counter, so that clients meet
//! now one and now the other. It can be seen: each publisher makes a signing key of its own for a period, so the
//! descriptor that the network hands out is compared with the one that tor says it made. What cannot be seen: a
//! second node whose descriptors are, at the time of asking, on none of the relays that are asked; so "ours" says
//! that this descriptor was ours, not that nobody else has the key. At the change of a period the two may be of
//! different periods, which says nothing.

use std::time::Duration;

use tokio::{sync::broadcast::error::RecvError, time::timeout};

use crate::{
    control::{Controller, Event},
    error::TunnelError,
    onion::{Descriptor, OnionAddress},
};

/// What the network has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publication {
    /// The descriptor that this tor made.
    Ours,
    /// Another's, who has the same key.
    Anothers,
    /// One of another period: ask again later.
    OtherPeriod,
    /// None.
    Missing,
}

/// Asks the network for the descriptor of an address that this tor serves.
///
/// # Errors
/// [`TunnelError`]; [`TunnelError::TimedOut`] where nothing comes.
pub async fn publication(
    tor: &Controller,
    address: OnionAddress,
    time: Duration,
) -> Result<Publication, TunnelError> {
    let ours = Descriptor::parse(&tor.own_descriptor(address).await?)?;
    let mut events = tor.events();
    tor.fetch(address).await?;
    let coming = async {
        loop {
            match events.recv().await {
                Ok(Event::Fetched { address: whose, text }) if whose == address => return Ok(text),
                Ok(_) | Err(RecvError::Lagged(_)) => (),
                Err(RecvError::Closed) => return Err(tor.ended().await),
            }
        }
    };
    let seconds = time.as_secs();
    let late =
        |_| TunnelError::TimedOut { at: "its control port".into(), what: "HSFETCH", seconds };
    let Some(text) = timeout(time, coming).await.map_err(late)?? else {
        return Ok(Publication::Missing);
    };
    let theirs = Descriptor::parse(&text)?;
    Ok(match theirs.publisher {
        found if found == ours.publisher => Publication::Ours,
        found if found.period == ours.publisher.period => Publication::Anothers,
        _ => Publication::OtherPeriod,
    })
}
