//! `backup.note`, the last member: what the archive is a backup of.
//!
//! Two lines: `lucid-backup/v1`, and canonical JSON (RFC 8785) with the fields of [`Facts`]. Where the folder has a
//! node's key they are the text of a C2SP signed note by that key; where it has none (a vault's, accounts, a witness's)
//! they are all there is. The first line is no log's origin, so that the signature is good for no checkpoint.

use lucid_core::{
    Hash, NodeId, Timestamp, json,
    note::{Checkpoint, SignedNote},
};
use lucid_store::{FolderKind, NodeKey};
use serde::{Deserialize, Serialize};

/// Bytes of the member at most: what a signed note may have.
pub(super) const NOTE_BYTES_MAX: u64 = 65_536;
const FIRST_LINE: &str = "lucid-backup/v1";
const VERSION: u32 = 1;

/// What a backup says of itself, fields in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Bytes of all files.
    pub bytes: u64,
    /// The log's checkpoint as it was signed; none where the folder has no log.
    pub checkpoint: Option<String>,
    /// When it was made, by the clock of the machine; whole seconds.
    pub created_at: Timestamp,
    /// Files in it, sums and note not counted.
    pub files: u64,
    /// The folder's `format`, without its newline.
    pub format: String,
    /// The node it is of; none where the folder has no node's key.
    pub node_id: Option<NodeId>,
    /// What made it.
    pub software: String,
    /// SHA-256 of all members `sums/…` one after another.
    pub sums: Hash,
    /// 1.
    pub version: u32,
}

impl Facts {
    /// The version that is written here.
    pub(super) const VERSION: u32 = VERSION;

    /// What the folder was for.
    #[must_use]
    pub fn kind(&self) -> Option<FolderKind> {
        FolderKind::of_format(format!("{}\n", self.format).as_bytes())
    }

    /// Entries of the log, by the checkpoint; `None` where there is no log.
    #[must_use]
    pub fn log_size(&self) -> Option<u64> {
        let note = SignedNote::parse(self.checkpoint.as_ref()?).ok()?;
        Checkpoint::parse_body(note.text()).ok().map(|checkpoint| checkpoint.size)
    }

    /// The member's bytes.
    pub(super) fn to_member(&self, key: Option<&NodeKey>) -> Result<Vec<u8>, String> {
        let json =
            String::from_utf8(json::to_canonical(self)).map_err(|error| error.to_string())?;
        let text = format!("{FIRST_LINE}\n{json}\n");
        let Some(key) = key else { return Ok(text.into_bytes()) };
        let note = SignedNote::sign(text, key.log_key()).map_err(|error| error.to_string())?;
        Ok(note.to_string().into_bytes())
    }

    /// Reads the member of a backup whose folder has this key.
    pub(super) fn parse(bytes: &[u8], key: Option<&NodeKey>) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "its note is no text".to_owned())?;
        let text = match key {
            None => text.to_owned(),
            Some(key) => {
                let verified = SignedNote::parse(text).and_then(|note| {
                    note.verify(&[key.log_key().verifier_key()])?;
                    Ok(note)
                });
                let note = verified.map_err(|error| format!("its note: {error}"))?;
                if note.to_string().as_bytes() != bytes || note.signatures().len() != 1 {
                    return Err("its note has more than the node's signature".to_owned());
                }
                note.text().to_owned()
            }
        };
        let json = text.strip_prefix(FIRST_LINE).and_then(|text| text.strip_prefix('\n'));
        let json = json.and_then(|text| text.strip_suffix('\n'));
        let json =
            json.ok_or("its note is of a form that is not known here (lucid-backup/v1 is)")?;
        let facts: Self =
            json::from_canonical(json.as_bytes()).map_err(|error| format!("its note: {error}"))?;
        if facts.version != VERSION {
            return Err(format!("its version {} is not known here (1 is)", facts.version));
        }
        if facts.node_id != key.map(NodeKey::node_id) {
            return Err("its note names another node than its key is of".to_owned());
        }
        Ok(facts)
    }
}
