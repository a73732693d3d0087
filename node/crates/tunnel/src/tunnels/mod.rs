//! The task that keeps onion services published.
//!
//! It holds one connection to tor. When that is lost, because tor stopped or was killed, it comes back with growing
//! pauses and hands every key over again, so that each address is where it was. [`run`] waits, [`desk`] decides.

mod desk;
mod health;
mod orders;
mod retire;
mod run;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use health::{AddressHealth, Health, Link, ServiceHealth, Stage, Uploads};

use self::{
    desk::Desk,
    orders::{ClientChange, Order},
};
use crate::{
    control::{ControlAddress, Controller, Credentials, Port},
    error::TunnelError,
    onion::{ClientName, OnionAddress},
    ports::Keep,
    service::{Client, ServiceName},
};

/// Orders that wait for their turn.
const ORDERS: usize = 16;

/// How tor is controlled, and where keys are.
#[derive(Clone)]
pub struct TunnelOptions {
    /// Tor's control port.
    pub control: ControlAddress,
    /// What is shown to it.
    pub credentials: Credentials,
    /// Whether services stay with tor when this process ends.
    pub detach: bool,
    /// Where keys and the list are.
    pub keep: Arc<dyn Keep>,
}

/// A service that is to be made.
#[derive(Clone, Debug)]
pub struct NewService {
    /// What it is called.
    pub name: ServiceName,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Who may reach it; everybody where this is empty.
    pub clients: Vec<Client>,
    /// Whether its key is in memory alone, and the address gone with this process.
    pub ephemeral: bool,
}

/// The services of a node. Clones are of the same.
#[derive(Clone)]
pub struct Tunnels {
    orders: mpsc::Sender<Order>,
    health: watch::Receiver<Health>,
}

/// What is to be awaited for the services to be served: it ends when it is told to stop.
pub struct Serving {
    desk: Desk,
    orders: mpsc::Receiver<Order>,
}

impl Serving {
    /// Serves until `stop`. With it, tor drops what was not detached.
    pub async fn run(self, stop: CancellationToken) {
        run::run(self.desk, self.orders, stop).await;
    }
}

impl Tunnels {
    /// Reads the list and its keys. A key that cannot be read keeps its own service from being served, and no other.
    ///
    /// # Errors
    /// [`TunnelError::Kept`], [`TunnelError::State`] where the list cannot be read.
    pub async fn open(options: TunnelOptions) -> Result<(Self, Serving), TunnelError> {
        let (health, watched) = watch::channel(Health::new());
        let desk = Desk::open(options, health).await?;
        let (orders, ordered) = mpsc::channel(ORDERS);
        Ok((Self { orders, health: watched }, Serving { desk, orders: ordered }))
    }

    /// How everything is, and a way to wait for changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Makes a service. Its key and its place in the list are durable when this returns; that it is published is
    /// seen in [`Tunnels::health`], or waited for with [`Tunnels::published`].
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn create(&self, service: NewService) -> Result<OnionAddress, TunnelError> {
        self.order(|answer| Order::Create { service, answer }).await
    }

    /// Gives a service a new address; the former one is served on for `grace`, and until the new one was published.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn rotate(
        &self,
        name: ServiceName,
        grace: Duration,
    ) -> Result<OnionAddress, TunnelError> {
        self.order(|answer| Order::Rotate { name, grace, answer }).await
    }

    /// Lets more clients reach a service; one whose name is there has another key from then on, where `replaces` says so.
    /// Tor takes the service down and up again for that; the address and its connections stay.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn add_clients(
        &self,
        name: ServiceName,
        clients: Vec<Client>,
        replaces: bool,
    ) -> Result<(), TunnelError> {
        let change = ClientChange::Add { clients, replaces };
        self.order(|answer| Order::Clients { name, change, answer }).await
    }

    /// Lets clients reach a service no more: from then on none of them is connected anew.
    ///
    /// # Errors
    /// [`TunnelError::LastClient`] where everybody would get in and `opens_to_all` does not say so; [`TunnelError`].
    pub async fn remove_clients(
        &self,
        name: ServiceName,
        clients: Vec<ClientName>,
        opens_to_all: bool,
    ) -> Result<(), TunnelError> {
        let change = ClientChange::Remove { clients, opens_to_all };
        self.order(|answer| Order::Clients { name, change, answer }).await
    }

    /// Says which ports a service has, and what is behind them. Where that is new, tor takes it down and up again;
    /// connections stay.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn set_ports(&self, name: ServiceName, ports: Vec<Port>) -> Result<(), TunnelError> {
        self.order(|answer| Order::Ports { name, ports, answer }).await
    }

    /// Hands a service to tor anew, which publishes it anew.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn refresh(&self, name: ServiceName) -> Result<(), TunnelError> {
        self.order(|answer| Order::Refresh { name, answer }).await
    }

    /// Ends a service, and destroys its keys: nobody can have its address again.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn take_down(&self, name: ServiceName) -> Result<(), TunnelError> {
        self.order(|answer| Order::TakeDown { name, answer }).await
    }

    /// The connection to tor.
    ///
    /// # Errors
    /// [`TunnelError::Lost`] where there is none now.
    pub async fn controller(&self) -> Result<Controller, TunnelError> {
        self.order(|answer| Order::Controller { answer }).await
    }

    /// Waits until an address was published.
    ///
    /// # Errors
    /// [`TunnelError::NotPublished`], [`TunnelError::Stopped`].
    pub async fn published(
        &self,
        address: OnionAddress,
        time: Duration,
    ) -> Result<(), TunnelError> {
        let mut health = self.health.clone();
        let waiting = health.wait_for(|health| health.is_published(address));
        match tokio::time::timeout(time, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(TunnelError::Stopped),
            Err(_) => {
                let why = self.health.borrow().problem().unwrap_or_default();
                let address = address.to_string();
                Err(TunnelError::NotPublished { address, seconds: time.as_secs(), why })
            }
        }
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, TunnelError>>) -> Order,
    ) -> Result<T, TunnelError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| TunnelError::Stopped)?;
        answered.await.map_err(|_| TunnelError::Stopped)?
    }
}

#[cfg(test)]
mod tests;
