//! Threads that take only what others leave of the processors.
//!
//! Catching up with a long backlog would otherwise take as much of them as recording does. On threads of the lowest
//! priority it takes all that is idle, and next to nothing of what is not; a database on this machine, which works on what
//! it is sent, then gets no more than that either.
//!
//! Nothing on these threads may hold what recording waits for: the log and the manifests are read on the node's own
//! threads (`ports::LoggedSource`).

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};

/// The lowest priority there is.
const LOWEST: i32 = 19;

/// Runs `work` to its end on such threads.
pub(super) async fn run(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::warn!(%error, "no threads of its own for the sync: it shares those of all others");
            return work.await;
        }
    };
    let ended = runtime.spawn(work).await;
    // What it had begun, it has waited for.
    runtime.shutdown_background();
    if let Err(error) = ended {
        tracing::error!(%error, "the sync to MongoDB ended");
    }
}

fn runtime() -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("lucid-sync").on_thread_start(step_back);
    builder.enable_all().build()
}

/// Gives this thread the lowest priority. On Linux priorities are threads', and nobody needs a right to lower one.
fn step_back() {
    if let Err(error) = setpriority_process(None, LOWEST) {
        tracing::warn!(%error, "the sync's threads keep their priority: where processors are few it slows others");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn its_threads_and_no_others_step_back() {
        let (say, said) = tokio::sync::oneshot::channel();
        let before = getpriority_process(None).unwrap();
        run(async move {
            let own = getpriority_process(None).unwrap();
            let blocking = || getpriority_process(None).unwrap();
            let blocking = tokio::task::spawn_blocking(blocking).await.unwrap();
            say.send((own, blocking)).unwrap();
        })
        .await;
        assert_eq!(said.await.unwrap(), (LOWEST, LOWEST));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
