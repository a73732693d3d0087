//! What is in each tor's configuration.

use std::{net::Ipv4Addr, path::Path};

/// What a tor is in the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Authority,
    Relay,
    Client,
}

/// The address and ports of a tor; a client has neither of the first two.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) address: Ipv4Addr,
    pub(crate) relay: u16,
    pub(crate) directory: u16,
    pub(crate) control: u16,
    pub(crate) socks: u16,
}

/// Every tor's: a network of few relays, none of which is known for long (tor's manual, TESTING NETWORK OPTIONS). Vanguards
/// would leave so few of them that a circuit may end at its own guard, and nothing is reached; pairs of circuits, made ahead
/// of need, keep relays busy that have two cores between them. Each gets every consensus soon after it is made: left alone, a
/// client takes the next one at any time before the one it has ends, which here is longer than a period. Then whoever asks
/// may look for a descriptor of one period on relays that were given those of the next two.
pub(crate) const COMMON: &str = "\
TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.67
VanguardsLiteEnabled 0
ConfluxEnabled 0
TestingDirAuthVoteExit *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
V3AuthNIntervalsValid 30
ShutdownWaitLength 0
ClientRejectInternalAddresses 0
AvoidDiskWrites 1
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
";

/// Votes: intervals divide a day, and vote and distribution together are less than half of one. An onion service's
/// period is 24 intervals long (rend-spec-v3 §2.2.1 with those of a test network): eight minutes, longer than a test. A
/// consensus is valid for 30 of them, so that a machine that is too busy to vote in time keeps the one it has.
const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo nobody@localhost
TestingV3AuthInitialVotingInterval 10
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingMinExitFlagThreshold 0
";

/// A relay that is slow, on a machine that is busy, still answers who wants a circuit: tor would refuse after 1.75 s.
const EXIT: &str = "\
MaxOnionQueueDelay 30 seconds
ExitRelay 1
ExitPolicy accept *:*
ExitPolicyRejectPrivate 0
SocksPort 0
";

pub(crate) fn torrc(role: Role, name: &str, folder: &Path, ports: Ports, more: &str) -> String {
    let shown = folder.display();
    let Ports { address, relay, directory, control, socks } = ports;
    let mut text = format!(
        "{COMMON}Address {address}\nNickname {name}\nDataDirectory {shown}\n\
         Log notice file {shown}/log\nControlPort {address}:{control}\n\
         __OwningControllerProcess {}\n",
        // A test that is killed, or a tor behind faketime, leaves none: tor ends with this process.
        std::process::id()
    );
    if role == Role::Authority {
        text.push_str(AUTHORITY);
    }
    text.push_str(&match role {
        Role::Client => format!("SocksPort {address}:{socks} ExtendedErrors\n"),
        Role::Authority | Role::Relay => {
            format!("{EXIT}OrPort {address}:{relay}\nDirPort {address}:{directory}\n")
        }
    });
    text.push_str(more);
    text
}
