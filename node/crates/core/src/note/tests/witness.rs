//! Requests to witnesses, and what a witness decides.

use super::*;
use crate::merkle::EMPTY_ROOT;

/// The request in c2sp.org/tlog-witness, with a base64 of the right length for its signature.
const EXAMPLE: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

fn request(old_size: u8, size: u8) -> AddCheckpoint {
    let proof = match old_size {
        0 => Vec::new(),
        old => merkle::consistency_proof(&leaves(size), old.into()).unwrap(),
    };
    let checkpoint = note(&checkpoint(size), &log_key(3));
    AddCheckpoint { old_size: old_size.into(), proof, checkpoint }
}

fn note(checkpoint: &Checkpoint, key: &SigningKey) -> SignedNote {
    SignedNote::parse(&checkpoint.sign(key).unwrap()).unwrap()
}

#[test]
fn the_published_example() {
    let request = AddCheckpoint::parse(EXAMPLE).unwrap();
    assert_eq!((request.old_size, request.proof.len()), (20_852_014, 4));
    assert_eq!(request.claimed().unwrap().size, 20_852_163);
    assert_eq!(request.checkpoint.signatures().len(), 2);
    assert_eq!(request.to_string(), EXAMPLE);
}

#[test]
fn malformed_requests() {
    let whole = request(5, 9).to_string();
    assert_eq!(AddCheckpoint::parse(&whole).unwrap().to_string(), whole);
    let check = |text: &str| assert!(AddCheckpoint::parse(text).is_err(), "{text:?}");
    for line in
        ["old 05", "old +5", "old -5", "old 5 ", "old  5", "Old 5", "old", "old ", "size 5", ""]
    {
        check(&whole.replacen("old 5", line, 1));
    }
    check("");
    check("old 5");
    check("old 5\n");
    check(&whole.replacen('\n', "\r\n", 1));
    check(&whole.replacen('\n', "\nAAAA\n", 1));
    check(&whole.replacen("\n\n", "\n", 1));
    check(whole.trim_end());
    check(&format!("{whole}\n"));
    let hash = line_of(&Hash([7; 32]));
    let long =
        |count: usize| whole.replacen("old 5\n", &format!("old 5\n{}", hash.repeat(count)), 1);
    let own = request(5, 9).proof.len();
    assert!(AddCheckpoint::parse(&long(WITNESS_PROOF_MAX - own)).is_ok());
    assert_eq!(AddCheckpoint::parse(&long(WITNESS_PROOF_MAX - own + 1)), Err(NoteError::ProofPath));
}

fn line_of(hash: &Hash) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(hash.as_bytes()) + "\n"
}

/// The decision for `request` by a witness that cosigned a tree of `latest` entries, as its status.
fn status(request: &AddCheckpoint, latest: Option<u8>) -> u16 {
    let latest = latest.map(checkpoint);
    match request.judge(log_key(3).verifier_key(), latest.as_ref()) {
        Ok(cosigned) => {
            assert_eq!(cosigned, request.claimed().unwrap());
            200
        }
        Err(refusal) => refusal.status(),
    }
}

#[test]
fn every_pair_of_sizes() {
    for latest in 0..20 {
        for size in 0..20 {
            for old in 0..=size {
                let expected = if old == latest { 200 } else { 409 };
                assert_eq!(
                    status(&request(old, size), Some(latest)),
                    expected,
                    "{latest} {old} {size}"
                );
                if latest == 0 {
                    assert_eq!(status(&request(old, size), None), expected, "{old} {size}");
                }
            }
        }
    }
    let refused = request(5, 9).judge(log_key(3).verifier_key(), Some(&checkpoint(7)));
    assert_eq!(refused, Err(WitnessRefusal::Conflict { size: 7 }));
}

#[test]
fn forks_and_wrong_proofs() {
    let signed = |size, root| note(&Checkpoint { origin: name(ORIGIN), size, root }, &log_key(3));
    let good = request(5, 9);
    let mut rows = Vec::new();
    // Another tree of the same size, of a later size, and an empty tree that is none.
    let other = Hash([9; 32]);
    rows.push((AddCheckpoint { checkpoint: signed(9, other), ..good.clone() }, Some(5), 422));
    rows.push((
        AddCheckpoint { old_size: 5, proof: vec![], checkpoint: signed(5, other) },
        Some(5),
        422,
    ));
    rows.push((
        AddCheckpoint { old_size: 0, proof: vec![], checkpoint: signed(0, other) },
        None,
        422,
    ));
    rows.push((
        AddCheckpoint { old_size: 0, proof: vec![], checkpoint: signed(0, EMPTY_ROOT) },
        None,
        200,
    ));
    // A proof too long, too short, in another order, of another pair; one where none belongs.
    let mut proof = good.proof.clone();
    proof.push(other);
    rows.push((AddCheckpoint { proof: proof.clone(), ..good.clone() }, Some(5), 422));
    proof.truncate(good.proof.len() - 1);
    rows.push((AddCheckpoint { proof: proof.clone(), ..good.clone() }, Some(5), 422));
    proof = good.proof.iter().rev().copied().collect();
    rows.push((AddCheckpoint { proof, ..good.clone() }, Some(5), 422));
    rows.push((AddCheckpoint { proof: request(6, 9).proof, ..good.clone() }, Some(5), 422));
    rows.push((AddCheckpoint { proof: vec![other], ..request(0, 9) }, None, 422));
    rows.push((AddCheckpoint { proof: vec![other], ..request(9, 9) }, Some(9), 422));
    // Backwards, whatever the witness has.
    rows.push((AddCheckpoint { old_size: 10, ..good.clone() }, Some(10), 400));
    rows.push((AddCheckpoint { old_size: 10, ..good.clone() }, Some(5), 400));
    for (request, latest, expected) in rows {
        assert_eq!(status(&request, latest), expected, "{request}");
    }
}

#[test]
fn who_signed_matters() {
    let good = request(0, 9);
    let strangers = note(&checkpoint(9), &log_key(4));
    let unsigned = AddCheckpoint { checkpoint: strangers.clone(), ..good.clone() };
    assert_eq!(status(&unsigned, None), 403);
    // Beside the log's own it is ignored.
    let mut both = good.checkpoint.clone();
    both.add(strangers.signatures()[0].clone()).unwrap();
    assert_eq!(status(&AddCheckpoint { checkpoint: both, ..good.clone() }, None), 200);
    // Its signature under another text is a broken one.
    let moved = good.checkpoint.to_string().replacen("\n9\n", "\n8\n", 1);
    let moved = SignedNote::parse(&moved).unwrap();
    assert_eq!(status(&AddCheckpoint { checkpoint: moved, ..good.clone() }, None), 403);
    // An extension line, which no monitor could audit.
    let text = format!("{}extension\n", checkpoint(9).to_body());
    let extended = SignedNote::sign(text, &log_key(3)).unwrap();
    assert_eq!(status(&AddCheckpoint { checkpoint: extended, ..good }, None), 400);
}
