//! How often anybody may call: for each address (an IPv6 network of 64 bits counts as one) and for each
//! account. Told with the `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers).

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lucid_core::Owner;

use crate::{Code, Problem, server::network};

/// Requests after which those who have not called for a while are forgotten.
const FORGET_EACH: u32 = 4096;

/// How often anybody may call.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Requests a minute from an address, and from an account.
    pub requests_per_minute: NonZeroU32,
    /// Requests a minute from an address that are about signing in.
    pub sign_ins_per_minute: NonZeroU32,
}

pub(super) struct Limiter {
    addresses: Limit<IpAddr>,
    sign_ins: Limit<IpAddr>,
    accounts: Limit<Owner>,
}

struct Limit<K: std::hash::Hash + Eq + Clone> {
    policy: &'static str,
    quota: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<K>,
    calls: AtomicU32,
}

/// What a caller is told of its rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    policy: &'static str,
    quota: u32,
    /// Seconds until a request is let in again.
    wait: u64,
}

impl Limiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            addresses: Limit::new("address", limits.requests_per_minute),
            sign_ins: Limit::new("sign-in", limits.sign_ins_per_minute),
            accounts: Limit::new("account", limits.requests_per_minute),
        }
    }

    /// Counts a request from an address.
    pub(super) fn address(
        &self,
        address: IpAddr,
        is_sign_in: bool,
    ) -> Result<Rate, (Problem, Rate)> {
        let network = network(address);
        let rate = self.addresses.count(&network)?;
        match is_sign_in {
            true => self.sign_ins.count(&network),
            false => Ok(rate),
        }
    }

    /// Counts a request of an account.
    pub(super) fn account(&self, owner: &Owner) -> Result<Rate, (Problem, Rate)> {
        self.accounts.count(owner)
    }
}

impl<K: std::hash::Hash + Eq + Clone> Limit<K> {
    fn new(policy: &'static str, per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_minute(per_minute));
        Self { policy, quota: per_minute, limiter, calls: AtomicU32::new(0) }
    }

    fn count(&self, key: &K) -> Result<Rate, (Problem, Rate)> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % FORGET_EACH == FORGET_EACH - 1 {
            self.limiter.retain_recent();
        }
        let rate = |wait| Rate { policy: self.policy, quota: self.quota.get(), wait };
        match self.limiter.check_key(key) {
            Ok(()) => Ok(rate(0)),
            Err(early) => {
                let wait = early.wait_time_from(DefaultClock::default().now());
                // Whole seconds, rounded up: less would be too early again.
                let wait = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let detail = format!("too many requests: wait {wait} s");
                Err((Problem::new(Code::RateLimited, detail), rate(wait.max(1))))
            }
        }
    }
}

impl Rate {
    /// Tells it.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Self { policy, quota, wait } = self;
        let window = Duration::from_mins(1).as_secs();
        let mut put = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        let name = HeaderName::from_static("ratelimit-policy");
        put(name, format!("\"{policy}\";q={quota};w={window}"));
        if wait > 0 {
            put(HeaderName::from_static("ratelimit"), format!("\"{policy}\";r=0;t={wait}"));
            put(header::RETRY_AFTER, wait.to_string());
        }
    }
}
