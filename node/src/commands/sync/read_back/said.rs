//! What `sync read-back` says.

use lucid_core::{Hash, NodeId, SessionId, counted};
use serde::Serialize;

use crate::output::table;

#[derive(Serialize)]
pub(super) struct Answer {
    pub(super) node_id: NodeId,
    pub(super) log_size: u64,
    pub(super) root: Hash,
    /// The checkpoint that the node signed: what a backup's log is held against (`--newer-checkpoint`).
    pub(super) checkpoint: String,
    /// The log and manifests are in the data folder now.
    pub(super) made: bool,
    /// Entries in the database that no checkpoint there signs: they are not believed.
    pub(super) unsigned_entries: u64,
    pub(super) sessions: u64,
    /// They were not sealed: what they had is in no log, and those of their chunk files that are whole are taken up at
    /// the next start.
    pub(super) sessions_open: u64,
    pub(super) sessions_with_chunks_gone: u64,
    pub(super) chunks_gone: u64,
    /// Sealed sessions without a key file here: nobody can read them.
    pub(super) sessions_without_key: u64,
    pub(super) manifests: u64,
    pub(super) manifests_lost: u64,
    /// Chunk and key files were looked for: they belong into this folder.
    pub(super) looked_for_chunks: bool,
    /// The first 1,000 sessions of which something is gone.
    pub(super) gone: Vec<Loss>,
    pub(super) gone_count: u64,
}

#[derive(Serialize)]
pub(super) struct Loss {
    pub(super) session: SessionId,
    pub(super) owner: String,
    pub(super) state: &'static str,
    pub(super) chunk_count: u32,
    pub(super) plain_bytes: u64,
    pub(super) chunks_gone: u32,
    /// First and last of each range, the first 64 of them.
    pub(super) chunks: Vec<[u32; 2]>,
    pub(super) key_gone: bool,
    pub(super) manifest: Option<&'static str>,
}

pub(super) fn text(answer: &Answer) -> String {
    let log = counted(answer.log_size, "entry");
    let mut rows = vec![
        ("node", answer.node_id.to_string()),
        (
            "log",
            match answer.made {
                true => format!("{log}, verified and written"),
                false => format!("{log}, verified; nothing was written"),
            },
        ),
        ("root", answer.root.to_string()),
        ("manifests", format!("{} verified, {} lost", answer.manifests, answer.manifests_lost)),
        (
            "sessions",
            format!("{}, {} of them open when it was lost", answer.sessions, answer.sessions_open),
        ),
    ];
    let gone = match (answer.looked_for_chunks, answer.made) {
        (true, _) => {
            let sessions = counted(answer.sessions_with_chunks_gone, "session");
            format!("{} of {sessions} gone", counted(answer.chunks_gone, "chunk"))
        }
        (false, true) => "not looked for: they are with the session-encryptor".to_owned(),
        (false, false) => "not looked for: without --node the data folder is".to_owned(),
    };
    rows.push(("chunks", gone));
    if answer.sessions_without_key > 0 {
        let sessions = counted(answer.sessions_without_key, "session");
        rows.push(("keys", format!("{sessions} without a key file: nobody can read them")));
    }
    if answer.unsigned_entries > 0 {
        let entries = counted(answer.unsigned_entries, "entry");
        rows.push(("unsigned", format!("{entries} beyond the checkpoint, which are not believed")));
    }
    let mut text = table(&rows);
    for gone in &answer.gone {
        text.push_str(&gone.line());
    }
    let more = answer.gone_count.saturating_sub(answer.gone.len() as u64);
    if more > 0 {
        text.push_str(&format!("and {} more\n", counted(more, "session")));
    }
    if answer.made {
        text.push_str(
            "What the node logged after its last sync is not in this log. Before it starts, hold the root beside what \
             a witness or an anchor has: a log that goes on from an older state is a fork.\n",
        );
    }
    text
}

impl Loss {
    fn line(&self) -> String {
        let mut line = format!("session {}, {}:", self.session, self.state);
        if self.state == "open" {
            line.push_str(" it was not sealed: what is whole of its chunk files is taken up at the next start");
        }
        if self.chunks_gone > 0 {
            line.push_str(&format!(
                " {} of {} gone",
                self.chunks_gone,
                counted(self.chunk_count, "chunk")
            ));
            for [first, last] in self.chunks.iter().take(8) {
                match first == last {
                    true => line.push_str(&format!(" {first}")),
                    false => line.push_str(&format!(" {first}-{last}")),
                }
            }
            if self.chunks.len() > 8 {
                line.push_str(" …");
            }
        }
        if self.key_gone {
            line.push_str(" no key file");
        }
        if let Some(manifest @ ("missing" | "altered")) = self.manifest {
            line.push_str(&format!(" manifest {manifest}"));
        }
        line.push('\n');
        line
    }
}
