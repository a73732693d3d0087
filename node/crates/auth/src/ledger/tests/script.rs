//! A device that expects these packets and answers with those, all of them written in hex in the tests.

use std::{collections::VecDeque, time::Duration};

use super::{Ledger, LedgerError, Path, Transport, WalletSignature};

/// What happens next.
pub(super) enum Step {
    /// The host sends this packet.
    Sent(&'static str),
    /// The device answers with this one.
    Answered(&'static str),
    /// The device is silent for as long as the host waits, which is so many seconds.
    Silent(u64),
}

use Step::{Answered, Sent, Silent};

/// A device that does what is written down, and nothing else.
pub(super) struct Script(VecDeque<Step>);

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} steps did not happen", self.0.len());
        }
    }
}

/// The packet of these bytes, padded with zeros.
fn packet(digits: &str) -> [u8; 64] {
    let bytes = hex::decode(digits).unwrap();
    let mut packet = [0; 64];
    packet[..bytes.len()].copy_from_slice(&bytes);
    packet
}

impl Transport for Script {
    fn write(&mut self, found: &[u8; 64]) -> Result<(), LedgerError> {
        match self.0.pop_front() {
            Some(Sent(expected)) => assert_eq!(hex::encode(found), hex::encode(packet(expected))),
            _ => panic!("a packet that nobody expects: {}", hex::encode(found)),
        }
        Ok(())
    }

    fn read(&mut self, found: &mut [u8; 64], timeout: Duration) -> Result<(), LedgerError> {
        match self.0.pop_front() {
            Some(Answered(answer)) => *found = packet(answer),
            Some(Silent(seconds)) => {
                assert_eq!(timeout, Duration::from_secs(seconds));
                return Err(LedgerError::TimedOut(seconds));
            }
            _ => panic!("the host waits, and nothing comes"),
        }
        Ok(())
    }
}

// The vectors of LedgerHQ/ledger-live, `hw-app-trx/tests/Trx.test.ts` ("getAddress",
// "signPersonalMessage"), in packets.
const ASKED: &str = "0101050000001ae002000015058000002c800000c3800000000000000000000000";
const ASKED_TO_SHOW: &str = "0101050000001ae002010015058000002c800000c3800000000000000000000000";
const ADDRESS: [&str; 2] = [
    "0101050000006741040357bda0e415396eab766d392d5b996eb4a0bec6ccbb166d581341ebb50ebb54c30b3658\
     23884d8169e4c784373f0d3b871f3d16bca0b3",
    "01010500013a292d98f6cf07855a225457646e57427a4664425031623873715a3552634644626b563373426d6e\
     787359759000",
];
const TO_SIGN: [&str; 2] = [
    "0101050000004ae008000045058000002c800000c38000000000000000000000000000002c43727970746f4368\
     61696e2d54726f6e5352204c65646765722054",
    "010105000172616e73616374696f6e73205465737473",
];
const SIGNATURE: [&str; 2] = [
    "01010500000043af4fb6500ff9058835b564d43078d5b201b71a3d3ead0d113baf68c86199f5ef1ee8f6ea4801\
     6a991e9d4bff410b8a77ba604850a03ac5f9cf",
    "0101050001d5fd95e25842fc019000",
];
const TEXT: &str = "CryptoChain-TronSR Ledger Transactions Tests";
const OWNER: &str = "TWdnWBzFdBP1b8sqZ5RcFDbkV3sBmnxsYu";
/// The key and the address of LedgerHQ/app-tron's README.
const OTHER: [&str; 2] = [
    "010105000000674104ff21f8e64d3a3c0198edfbb7afdc79be959432e92e2f8a1984bb436a414b8edcec0345aa\
     d0c1bf7da04fd036dd7f9f617e30669224283d",
    "0101050001950fab9dd84831dc83225455455a53644b736f4448514d655a77696874646f42694e34367a786847\
     575964489000",
];
const OTHER_OWNER: &str = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";

fn address(steps: Vec<Step>, confirm: bool) -> Result<String, LedgerError> {
    let mut ledger = Ledger::new(Script::new(steps));
    ledger.address(&Path::default(), confirm).map(|address| address.to_string())
}

#[test]
fn the_published_address_is_read() {
    let steps = || vec![Answered(ADDRESS[0]), Answered(ADDRESS[1])];
    for (asked, confirm) in [(ASKED, false), (ASKED_TO_SHOW, true)] {
        let steps = std::iter::once(Sent(asked)).chain(steps()).collect();
        assert_eq!(address(steps, confirm).unwrap(), OWNER);
    }
}

#[test]
fn a_person_has_a_minute_and_a_device_ten_seconds() {
    let check = |asked, confirm, seconds| {
        let steps = vec![Sent(asked), Silent(seconds)];
        assert_eq!(address(steps, confirm), Err(LedgerError::TimedOut(seconds)));
    };
    check(ASKED, false, 10);
    check(ASKED_TO_SHOW, true, 60);
    let steps = vec![Sent(ASKED_TO_SHOW), Answered(ADDRESS[0]), Silent(5)];
    assert_eq!(address(steps, true), Err(LedgerError::TimedOut(5)));
}

#[test]
fn a_status_says_what_to_do() {
    for (answer, error, way_out) in [
        ("010105000000026985", LedgerError::Refused, "refused"),
        ("010105000000025501", LedgerError::Refused, "refused"),
        ("010105000000025515", LedgerError::Locked, "enter its PIN"),
        ("010105000000026b0c", LedgerError::Locked, "enter its PIN"),
        ("010105000000026804", LedgerError::Locked, "enter its PIN"),
        ("010105000000026982", LedgerError::Locked, "enter its PIN"),
        ("010105000000026511", LedgerError::AppNotOpen(0x6511), "open the TRON app"),
        ("010105000000026e00", LedgerError::AppNotOpen(0x6e00), "open the TRON app"),
        ("010105000000026e01", LedgerError::AppNotOpen(0x6e01), "open the TRON app"),
        ("010105000000026d00", LedgerError::AppNotOpen(0x6d00), "0x6d00"),
        ("010105000000026a80", LedgerError::WrongData(0x6a80), "0x6a80"),
        ("010105000000026a8a", LedgerError::WrongData(0x6a8a), "check the path"),
        ("010105000000026a8b", LedgerError::WrongData(0x6a8b), "0x6a8b"),
        ("010105000000026a8c", LedgerError::SettingMissing, "Sign by hash"),
        ("010105000000026b00", LedgerError::WrongData(0x6b00), "0x6b00"),
        ("010105000000026a82", LedgerError::Status(0x6a82), "0x6a82"),
        ("010105000000020000", LedgerError::Status(0), "0x0000"),
        // Not good, though it comes close.
        ("010105000000029001", LedgerError::Status(0x9001), "0x9001"),
    ] {
        let found = address(vec![Sent(ASKED), Answered(answer)], false).unwrap_err();
        assert_eq!(found, error, "{answer}");
        assert!(found.to_string().contains(way_out), "{found}");
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_none() {
    for answers in [
        // No status, half of one, and one without what was asked for.
        vec!["01010500000000"],
        vec!["0101050000000190"],
        vec!["010105000000029000"],
        // Another channel, another tag, another sequence; a packet of nothing.
        vec!["010005000000029000"],
        vec!["020105000000029000"],
        vec!["010102000000029000"],
        vec!["010105000100029000"],
        vec!["010105010000029000"],
        vec![""],
        // The second packet twice the first, one too far, or of another channel or tag.
        vec![ADDRESS[0], ADDRESS[0]],
        vec![ADDRESS[0], "0101050002292d98f6"],
        vec![ADDRESS[0], "0101060001292d98f6"],
        vec![ADDRESS[0], "0102050001292d98f6"],
        // A key that is cut short, one of another size, one of none, and none of the curve.
        vec!["01010500000006410400009000"],
        vec!["010105000000050102009000"],
        vec!["0101050000000400009000"],
        vec![
            ADDRESS[0],
            "01010500013a292d98f6cf07855b225457646e57427a4664425031623873715a3552634644626b563373426d6e\
     787359759000",
        ],
        // An address with a wrong check sum, one that is no text, and more after it.
        vec![
            ADDRESS[0],
            "01010500013a292d98f6cf07855a225457646e57427a4664425031623873715a3552634644626b563373426d6e\
     787359769000",
        ],
        vec![
            ADDRESS[0],
            "01010500013a292d98f6cf07855a22ff57646e57427a4664425031623873715a3552634644626b563373426d6e\
     787359759000",
        ],
        vec![
            "0101050000006841040357bda0e415396eab766d392d5b996eb4a0bec6ccbb166d581341ebb50ebb54c30b3658\
     23884d8169e4c784373f0d3b871f3d16bca0b3",
            "01010500013a292d98f6cf07855a225457646e57427a4664425031623873715a3552634644626b563373426d6e\
     78735975009000",
        ],
    ] {
        let steps = answers.iter().copied().map(Answered);
        let steps = std::iter::once(Sent(ASKED)).chain(steps).collect();
        let found = address(steps, false).unwrap_err();
        assert!(matches!(found, LedgerError::Garbled(_)), "{answers:?}: {found}");
    }
}

#[test]
fn an_address_that_is_not_the_keys_is_not_believed() {
    let other = "01010500013a292d98f6cf07855a225455455a53644b736f4448514d655a77696874646f42694e34367a786847\
     575964489000";
    let found = address(vec![Sent(ASKED), Answered(ADDRESS[0]), Answered(other)], false);
    let (named, of_key) = (OTHER_OWNER.parse().unwrap(), OWNER.parse().unwrap());
    assert_eq!(found, Err(LedgerError::WrongAddress { named, of_key }));
}

fn sign(
    wallet: [&'static str; 2],
    answers: impl IntoIterator<Item = Step>,
) -> Result<String, LedgerError> {
    let asked = [Sent(ASKED), Answered(wallet[0]), Answered(wallet[1])];
    let steps = asked.into_iter().chain(TO_SIGN.map(Sent)).chain(answers);
    let mut ledger = Ledger::new(Script::new(steps));
    ledger.sign(&Path::default(), TEXT).map(|signature| signature.to_hex())
}

#[test]
fn the_published_signature_is_read() {
    let signature = sign(ADDRESS, SIGNATURE.map(Answered)).unwrap();
    // v is 27 or 28 in hex, as wallets give it.
    assert_eq!(
        signature,
        "0xaf4fb6500ff9058835b564d43078d5b201b71a3d3ead0d113baf68c86199f5ef1ee8f6ea48016a991e9d4bff\
     410b8a77ba604850a03ac5f9cfd5fd95e25842fc1c"
    );
    let read = WalletSignature::parse(&signature).unwrap();
    assert!(read.is_by(OWNER.parse().unwrap(), TEXT));
}

#[test]
fn another_wallets_signature_is_not_believed() {
    let found = sign(OTHER, SIGNATURE.map(Answered)).unwrap_err();
    let signer = OTHER_OWNER.parse().unwrap();
    assert_eq!(found, LedgerError::WrongSignature { signer, parts: 1 });
    assert!(!found.to_string().contains("older versions"), "{found}");
}

#[test]
fn what_is_no_signature_is_none() {
    assert_eq!(sign(ADDRESS, [Silent(60)]), Err(LedgerError::TimedOut(60)));
    assert_eq!(sign(ADDRESS, [Answered("010105000000026985")]), Err(LedgerError::Refused));
    assert_eq!(sign(ADDRESS, [Answered("010105000000026a8c")]), Err(LedgerError::SettingMissing));
    for answers in [
        vec!["010105000000029000"],
        vec!["01010500000003019000"],
        // 64 bytes; 65 that are zero; 65 with a v of 2; 66.
        vec!["0101050000004201", "0101050001010101010101019000"],
        vec!["01010500000043", "010105000100000000000000009000"],
        vec!["01010500000043af4fb6", "0101050001d5fd95e25842fc029000"],
        vec!["01010500000044af4fb6", "0101050001d5fd95e25842fc01009000"],
    ] {
        let found = sign(ADDRESS, answers.iter().copied().map(Answered)).unwrap_err();
        assert!(matches!(found, LedgerError::Garbled(_)), "{answers:?}: {found}");
    }
}
