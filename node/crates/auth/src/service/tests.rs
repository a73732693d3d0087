//! One suite for the port, in one process and over HTTP.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, middleware};
use lucid_api::{
    internal::{self, Caller, RemoteAuthentication, RemoteSessions, ServiceKey, guarded},
    metrics::Metrics,
    ports::UserChanges,
    request::{self, RequestLayer},
    server::{self, ServerOptions},
};
use lucid_core::{Hash, entry::UserChanged, merkle::TreeHead};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::*;
use crate::sign::WalletKey;

mod told;

use told::Told;

macro_rules! suite {
    ($($test:ident)*) => {
        mod in_one_process {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Reach::Local).await;
            })*
        }
        mod over_http {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Reach::Http).await;
            })*
        }
    };
}

suite! {
    whoever_signs_is_in_and_who_comes_first_is_said_in_the_ledger
    what_is_not_signed_by_the_address_does_not_sign_in
    refresh_tokens_are_good_once
    of_many_refreshes_at_once_one_wins_and_the_sign_in_ends
    roles_change_at_once_and_an_admin_stays
    without_the_ledger_nothing_changes
    accounts_follow_from_the_ledger
    who_is_named_an_admin_stays_what_the_ledger_says
}

/// Accounts and sign-ins in memory.
#[derive(Default)]
struct Memory {
    accounts: StdMutex<BTreeMap<Owner, AccountRecord>>,
    families: StdMutex<BTreeMap<FamilyId, Family>>,
    applied: StdMutex<Option<TreeHead>>,
}

impl AccountStore for Memory {
    fn account(&self, owner: &Owner) -> Result<Option<AccountRecord>, StoreFailure> {
        Ok(self.accounts.lock().unwrap().get(owner).cloned())
    }
    fn accounts(
        &self,
        after: Option<&Owner>,
        limit: usize,
    ) -> Result<Vec<AccountRecord>, StoreFailure> {
        let accounts = self.accounts.lock().unwrap();
        let beyond = accounts.values().filter(|a| after.is_none_or(|after| a.owner > *after));
        Ok(beyond.take(limit).cloned().collect())
    }
    fn has_other_admin(&self, owner: &Owner) -> Result<bool, StoreFailure> {
        let accounts = self.accounts.lock().unwrap();
        Ok(accounts.values().any(|account| account.owner != *owner && account.is_admin()))
    }
    fn applied(&self) -> Result<TreeHead, StoreFailure> {
        Ok(self.applied.lock().unwrap().unwrap_or(TreeHead::EMPTY))
    }
    fn apply(&self, changes: &[UserChanged], until: TreeHead) -> Result<(), StoreFailure> {
        let mut accounts = self.accounts.lock().unwrap();
        for UserChanged { at, user, role, revoked, .. } in changes.iter().cloned() {
            let created_at = accounts.get(&user).map_or(at, |before| before.created_at);
            accounts.insert(
                user.clone(),
                AccountRecord { owner: user.clone(), role, revoked, created_at },
            );
            if revoked {
                self.families.lock().unwrap().retain(|_, family| family.owner != user);
            }
        }
        *self.applied.lock().unwrap() = Some(until);
        Ok(())
    }
    fn family(&self, id: FamilyId) -> Result<Option<Family>, StoreFailure> {
        Ok(self.families.lock().unwrap().get(&id).cloned())
    }
    fn put_family(&self, id: FamilyId, family: &Family, _: Timestamp) -> Result<(), StoreFailure> {
        self.families.lock().unwrap().insert(id, family.clone());
        Ok(())
    }
    fn remove_family(&self, id: FamilyId) -> Result<(), StoreFailure> {
        self.families.lock().unwrap().remove(&id);
        Ok(())
    }
}

/// How the service is reached, and how it reaches the ledger.
#[derive(Clone, Copy)]
enum Reach {
    Local,
    Http,
}

struct Place {
    service: Arc<dyn Authentication>,
    ledger: Arc<Told>,
    millis: Arc<AtomicU64>,
    _servers: DropGuard,
}

fn wallet(seed: u8) -> WalletKey {
    WalletKey::parse(&hex::encode([seed; 32])).unwrap()
}

/// A service of the node on loopback; gives the way to it.
async fn serve(name: &'static str, router: Router, stop: CancellationToken) -> Caller {
    let key = ServiceKey::new(b"secret");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let metrics = Metrics::new("test", String::new());
    let layer = RequestLayer { service: name, trusts_ids: true, metrics };
    let router = guarded(router, key.clone(), name)
        .layer(middleware::from_fn_with_state(layer, request::layer));
    let options = ServerOptions {
        tls: None,
        connections_max: 64,
        grace: Duration::from_secs(1),
        write_time: Duration::from_mins(1),
    };
    tokio::spawn(server::serve(listener, router, options, stop));
    Caller::new("test", name, &url, key)
}

impl Place {
    async fn new(reach: Reach) -> Self {
        let (store, told) = (Arc::new(Memory::default()), Arc::new(Told::default()));
        let stop = CancellationToken::new();
        let ledger: Arc<dyn Ledger> = match reach {
            Reach::Local => told.clone(),
            Reach::Http => {
                let router = internal::ledger(told.clone());
                Arc::new(RemoteSessions(serve("session-orchestrator", router, stop.clone()).await))
            }
        };
        let millis = Arc::new(AtomicU64::new(1_000_000_000_000));
        let hand = Arc::clone(&millis);
        let options = ServiceOptions {
            issuer: ledger.node_id().await.unwrap().to_string(),
            name: "Archive".to_owned(),
            admins: vec![wallet(1).address().owner()],
            keys: KeyRing::new(&[Zeroizing::new(vec![1; 32])]),
            clock: Arc::new(move || Timestamp::from_unix_millis(hand.load(Ordering::SeqCst))),
        };
        let local = Arc::new(Service::new(store, ledger, options).unwrap());
        let service: Arc<dyn Authentication> = match reach {
            Reach::Local => local,
            Reach::Http => {
                let router = internal::authentication(local);
                Arc::new(RemoteAuthentication(serve("authentication", router, stop.clone()).await))
            }
        };
        Self { service, ledger: told, millis, _servers: stop.drop_guard() }
    }

    async fn login_for(&self, wallet: &WalletKey) -> Login {
        let address = wallet.address().to_string();
        let challenge = self.service.challenge(&address).await.unwrap();
        assert!(challenge.message.contains(&address) && challenge.message.contains("Archive"));
        // With the longest name, still one command to a Ledger.
        assert!(challenge.message.len() + 64 - "Archive".len() <= 225, "{}", challenge.message);
        let signature = wallet.sign(&challenge.message).to_hex();
        Login { address, signature, nonce: challenge.nonce }
    }

    async fn sign_in(&self, wallet: &WalletKey) -> Tokens {
        self.service
            .login(self.login_for(wallet).await)
            .await
            .unwrap_or_else(|problem| panic!("not signed in: {problem}"))
    }
}

fn code<T>(answer: Answer<T>) -> Code {
    answer.err().expect("a problem").code
}

async fn whoever_signs_is_in_and_who_comes_first_is_said_in_the_ledger(reach: Reach) {
    let place = Place::new(reach).await;
    for (seed, role, by) in
        [(1, Role::Admin, "local".to_owned()), (2, Role::User, wallet(2).address().to_string())]
    {
        let wallet = wallet(seed);
        let tokens = place.sign_in(&wallet).await;
        let principal = place.service.verify(&tokens.access_token).await.unwrap();
        assert_eq!((principal.owner, principal.role), (wallet.address().owner(), role));
        place.sign_in(&wallet).await;
        let changes = place.ledger.changes.lock().unwrap();
        assert_eq!(changes.len(), usize::from(seed), "once");
        let last = changes.last().unwrap();
        assert_eq!((last.role, last.by.as_str()), (role, by.as_str()));
    }
}

async fn what_is_not_signed_by_the_address_does_not_sign_in(reach: Reach) {
    let place = Place::new(reach).await;
    let (mine, other) = (wallet(2), wallet(3));
    let good = place.login_for(&mine).await;
    let altered = |change: fn(&mut Login)| {
        let mut login = Login { ..good.clone() };
        change(&mut login);
        login
    };
    let rows = [
        (altered(|login| login.address = "T".to_owned()), Code::InvalidAddress),
        (altered(|login| login.address = wallet(3).address().to_string()), Code::NonceUnknown),
        (altered(|login| login.nonce.insert(3, 'A')), Code::NonceUnknown),
        (altered(|login| login.signature.clear()), Code::SignatureInvalid),
        (altered(|login| login.signature.truncate(130)), Code::SignatureInvalid),
        (
            // Whatever is there by chance, it is another.
            altered(|login| {
                let other = if login.signature[2..4] == *"00" { "01" } else { "00" };
                login.signature.replace_range(2..4, other);
            }),
            Code::SignatureInvalid,
        ),
        (altered(|login| login.signature.replace_range(130.., "1d")), Code::SignatureInvalid),
    ];
    for (login, expected) in rows {
        assert_eq!(code(place.service.login(login).await), expected);
    }
    let text = place.service.challenge(&mine.address().to_string()).await.unwrap();
    let forged = Login {
        address: mine.address().to_string(),
        signature: other.sign(&text.message).to_hex(),
        nonce: text.nonce,
    };
    assert_eq!(code(place.service.login(forged).await), Code::SignatureInvalid);
    assert!(place.service.login(good.clone()).await.is_ok());
    assert_eq!(code(place.service.login(good).await), Code::NonceUsed);
    let stale = place.login_for(&mine).await;
    place.millis.fetch_add(NONCE_SECONDS * 1000, Ordering::SeqCst);
    assert_eq!(code(place.service.login(stale).await), Code::NonceExpired);
}

async fn refresh_tokens_are_good_once(reach: Reach) {
    let place = Place::new(reach).await;
    let service = &place.service;
    let first = place.sign_in(&wallet(2)).await;
    let second = service.refresh(&first.refresh_token).await.ok().unwrap();
    assert!(service.verify(&second.access_token).await.is_ok());
    assert_eq!(code(service.refresh("nonsense").await), Code::TokenInvalid);
    // A forged token that names the sign-in ends nothing.
    let (id, _) = tokens::read_refresh_token(&second.refresh_token).unwrap();
    let (forged, _) = tokens::refresh_token(id, &[0; 32]);
    assert_eq!(code(service.refresh(&forged).await), Code::TokenInvalid);
    assert_eq!(code(service.logout(&forged).await), Code::TokenInvalid);
    assert!(service.verify(&second.access_token).await.is_ok());
    // The used one ends all that came of the sign-in.
    assert_eq!(code(service.refresh(&first.refresh_token).await), Code::RefreshReused);
    for token in [&first.access_token, &second.access_token] {
        assert_eq!(code(service.verify(token).await), Code::TokenInvalid);
    }
    assert_eq!(code(service.refresh(&second.refresh_token).await), Code::TokenInvalid);
    let third = place.sign_in(&wallet(2)).await;
    service.logout(&third.refresh_token).await.unwrap();
    service.logout(&third.refresh_token).await.unwrap();
    assert_eq!(code(service.verify(&third.access_token).await), Code::TokenInvalid);
}

async fn of_many_refreshes_at_once_one_wins_and_the_sign_in_ends(reach: Reach) {
    let place = Arc::new(Place::new(reach).await);
    let token = place.sign_in(&wallet(2)).await.refresh_token;
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let (place, token) = (Arc::clone(&place), token.clone());
            tokio::spawn(async move { place.service.refresh(&token).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for one in tries {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn roles_change_at_once_and_an_admin_stays(reach: Reach) {
    let place = Place::new(reach).await;
    let service = &place.service;
    let (admin, user) = (wallet(1).address().owner(), wallet(2).address().owner());
    place.sign_in(&wallet(1)).await;
    let tokens = place.sign_in(&wallet(2)).await;
    service.grant(&user, Role::Operator, &admin).await.unwrap();
    assert_eq!(service.verify(&tokens.access_token).await.unwrap().role, Role::Operator);
    assert_eq!(code(service.revoke(&admin, &admin).await), Code::Conflict);
    assert_eq!(code(service.grant(&admin, Role::User, &admin).await), Code::Conflict);
    service.revoke(&user, &admin).await.unwrap();
    assert_eq!(code(service.verify(&tokens.access_token).await), Code::AccountRevoked);
    assert_eq!(code(service.refresh(&tokens.refresh_token).await), Code::TokenInvalid);
    let again = service.login(place.login_for(&wallet(2)).await).await;
    assert_eq!(code(again), Code::AccountRevoked);
    service.grant(&user, Role::Admin, &admin).await.unwrap();
    assert_eq!(
        code(service.verify(&tokens.access_token).await),
        Code::TokenInvalid,
        "sign in anew"
    );
    service.revoke(&admin, &user).await.unwrap();
    // Who is no admin any more undoes nothing of it, whatever a gateway still believes.
    assert_eq!(code(service.grant(&admin, Role::Admin, &admin).await), Code::AccountRevoked);
    let third = wallet(3).address().owner();
    assert_eq!(code(service.grant(&third, Role::Admin, &admin).await), Code::AccountRevoked);
    assert_eq!(code(service.revoke(&user, &admin).await), Code::AccountRevoked);
    assert_eq!(code(service.grant(&third, Role::Admin, &third).await), Code::Forbidden);
    let nobody = wallet(9).address().owner();
    assert_eq!(code(service.revoke(&nobody, &user).await), Code::NotFound);
    assert_eq!(code(service.account(&nobody).await), Code::NotFound);
    assert_eq!(
        code(service.grant(&"local".parse().unwrap(), Role::User, &user).await),
        Code::InvalidAddress
    );
    let page = service.accounts(AccountFilter { after: None, limit: 1 }).await.unwrap();
    let rest = AccountFilter { after: Some(page[0].owner.clone()), limit: 10 };
    assert_eq!(service.accounts(rest).await.unwrap().len(), 1);
}

async fn without_the_ledger_nothing_changes(reach: Reach) {
    let place = Place::new(reach).await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    let answer = place.service.login(place.login_for(&wallet(2)).await).await;
    assert_eq!(code(answer), Code::Unavailable);
    assert_eq!(code(place.service.account(&wallet(2).address().owner()).await), Code::NotFound);
}

async fn accounts_follow_from_the_ledger(reach: Reach) {
    let place = Place::new(reach).await;
    let service = &place.service;
    let (admin, user) = (wallet(1).address().owner(), wallet(2).address().owner());
    place.sign_in(&wallet(1)).await;
    let tokens = place.sign_in(&wallet(2)).await;
    // What is in the ledger counts, though nobody heard that it is.
    place.ledger.mute.store(true, Ordering::SeqCst);
    assert!(service.revoke(&user, &admin).await.is_err());
    place.ledger.mute.store(false, Ordering::SeqCst);
    assert_eq!(code(service.verify(&tokens.access_token).await), Code::AccountRevoked);
    assert_eq!(code(service.refresh(&tokens.refresh_token).await), Code::TokenInvalid);
    // Many at once, in pages, before anything else changes.
    let (kind, v) = Default::default();
    let at = Timestamp::from_unix_millis(1);
    let by = admin.clone();
    for seed in 10..15 {
        let (role, user) = (Role::Operator, wallet(seed).address().owner());
        let change = UserChanged { at, by: by.clone(), kind, revoked: false, role, user, v };
        place.ledger.changes.lock().unwrap().push(change);
    }
    place.sign_in(&wallet(3)).await;
    for seed in 10..15 {
        let account = service.account(&wallet(seed).address().owner()).await.unwrap();
        assert_eq!((account.role, account.created_at), (Role::Operator, at));
    }
    // Another ledger than it was: nothing is believed of either.
    place.ledger.changes.lock().unwrap().clear();
    assert_eq!(code(service.grant(&user, Role::User, &admin).await), Code::Unavailable);
    assert!(place.ledger.changes.lock().unwrap().is_empty());
}

async fn who_is_named_an_admin_stays_what_the_ledger_says(reach: Reach) {
    let place = Place::new(reach).await;
    let service = &place.service;
    // The first wallet is in `admins`.
    let (named, other) = (wallet(1).address().owner(), wallet(2).address().owner());
    place.sign_in(&wallet(1)).await;
    service.grant(&other, Role::Admin, &named).await.unwrap();
    service.grant(&named, Role::User, &other).await.unwrap();
    let tokens = place.sign_in(&wallet(1)).await;
    assert_eq!(service.verify(&tokens.access_token).await.unwrap().role, Role::User);
    assert_eq!(service.account(&named).await.unwrap().role, Role::User);
}
