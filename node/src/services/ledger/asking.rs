//! Asking witnesses for cosignatures of this node's checkpoints (C2SP tlog-witness).
//!
//! One task, apart from everything that is answered: entries are acknowledged whether or not a witness
//! is there. After the log has grown, and not more often than the interval, each witness is asked about
//! the same checkpoint; one that does not answer is asked less and less often, up to `PAUSE_MAX`.
//!
//! Invariants:
//! - a cosignature is kept only after it was verified under the key that the configuration names;
//! - a checkpoint that a quorum has cosigned is kept until a quorum has cosigned a later one;
//! - a witness that has seen more of this log than there is, is told of loudly: the log was rolled back.
//!
//! A crash loses nothing: what a witness last cosigned it says itself.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use lucid_api::{
    client::Client,
    metrics::Metrics,
    ports::{Answer, LogHead, TransparencyLog, WitnessState},
};
use lucid_core::note::{AddCheckpoint, Checkpoint, NoteSignature, SignedNote, VerifierKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A witness that does not answer, or refuses, is asked again after this long at the latest.
const PAUSE_MAX: Duration = Duration::from_mins(10);
/// Bytes of a witness's answer: some cosignatures, post-quantum ones among them.
const REPLY_BYTES_MAX: usize = 64 << 10;
/// Lines in a witness's answer.
const LINES_MAX: usize = 16;
/// How often one witness is asked in one round: its size may have to be learned first.
const TRIES: usize = 2;

/// How a witness is reached.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Sends the body of an `add-checkpoint`; gives status and body.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String>;
}

/// A witness over HTTP.
pub struct HttpWitness {
    /// Where it is.
    pub client: Client,
    /// The submission prefix's path, with no slash at its end.
    pub prefix: String,
}

#[async_trait]
impl Reach for HttpWitness {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        let path = format!("{}/add-checkpoint", self.prefix);
        let reply = self.client.post_text(&path, body, REPLY_BYTES_MAX).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let text = String::from_utf8(reply.body.to_vec());
        Ok((reply.status.as_u16(), text.map_err(|_| "its answer is no text".to_owned())?))
    }
}

/// A witness that is asked.
pub struct Asked {
    /// The key it cosigns with, of type 0x04.
    pub key: VerifierKey,
    /// The way to it.
    pub reach: Box<dyn Reach>,
}

/// How witnesses are asked.
pub struct AskingOptions {
    /// Whom.
    pub witnesses: Vec<Asked>,
    /// How many must have cosigned a checkpoint for it to count.
    pub quorum: u32,
    /// How long between two rounds at the least.
    pub interval: Duration,
}

/// What asks witnesses.
pub struct Asking {
    log: Arc<dyn TransparencyLog>,
    options: AskingOptions,
    progress: Mutex<Progress>,
    metrics: Metrics,
}

#[derive(Default)]
struct Progress {
    /// One for each witness.
    known: Vec<Known>,
    /// The latest checkpoint with a quorum.
    witnessed_size: Option<u64>,
    /// Cosignatures of a checkpoint of this size that wait for enough of them.
    pending: (u64, Vec<NoteSignature>),
}

/// What is known of one witness.
#[derive(Clone, Default)]
struct Known {
    /// What it cosigned last.
    size: Option<u64>,
    error: Option<String>,
    /// Rounds without a cosignature, and when it is asked again.
    failures: u32,
    not_before: Option<Instant>,
}

impl Asking {
    /// What asks these witnesses about this log.
    #[must_use]
    pub fn new(log: Arc<dyn TransparencyLog>, options: AskingOptions, metrics: Metrics) -> Self {
        let known = vec![Known::default(); options.witnesses.len()];
        let progress = Mutex::new(Progress { known, ..Progress::default() });
        Self { log, options, progress, metrics }
    }

    /// Witnesses that make a checkpoint count.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        self.options.quorum
    }

    /// Entries of the latest checkpoint that a quorum has cosigned.
    #[must_use]
    pub fn witnessed_size(&self) -> Option<u64> {
        self.progress().witnessed_size
    }

    /// How far each witness has come.
    #[must_use]
    pub fn states(&self) -> Vec<WitnessState> {
        let progress = self.progress();
        let state = |(asked, known): (&Asked, &Known)| WitnessState {
            name: asked.key.name().to_string(),
            size: known.size,
            error: known.error.clone(),
        };
        self.options.witnesses.iter().zip(&progress.known).map(state).collect()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Each change of it is one assignment.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks from now on, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if self.options.witnesses.is_empty() {
            return;
        }
        loop {
            if let Err(problem) = self.round().await {
                tracing::warn!(%problem, "witnesses cannot be asked");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.options.interval) => {}
            }
        }
    }

    /// Asks those witnesses that have not cosigned the current checkpoint, and are not rested from.
    ///
    /// # Errors
    /// The log's. What a witness does wrong is in its state.
    pub async fn round(&self) -> Answer<()> {
        let head = self.log.head().await?;
        self.learn(&head);
        let now = Instant::now();
        let due: Vec<usize> = {
            let progress = self.progress();
            let due = |known: &Known| {
                known.size != Some(head.size) && known.not_before.is_none_or(|at| at <= now)
            };
            let all = progress.known.iter().enumerate();
            all.filter(|(_, known)| due(known)).map(|(place, _)| place).collect()
        };
        let asked = due.iter().map(|place| self.ask(*place, &head));
        let answers = join_all(asked).await;
        let mut new = Vec::new();
        for (place, answer) in due.into_iter().zip(answers) {
            self.note(place, head.size, answer.as_ref().err());
            new.extend(answer);
        }
        let lines = self.pending(head.size, new);
        if lines.is_empty() || !self.is_of_use(&head, lines.len()) {
            return Ok(());
        }
        let lines = lines.iter().map(ToString::to_string).collect();
        self.log.keep_cosignatures(head.checkpoint, lines).await?;
        self.progress().pending.1.clear();
        self.learn(&self.log.head().await?);
        Ok(())
    }

    /// All cosignatures that wait for a quorum of the checkpoint of `size`, the new ones among them.
    fn pending(&self, size: u64, new: Vec<NoteSignature>) -> Vec<NoteSignature> {
        let mut progress = self.progress();
        if progress.pending.0 != size {
            progress.pending = (size, Vec::new());
        }
        progress.pending.1.extend(new);
        progress.pending.1.clone()
    }

    /// Takes up what the kept cosignatures say.
    fn learn(&self, head: &LogHead) {
        let Some((size, cosigned)) = self.cosigned(head) else { return };
        let mut progress = self.progress();
        for (place, known) in progress.known.iter_mut().enumerate() {
            if cosigned.contains(&place) && known.size.is_none_or(|at| at < size) {
                known.size = Some(size);
            }
        }
        if self.options.quorum > 0 && cosigned.len() >= self.options.quorum as usize {
            progress.witnessed_size = Some(size);
        }
        self.metrics.witnessed(progress.witnessed_size);
    }

    /// The size of the kept cosigned checkpoint, and the places of the witnesses that cosigned it.
    fn cosigned(&self, head: &LogHead) -> Option<(u64, Vec<usize>)> {
        let note = SignedNote::parse(head.cosigned.as_deref()?).ok()?;
        let size = Checkpoint::parse_body(note.text()).ok()?.size;
        let places = self.options.witnesses.iter().enumerate();
        let cosigned = places.filter(|(_, asked)| note.verify(&[&asked.key]).is_ok());
        Some((size, cosigned.map(|(place, _)| place).collect()))
    }

    /// Whether so many cosignatures of the current checkpoint take the place of what is kept: not
    /// where that has a quorum and these have none.
    fn is_of_use(&self, head: &LogHead, count: usize) -> bool {
        let quorum = self.options.quorum as usize;
        let kept = self.cosigned(head);
        kept.is_none_or(|(size, kept)| size == head.size || count >= quorum || kept.len() < quorum)
    }

    /// What came of asking one witness.
    fn note(&self, place: usize, size: u64, error: Option<&String>) {
        let name = self.options.witnesses[place].key.name();
        self.metrics.witness_asked(error.is_none());
        let mut progress = self.progress();
        let known = &mut progress.known[place];
        match error {
            None => *known = Known { size: Some(size), ..Known::default() },
            Some(error) => {
                if known.error.as_ref() != Some(error) {
                    tracing::warn!(witness = %name, error, "a witness does not cosign");
                }
                let factor = 2_u32.saturating_pow(known.failures.min(16));
                let pause = self.options.interval.saturating_mul(factor).min(PAUSE_MAX);
                known.failures += 1;
                known.error = Some(error.clone());
                known.not_before = Some(Instant::now() + pause);
            }
        }
    }

    /// Asks one witness for a cosignature of the current checkpoint.
    async fn ask(&self, place: usize, head: &LogHead) -> Result<NoteSignature, String> {
        let asked = &self.options.witnesses[place];
        let mut old = self.progress().known[place].size.unwrap_or(0);
        for _ in 0..TRIES {
            if old > head.size {
                return Err(format!(
                    "it has cosigned {old} entries of this log, which has {}: was the log put back \
                     from an older backup?",
                    head.size
                ));
            }
            let body = self.request(old, head).await?;
            let (status, reply) = asked.reach.add_checkpoint(body).await?;
            match status {
                200 => return cosignature(&asked.key, head, &reply),
                409 => old = size(&reply).ok_or("it answers 409 without its size")?,
                status => return Err(format!("it answers {status}: {}", shown(&reply))),
            }
        }
        Err("its size changes while it is asked: does another node ask it about this log?".into())
    }

    async fn request(&self, old_size: u64, head: &LogHead) -> Result<String, String> {
        let proof = if old_size == 0 || old_size == head.size {
            Vec::new()
        } else {
            let proof = self.log.consistency(old_size, head.size).await;
            proof.map_err(|problem| problem.detail)?.path
        };
        let checkpoint = SignedNote::parse(&head.checkpoint).map_err(|error| error.to_string())?;
        Ok(AddCheckpoint { old_size, proof, checkpoint }.to_string())
    }
}

/// The cosignature by `key` of the current checkpoint in a witness's answer, verified.
fn cosignature(key: &VerifierKey, head: &LogHead, reply: &str) -> Result<NoteSignature, String> {
    let lines: Vec<&str> = reply.lines().take(LINES_MAX + 1).collect();
    if lines.len() > LINES_MAX {
        return Err(format!("it answers more than {LINES_MAX} lines"));
    }
    // Signatures of other keys, and of types that this node does not know, are not looked at.
    for line in lines.into_iter().filter_map(|line| line.parse::<NoteSignature>().ok()) {
        let mut note = SignedNote::parse(&head.checkpoint).map_err(|error| error.to_string())?;
        if (line.name(), line.id()) != (key.name(), key.id()) {
            continue;
        }
        note.add(line.clone()).map_err(|error| error.to_string())?;
        let verified = note.verify(&[key]).map_err(|error| error.to_string())?;
        // 0 says nothing about when (tlog-witness: it must not be omitted).
        return match verified.first().and_then(|verified| verified.seconds) {
            Some(1..) => Ok(line),
            _ => Err("its cosignature has no time".to_owned()),
        };
    }
    Err(format!("its answer has no cosignature by {key}"))
}

/// The size in the body of a 409: decimal digits and a newline.
fn size(reply: &str) -> Option<u64> {
    let digits = reply.strip_suffix('\n').unwrap_or(reply);
    let canonical = digits == "0" || !digits.starts_with('0');
    let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| canonical && all)
}

/// The beginning of a text from outside, on one line and printable.
fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(printable).take(200).collect()
}
