//! Vectors of tronweb, headers of a real chain, and what is refused.

use proptest::{collection::vec, prelude::*};
use prost::Message;
use serde_json::Value;

use super::{message::*, *};
use crate::Hash;

/// What `node/tests/clients/tron_vectors.mjs` made with tronweb.
fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/clients/tron_vectors.json")).unwrap()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn bytes(of: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(of, name)).unwrap()
}

fn transactions() -> Vec<Value> {
    vectors()["transactions"].as_array().unwrap().clone()
}

#[test]
fn transactions_of_tronweb_are_read_and_written_the_same() {
    for vector in transactions() {
        let name = text(&vector, "name");
        let sent = Transaction::decode(&bytes(&vector, "message")).unwrap();
        assert_eq!(sent.encode(), bytes(&vector, "message"), "{name}");
        assert_eq!(sent.raw(), bytes(&vector, "raw"), "{name}");
        assert_eq!(sent.body().encode(), sent.raw(), "{name}");
        assert_eq!(sent.id().to_string(), text(&vector, "txid"), "{name}");
        assert_eq!(sent.signature().to_string(), text(&vector, "signature"), "{name}");
        assert_eq!(sent.body().contract.owner().to_string(), text(&vector, "owner"), "{name}");
        assert_eq!(hex::encode(&sent.body().memo), vector["memo"].as_str().unwrap_or(""));
        assert_eq!(sent.body().expiration_ms, vectors()["reference"]["expiration"], "{name}");
        assert_eq!(
            sent.body().creates().map(|address| address.to_hex()),
            vector["creates"].as_str().map(str::to_owned),
            "{name}"
        );
        assert_eq!((sent.ended(), sent.leaf()), (None, None));

        let ended = Ended { contract_ret: Ended::SUCCESS, ..Ended::default() };
        let in_block = sent.ended_as(ended);
        assert_eq!(in_block.encode(), bytes(&vector, "in_block"), "{name}");
        assert_eq!(in_block.leaf().unwrap().to_string(), text(&vector, "leaf"), "{name}");
        assert_eq!(Transaction::decode(&in_block.encode()), Ok(in_block.clone()), "{name}");
        let again = Transaction::new(in_block.body(), in_block.signature()).unwrap();
        assert_eq!(again.encode(), bytes(&vector, "message"), "{name}");
    }
}

#[test]
fn keys_have_the_addresses_that_tronweb_gives_them() {
    for account in vectors()["accounts"].as_array().unwrap() {
        let key = k256::ecdsa::SigningKey::from_slice(&bytes(account, "key")).unwrap();
        let address = Address::of_key(key.verifying_key());
        assert_eq!(address.to_string(), text(account, "address"));
        assert_eq!(address.to_hex(), text(account, "hex"));
    }
}

#[test]
fn blocks_and_their_trees() {
    let vectors = vectors();
    for block in vectors["blocks"].as_array().unwrap() {
        let header = Header::decode(&bytes(block, "header")).unwrap();
        assert_eq!(header.id().to_string(), text(block, "id"));
        assert_eq!(header.id().number(), header.body().number);
        assert_eq!(header.body().number.0, block["number"]);
        assert_eq!(header.body().timestamp_ms, block["timestamp"]);
        assert_eq!(header.body().parent.to_string(), text(block, "parent"));
        assert_eq!(header.signer().to_string(), text(block, "witness"));
        assert!(header.is_signed_by_witness());
        let count = usize::try_from(block["count"].as_u64().unwrap()).unwrap();
        let leaves: Vec<Hash> = transactions()[..count]
            .iter()
            .map(|vector| Envelope::decode(&*bytes(vector, "in_block")).unwrap().leaf())
            .collect();
        assert_eq!(root(&leaves), header.body().root, "{count}");
        for (index, leaf) in (0..).zip(&leaves) {
            let path = Path::of(&leaves, index).unwrap();
            assert_eq!(path.check(leaf, &header.body().root), Ok(()));
        }
    }
}

/// Blocks of Nile, as TRON's documentation of its HTTP API shows them (tronprotocol/documentation-en,
/// `docs/api/http/block-and-tx-query`: getblock, getnowblock, getblockbylatestnum).
const NILE: [[&str; 6]; 3] = [
    [
        "0000000003fe262d52bfa4b2814f816fd2e57af5b98a33d60d8630a03a908e0e",
        "faf8fe3858339ead25cc892461c82a59b84dca4a51c45b026676bf3f45a352a2",
        "41b2f713d57dbcec679d93a8849fa0cd0e4db594ba",
        "0000000003fe262c85cd6b02033f4c3e5c1efa35de256a17bd906dc61fb1aeed",
        "1777445121000",
        "5b3cf6cb15d52947989f7726f4907a144b39ccd667a1a0f98707b40cdfe65b96173ddf34ae8dcc5e78f136e0cf903a15c7128984aa2191f02333209d1879d3f900",
    ],
    [
        "0000000003fe266bf6b6d392f654dc2e5011601546ed04623d9fcc4e9d439a25",
        "f8156964cc3e5793a368f938a18ea45c02bd48fe3a412f7091ce8d9ef56df174",
        "41e7860196ad5b5718c1d6326babab039b70b8c1cd",
        "0000000003fe266a65d5194c947f6f7a059d4646c8e9a5293226bc7fdcfc775e",
        "1777445307000",
        "55a29981b2ba121613788de5d1b6bd87579ef63479f4fbb7bc99b1c721769487023cb74ea3b604778ed448bf1c90db3db0fd8fedc85102cfda4231fd1c75d6e100",
    ],
    [
        "0000000003fe266c55d8ec678995cff469dd46ee18671a96f5866f8cb227eed8",
        "1e45d06980078902492470bbce85cf652261f50881503ee81df6fd041af98848",
        "416606973497a56dcfcedb684e60a2386f2ae39db5",
        "0000000003fe266bf6b6d392f654dc2e5011601546ed04623d9fcc4e9d439a25",
        "1777445310000",
        "22bb7fdb5cdd33b8eca9104925f0dbd89f65d8e6ee4f7eed6f21d81b1428977e521865406b3ef70abc77b051d930081c2b9e368dc3f2c20c4b5e31187ba945bd00",
    ],
];

#[test]
fn headers_of_a_real_chain_have_their_ids_and_witnesses() {
    for [id, root, witness, parent, timestamp, signature] in NILE {
        let id: BlockId = id.parse().unwrap();
        let body = HeaderBody {
            timestamp_ms: timestamp.parse().unwrap(),
            root: root.parse().unwrap(),
            parent: parent.parse().unwrap(),
            number: id.number(),
            witness: Address::from_hex(witness).unwrap(),
            version: 34,
            account_state_root: None,
        };
        let signature = Signature::from_bytes(&hex::decode(signature).unwrap()).unwrap();
        let header = Header::new(body, signature).unwrap();
        assert_eq!(header.id(), id);
        assert!(header.is_signed_by_witness(), "{id}: signed by {}", header.signer());
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
    let reference = Reference::to(&NILE[0][0].parse().unwrap());
    assert_eq!(hex::encode(reference.number), "262d");
    assert_eq!(hex::encode(reference.hash), "52bfa4b2814f816f");
}

#[test]
fn no_bit_of_a_transaction_or_header_can_change() {
    for vector in transactions().iter().filter(|vector| text(vector, "message").len() < 1000) {
        let good = bytes(vector, "in_block");
        let leaf = Transaction::decode(&good).unwrap().leaf();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Most do not decode; what still does (a result, a v of 0) has another leaf.
                if let Ok(read) = Transaction::decode(&bad) {
                    assert_ne!(read.leaf(), leaf, "bit {bit} of byte {at}");
                }
            }
        }
        for end in 0..good.len() {
            assert!(Transaction::decode(&good[..end]).map(|read| read.leaf()) != Ok(leaf));
        }
    }
    let good = bytes(&vectors()["blocks"][3], "header");
    let header = Header::decode(&good).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            if let Ok(read) = Header::decode(&bad) {
                assert_ne!(read.signer(), header.signer(), "bit {bit} of byte {at}");
            }
        }
    }
}

/// Alters the first transaction's parts, and gives what reading it says.
fn altered(alter: impl FnOnce(&mut Raw, &mut TransferContract)) -> Result<Body, TronError> {
    let mut raw = Raw::decode(&*bytes(&transactions()[0], "raw")).unwrap();
    let any = raw.contract[0].parameter.as_mut().unwrap();
    let mut transfer = TransferContract::decode(&*any.value).unwrap();
    alter(&mut raw, &mut transfer);
    if let Some(any) = raw.contract.first_mut().and_then(|contract| contract.parameter.as_mut()) {
        any.value = transfer.encode_to_vec();
    }
    Body::decode(&raw.encode_to_vec())
}

#[test]
fn only_what_this_node_could_have_made_is_read() {
    type Alter = fn(&mut Raw, &mut TransferContract);
    assert!(altered(|_, _| {}).is_ok());
    let rows: [(&str, Alter); 18] = [
        ("no reference", |raw, _| raw.ref_block_bytes.clear()),
        ("a longer reference", |raw, _| raw.ref_block_bytes.push(0)),
        ("a shorter hash", |raw, _| raw.ref_block_hash.truncate(7)),
        ("a reference by number", |raw, _| raw.ref_block_num = 1),
        ("a time before 1970", |raw, _| raw.expiration = -1),
        ("a timestamp before 1970", |raw, _| raw.timestamp = -1),
        ("a negative fee", |raw, _| raw.fee_limit = -1),
        ("nothing done", |raw, _| raw.contract.clear()),
        ("two things done", |raw, _| raw.contract.push(raw.contract[0].clone())),
        ("another kind", |raw, _| raw.contract[0].kind = 2),
        ("another kind's number", |raw, _| raw.contract[0].kind = 31),
        ("a permission", |raw, _| raw.contract[0].permission_id = 2),
        ("no parameter", |raw, _| raw.contract[0].parameter = None),
        ("another type's name", |raw, _| {
            let any = raw.contract[0].parameter.as_mut().unwrap();
            any.type_url = "type.googleapis.com/protocol.VoteWitnessContract".into();
        }),
        ("a negative amount", |_, transfer| transfer.amount = -1),
        ("no owner", |_, transfer| transfer.owner_address.clear()),
        ("an address of 20 bytes", |_, transfer| {
            transfer.to_address.remove(0);
        }),
        ("an address of another prefix", |_, transfer| transfer.to_address[0] = 0xa0),
    ];
    for (what, alter) in rows {
        assert!(altered(alter).is_err(), "{what}");
    }
}

#[test]
fn encodings_that_others_would_take_are_refused() {
    let good = bytes(&transactions()[1], "raw");
    let rows: [(&str, Vec<u8>); 5] = [
        ("nothing", Vec::new()),
        ("a field that is not known", [&good[..], &[0xf8, 0x01, 0x01]].concat()),
        ("a field twice", [&good[..], &[0x90, 0x01, 0x00]].concat()),
        ("a default written down", [&good[..], &[0x18, 0x00]].concat()),
        ("fields in another order", [&good[4..], &good[..4]].concat()),
    ];
    for (what, bad) in rows {
        assert!(Body::decode(&bad).is_err(), "{what}");
    }
    let long = vec![0; TRANSACTION_BYTES_MAX + 1];
    let bytes = long.len();
    assert_eq!(Body::decode(&long), Err(TronError::TooLong { bytes }));
    assert_eq!(Transaction::decode(&long), Err(TronError::TooLong { bytes }));
}

#[test]
fn signatures_are_the_owners_one_and_in_one_form() {
    let vector = &transactions()[1];
    let good = Envelope::decode(&*bytes(vector, "message")).unwrap();
    let with = |signature: Vec<Vec<u8>>| {
        Transaction::from_envelope(Envelope { signature, ..good.clone() })
    };
    let own = good.signature[0].clone();
    assert!(with(vec![own.clone()]).is_ok());
    assert!(with(vec![]).is_err());
    assert!(with(vec![own.clone(), own.clone()]).is_err());
    assert!(with(vec![own[..64].to_vec()]).is_err());
    assert!(with(vec![[&own[..], &[0]].concat()]).is_err());
    let others = bytes(&transactions()[0], "signature");
    assert!(matches!(with(vec![others]), Err(TronError::Signer { .. })));

    let mut other_v = own.clone();
    other_v[64] ^= 7; // 27 and 28 are 0b11011 and 0b11100
    assert!(matches!(with(vec![other_v]), Err(TronError::Signer { .. })));
    for v in [2, 3, 26, 29, 255] {
        let mut bad = own.clone();
        bad[64] = v;
        assert_eq!(with(vec![bad]), Err(TronError::Signature), "{v}");
    }
    // n - s with the other v is the same key's: the form that nobody may make of it.
    let high = -*k256::ecdsa::Signature::from_slice(&own[..64]).unwrap().s();
    let high = [&own[..32], high.to_bytes().as_slice(), &[own[64] ^ 7]].concat();
    assert_eq!(with(vec![high]), Err(TronError::Signature));
    for rs in [[0; 64], [0xff; 64]] {
        let bad = [&rs[..], &[27]].concat();
        assert_eq!(with(vec![bad]), Err(TronError::Signature));
    }
}

proptest! {
    /// Whatever is done to good bytes: what is still read is written the same.
    #[test]
    fn what_is_read_is_written_the_same(
        which in 0..11_usize,
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
    ) {
        let mut bytes = bytes(&transactions()[which], "in_block");
        for (at, byte, what) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(read) = Transaction::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(read) = Body::decode(&bytes) {
            prop_assert_eq!(read.encode(), &bytes[..]);
        }
        if let Ok(read) = Header::decode(&bytes) {
            prop_assert_eq!(read.encode(), &bytes[..]);
        }
    }
}
