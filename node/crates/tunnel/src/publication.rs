//! Whether the network has our descriptor of an address, or somebody else's.
//!
//! Two nodes with one key both publish, and relays keep whichever came with the higher counter, so that clients meet
//! now one and now the other. It can be seen: each publisher makes a signing key of its own for a period, so the one
//! in the descriptor that the network hands out is compared with the one that tor says it made, and with those that
//! were seen before. A service always publishes for two periods and tor tells of one of them; of the other the first
//! signer that is seen is remembered, and judged when another one shows, or when tor comes to tell of that period.
//!
//! What cannot be seen: a second node whose descriptors are, at the time of asking, on none of the relays that are
//! asked. "Ours" says that this descriptor was ours, not that nobody else has the key.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use crate::{
    control::{Controller, Event},
    error::TunnelError,
    onion::{Descriptor, OnionAddress, Publisher},
};

/// Relays that may have a descriptor: two replicas on four each (rend-spec-v3 §2.2.3).
const RELAYS_MAX: usize = 8;
/// Periods that are remembered: a service publishes for two at a time, and each lasts a day.
const PERIODS: usize = 4;
/// Tor's word for: all of them were asked. It asks them again a quarter of an hour later, or with new circuits.
const NO_MORE_RELAYS: &str = "QUERY_NO_HSDIR";

/// What the network has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publication {
    /// The descriptor that this tor made.
    Ours,
    /// Another's, who has the same key.
    Anothers,
    /// One of another period than the one that tor tells of, and the first that was seen of it: ask again later.
    OtherPeriod,
    /// None on the relays that were asked; tor asks none twice within a quarter of an hour.
    Missing,
}

/// Asks the network for the descriptor of an address that this tor serves.
///
/// # Errors
/// [`TunnelError`]; [`TunnelError::TimedOut`] where nothing comes.
pub async fn publication(
    tor: &Controller,
    address: OnionAddress,
    signers: &mut Signers,
    time: Duration,
) -> Result<Publication, TunnelError> {
    let ours = Descriptor::parse(&tor.own_descriptor(address).await?)?;
    let mut events = tor.events();
    let seconds = time.as_secs();
    let late =
        |_| TunnelError::TimedOut { at: "its control port".into(), what: "HSFETCH", seconds };
    let asking = async {
        // Tor asks another relay each time, and says when there is none left that it has not asked.
        for _ in 0..RELAYS_MAX {
            tor.fetch(address).await?;
            match one_answer(tor, address, &mut events).await? {
                Answer::Text(text) => return Ok(Some(text)),
                Answer::NotThere => (),
                Answer::NoMoreRelays => break,
            }
        }
        Ok::<_, TunnelError>(None)
    };
    let Some(text) = timeout(time, asking).await.map_err(late)?? else {
        return Ok(Publication::Missing);
    };
    let theirs = Descriptor::parse(&text)?;
    Ok(signers.judge(ours.publisher, theirs.publisher))
}

/// Who signed what, as far as it was seen: of one address, since tor last began to serve it, which then made new
/// signing keys.
#[derive(Debug, Default)]
pub struct Signers {
    /// The newest last, and whether tor said that it is ours.
    seen: VecDeque<(Publisher, bool)>,
}

impl Signers {
    /// Judges a descriptor that was `found`, with the one that tor says is `ours`.
    fn judge(&mut self, ours: Publisher, found: Publisher) -> Publication {
        self.seen.retain(|(seen, _)| seen.period != ours.period);
        self.remember(ours, true);
        let known = self.seen.iter().find(|(seen, _)| seen.period == found.period).copied();
        match known {
            Some((seen, _)) if seen.signing != found.signing => Publication::Anothers,
            Some((_, true)) => Publication::Ours,
            Some((_, false)) => Publication::OtherPeriod,
            None => {
                self.remember(found, false);
                Publication::OtherPeriod
            }
        }
    }

    fn remember(&mut self, publisher: Publisher, is_ours: bool) {
        self.seen.push_back((publisher, is_ours));
        if self.seen.len() > PERIODS {
            self.seen.pop_front();
        }
    }
}

enum Answer {
    Text(String),
    NotThere,
    NoMoreRelays,
}

/// What one relay answers.
async fn one_answer(
    tor: &Controller,
    address: OnionAddress,
    events: &mut broadcast::Receiver<Event>,
) -> Result<Answer, TunnelError> {
    loop {
        match events.recv().await {
            Ok(Event::Descriptor(step)) if step.address == address => {
                if step.reason.as_deref() == Some(NO_MORE_RELAYS) {
                    return Ok(Answer::NoMoreRelays);
                }
            }
            Ok(Event::Fetched { address: whose, text }) if whose == address => {
                return Ok(text.map_or(Answer::NotThere, Answer::Text));
            }
            Ok(_) | Err(RecvError::Lagged(_)) => (),
            Err(RecvError::Closed) => return Err(tor.ended().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signer_of_a_period_is_anothers() {
        let of =
            |period: u8, signing: u8| Publisher { period: [period; 32], signing: [signing; 32] };
        let mut signers = Signers::default();
        let mut judge = |ours, found| signers.judge(ours, found);
        let ours = of(1, 10);
        assert_eq!(judge(ours, of(1, 10)), Publication::Ours);
        assert_eq!(judge(ours, of(1, 99)), Publication::Anothers);
        assert_eq!(judge(ours, of(2, 20)), Publication::OtherPeriod);
        assert_eq!(judge(ours, of(2, 20)), Publication::OtherPeriod, "it may be ours");
        assert_eq!(judge(ours, of(2, 98)), Publication::Anothers);
        // The period turns, and tor tells of the next one.
        assert_eq!(judge(of(2, 20), of(2, 20)), Publication::Ours);
        assert_eq!(judge(of(2, 20), of(1, 10)), Publication::Ours, "remembered");
        // What was seen first was another's all along.
        assert_eq!(judge(of(2, 20), of(3, 97)), Publication::OtherPeriod);
        assert_eq!(judge(of(3, 30), of(3, 97)), Publication::Anothers);
        for period in 10..200 {
            judge(of(3, 30), of(period, 1));
        }
        assert!(signers.seen.len() <= PERIODS);
    }
}
