//! A text is signed whatever its length, and what is not its signature is found out.

use super::{
    Ledger, LedgerError, MESSAGE_BYTES_MAX, Path,
    signer::{Mood, Signer},
};

const FIRST: [u32; 5] = [0x8000_002c, 0x8000_00c3, 0x8000_0000, 0, 0];

/// Signs with a device in this mood; gives how many commands sign the text.
fn sign(text: &str, mood: Mood) -> Result<usize, LedgerError> {
    let signer = Signer::new(0x11, &FIRST, mood);
    let address = signer.address().parse().unwrap();
    let mut ledger = Ledger::new(signer);
    let signature = ledger.sign(&Path::default(), text)?;
    assert!(signature.is_by(address, text));
    // One of them asked for the address.
    Ok(ledger.transport.commands - 1)
}

#[test]
fn a_text_of_any_length_is_signed() {
    // A command has 250 bytes: 21 of path and 4 of length leave 225 in the first.
    for (bytes, commands) in [
        (0, 1),
        (1, 1),
        (224, 1),
        (225, 1),
        (226, 2),
        (475, 2),
        (476, 3),
        (1000, 5),
        (MESSAGE_BYTES_MAX, 263),
    ] {
        assert_eq!(sign(&"x".repeat(bytes), Mood::Good), Ok(commands), "{bytes}");
    }
    assert_eq!(sign("grüße, 世界", Mood::Good), Ok(1));
    let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
    assert_eq!(sign(&long, Mood::Good), Err(LedgerError::MessageTooLong(MESSAGE_BYTES_MAX + 1)));
}

#[test]
fn a_path_of_one_level_and_of_ten() {
    for (path, levels) in [("0", vec![0]), ("1/2/3/4/5/6/7/8/9/10", (1..=10).collect())] {
        let path: Path = path.parse().unwrap();
        let mut ledger = Ledger::new(Signer::new(0x22, &levels, Mood::Good));
        let address = ledger.address(&path, true).unwrap();
        assert_eq!(address.to_string(), ledger.transport.address());
        let text = "x".repeat(300);
        assert!(ledger.sign(&path, &text).unwrap().is_by(address, &text));
        let other = ledger.address(&Path::default(), false);
        assert_eq!(other, Err(LedgerError::WrongData(0x6a8a)));
    }
}

#[test]
fn who_refuses_or_is_away_signs_nothing() {
    for bytes in [0, 10, 225, 226, 1000] {
        let text = "x".repeat(bytes);
        assert_eq!(sign(&text, Mood::Refuses), Err(LedgerError::Refused));
        assert_eq!(sign(&text, Mood::Away), Err(LedgerError::TimedOut(60)));
        assert_eq!(sign(&text, Mood::Locks), Err(LedgerError::Locked));
    }
}

#[test]
fn a_signature_of_something_else_is_found_out() {
    let signer = Signer::new(0x11, &FIRST, Mood::Good).address().parse().unwrap();
    for (bytes, parts) in [(0, 1), (10, 1), (225, 1), (226, 2), (1000, 5)] {
        let wrong = LedgerError::WrongSignature { signer, parts };
        let text = "x".repeat(bytes);
        assert_eq!(sign(&text, Mood::OtherKey), Err(wrong.clone()));
        assert_eq!(sign(&text, Mood::OtherText), Err(wrong.clone()));
        if parts == 1 {
            assert_eq!(sign(&text, Mood::Forgets), Ok(1));
        } else {
            assert_eq!(sign(&text, Mood::Forgets), Err(wrong.clone()));
            assert!(wrong.to_string().contains("older versions"), "{wrong}");
            let hasty = sign(&text, Mood::Hasty);
            assert!(matches!(hasty, Err(LedgerError::Garbled(_))), "{bytes}");
        }
    }
}
