//! What is no backup as this program writes it is refused, whoever made it and whatever was changed.

use std::io::Read;

use lucid_store::NodeKey;
use proptest::prelude::*;
use tar::EntryType;

use super::*;
use crate::backup::{
    member::{FileName, Name, header},
    members::Members,
    read,
    sink::{Files, Nowhere},
    walk::Found,
};

/// A backup of a node, and who opens it.
fn sealed() -> (Vec<u8>, Opener) {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let (opener, recipient) = identity();
    backup(&data, &file, &recipient).unwrap();
    (fs::read(&file).unwrap(), opener)
}

fn plain(sealed: &[u8], opener: &Opener) -> Vec<u8> {
    let mut plain = Vec::new();
    opener.open(sealed, Path::new("b.age")).unwrap().read_to_end(&mut plain).unwrap();
    plain
}

fn judge_sealed(bytes: &[u8], opener: &Opener) -> Result<(), ArchiveError> {
    let mut input = opener.open(bytes, Path::new("b.age"))?;
    read::read(&mut *input, Path::new("b.age"), &mut Nowhere, &mut |_| ()).map(drop)
}

fn judge(mut bytes: &[u8]) -> Result<(), ArchiveError> {
    read::read(&mut bytes, Path::new("b.age"), &mut Nowhere, &mut |_| ()).map(drop)
}

fn is_refusal(result: &Result<(), ArchiveError>) -> bool {
    matches!(result, Err(ArchiveError::Damaged { .. } | ArchiveError::Locked { .. }))
}

#[test]
fn any_changed_byte_is_refused() {
    let (sealed, opener) = sealed();
    let plain = plain(&sealed, &opener);
    judge_sealed(&sealed, &opener).unwrap();
    judge(&plain).unwrap();
    // All of what age puts before the content, and of the end.
    let edges = (0..400).chain(sealed.len() - 200..sealed.len());
    for place in edges {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        assert!(is_refusal(&judge_sealed(&altered, &opener)), "sealed byte {place}");
    }
    proptest!(ProptestConfig::with_cases(600), |(at in any::<prop::sample::Index>(), bit in 0..8_u32)| {
        let mut altered = sealed.clone();
        altered[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(is_refusal(&judge_sealed(&altered, &opener)));
        // Without age, too: whoever has the recipient can encrypt, and changes nothing unseen.
        let mut altered = plain.clone();
        altered[at.index(plain.len())] ^= 1 << bit;
        prop_assert!(is_refusal(&judge(&altered)), "plain byte {}", at.index(plain.len()));
    });
}

#[test]
fn any_other_end_is_refused() {
    let (sealed, opener) = sealed();
    let plain = plain(&sealed, &opener);
    for cut in [0, 1, 100, sealed.len() / 2, sealed.len() - 17, sealed.len() - 1] {
        assert!(is_refusal(&judge_sealed(&sealed[..cut], &opener)), "{cut}");
    }
    for cut in
        [0, 511, 512, plain.len() / 2, plain.len() - 1024, plain.len() - 512, plain.len() - 1]
    {
        assert!(is_refusal(&judge(&plain[..cut])), "{cut}");
    }
    for more in [&b"x"[..], &[0; 512]] {
        assert!(is_refusal(&judge_sealed(&[&sealed, more].concat(), &opener)));
        assert!(is_refusal(&judge(&[&plain, more].concat())));
    }
}

/// Builds archives by hand.
struct Hand {
    folder: tempfile::TempDir,
    key: NodeKey,
}

impl Hand {
    fn new() -> Self {
        Self { folder: folder(), key: NodeKey::from_seed(&[7; 32]) }
    }

    fn facts(&self) -> Facts {
        Facts {
            bytes: 0,
            checkpoint: Some("of no matter here".into()),
            created_at: at(5000),
            files: 0,
            format: "lucid-data 1".into(),
            node_id: Some(self.key.node_id()),
            software: "by hand".into(),
            sums: lucid_core::Hash([0; 32]),
            version: 1,
        }
    }

    /// The files that every backup of a node has, beside these, in this order.
    fn archive(&self, files: &[(&str, &str)], facts: Facts) -> Vec<u8> {
        let key = "07".repeat(32);
        let mut members = Members::new(Vec::new(), Path::new("by hand"), at(5000));
        let always = [("data/format", "lucid-data 1\n"), ("data/secrets/node.key", key.as_str())];
        let mut all: Vec<_> = files.iter().chain(&always).copied().collect();
        all.sort_by(|a, b| Path::new(a.0).cmp(Path::new(b.0)));
        for (name, content) in all {
            let path = self.folder.path().join("content");
            fs::write(&path, content).unwrap();
            let name = FileName::new(name.to_owned()).unwrap();
            let found = Found { name, path, bytes: content.len() as u64 };
            members.file(&found, &mut |_| ()).unwrap();
        }
        members.finish(facts, Some(&self.key)).unwrap().0
    }
}

#[test]
fn a_note_of_something_else_is_refused() {
    let hand = Hand::new();
    judge(&hand.archive(&[], hand.facts())).unwrap();
    judge(&hand.archive(&[("data/keys/a.json", "{}"), ("config/x", "")], hand.facts())).unwrap();
    let other = NodeKey::from_seed(&[8; 32]);
    for facts in [
        Facts { version: 2, ..hand.facts() },
        Facts { node_id: Some(other.node_id()), ..hand.facts() },
        Facts { node_id: None, ..hand.facts() },
        Facts { created_at: at(6000), ..hand.facts() },
        Facts { created_at: at(5001), ..hand.facts() },
        Facts { format: "lucid-vault 1".into(), ..hand.facts() },
        Facts { checkpoint: None, ..hand.facts() },
    ] {
        assert!(is_refusal(&judge(&hand.archive(&[], facts.clone()))), "{facts:?}");
    }
    // Signed by another key, or by none.
    for key in [Some(&other), None] {
        let whole = hand.archive(&[], hand.facts());
        let at_note = whole.windows(11).rposition(|part| part == b"backup.note").unwrap();
        let mut members = Members::new(Vec::new(), Path::new("by hand"), at(5000));
        members.note(&hand.facts(), key).unwrap();
        let forged = [&whole[..at_note], &members.into_inner()].concat();
        assert!(is_refusal(&judge(&forged)));
    }
}

#[test]
fn members_that_no_backup_has_are_refused() {
    for name in [
        "data/../etc/passwd",
        "/etc/passwd",
        "data//keys",
        "data/keys/",
        "data/keys/.",
        "data/keys/..",
        "data/chunks/a",
        "data/db/a",
        "data/auth/a",
        "data/lock",
        "data/format/x",
        "data/keys/a.tmp",
        "config/a/b",
        "config/",
        "config/a b",
        "data/keys/\u{e9}",
        "other/a",
        "data",
        "",
    ] {
        assert!(FileName::new(name.to_owned()).is_none(), "{name:?}");
        assert!(Name::parse(name).is_none(), "{name:?}");
    }
    assert!(FileName::new(format!("data/keys/{}", "a".repeat(91))).is_none(), "too long");
    for name in ["sums/1", "sums/000000001", "sums/0000000a", "sums/", "backup.note/x"] {
        assert!(Name::parse(name).is_none(), "{name:?}");
    }
    let hand = Hand::new();
    let whole = hand.archive(&[("data/keys/a.json", "{}")], hand.facts());
    // The same header with one thing otherwise, and its checksum right.
    let change = |edit: &dyn Fn(&mut tar::Header)| {
        let mut altered = whole.clone();
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&altered[..512]);
        edit(&mut header);
        header.set_cksum();
        altered[..512].copy_from_slice(header.as_bytes());
        judge(&altered)
    };
    change(&|_| ()).unwrap();
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::GNUSparse,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::Continuous,
    ] {
        assert!(is_refusal(&change(&|header| header.set_entry_type(kind))), "{kind:?}");
    }
    let edits: [&dyn Fn(&mut tar::Header); 8] = [
        &|header| header.set_mode(0o4755),
        &|header| header.set_uid(1),
        &|header| header.set_mtime(5001),
        &|header| header.set_size(12),
        &|header| header.set_size(u64::MAX),
        &|header| header.set_link_name("/etc/passwd").unwrap(),
        &|header| header.as_ustar_mut().unwrap().prefix[0] = b'x',
        &|header| header.as_ustar_mut().unwrap().uname[0] = b'r',
    ];
    for (number, edit) in edits.iter().enumerate() {
        assert!(is_refusal(&change(edit)), "{number}");
    }
}

#[test]
fn files_out_of_order_or_twice_are_refused() {
    let hand = Hand::new();
    let whole =
        hand.archive(&[("data/keys/a.json", "{}"), ("data/keys/b.json", "{}")], hand.facts());
    // format, keys/a, keys/b: a header and a block each.
    let member = |number: usize| whole[1024 * number..1024 * (number + 1)].to_vec();
    for order in [[0, 2, 1], [1, 0, 2], [0, 1, 1], [0, 0, 2]] {
        let mut altered: Vec<u8> = order.iter().flat_map(|number| member(*number)).collect();
        altered.extend_from_slice(&whole[3 * 1024..]);
        let message = judge(&altered).unwrap_err().to_string();
        assert!(message.contains("not in its place"), "{message}");
    }
    // One left out is missed by the sums.
    let altered = [&member(0)[..], &member(2), &whole[3 * 1024..]].concat();
    assert!(is_refusal(&judge(&altered)));
}

#[test]
fn nothing_is_believed_before_the_end() {
    let place = folder();
    let (sealed, opener) = sealed();
    let mut altered = plain(&sealed, &opener);
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let disk = Disk::default();
    let mut files = Files::new(place.path(), &disk);
    let read = read::read(&mut altered.as_slice(), Path::new("b"), &mut files, &mut |_| ());
    assert!(read.is_err());
    assert!(!place.path().join("format").exists(), "a folder that a node would start on");
    // And nothing is left of it where a restore meets it.
    let (Opener::Identities(mine), file) = (&opener, place.path().join("c.age")) else {
        unreachable!()
    };
    let encryptor =
        age::Encryptor::with_recipients([&mine[0].to_public() as _].into_iter()).unwrap();
    let mut out = encryptor.wrap_output(fs::File::create(&file).unwrap()).unwrap();
    std::io::Write::write_all(&mut out, &altered).unwrap();
    out.finish().unwrap();
    let to = place.path().join("to");
    let error = put_back(&file, &opener, &to).unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    assert_eq!(files_of(&to), ["lock"]);
}

fn files_of(path: &Path) -> Vec<String> {
    files(path).iter().map(|name| name.display().to_string()).collect()
}

#[test]
fn a_header_says_no_more_than_it_can() {
    let name = Name::parse("data/keys/a.json").unwrap();
    assert!(header(&name, (8 << 30) - 1, 0).is_some());
    assert!(header(&name, 8 << 30, 0).is_none());
}
