//! tunnel-tools: every onion service is reached through Tor's network, again and again.
//!
//! That a service is published is what tor says of it; that a connection to it came about is seen here. Whose descriptor
//! the network has is not: the tor that is asked may have kept one. This owns what was seen last; it is in memory alone, and a start looks anew. Services that only clients with a key may reach
//! are not looked at: the keys are the clients'.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use lucid_api::{
    Problem,
    health::{Check, Readiness},
    metrics::{Measured, OnionsMeasured},
};
use lucid_tunnel::{service::ServiceName, verify};
use tokio_util::sync::CancellationToken;

use super::{
    outside::{WayIn, probe},
    wire::Front,
};

/// The name of the check.
const REACHED: &str = "reached";
/// One service is tried for so long: relays may not have its descriptor yet.
const PATIENCE: Duration = Duration::from_mins(1);
/// After a look that was not well the next one comes soon.
const AGAIN: Duration = Duration::from_secs(30);
/// A look takes at most so long; what was seen longer ago than that and a pause is not believed any more.
const LOOK_MAX: Duration = Duration::from_mins(3);
/// A node has no more addresses than that: sixteen onion services, each with its former address.
const FRONTS_MAX: usize = 32;
/// Where the reason is.
const MORE: &str = "the log of tunnel-tools says why";

/// Who knows which onion services there are.
#[async_trait]
pub trait Fronts: Send + Sync {
    /// The services as they are now.
    ///
    /// # Errors
    /// [`Problem`], where whoever keeps them does not say.
    async fn fronts(&self) -> Result<Vec<Front>, Problem>;
}

/// Looks, and says what was seen.
pub struct Watch {
    fronts: Arc<dyn Fronts>,
    way: WayIn,
    interval: Duration,
    seen: RwLock<Seen>,
}

/// What the last look found.
#[derive(Clone, PartialEq, Debug, Default)]
enum Seen {
    /// There was none yet.
    #[default]
    Nothing,
    /// Nobody says what there is to look at.
    Untold {
        /// How many were looked at when somebody last did.
        before: usize,
    },
    /// Services were looked at.
    Looks {
        looks: Vec<Look>,
        /// Those with clients.
        for_clients: usize,
        at: Instant,
    },
}

/// One service.
#[derive(Clone, PartialEq, Debug)]
struct Look {
    name: ServiceName,
    /// How long the connection took, where it was reached.
    connect: Option<Duration>,
}

impl Watch {
    /// Looks at what `fronts` tells of, `interval` apart.
    #[must_use]
    pub fn new(fronts: Arc<dyn Fronts>, way: WayIn, interval: Duration) -> Self {
        Self { fronts, way, interval, seen: RwLock::default() }
    }

    /// Until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let Some(is_well) = stop.run_until_cancelled(self.look()).await else { return };
            let pause = if is_well { self.interval } else { self.interval.min(AGAIN) };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Looks once; says whether all is well.
    async fn look(&self) -> bool {
        let fronts = match self.fronts.fronts().await {
            Ok(fronts) => fronts,
            Err(problem) => {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "tor-proxy does not say what there is to look at: {}",
                    problem.detail
                );
                let before = match self.seen() {
                    Seen::Looks { looks, .. } => looks.len(),
                    Seen::Untold { before } => before,
                    Seen::Nothing => 0,
                };
                self.set(Seen::Untold { before });
                return false;
            }
        };
        if fronts.len() > FRONTS_MAX {
            tracing::warn!(
                count = fronts.len(),
                "tor-proxy tells of more onion addresses than there can be: the first {FRONTS_MAX} are looked at"
            );
        }
        let (open, others): (Vec<Front>, Vec<Front>) =
            fronts.into_iter().take(FRONTS_MAX).partition(|one| one.is_open);
        let named: Vec<ServiceName> = open.iter().map(|front| front.name.clone()).collect();
        let is_former = |place: usize| named[..place].contains(&named[place]);
        let looks = open.into_iter().enumerate();
        let looks = looks.map(|(place, front)| self.look_at(front, is_former(place)));
        let looks = join_all(looks).await;
        let is_well = looks.iter().all(|look| look.connect.is_some());
        self.set(Seen::Looks { looks, for_clients: others.len(), at: Instant::now() });
        is_well
    }

    /// A former address comes after the one that took its place.
    async fn look_at(&self, front: Front, is_former: bool) -> Look {
        let Front { name, address, port, .. } = front;
        let reached = match self.way.proxy(address, port, None) {
            Ok(proxy) => verify(&proxy, address, port, &probe(&name, port), PATIENCE)
                .await
                .map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let connect = match reached {
            Ok(verified) => {
                let (millis, attempts) = (verified.connect.as_millis(), verified.attempts);
                tracing::info!(service = %name, is_former, connect_ms = millis, attempts, "reached through Tor: {}", verified.checked);
                Some(verified.connect)
            }
            Err(why) => {
                tracing::warn!(service = %name, is_former, "not reached through Tor: {why}");
                None
            }
        };
        Look { name, connect }
    }

    fn set(&self, seen: Seen) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn seen(&self) -> Seen {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Readiness for Watch {
    async fn checks(&self) -> Vec<Check> {
        vec![check(&self.seen(), Instant::now(), self.interval + LOOK_MAX)]
    }

    async fn measure(&self) -> Measured {
        Measured { onions: measured(&self.seen()), ..Measured::default() }
    }
}

/// What is said of it in `/ready`, where anybody may read it: no names.
fn check(seen: &Seen, now: Instant, believed: Duration) -> Check {
    let Seen::Looks { looks, for_clients, at } = seen else {
        return Check::failed(
            REACHED,
            match seen {
                Seen::Untold { .. } => "tor-proxy does not say what onion services there are",
                _ => "the first look is under way",
            },
        );
    };
    let (all, reached) = (looks.len(), looks.iter().filter(|look| look.connect.is_some()).count());
    let age = now.saturating_duration_since(*at);
    let seconds = age.as_secs();
    if age > believed {
        return Check::failed(REACHED, format!("the last look was {seconds} s ago; {MORE}"));
    }
    let mut detail = match (all, reached == all) {
        (0, _) => "there is no onion service that everybody may reach".to_owned(),
        (_, true) => format!("{reached} of {all} were reached through Tor {seconds} s ago"),
        (_, false) => {
            format!("{reached} of {all} were reached through Tor {seconds} s ago; {MORE}")
        }
    };
    if *for_clients > 0 {
        detail.push_str(&format!("; {for_clients} with clients are not looked at"));
    }
    Check { name: REACHED, ok: reached == all, detail }
}

fn measured(seen: &Seen) -> Option<OnionsMeasured> {
    let looks = match seen {
        Seen::Nothing => return None,
        // What is not known is not reached.
        Seen::Untold { before } => {
            let looked_at = (*before).max(1) as u64;
            return Some(OnionsMeasured { looked_at, ..OnionsMeasured::default() });
        }
        Seen::Looks { looks, .. } => looks,
    };
    let reached = looks.iter().filter_map(|look| look.connect);
    Some(OnionsMeasured {
        looked_at: looks.len() as u64,
        reached: reached.clone().count() as u64,
        slowest_connect_seconds: reached.max().map_or(0.0, |time| time.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(connect: Option<u64>) -> Look {
        Look { name: "gateway".parse().unwrap(), connect: connect.map(Duration::from_millis) }
    }

    #[test]
    fn it_is_well_when_everything_open_was_reached() {
        let at = Instant::now();
        let looks =
            |looks: &[Look], for_clients| Seen::Looks { looks: looks.to_vec(), for_clients, at };
        for (seen, ok, said) in [
            (Seen::Nothing, false, "first look"),
            (Seen::Untold { before: 2 }, false, "tor-proxy does not say"),
            (looks(&[], 0), true, "no onion service that everybody"),
            (looks(&[], 2), true, "2 with clients are not looked at"),
            (
                looks(&[look(Some(300)), look(Some(20))], 0),
                true,
                "2 of 2 were reached through Tor 7 s ago",
            ),
            (
                looks(&[look(Some(300)), look(None)], 1),
                false,
                "1 of 2 were reached through Tor 7 s ago; the log",
            ),
        ] {
            let check = check(&seen, at + Duration::from_secs(7), Duration::from_secs(8));
            assert!(check.ok == ok && check.detail.contains(said), "{check:?}");
            assert!(!check.detail.contains("gateway"), "{check:?}");
        }
        assert_eq!(measured(&Seen::Nothing), None);
        let untold = measured(&Seen::Untold { before: 2 }).unwrap();
        assert_eq!((untold.looked_at, untold.reached), (2, 0));
        // A look that never ends.
        let old =
            check(&looks(&[look(Some(1))], 0), at + Duration::from_secs(9), Duration::from_secs(8));
        assert!(!old.ok && old.detail.contains("9 s ago"), "{old:?}");
        let measured =
            measured(&looks(&[look(Some(300)), look(None), look(Some(1500))], 1)).unwrap();
        assert_eq!((measured.looked_at, measured.reached), (3, 2));
        assert_eq!(measured.slowest_connect_seconds.to_bits(), 1.5_f64.to_bits());
    }

    struct Down;

    #[async_trait]
    impl Fronts for Down {
        async fn fronts(&self) -> Result<Vec<Front>, Problem> {
            Err(Problem::internal())
        }
    }

    /// Nobody listens where tor should be.
    struct One(Front);

    #[async_trait]
    impl Fronts for One {
        async fn fronts(&self) -> Result<Vec<Front>, Problem> {
            Ok(vec![self.0.clone(), Front { is_open: false, ..self.0.clone() }])
        }
    }

    #[tokio::test]
    async fn what_is_not_reached_is_looked_at_again() {
        let egress = "socks5h://127.0.0.1:1".parse().unwrap();
        let way = WayIn {
            egress: lucid_tunnel::Egress::new(Some(egress), true, 1),
            tor: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        let watch =
            |fronts: Arc<dyn Fronts>| Watch::new(fronts, way.clone(), Duration::from_secs(1));
        let down = watch(Arc::new(Down));
        assert!(!down.look().await);
        assert_eq!(down.seen(), Seen::Untold { before: 0 });
        let address =
            "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion".parse().unwrap();
        let front = Front { name: "gateway".parse().unwrap(), address, port: 80, is_open: true };
        let one = watch(Arc::new(One(front)));
        assert!(!one.look().await);
        let Seen::Looks { looks, for_clients, .. } = one.seen() else { panic!("{:?}", one.seen()) };
        assert_eq!((looks, for_clients), (vec![look(None)], 1));
    }
}
