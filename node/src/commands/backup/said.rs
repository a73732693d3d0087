//! What `backup` says.

use std::path::Path;

use lucid_archive::backup;
use lucid_core::{NodeId, Timestamp, counted};
use serde::Serialize;

use crate::output::{human_bytes, table};

#[derive(Serialize)]
pub(super) struct Written {
    file: String,
    file_bytes: u64,
    files: u64,
    bytes: u64,
    node_id: Option<NodeId>,
    log_size: Option<u64>,
    created_at: Timestamp,
    /// The age recipients it is encrypted for; none where a passphrase opens it.
    recipients: Vec<String>,
    /// Whether it was opened with an identity, and read to its end.
    tried: bool,
    /// What stands in the data folder, is no node's, and is not in the backup.
    left_out: Vec<String>,
}

impl Written {
    pub(super) fn of(file: &Path, written: backup::Written) -> Self {
        let backup::Written { facts, file_bytes, recipients, is_tried, left_out } = written;
        Self {
            file: file.display().to_string(),
            file_bytes,
            files: facts.files,
            bytes: facts.bytes,
            node_id: facts.node_id,
            log_size: facts.log_size(),
            created_at: facts.created_at,
            recipients,
            tried: is_tried,
            left_out,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut rows = vec![
            ("backup", format!("{}, {}", self.file, human_bytes(self.file_bytes))),
            ("files", format!("{}, {}", self.files, human_bytes(self.bytes))),
        ];
        rows.extend(self.node_id.map(|node| ("node", node.to_string())));
        rows.extend(self.log_size.map(|size| ("log", counted(size, "entry"))));
        match self.recipients.as_slice() {
            [] => rows.push(("opens with", "the passphrase alone".to_owned())),
            names => {
                rows.extend(
                    names.iter().map(|name| ("opens with", format!("the identity of {name}"))),
                );
            }
        }
        match self.tried {
            true => rows.push(("tried", "with the identity given: it opens, and is whole".to_owned())),
            false => rows.push((
                "tried",
                "NOT: nobody knows yet that it opens. lucid-node backup check does that, with the identity or the \
                 passphrase it needs after a loss"
                    .to_owned(),
            )),
        }
        if !self.left_out.is_empty() {
            rows.push(("left out", format!("{}: no node's", self.left_out.join(", "))));
        }
        let text = table(&rows);
        format!(
            "{text}\nChunks are not in it: send them with lucid-node chunks export. Keys of sessions that are erased \
             from now on stay in it: replace it then.\n"
        )
    }
}

#[derive(Serialize)]
pub(super) struct Read {
    node_id: Option<NodeId>,
    created_at: Timestamp,
    software: String,
    files: u64,
    bytes: u64,
    log_size: Option<u64>,
    checkpoint: Option<String>,
    config: Vec<String>,
    witnessed_logs: u64,
    /// The folder that was made of it.
    folder: Option<String>,
}

impl Read {
    pub(super) fn of(read: backup::Restored, to: Option<&Path>) -> Self {
        let backup::Restored { facts, log_size, config, witnessed, .. } = read;
        Self {
            node_id: facts.node_id,
            created_at: facts.created_at,
            software: facts.software,
            files: facts.files,
            bytes: facts.bytes,
            log_size,
            checkpoint: facts.checkpoint,
            config,
            witnessed_logs: witnessed,
            folder: to.map(|path| path.display().to_string()),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut rows = vec![
            ("made", format!("{} by {}", self.created_at, self.software)),
            ("files", format!("{}, {}", self.files, human_bytes(self.bytes))),
        ];
        rows.extend(self.node_id.map(|node| ("node", node.to_string())));
        rows.extend(self.log_size.map(|size| ("log", counted(size, "entry"))));
        let mut text = match &self.folder {
            Some(folder) => {
                rows.push(("restored to", folder.clone()));
                if !self.config.is_empty() {
                    let place = format!("{} in {folder}/config.restored", self.config.join(", "));
                    rows.push(("configuration", place));
                }
                table(&rows)
            }
            None => format!("whole\n{}", table(&rows)),
        };
        let Some(size) = self.log_size else { return text };
        text.push_str(&format!(
            "\nBefore this node is started: did its log have more than {} after {}? Then it would sign others in their \
             place, a fork that every witness and auditor can see. Ask for its last checkpoint where it was seen (a \
             witness, MongoDB, an export) and give it with --newer-checkpoint.\n",
            counted(size, "entry"),
            self.created_at
        ));
        if self.witnessed_logs > 0 {
            text.push_str(&format!(
                "It was a witness of {}, and does not start as one of them: what it cosigned last is in no backup \
                 (node/docs/backup.md).\n",
                counted(self.witnessed_logs, "log")
            ));
        }
        if self.folder.is_some() {
            text.push_str("Then get its chunks back with: lucid-node chunks import\n");
        }
        text
    }
}
