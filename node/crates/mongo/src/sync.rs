//! The sync as a whole: what the node opens, runs and asks.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{Mutex, Notify, OnceCell};
use tokio_util::sync::CancellationToken;

use crate::{
    Collection, Cursor, Cursors, Fault, Options, Source, Status,
    compare::{self, How, Progress, Report},
    lane::{BackOff, Lane, Shared},
    prepare::{self, Standing},
    status::Kept,
    status_lane,
    write::Link,
};

/// The sync of one node to one database.
///
/// One [`run`](Self::run) sends until it is told to stop. [`verify`](Self::verify) and
/// [`rebuild`](Self::rebuild) may be asked for at any time, with a run or without; the run pauses meanwhile.
pub struct Sync {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    /// The database was made ready.
    ready: OnceCell<()>,
}

impl Sync {
    /// Opens the sync. Nothing is connected with yet: a database that is down keeps nobody from starting.
    #[must_use]
    pub fn open(options: Options, source: Arc<dyn Source>, cursors: Arc<dyn Cursors>) -> Self {
        let node = source.identity().node_id;
        let shared = Arc::new(Shared {
            link: Link::new(options, node),
            source,
            cursors,
            kept: Kept::new(),
            wake: Notify::new(),
            narrow: Mutex::new(()),
        });
        let lane = |of| Lane::new(Arc::clone(&shared), of);
        let lanes = Collection::ALL.map(lane).into();
        Self { shared, lanes, ready: OnceCell::new() }
    }

    /// Says that the log grew, so that nobody waits for the next look at it. Costs next to nothing.
    pub fn wake(&self) {
        self.shared.wake.notify_waiters();
    }

    /// Sends what the log has and will have, until `stop`. Whatever goes wrong is in the [`status`](Self::status)
    /// and tried again. Dropped at any point it loses nothing that the next run does not send.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut back_off = BackOff::new(self.shared.link.options.pauses);
        loop {
            let ready = tokio::select! {
                () = stop.cancelled() => return,
                ready = self.ready() => ready,
            };
            let Err(fault) = ready else { break };
            self.shared.kept.failed(None, &fault);
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(back_off.next(fault.kind.retry())) => {}
            }
        }
        let lost = Notify::new();
        let lanes = join_all(self.lanes.iter().map(|lane| lane.run(stop, &lost)));
        // Both are polled all the time: whoever begins again waits for collections' turns to end.
        tokio::join!(lanes, self.watch_for_loss(stop, &lost));
    }

    async fn watch_for_loss(&self, stop: &CancellationToken, lost: &Notify) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = lost.notified() => {}
            }
            let begun = tokio::select! {
                () = stop.cancelled() => return,
                begun = self.begin_again() => begun,
            };
            // What cannot be put now is noticed again at the next start.
            if let Err(fault) = begun {
                self.shared.kept.failed(None, &fault);
            }
        }
    }

    async fn ready(&self) -> Result<(), Fault> {
        let prepare = || async {
            match self.prepared().await? {
                Standing::Behind => {
                    tracing::warn!("everything is sent to MongoDB again");
                    self.reset().await
                }
                Standing::Sound | Standing::Forgotten => Ok(()),
            }
        };
        self.ready.get_or_try_init(prepare).await.copied()
    }

    /// Makes the database ready, and says how it stands.
    async fn prepared(&self) -> Result<Standing, Fault> {
        status_lane::check_is_of_this_log(&self.shared).await?;
        prepare::database(&self.shared).await?;
        prepare::standing(&self.shared).await
    }

    /// Looks at log and cursors, so that the lag is known with the database down too.
    async fn look(&self) {
        for lane in &self.lanes {
            let mut at = lane.hold().await;
            if let Err(fault) = lane.cursor(&mut at).await {
                self.shared.kept.failed(Some(lane.of), &fault);
            }
            drop(at);
            lane.tell_since_when().await;
        }
        match self.shared.source.head().await {
            Ok(head) => self.shared.kept.log_size(head.size),
            Err(error) => self.shared.kept.failed(None, &error.into()),
        }
    }

    /// Sends everything again from the first entry: the database has lost what it had.
    async fn begin_again(&self) -> Result<(), Fault> {
        tracing::warn!("MongoDB has lost this node's documents: everything is sent again");
        prepare::database(&self.shared).await?;
        self.reset().await
    }

    async fn reset(&self) -> Result<(), Fault> {
        for lane in &self.lanes {
            let mut at = lane.hold().await;
            lane.set(&mut at, Cursor::default()).await?;
        }
        Ok(())
    }

    /// Ends the connection and the driver's tasks: to be called before the runtime ends, after
    /// [`run`](Self::run). Nothing can be sent or compared afterwards.
    pub async fn close(&self) {
        self.shared.link.close().await;
    }

    /// How far it is, and what went wrong.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.kept.get()
    }

    /// Sends what was never sent, then compares every document of this node with what it should be. Where the
    /// database has less than it had, or the cursors are lost, nothing is sent: what is missing there is what this is
    /// to find.
    ///
    /// # Errors
    /// [`Fault`] where either side cannot be read. Differences are no error: the [`Report`] has them.
    pub async fn verify(
        &self,
        tell: &(dyn Fn(Progress) + Send + std::marker::Sync),
    ) -> Result<Report, Fault> {
        let how = match self.prepared().await? {
            Standing::Sound => How::WithTheRest,
            Standing::Behind | Standing::Forgotten => How::AsItIs,
        };
        compare::compare(&self.lanes, &self.shared, how, tell).await
    }

    /// As [`verify`](Self::verify), and mends: puts what is missing or altered, and takes away what says that it
    /// is this node's and is not. What is right is left as it is, and so is what other nodes have.
    ///
    /// # Errors
    /// [`Fault`]; what was mended until then stays.
    pub async fn rebuild(
        &self,
        tell: &(dyn Fn(Progress) + Send + std::marker::Sync),
    ) -> Result<Report, Fault> {
        self.ready().await?;
        compare::compare(&self.lanes, &self.shared, How::Mending, tell).await
    }
}
