//! Tokens that were found good a moment ago.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lucid_core::access::Principal;
use sha2::{Digest, Sha256};

use crate::{Problem, ports::Authentication};

/// A token is believed this long without asking again: a revocation is seen that late.
const BELIEVED_FOR: Duration = Duration::from_secs(2);
/// Tokens that are remembered at once.
const REMEMBERED_MAX: usize = 4096;

pub(super) struct Tokens {
    authentication: Arc<dyn Authentication>,
    /// By hash: the token itself is nowhere.
    good: Mutex<HashMap<[u8; 32], (Principal, Instant)>>,
}

impl Tokens {
    pub(super) fn new(authentication: Arc<dyn Authentication>) -> Self {
        Self { authentication, good: Mutex::default() }
    }

    /// Who a token speaks for.
    pub(super) async fn principal(&self, token: &str) -> Result<Principal, Problem> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some((principal, since)) = self.lock().get(&hash)
            && since.elapsed() < BELIEVED_FOR
        {
            return Ok(principal.clone());
        }
        let principal = self.authentication.verify(token).await?;
        let mut good = self.lock();
        if good.len() >= REMEMBERED_MAX {
            good.retain(|_, (_, since)| since.elapsed() < BELIEVED_FOR);
        }
        if good.len() < REMEMBERED_MAX {
            good.insert(hash, (principal.clone(), Instant::now()));
        }
        Ok(principal)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Principal, Instant)>> {
        // The map is whole between its operations, none of which panics half way.
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
