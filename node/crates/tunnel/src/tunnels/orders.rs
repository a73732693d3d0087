//! What is ordered, and what is done about it.

use std::{collections::HashMap, time::Duration};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{NewService, desk::Desk};
use crate::{
    control::{Controller, Port},
    error::TunnelError,
    onion::{ClientName, OnionAddress, OnionKey},
    ports::KeyName,
    service::{Client, KeyEntry, Service, ServiceName},
};

type Answer<T> = oneshot::Sender<Result<T, TunnelError>>;

/// An order, and where its answer goes. Who ordered may be gone: it is done all the same.
pub(super) enum Order {
    Create { service: NewService, answer: Answer<OnionAddress> },
    Rotate { name: ServiceName, grace: Duration, answer: Answer<OnionAddress> },
    Clients { name: ServiceName, change: ClientChange, answer: Answer<()> },
    Ports { name: ServiceName, ports: Vec<Port>, answer: Answer<()> },
    Refresh { name: ServiceName, answer: Answer<()> },
    TakeDown { name: ServiceName, answer: Answer<()> },
    Controller { answer: Answer<Controller> },
}

/// Who may reach a service from now on, and who no more.
pub(super) enum ClientChange {
    Add { clients: Vec<Client>, replaces: bool },
    Remove { clients: Vec<ClientName>, opens_to_all: bool },
}

impl Order {
    /// Does it.
    ///
    /// # Errors
    /// Where tor may still serve what it should not: only the connection's end is sure to end that.
    pub(super) async fn carry_out(
        self,
        desk: &mut Desk,
        tor: Option<&Controller>,
    ) -> Result<(), TunnelError> {
        match self {
            Self::Create { service, answer } => {
                let done = desk.create(service, tor).await;
                desk.answer(answer, done);
            }
            Self::Rotate { name, grace, answer } => {
                let done = desk.rotate(&name, grace, tor).await;
                desk.answer(answer, done);
            }
            Self::Clients { name, change, answer } => {
                let (done, withdrawn) = desk.change_clients(&name, change, tor).await;
                desk.answer(answer, done);
                return withdrawn;
            }
            Self::Ports { name, ports, answer } => {
                let done = desk.set_ports(&name, ports, tor).await;
                desk.answer(answer, done);
            }
            Self::Refresh { name, answer } => {
                let done = desk.refresh(&name, tor).await;
                desk.answer(answer, done);
            }
            Self::TakeDown { name, answer } => {
                let (done, withdrawn) = desk.take_down(&name, tor).await;
                desk.answer(answer, done);
                return withdrawn;
            }
            Self::Controller { answer } => {
                let tor = tor.cloned().ok_or_else(|| desk.down());
                drop(answer.send(tor));
            }
        }
        Ok(())
    }
}

impl Desk {
    /// Answers, once everybody can see what was done: who asks how it is after that is told of it.
    fn answer<T>(&mut self, answer: oneshot::Sender<T>, done: T) {
        self.tell();
        // Whoever asked may have gone.
        drop(answer.send(done));
    }

    async fn create(
        &mut self,
        new: NewService,
        tor: Option<&Controller>,
    ) -> Result<OnionAddress, TunnelError> {
        if self.has(&new.name) {
            return Err(TunnelError::Exists(new.name.to_string()));
        }
        let NewService { name, ports, clients, ephemeral } = new;
        let found = if ephemeral { None } else { self.newest_found(&name) };
        let (number, was_found) = (found.unwrap_or(1), found.is_some());
        let key_name = KeyName { service: name.clone(), number };
        let service = |address| {
            let made_at = super::desk::now();
            let keys = vec![KeyEntry { number, address, made_at, until: None }];
            Service { name: name.clone(), ports: ports.clone(), clients: clients.clone(), keys }
        };
        // What cannot be leaves no key: it is tried with one of nobody's.
        self.list(!ephemeral)
            .with(service(OnionKey::from_seed(Zeroizing::new([1; 32])).address()))?;
        let key = self.new_key(&key_name, !ephemeral).await?;
        let address = key.address();
        let list = self.list(!ephemeral).with(service(address))?;
        self.put(list, !ephemeral).await?;
        self.keys.insert(key_name, Ok(key));
        let Some(tor) = tor else { return Ok(address) };
        match self.serve(&name, tor).await {
            // A key that was found is somebody's address: the service stays, and is tried again.
            Err(error) if !error.is_temporary() && was_found => Err(error),
            Err(error) if !error.is_temporary() => {
                // It was told to nobody.
                let (done, withdrawn) = self.take_down(&name, Some(tor)).await;
                if let Err(why) = withdrawn {
                    tracing::warn!(service = %name, %why, "tor does not say that it has let go of it");
                }
                done.and(Err(error))
            }
            _ => Ok(address),
        }
    }

    async fn rotate(
        &mut self,
        name: &ServiceName,
        grace: Duration,
        tor: Option<&Controller>,
    ) -> Result<OnionAddress, TunnelError> {
        let kept = self.is_kept(name)?;
        let key_name =
            KeyName { service: name.clone(), number: self.list(kept).next_number(name)? };
        let key = self.new_key(&key_name, kept).await?;
        let address = key.address();
        let list = self.list(kept).rotated(name, address, super::desk::now(), grace)?;
        self.put(list, kept).await?;
        self.keys.insert(key_name, Ok(key));
        if let Some(tor) = tor {
            self.serve(name, tor).await?;
        }
        Ok(address)
    }

    /// Changes who may reach a service: what came of that, and whether tor let go of what it was. Where it did not, whoever
    /// was let in before still is, until the connection's end.
    async fn change_clients(
        &mut self,
        name: &ServiceName,
        change: ClientChange,
        tor: Option<&Controller>,
    ) -> (Result<(), TunnelError>, Result<(), TunnelError>) {
        let service = match self.put_clients(name, change).await {
            Ok(service) => service,
            Err(error) => return (Err(error), Ok(())),
        };
        let Some(tor) = tor else { return (Ok(()), Ok(())) };
        if let Err(lost) = self.withdraw_all(&service, tor).await {
            return (Ok(()), Err(lost));
        }
        if let Err(error) = self.serve(name, tor).await {
            // The change is kept, and serving it is tried again; until then its stage says why nobody gets in.
            tracing::warn!(service = %name, %error, "an onion service is not served with its new clients yet");
        }
        (Ok(()), Ok(()))
    }

    async fn put_clients(
        &mut self,
        name: &ServiceName,
        change: ClientChange,
    ) -> Result<Service, TunnelError> {
        let kept = self.is_kept(name)?;
        let list = self.list(kept);
        let list = match change {
            ClientChange::Add { clients, replaces } => {
                list.with_clients(name, &clients, replaces)?
            }
            ClientChange::Remove { clients, opens_to_all } => {
                list.without_clients(name, &clients, opens_to_all)?
            }
        };
        let service = list.get(name)?.clone();
        self.put(list, kept).await?;
        Ok(service)
    }

    /// Has tor serve none of its addresses.
    ///
    /// # Errors
    /// [`TunnelError::Lost`], for the connection to be ended.
    async fn withdraw_all(
        &mut self,
        service: &Service,
        tor: &Controller,
    ) -> Result<(), TunnelError> {
        for entry in &service.keys {
            if let Err(error) = self.withdraw(entry.address, tor).await {
                return Err(TunnelError::Lost { at: self.control(), why: error.to_string() });
            }
        }
        Ok(())
    }

    async fn set_ports(
        &mut self,
        name: &ServiceName,
        ports: Vec<Port>,
        tor: Option<&Controller>,
    ) -> Result<(), TunnelError> {
        let kept = self.is_kept(name)?;
        if self.list(kept).get(name)?.ports == ports {
            return Ok(());
        }
        let list = self.list(kept).with_ports(name, ports)?;
        self.put(list, kept).await?;
        match tor {
            Some(_) => self.refresh(name, tor).await,
            None => Ok(()),
        }
    }

    async fn refresh(
        &mut self,
        name: &ServiceName,
        tor: Option<&Controller>,
    ) -> Result<(), TunnelError> {
        let kept = self.is_kept(name)?;
        let tor = tor.ok_or_else(|| self.down())?;
        for entry in self.list(kept).get(name)?.keys.clone() {
            self.withdraw(entry.address, tor).await?;
        }
        self.serve(name, tor).await
    }

    /// Ends a service: what came of that, and whether tor took it. The keys are destroyed whatever tor does.
    async fn take_down(
        &mut self,
        name: &ServiceName,
        tor: Option<&Controller>,
    ) -> (Result<(), TunnelError>, Result<(), TunnelError>) {
        let service = match self.destroy(name).await {
            Ok(service) => service,
            Err(error) => return (Err(error), Ok(())),
        };
        match tor {
            Some(tor) => (Ok(()), self.withdraw_all(&service, tor).await),
            None => (Ok(()), Ok(())),
        }
    }

    /// Takes a service out of the list, then its keys off the disk.
    async fn destroy(&mut self, name: &ServiceName) -> Result<Service, TunnelError> {
        let kept = self.is_kept(name)?;
        let service = self.list(kept).get(name)?.clone();
        self.put(self.list(kept).without(name)?, kept).await?;
        let mut keys: Vec<_> = service.keys.iter().map(|entry| service.key_name(entry)).collect();
        if kept {
            // Older ones that were found with the one that it took up go with it.
            keys.extend(self.found.extract_if(.., |key| key.service == *name));
        }
        let mut done = Ok(());
        for key in keys {
            let forgotten = self.forget(&key, kept).await;
            done = done.and(forgotten);
        }
        done.map(|()| service)
    }

    /// The newest key of a service that was there without a list.
    fn newest_found(&self, name: &ServiceName) -> Option<u32> {
        let of_it = self.found.iter().filter(|key| key.service == *name);
        of_it.map(|key| key.number).max()
    }

    /// A key that is durable, or of random bytes that are nowhere else.
    async fn new_key(&self, name: &KeyName, kept: bool) -> Result<OnionKey, TunnelError> {
        if kept {
            let (wanted, is_found) = (name.clone(), self.found.contains(name));
            // One that is there beside a list is not in it: its address was told to nobody, or was taken down.
            let seed = self.blocking(move |keep| {
                if !is_found {
                    keep.remove_key(&wanted)?;
                }
                keep.make_key(&wanted)
            });
            return Ok(OnionKey::from_seed(seed.await?));
        }
        let mut seed = Zeroizing::new([0; 32]);
        let random = getrandom::fill(seed.as_mut_slice());
        random.map_err(|error| TunnelError::Random(error.to_string()))?;
        Ok(OnionKey::from_seed(seed))
    }
}

/// Keys as they were read, or why they were not.
pub(super) type Keys = HashMap<KeyName, Result<OnionKey, String>>;
