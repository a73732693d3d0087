//! blockchain-ledger's anchoring: the log's checkpoints on TRON.
//!
//! What is anchored when, and that each anchor is one transaction, is `lucid_tron::anchoring`'s. Here are its
//! log (`ports::AnchoredLog`) and its memory (`ports::AnchorMemory`) over the node's ports and folder, and
//! what is answered about it.
//!
//! Owns on disk: the folder `anchors` (`lucid_store::AnchorFolder`).

mod ports;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{
        ANCHORS_MAX, AnchorStage, AnchorUnderWay, Anchoring, Anchors, Answer, KeptAnchor, Ledger,
        LoggedAnchor, TransparencyLog,
    },
};
use lucid_core::{EntryIndex, Timestamp};
use lucid_store::AnchorFolder;
use lucid_tron::{
    Client, ClientError,
    anchoring::{
        self, AnchoringOptions, Pauses, Progress,
        job::{Attempt, Ending, Job, Stage},
    },
};
use tokio_util::sync::CancellationToken;

use self::ports::{AnchorMemory, AnchoredLog};
use super::{cpu::Pool, problem::of_store};
use crate::{
    config::{OutsideConfig, TronConfig},
    context::now,
};

/// TRON makes a block every three seconds.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// What no block has after some blocks may have been dropped.
const RESEND_AFTER: Duration = Duration::from_secs(20);

/// How the log is anchored.
pub struct AnchorsOptions {
    /// The network, the key, the contract, the costs.
    pub outside: OutsideConfig,
    /// How often the log is looked at.
    pub look_every: Duration,
    /// How often TRON is asked about a transaction that was sent; `None` for what suits its blocks.
    pub poll_every: Option<Duration>,
}

/// What anchors the log, and answers about it.
pub struct LocalAnchors {
    ledger: Arc<dyn Ledger>,
    folder: AnchorFolder,
    pool: Pool,
    outside: OutsideConfig,
    look_every: Duration,
    anchoring: Option<anchoring::Anchoring>,
}

impl LocalAnchors {
    /// What anchors `log` by way of `ledger`, and keeps what proves it in `folder`.
    ///
    /// # Errors
    /// [`ClientError`] where no client of the TRON node can be made.
    pub fn new(
        folder: AnchorFolder,
        log: Arc<dyn TransparencyLog>,
        ledger: Arc<dyn Ledger>,
        pool: Pool,
        options: AnchorsOptions,
    ) -> Result<Self, ClientError> {
        let AnchorsOptions { outside, look_every, poll_every } = options;
        let tron = outside.tron.clone().filter(|_| outside.anchoring);
        let anchoring = match tron {
            None => None,
            Some(config) => {
                let asking = config.client_options();
                let TronConfig { network, key, contract, .. } = config;
                let client = Arc::new(Client::new(network.endpoint.clone(), asking)?);
                let options = AnchoringOptions {
                    network,
                    key,
                    contract,
                    fee_per_day_max: outside.anchor_fee_per_day_max,
                    look_every,
                    poll_every: poll_every.unwrap_or(POLL_EVERY),
                    resend_after: RESEND_AFTER,
                    pauses: Pauses::default(),
                };
                let of_log = pool.clone();
                let log = Arc::new(AnchoredLog { log, ledger: ledger.clone(), pool: of_log });
                let memory = Arc::new(AnchorMemory { folder: folder.clone(), pool: pool.clone() });
                let clock = Arc::new(now);
                Some(anchoring::Anchoring::new(client, log, memory, options, clock))
            }
        };
        Ok(Self { ledger, folder, pool, outside, look_every, anchoring })
    }

    /// Anchors until `stop`: at any moment, for what it does is durable before it counts.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if let Some(anchoring) = &self.anchoring {
            stop.run_until_cancelled(anchoring.run()).await;
        }
    }

    /// How it goes, where it does.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.anchoring.as_ref().map(anchoring::Anchoring::progress)
    }

    fn told(&self, progress: Progress) -> Anchoring {
        let Progress { unanchored, due_at, job, anchored_size, spent, hindrance } = progress;
        let tron = self.outside.tron.as_ref();
        let (error, retry_at) = hindrance.map_or((None, None), |(why, at)| (Some(why), Some(at)));
        Anchoring {
            network: tron.map(|tron| tron.network.name.to_owned()),
            account: tron.and_then(|tron| tron.key.as_ref()).map(|key| key.address()),
            contract: tron.and_then(|tron| tron.contract),
            waiting_sessions: unanchored.sessions,
            waiting_since: unanchored.since,
            due_at,
            under_way: job.as_ref().map(under_way),
            anchored_size,
            error,
            retry_at,
            spent_sun: spent.get(),
            spent_sun_max: self.outside.anchor_fee_per_day_max.get(),
        }
    }

    /// How it goes where nothing is anchored.
    async fn idle(&self) -> Answer<Anchoring> {
        let newest = self.ledger.anchors(None, 1).await?;
        let anchored_size = newest.first().map_or(0, |anchor| anchor.entry.log_size);
        let why = match (&self.outside.tron, self.outside.anchoring) {
            (Some(_), false) => "it is switched off (anchoring = false)",
            _ => "no network is configured (tron_network)",
        };
        let error = Some(why.to_owned());
        let told = self.told(Progress { anchored_size, ..Progress::default() });
        Ok(Anchoring { network: None, error, ..told })
    }
}

#[async_trait]
impl Anchors for LocalAnchors {
    async fn logged(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>> {
        self.ledger.anchors(before, limit.min(ANCHORS_MAX)).await
    }

    async fn anchoring(&self) -> Answer<Anchoring> {
        match self.progress() {
            Some(progress) => Ok(self.told(progress)),
            None => self.idle().await,
        }
    }

    async fn anchor_now(&self) -> Answer<Anchoring> {
        let Some(anchoring) = &self.anchoring else {
            let why = self.idle().await?.error.unwrap_or_default();
            return Err(Problem::new(Code::Conflict, format!("nothing is anchored: {why}")));
        };
        let has_nothing =
            |progress: &Progress| progress.job.is_none() && progress.unanchored.entries == 0;
        let mut progress = anchoring.progress();
        if has_nothing(&progress) {
            // What was sealed a moment ago is not seen before the log is looked at again.
            tokio::time::sleep(self.look_every * 2).await;
            progress = anchoring.progress();
        }
        if has_nothing(&progress) {
            let nothing = "the log has nothing new since the last anchor";
            return Err(Problem::new(Code::Conflict, nothing));
        }
        anchoring.anchor_now();
        Ok(self.told(progress))
    }

    async fn covering(&self, index: EntryIndex) -> Answer<KeptAnchor> {
        let folder = self.folder.clone();
        let found = self.pool.run(move || folder.covering(index).map_err(of_store)).await?;
        let none = || Problem::new(Code::NotFound, format!("no anchor covers entry {index} yet"));
        found.map(|record| KeptAnchor::of(&record)).ok_or_else(none)
    }
}

fn under_way(job: &Job) -> AnchorUnderWay {
    let (stage, block_number) = match &job.stage {
        Stage::Due => (AnchorStage::Due, None),
        Stage::Built(_) => (AnchorStage::Built, None),
        Stage::Sent { .. } => (AnchorStage::Sent, None),
        Stage::Seen { block, .. } => (AnchorStage::Seen, Some(block.0)),
        Stage::Solid { block, .. } => (AnchorStage::Solid, Some(block.0)),
    };
    let attempt = job.attempt();
    let of = |attempt: &Attempt| -> (_, Timestamp) { (attempt.tx_id, attempt.expires_at) };
    let (tx_id, expires_at) = attempt.map(of).unzip();
    let ended = job.ended.iter().map(|(id, ending)| match ending {
        Ending::Refused(why) => format!("{id} was refused: {why}"),
        Ending::Expired => format!("{id} expired before a block had it"),
        Ending::Failed { block, reason, .. } => format!("{id} failed in block {block}: {reason}"),
        Ending::Elsewhere => format!("{id} was for another network"),
    });
    AnchorUnderWay {
        log_size: job.log_size,
        due_at: job.due_at,
        stage,
        tx_id,
        block_number,
        expires_at,
        sends: attempt.map_or(0, |attempt| attempt.sends),
        ended: ended.collect(),
    }
}
