//! Turns at what computes: so many at once, and those who ask take them one after another.
//!
//! Each asker has a line of its own, and the lines are served in turn, one question of each: who asks much
//! waits for itself. Lines are bounded, each and together, and so is how long anybody waits in one; what is
//! beyond is refused at once, so that what waits takes no more memory than that.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lucid_api::{
    Code, Problem,
    ports::{Answer, Asker},
};
use tokio::sync::oneshot;

use super::problem;

/// Questions of one asker that wait.
const OWN_MAX: usize = 32;
/// Questions that wait.
const ALL_MAX: usize = 128;
/// So long a question waits: services wait for an answer a little longer than this and computing one.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Who computes, and who waits.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<Lines>>);

#[expect(clippy::struct_field_names, reason = "it is what the lines are")]
struct Lines {
    /// Turns that nobody has. Where there are any, nobody waits.
    free: usize,
    waiting: usize,
    /// Questions ever put into a line.
    asked: u64,
    lines: HashMap<Asker, VecDeque<Waiter>>,
    /// Those who have a line, each once: the first is next.
    order: VecDeque<Asker>,
}

struct Waiter {
    number: u64,
    turn: oneshot::Sender<Turn>,
}

/// A turn, until it is dropped.
struct Turn(Option<Turns>);

/// A place in a line, left where nobody waits in it any more.
struct Place<'a> {
    turns: &'a Turns,
    asker: &'a Asker,
    number: u64,
}

enum Entered {
    Has(Turn),
    Waits(u64, oneshot::Receiver<Turn>),
}

impl Turns {
    /// So many at once.
    #[must_use]
    pub fn new(at_once: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            free: at_once.get(),
            waiting: 0,
            asked: 0,
            lines: HashMap::new(),
            order: VecDeque::new(),
        })))
    }

    /// Waits for a turn of `asker`'s, then runs a job on a thread of its own and gives its answer. A job that
    /// has begun goes on to its end, whoever still waits for it, and has its turn until then.
    ///
    /// # Errors
    /// `rate_limited` where too many questions of `asker`'s wait; `unavailable` where too many do, or this one
    /// did too long; `internal` where the job panicked; what it says otherwise.
    pub async fn run<T: Send + 'static>(
        &self,
        asker: &Asker,
        job: impl FnOnce() -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let turn = self.turn(asker).await?;
        let span = tracing::Span::current();
        let job = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            span.in_scope(job)
        });
        job.await.map_err(|error| problem::internal(&error))?
    }

    async fn turn(&self, asker: &Asker) -> Answer<Turn> {
        let (number, turn) = match self.enter(asker)? {
            Entered::Has(turn) => return Ok(turn),
            Entered::Waits(number, turn) => (number, turn),
        };
        let _place = Place { turns: self, asker, number };
        match tokio::time::timeout(WAIT_MAX, turn).await {
            Ok(turn) => turn.map_err(|error| problem::internal(&error)),
            Err(_) => Err(busy()),
        }
    }

    fn enter(&self, asker: &Asker) -> Answer<Entered> {
        let mut all = self.lock();
        if all.free > 0 {
            all.free -= 1;
            return Ok(Entered::Has(Turn(Some(self.clone()))));
        }
        if all.lines.get(asker).is_some_and(|line| line.len() >= OWN_MAX) {
            let detail =
                format!("{OWN_MAX} of your questions wait already: wait for their answers");
            return Err(Problem::new(Code::RateLimited, detail));
        }
        if all.waiting >= ALL_MAX {
            return Err(busy());
        }
        let (turn, waiter) = oneshot::channel();
        all.asked += 1;
        all.waiting += 1;
        let number = all.asked;
        if !all.lines.contains_key(asker) {
            all.order.push_back(asker.clone());
        }
        all.lines.entry(asker.clone()).or_default().push_back(Waiter { number, turn });
        Ok(Entered::Waits(number, waiter))
    }

    /// Gives a turn that is over to who is next.
    fn pass_on(&self) {
        loop {
            let Some(Waiter { turn, .. }) = self.next() else { return };
            match turn.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Whoever waited gave up just now; the turn goes on.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }

    /// Who is next; where nobody is, the turn is free.
    fn next(&self) -> Option<Waiter> {
        let mut all = self.lock();
        let next = all.pop();
        if next.is_none() {
            all.free += 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing in between panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn pop(&mut self) -> Option<Waiter> {
        let asker = self.order.pop_front()?;
        let line = self.lines.get_mut(&asker)?;
        let first = line.pop_front()?;
        self.waiting -= 1;
        match line.is_empty() {
            true => drop(self.lines.remove(&asker)),
            false => self.order.push_back(asker),
        }
        Some(first)
    }

    fn leave(&mut self, asker: &Asker, number: u64) {
        let Some(line) = self.lines.get_mut(asker) else { return };
        let before = line.len();
        line.retain(|waiter| waiter.number != number);
        self.waiting -= before - line.len();
        if line.is_empty() {
            self.lines.remove(asker);
            self.order.retain(|other| other != asker);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.lock().leave(self.asker, self.number);
    }
}

fn busy() -> Problem {
    Problem::new(Code::Unavailable, "too many questions wait for the chain: try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Turns {
        Turns::new(NonZeroUsize::MIN)
    }

    fn asker(name: &str) -> Asker {
        Asker::service(name)
    }

    fn code<T>(answer: Answer<T>) -> Code {
        answer.map(drop).unwrap_err().code
    }

    /// Waits until so many wait.
    async fn waiting(turns: &Turns, count: usize) {
        while turns.lock().waiting != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_asks_much_waits_for_itself() {
        let turns = one();
        let held = turns.turn(&asker("greedy")).await.unwrap();
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (count, name) in ["greedy"; 9].into_iter().chain(["first", "second"]).enumerate() {
            let (of_task, done) = (turns.clone(), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                let job = move || {
                    done.lock().unwrap().push(name);
                    Ok(())
                };
                of_task.run(&asker(name), job).await
            }));
            waiting(&turns, count + 1).await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let done = done.lock().unwrap().clone();
        assert_eq!(done[..4], ["greedy", "first", "second", "greedy"], "{done:?}");
        let all = turns.lock();
        assert_eq!((all.free, all.waiting, all.lines.len(), all.order.len()), (1, 0, 0, 0));
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let turns = one();
        let _held = turns.turn(&asker("x")).await.unwrap();
        let wait = |name: String| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.turn(&Asker::service(&name)).await.map(drop) })
        };
        let own: Vec<_> = (0..OWN_MAX).map(|_| wait("greedy".to_owned())).collect();
        waiting(&turns, OWN_MAX).await;
        assert_eq!(code(turns.turn(&asker("greedy")).await), Code::RateLimited);
        let others: Vec<_> = (OWN_MAX..ALL_MAX).map(|n| wait(format!("{n}"))).collect();
        waiting(&turns, ALL_MAX).await;
        assert_eq!(code(turns.turn(&asker("one more")).await), Code::Unavailable);
        // Who goes away makes room.
        others[0].abort();
        waiting(&turns, ALL_MAX - 1).await;
        own[0].abort();
        waiting(&turns, ALL_MAX - 2).await;
        let late = wait("one more".to_owned());
        waiting(&turns, ALL_MAX - 1).await;
        assert!(!late.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let turns = one();
        let held = turns.turn(&asker("x")).await.unwrap();
        assert_eq!(code(turns.turn(&asker("y")).await), Code::Unavailable);
        assert_eq!(turns.lock().waiting, 0);
        drop(held);
        turns.turn(&asker("y")).await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_ends_with_its_job_however_that_ends() {
        let turns = one();
        let panics = turns.run(&asker("x"), || -> Answer<()> { panic!("it is meant to") }).await;
        assert_eq!(code(panics), Code::Internal);
        // One that nobody waits for any more.
        let (begin, begun) = oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let of_task = turns.clone();
        let task = tokio::spawn(async move {
            let job = move || {
                begin.send(()).unwrap();
                ended.recv().unwrap();
                Ok(())
            };
            of_task.run(&asker("x"), job).await
        });
        begun.await.unwrap();
        task.abort();
        assert_eq!(turns.lock().free, 0, "it goes on");
        end.send(()).unwrap();
        turns.run(&asker("y"), || Ok(())).await.unwrap();
    }
}
