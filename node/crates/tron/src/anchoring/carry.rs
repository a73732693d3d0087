//! Carrying an anchor one step further.
//!
//! Each step asks TRON, takes up what it says ([`Job::apply`]), and makes the changed job durable before it
//! returns; before a transaction is sent, that it is about to be.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_core::{
    Timestamp,
    entry::AnchorTron,
    note::{Checkpoint, SignedNote},
    tron::{
        Address, BlockNumber, Sun, Transaction, TransactionId,
        anchor::{AnchorForm, AnchorPins, AnchorProof, AnchorRecord, Genesis},
    },
};

use super::{
    build::Order,
    hindrance::{Hindrance, Pauses},
    job::{Attempt, Event, Job, Stage, Step},
    ports::{Clock, Log, Memory},
    state::{Spent, State},
};
use crate::{Key, Network, Next, Retry, Tron};

/// How anchors are made.
#[derive(Clone)]
pub struct AnchoringOptions {
    /// The network.
    pub network: Network,
    /// Who pays and signs; without one, anchors stay due.
    pub key: Option<Arc<Key>>,
    /// The contract that is called; without one, anchors are memos.
    pub contract: Option<Address>,
    /// What the anchors of 24 hours may cost.
    pub fee_per_day_max: Sun,
    /// How often the log is looked at.
    pub look_every: Duration,
    /// How often a transaction that was sent is looked for: TRON makes a block every 3 seconds.
    pub poll_every: Duration,
    /// A transaction that no block has is sent again after so long.
    pub resend_after: Duration,
    /// How long to wait after a hindrance.
    pub pauses: Pauses,
}

/// What carries an anchor.
pub(super) struct Carrier {
    pub(super) tron: Arc<dyn Tron>,
    pub(super) log: Arc<dyn Log>,
    pub(super) memory: Arc<dyn Memory>,
    pub(super) options: AnchoringOptions,
    pub(super) clock: Clock,
    /// The network's first block, once the server was asked and is of that network.
    genesis: Option<Genesis>,
    /// When this process sent last, and what.
    sent: Option<(TransactionId, Instant)>,
}

impl Carrier {
    pub(super) fn new(
        tron: Arc<dyn Tron>,
        log: Arc<dyn Log>,
        memory: Arc<dyn Memory>,
        options: AnchoringOptions,
        clock: Clock,
    ) -> Self {
        Self { tron, log, memory, options, clock, genesis: None, sent: None }
    }

    /// Carries the anchor that is on its way one step further, and gives how long to wait before the next
    /// step.
    ///
    /// # Errors
    /// [`Hindrance`]: the step is to be taken again later. `state` is then what is durable.
    pub(super) async fn step(&mut self, state: &mut State) -> Result<Duration, Hindrance> {
        let Some(job) = state.job.clone() else { return Ok(self.options.look_every) };
        match job.next() {
            Step::Build => self.build(state, &job).await,
            Step::Send(attempt) => self.send(state, attempt).await,
            Step::Look(attempt) => self.look(state, attempt).await,
            Step::Enter(attempt, block) => self.enter(state, &job, attempt, block).await,
        }
    }

    async fn build(&mut self, state: &mut State, job: &Job) -> Result<Duration, Hindrance> {
        let now = (self.clock)();
        let key = self.options.key.clone().ok_or(Hindrance::NoKey)?;
        let order = Order {
            key: &key,
            genesis: self.genesis().await?,
            contract: self.options.contract,
            spent: state.spent_since_yesterday(now),
            cap: self.options.fee_per_day_max,
        };
        let attempt = order.attempt(&*self.tron, job, now).await?;
        self.take_up(state, Event::Built(attempt)).await?;
        Ok(Duration::ZERO)
    }

    async fn send(&mut self, state: &mut State, attempt: &Attempt) -> Result<Duration, Hindrance> {
        self.at_home(state, attempt).await?;
        self.take_up(state, Event::Sending).await?;
        let id = attempt.tx_id;
        self.sent = Some((id, Instant::now()));
        let sent = self.tron.broadcast(&transaction(attempt)?).await;
        match sent {
            Ok(said) => {
                let why = format!("{} {}", said.code.name(), said.said).trim_end().to_owned();
                match said.code.next() {
                    Next::Wait | Next::LookUp | Next::Unknown => {
                        tracing::info!(%id, why, "an anchor's transaction was sent");
                        self.take_up(state, Event::MaybeTaken).await?;
                        Ok(self.options.poll_every)
                    }
                    Next::Again => {
                        self.sent = None;
                        Err(Hindrance::NotNow { id, why })
                    }
                    next @ (Next::Rebuild | Next::Refused) => {
                        self.take_up(state, Event::Refused(why.clone())).await?;
                        match state.job.as_ref().map(|job| &job.stage) {
                            Some(Stage::Due) if next == Next::Refused => {
                                Err(Hindrance::Refused { id, why })
                            }
                            Some(Stage::Due) => Err(Hindrance::Outdated { id, why }),
                            // Somebody may have it from a send before: it is looked for.
                            _ => Ok(self.options.poll_every),
                        }
                    }
                }
            }
            Err(error) => {
                if error.retry() != Retry::Unknown {
                    // Nobody has it: it is sent again as soon as somebody is there.
                    self.sent = None;
                }
                Err(error.into())
            }
        }
    }

    async fn look(&mut self, state: &mut State, attempt: &Attempt) -> Result<Duration, Hindrance> {
        self.at_home(state, attempt).await?;
        let id = attempt.tx_id;
        // Asked for first: what is solid later may be in a block that was not looked into.
        let solid = self.tron.solid_head().await?.body().timestamp_ms;
        let event = match self.tron.solid_info(id).await? {
            Some(info) => {
                let (block, fee, failure) = (info.block, info.fee, info.failed);
                state.spend(Spent { at: (self.clock)(), tx_id: id, fee });
                Event::InSolidBlock { block, fee, failure }
            }
            None => match self.tron.info(id).await? {
                Some(info) => Event::InBlock(info.block),
                None => Event::InNoBlock(Timestamp::from_unix_millis(solid)),
            },
        };
        let in_no_block = matches!(event, Event::InNoBlock(_));
        let failure = match &event {
            Event::InSolidBlock { failure, .. } => failure.clone(),
            _ => None,
        };
        self.take_up(state, event).await?;
        if let Some(reason) = failure {
            return Err(Hindrance::Failed { id, reason });
        }
        match state.job.as_ref().map(|job| &job.stage) {
            Some(Stage::Due) => Err(Hindrance::Expired(id)),
            Some(Stage::Solid { .. }) => Ok(Duration::ZERO),
            Some(Stage::Sent { attempt, .. }) if in_no_block => {
                let over = attempt.is_over(Timestamp::from_unix_millis(solid));
                let lately = self.sent.is_some_and(|(sent, at)| {
                    sent == id && at.elapsed() < self.options.resend_after
                });
                let attempt = attempt.clone();
                match over || lately {
                    true => Ok(self.options.poll_every),
                    false => self.send(state, &attempt).await,
                }
            }
            _ => Ok(self.options.poll_every),
        }
    }

    /// Makes the proof, keeps it, puts the anchor into the log, and is done with it: in this order, so that
    /// a crash between any two repeats what is done already and changes nothing.
    async fn enter(
        &mut self,
        state: &mut State,
        job: &Job,
        attempt: &Attempt,
        number: BlockNumber,
    ) -> Result<Duration, Hindrance> {
        let genesis = attempt.target.genesis;
        if self.log.anchored_size().await? < job.log_size {
            self.at_home(state, attempt).await?;
            let record = self.record(job, attempt, number).await?;
            let note = SignedNote::parse(&job.checkpoint)?;
            let checkpoint = Checkpoint::parse_body(note.text())?;
            let pins = AnchorPins {
                address: Some(attempt.target.from),
                contract: attempt.target.contract,
                network: Some(genesis),
            };
            let claims = record.proof().verify(&checkpoint, &pins)?;
            self.memory.keep(record).await?;
            let (kind, v) = Default::default();
            let entry = AnchorTron {
                at: (self.clock)(),
                block_id: claims.block,
                block_number: claims.block_number,
                contract: claims.contract,
                form: claims.form,
                genesis,
                kind,
                log_root: job.log_root,
                log_size: job.log_size,
                network: genesis.name().to_owned(),
                tx_id: claims.transaction,
                v,
            };
            self.log.enter(entry).await?;
            let form = AnchorForm::as_str(claims.form);
            let (id, log_size) = (claims.transaction, job.log_size);
            tracing::info!(%id, block = number.0, log_size, form, "the log is anchored");
        }
        self.remember(state, State { job: None, ..state.clone() }).await?;
        Ok(Duration::ZERO)
    }

    async fn record(
        &self,
        job: &Job,
        attempt: &Attempt,
        number: BlockNumber,
    ) -> Result<AnchorRecord, Hindrance> {
        let id = attempt.tx_id;
        let missing = || Hindrance::NoBlock(id);
        let block = self.tron.block(number).await?.ok_or_else(missing)?;
        let (envelope, path) = block.find(id)?.ok_or_else(missing)?;
        let transaction = Transaction::from_envelope(envelope.clone())?;
        let genesis = attempt.target.genesis;
        let proof = AnchorProof::new(genesis, &transaction, block.header(), &path)?;
        Ok(AnchorRecord::new(&job.checkpoint, proof)?)
    }

    /// Holds it that the server is of the network that the transaction is for. Where the configuration names
    /// another one now, the transaction there is given up.
    async fn at_home(&mut self, state: &mut State, attempt: &Attempt) -> Result<(), Hindrance> {
        if self.genesis().await? == attempt.target.genesis {
            return Ok(());
        }
        let id = attempt.tx_id;
        tracing::warn!(%id, "the configured network is another one now: the anchor begins again there");
        self.take_up(state, Event::Elsewhere).await?;
        Err(Hindrance::Elsewhere(id))
    }

    async fn genesis(&mut self) -> Result<Genesis, Hindrance> {
        if let Some(genesis) = self.genesis {
            return Ok(genesis);
        }
        let found = self.tron.genesis().await?;
        self.options.network.check(found)?;
        Ok(*self.genesis.insert(Genesis(found)))
    }

    /// Takes up an event, and makes what comes of it durable.
    async fn take_up(&self, state: &mut State, event: Event) -> Result<(), Hindrance> {
        let mut next = state.clone();
        let Some(job) = &mut next.job else { return Ok(()) };
        if job.apply(event) {
            self.remember(state, next).await?;
        }
        Ok(())
    }

    /// `state` becomes what it is to be once that is durable.
    pub(super) async fn remember(&self, state: &mut State, next: State) -> Result<(), Hindrance> {
        self.memory.save(next.clone()).await?;
        *state = next;
        Ok(())
    }
}

fn transaction(attempt: &Attempt) -> Result<Transaction, Hindrance> {
    let malformed = lucid_core::tron::TronError::Field {
        what: "an anchor on its way",
        field: "transaction",
        wanted: "hex",
    };
    let bytes = hex::decode(&attempt.transaction).map_err(|_| malformed)?;
    Ok(Transaction::decode(&bytes)?)
}
