use k256::ecdsa::SigningKey;
use lucid_core::{
    EntryIndex, Hash,
    note::Checkpoint,
    tron::{
        Address, BlockId, BlockNumber, Body, Header, HeaderBody, Path, Reference, Signature, Sun,
        Transaction,
        anchor::{AnchorPayload, AnchorProof, AnchorRecord, AnchorTarget, Genesis},
        message::Ended,
    },
};

use super::*;
use crate::{
    ErrorKind,
    disk::Op,
    testing::{Script, folder_in_memory},
};

fn sign(key: &SigningKey, bytes: &[u8]) -> Signature {
    let (signature, id) = key.sign_prehash_recoverable(Hash::of(bytes).as_bytes());
    Signature::new(&signature, id).unwrap()
}

/// An anchor of a signed checkpoint, alone in a block of a network of its own.
fn anchor(note: &str) -> AnchorRecord {
    let [account, witness] = [1, 2].map(|seed| SigningKey::from_slice(&[seed; 32]).unwrap());
    let owner = Address::of_key(account.verifying_key());
    let body = note.split("\n\n").next().unwrap().to_owned() + "\n";
    let checkpoint = Checkpoint::parse_body(&body).unwrap();
    let target = AnchorTarget::Contract(Address::from_evm([7; 20]));
    let (contract, memo) = AnchorPayload::of(&checkpoint, target).to_parts(owner);
    let parent = BlockId::new(BlockNumber(8), &Hash::of(b"parent"));
    let (reference, fee_limit) = (Reference::to(&parent), Sun::new(1_000_000));
    let times = (1_800_000_060_000, 1_800_000_000_000);
    let (expiration_ms, timestamp_ms) = times;
    let body = Body { reference, expiration_ms, timestamp_ms, memo, fee_limit, contract };
    let transaction = Transaction::new(&body, sign(&account, &body.encode())).unwrap();
    let ended = Ended { fee: 0, ret: 0, contract_ret: Ended::SUCCESS };
    let transaction = transaction.ended_as(ended);
    let root = transaction.leaf().unwrap();
    let header = HeaderBody {
        timestamp_ms: 1_800_000_003_000,
        root,
        parent,
        number: BlockNumber(9),
        witness: Address::of_key(witness.verifying_key()),
        version: 31,
        account_state_root: None,
    };
    let header = Header::new(header.clone(), sign(&witness, &header.encode())).unwrap();
    let path = Path { index: 0, count: 1, beside: Vec::new() };
    let genesis = Genesis(BlockId::new(BlockNumber(0), &Hash::of(b"network")));
    let proof = AnchorProof::new(genesis, &transaction, &header, &path).unwrap();
    AnchorRecord::new(note, proof).unwrap()
}

fn note(store: &Store) -> String {
    store.with_log(|log| Ok(log.checkpoint_text().to_owned())).unwrap()
}

fn size(record: &AnchorRecord) -> u64 {
    record.checkpoint().size
}

fn anchor_file(folder: &std::path::Path, size: u64) -> std::path::PathBuf {
    folder.join(format!("anchors/{size:020}.json"))
}

#[test]
fn the_earliest_anchor_that_covers_an_entry_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    assert_eq!(store.anchored_sizes().unwrap(), [0; 0], "no folder yet");
    assert_eq!(store.anchor_covering(EntryIndex(0)).unwrap(), None);
    let mut kept = Vec::new();
    for seed in 1..=3 {
        begin(&store, seed, 1);
        let record = anchor(&note(&store));
        assert!(store.keep_anchor(&record).unwrap());
        assert!(!store.keep_anchor(&record).unwrap(), "the first of a size stays");
        kept.push(record);
    }
    begin(&store, 4, 1);
    drop(store);
    let store = open_clean(folder.path());
    let sizes: Vec<u64> = kept.iter().map(size).collect();
    assert_eq!(store.anchored_sizes().unwrap(), sizes);
    let end = store.with_log(|log| Ok(log.size())).unwrap();
    for index in 0..end {
        let covers = kept.iter().find(|record| size(record) > index);
        assert_eq!(store.anchor_covering(EntryIndex(index)).unwrap().as_ref(), covers, "{index}");
    }
    assert_eq!(store.anchor(sizes[0] + 1_000).unwrap(), None);
    // Names of other kinds are nobody's anchors.
    for name in ["5.json", "00000000000000000005.json.tmp", "+0000000000000000005.json", "x"] {
        fs::write(folder.path().join("anchors").join(name), "x").unwrap();
    }
    assert_eq!(store.anchored_sizes().unwrap(), sizes);
}

#[test]
fn only_what_holds_is_kept() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [store, stranger] = folders.each_ref().map(|f| create(f.path(), Disk::default()).unwrap());
    begin(&store, 1, 1);
    begin(&stranger, 2, 1);
    let refused = store.keep_anchor(&anchor(&note(&stranger))).unwrap_err();
    assert!(matches!(refused, StoreError::Anchor(_)), "{refused:?}");
    // Signed by this node, and no tree of its log: of a history that it has dropped.
    let key = store.log_key();
    for size in [1, 1_000] {
        let origin = key.name().clone();
        let other = Checkpoint { origin, size, root: Hash::of(b"x") }.sign(key).unwrap();
        let refused = store.keep_anchor(&anchor(&other)).unwrap_err();
        assert!(matches!(refused, StoreError::OtherLog(_)), "{refused:?}");
        assert_eq!(refused.kind(), ErrorKind::Conflict);
    }
    let sound = anchor(&note(&store));
    let mut proof = sound.proof().clone();
    proof.signer = Address::from_evm([9; 20]);
    let unsound = AnchorRecord::new(&note(&store), proof).unwrap();
    assert!(matches!(store.keep_anchor(&unsound), Err(StoreError::Anchor(_))));
    assert!(!folders[0].path().join("anchors").exists(), "nothing was begun");
}

#[test]
fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    let record = anchor(&note(&store));
    store.keep_anchor(&record).unwrap();
    let path = anchor_file(folder.path(), size(&record));
    let other = anchor_file(folder.path(), size(&record) + 1);
    fs::copy(&path, &other).unwrap();
    let damaged = store.anchor(size(&record) + 1).unwrap_err().to_string();
    assert!(damaged.contains("another size"), "{damaged}");
    for bytes in [Vec::new(), vec![b' '; 1 << 20], b"{\"version\":2}".to_vec()] {
        fs::write(&path, bytes).unwrap();
        let damaged = store.anchor_covering(EntryIndex(0)).unwrap_err();
        assert!(damaged.to_string().contains("json is damaged"), "{damaged}");
        assert_eq!(damaged.kind(), ErrorKind::Damaged);
    }
}

#[test]
fn a_failed_write_leaves_no_anchor() {
    let folder = folder_in_memory();
    drop(create(folder.path(), Disk::default()).unwrap());
    let script = Arc::new(Script::default());
    let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
    begin(&store, 1, 1);
    let record = anchor(&note(&store));
    for op in [Op::MakeFolder, Op::Open, Op::Write, Op::SyncFile, Op::Rename] {
        script.fail(&[op]);
        assert!(matches!(store.keep_anchor(&record), Err(StoreError::Io { .. })), "{op:?}");
        assert_eq!(store.anchored_sizes().unwrap(), [0; 0], "{op:?}");
        script.fail(&[]);
    }
    assert!(store.keep_anchor(&record).unwrap());
    script.fail(&[Op::SyncFolder]);
    assert!(store.keep_anchor(&record).is_err(), "kept, and not known to be durable");
    script.fail(&[]);
    assert!(!store.keep_anchor(&record).unwrap());
    assert_eq!(store.anchor(size(&record)).unwrap(), Some(record));
}
