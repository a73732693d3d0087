//! Waiting: for tor, for orders, for time.

use std::{pin::pin, time::Duration};

use tokio::{
    sync::{broadcast, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{desk::Desk, orders::Order};
use crate::{
    backoff::{Backoff, random},
    control::{Controller, Event},
    error::TunnelError,
};

/// How often tor is asked how it is, and former addresses are looked at: both cost next to nothing.
const TICK: Duration = Duration::from_secs(5);

/// A connection, and what tor says over it.
pub(super) struct Line {
    pub(super) controller: Controller,
    pub(super) events: broadcast::Receiver<Event>,
}

/// What comes next.
enum Happening {
    Stop,
    Order(Order),
    Event(Event),
    /// Events came faster than they were looked at.
    Missed,
    Lost(TunnelError),
    Connect,
    Tick,
}

pub(super) async fn run(
    mut desk: Desk,
    mut orders: mpsc::Receiver<Order>,
    stop: CancellationToken,
) {
    let mut line: Option<Line> = None;
    let mut backoff = Backoff::default();
    let mut again = Instant::now();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    desk.tell();
    loop {
        let happening = tokio::select! {
            biased;
            () = stop.cancelled() => Happening::Stop,
            order = orders.recv() => order.map_or(Happening::Stop, Happening::Order),
            happening = heard(line.as_mut()) => happening,
            () = sleep_until(again), if line.is_none() => Happening::Connect,
            _ = tick.tick(), if line.is_some() => Happening::Tick,
        };
        let controller = line.as_ref().map(|line| &line.controller);
        let done = match happening {
            Happening::Stop => return,
            Happening::Order(order) => order.carry_out(&mut desk, controller).await,
            Happening::Event(event) => {
                desk.hear(event);
                Ok(())
            }
            Happening::Missed | Happening::Tick => desk.look(controller).await,
            Happening::Lost(why) => Err(why),
            Happening::Connect => {
                // A tor that hangs does not keep the node from stopping.
                let connecting = pin!(desk.connect());
                match stop.run_until_cancelled(connecting).await {
                    None => return,
                    Some(Ok(fresh)) => {
                        line = Some(fresh);
                        backoff.reset();
                        Ok(())
                    }
                    Some(Err(why)) => Err(why),
                }
            }
        };
        if let Err(why) = done {
            line = None;
            again = Instant::now() + backoff.pause(random());
            desk.lose(&why);
        }
        desk.tell();
    }
}

/// What comes over the line; nothing, ever, where there is none.
async fn heard(line: Option<&mut Line>) -> Happening {
    let Some(line) = line else { return std::future::pending().await };
    tokio::select! {
        biased;
        event = line.events.recv() => match event {
            Ok(event) => Happening::Event(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Happening::Missed,
            Err(broadcast::error::RecvError::Closed) => Happening::Lost(line.controller.ended().await),
        },
        why = line.controller.ended() => Happening::Lost(why),
    }
}
