//! What is counted and measured: the metrics of a process, as OpenMetrics text.
//!
//! Counters grow where something happens; gauges of [`Measured`] are set when somebody asks. A gauge that
//! a service has nothing to say about is not there, rather than 0.

mod labels;
mod measured;
mod names;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use http::{Method, StatusCode};
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

pub use self::measured::{BoardMeasured, Measured, OnionsMeasured, Process, TorMeasured};
use self::{
    labels::{Answered, CodeLabel, OutcomeLabel, Service, StateLabel},
    names::Names,
};

/// A family with one member, which is there once it was set.
type Known<N, A> = Family<[(String, String); 0], Gauge<N, A>>;
type Whole = Known<i64, std::sync::atomic::AtomicI64>;
type Real = Known<f64, AtomicU64>;

/// What is counted.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    requests: Family<Answered, Counter>,
    durations: Family<Service, Histogram>,
    in_flight: Family<Service, Gauge>,
    auth_failures: Family<CodeLabel, Counter>,
    rate_limited: Counter,
    state_changes: Family<StateLabel, Counter>,
    proof_failures: Counter,
    chunks: Counter,
    plain_bytes: Counter,
    payload_bytes: Counter,
    uploads: Whole,
    queue: Whole,
    free_bytes: Real,
    open_sessions: Whole,
    log_entries: Whole,
    lag_entries: Whole,
    chain_blocks: Whole,
    index_lag_entries: Whole,
    index_unread_sessions: Whole,
    sync_lag_entries: Whole,
    sync_lag_seconds: Whole,
    sync_documents: Whole,
    sync_faults: Whole,
    anchored_entries: Whole,
    unanchored_sessions: Whole,
    anchor_spent_sun: Whole,
    chain_lag_entries: Whole,
    chain_lag_seconds: Real,
    open_proposals: Whole,
    witnessed_entries: Whole,
    witness_requests: Family<OutcomeLabel, Counter>,
    board_celsius: Real,
    board_slowed: Whole,
    board_under_voltage: Whole,
    board_under_voltages: Whole,
    board_workers: Whole,
    tor: [Whole; 7],
    onions_looked_at: Whole,
    onions_reached: Whole,
    onion_connect: Real,
    started: Real,
    cpu: Family<[(String, String); 0], Counter<f64, AtomicU64>>,
    resident: Real,
    open_files: Whole,
}

/// A request that is being answered.
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Metrics of a build of the node.
    #[must_use]
    pub fn new(version: &'static str, features: String) -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let inner = Inner {
            registry: Mutex::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Family::default(),
            auth_failures: Family::default(),
            rate_limited: Counter::default(),
            state_changes: Family::default(),
            proof_failures: Counter::default(),
            chunks: Counter::default(),
            plain_bytes: Counter::default(),
            payload_bytes: Counter::default(),
            uploads: Known::default(),
            queue: Known::default(),
            free_bytes: Known::default(),
            open_sessions: Known::default(),
            log_entries: Known::default(),
            lag_entries: Known::default(),
            chain_blocks: Known::default(),
            index_lag_entries: Known::default(),
            index_unread_sessions: Known::default(),
            sync_lag_entries: Known::default(),
            sync_lag_seconds: Known::default(),
            sync_documents: Known::default(),
            sync_faults: Known::default(),
            anchored_entries: Known::default(),
            unanchored_sessions: Known::default(),
            anchor_spent_sun: Known::default(),
            chain_lag_entries: Known::default(),
            chain_lag_seconds: Known::default(),
            open_proposals: Known::default(),
            witnessed_entries: Known::default(),
            witness_requests: Family::default(),
            board_celsius: Known::default(),
            board_slowed: Known::default(),
            board_under_voltage: Known::default(),
            board_under_voltages: Known::default(),
            board_workers: Known::default(),
            tor: Default::default(),
            onions_looked_at: Known::default(),
            onions_reached: Known::default(),
            onion_connect: Known::default(),
            started: Known::default(),
            cpu: Family::default(),
            resident: Known::default(),
            open_files: Known::default(),
        };
        let build = Info::new(vec![("version", version.to_owned()), ("cpu", features)]);
        {
            let mut registry = inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
            inner.register(&mut registry, build);
        }
        Self(Arc::new(inner))
    }

    /// Counts a request that is being answered until what is given is dropped.
    #[must_use]
    pub fn begin_request(&self, service: &str) -> InFlight {
        let gauge = self.0.in_flight.get_or_create(&Service { service: service.into() }).clone();
        gauge.inc();
        InFlight(gauge)
    }

    /// Counts an answer.
    pub fn request(
        &self,
        service: &str,
        route: &str,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        // Only methods that exist: a label for each invented one would fill the memory.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.as_str(),
            _ => "other",
        };
        let (service, route, method) = (service.to_owned(), route.to_owned(), method.to_owned());
        let durations = self.0.durations.get_or_create(&Service { service: service.clone() });
        durations.observe(elapsed.as_secs_f64());
        let route = Answered { service, route, method, status: status.as_u16() };
        self.0.requests.get_or_create(&route).inc();
    }

    /// Counts a refused sign-in or token.
    pub fn auth_failure(&self, code: crate::Code) {
        self.0.auth_failures.get_or_create(&CodeLabel { code: code.to_string() }).inc();
    }

    /// Counts a request that came too soon.
    pub fn rate_limited(&self) {
        self.0.rate_limited.inc();
    }

    /// Counts a session that came into a state.
    pub fn state_change(&self, state: &str) {
        self.0.state_changes.get_or_create(&StateLabel { state: state.to_owned() }).inc();
    }

    /// Counts a proof that did not hold.
    pub fn proof_failure(&self) {
        self.0.proof_failures.inc();
    }

    /// Counts a witness that was asked, by whether it cosigned.
    pub fn witness_asked(&self, cosigned: bool) {
        let outcome = if cosigned { "cosigned" } else { "failed" };
        self.0.witness_requests.get_or_create(&OutcomeLabel { outcome: outcome.to_owned() }).inc();
    }

    /// Sets how many entries the latest checkpoint has that a quorum of witnesses cosigned.
    pub fn witnessed(&self, entries: Option<u64>) {
        if let Some(entries) = entries {
            let gauge = self.0.witnessed_entries.get_or_create(&[]);
            gauge.set(i64::try_from(entries).unwrap_or(i64::MAX));
        }
    }

    /// Counts acknowledged chunks, and their bytes before and after compression.
    pub fn acknowledged(&self, chunks: u64, plain_bytes: u64, payload_bytes: u64) {
        self.0.chunks.inc_by(chunks);
        self.0.plain_bytes.inc_by(plain_bytes);
        self.0.payload_bytes.inc_by(payload_bytes);
    }

    /// Sets what was measured.
    pub fn set(&self, measured: Measured) {
        let Measured { uploads, queue, free_bytes, .. } = measured;
        let Measured { open_sessions, log_entries, lag_entries, .. } = measured;
        let Measured { chain_blocks, index_lag_entries, index_unread_sessions, .. } = measured;
        let Measured { open_proposals, process, .. } = measured;
        let whole = |gauge: &Whole, value: Option<u64>| {
            if let Some(value) = value {
                gauge.get_or_create(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        };
        whole(&self.0.uploads, uploads);
        whole(&self.0.queue, queue);
        whole(&self.0.open_sessions, open_sessions);
        whole(&self.0.log_entries, log_entries);
        whole(&self.0.lag_entries, lag_entries);
        whole(&self.0.chain_blocks, chain_blocks);
        whole(&self.0.index_lag_entries, index_lag_entries);
        whole(&self.0.index_unread_sessions, index_unread_sessions);
        whole(&self.0.sync_lag_entries, measured.sync_lag_entries);
        whole(&self.0.sync_lag_seconds, measured.sync_lag_seconds);
        whole(&self.0.sync_documents, measured.sync_documents);
        whole(&self.0.sync_faults, measured.sync_faults);
        whole(&self.0.anchored_entries, measured.anchored_entries);
        whole(&self.0.unanchored_sessions, measured.unanchored_sessions);
        whole(&self.0.anchor_spent_sun, measured.anchor_spent_sun);
        whole(&self.0.open_proposals, open_proposals);
        whole(&self.0.chain_lag_entries, measured.chain_lag_entries);
        if let Some(seconds) = measured.chain_lag_seconds {
            self.0.chain_lag_seconds.get_or_create(&[]).set(seconds);
        }
        if let Some(free) = free_bytes {
            self.0.free_bytes.get_or_create(&[]).set(free as f64);
        }
        if let Some(board) = measured.board {
            if let Some(celsius) = board.celsius {
                self.0.board_celsius.get_or_create(&[]).set(celsius);
            }
            whole(&self.0.board_slowed, board.slowed.map(u64::from));
            whole(&self.0.board_under_voltage, board.under_voltage.map(u64::from));
            whole(&self.0.board_under_voltages, board.under_voltage.map(|_| board.under_voltages));
            whole(&self.0.board_workers, Some(board.workers));
        }
        if let Some(tor) = measured.tor {
            for (gauge, value) in self.0.tor.iter().zip(tor.values()) {
                whole(gauge, Some(value));
            }
        }
        if let Some(onions) = measured.onions {
            whole(&self.0.onions_looked_at, Some(onions.looked_at));
            whole(&self.0.onions_reached, Some(onions.reached));
            self.0.onion_connect.get_or_create(&[]).set(onions.slowest_connect_seconds);
        }
        let Some(process) = process else { return };
        self.0.started.get_or_create(&[]).set(process.started_seconds);
        self.0.resident.get_or_create(&[]).set(process.resident_bytes as f64);
        whole(&self.0.open_files, Some(process.open_files));
        let cpu = self.0.cpu.get_or_create(&[]);
        // Of two who ask at once, the later figure counts once.
        cpu.inc_by((process.cpu_seconds - cpu.get()).max(0.0));
    }

    /// All of it as OpenMetrics text.
    ///
    /// # Panics
    /// Never: a string takes what is written to it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("a string takes what it is given");
        text
    }
}

impl Inner {
    fn register(&self, registry: &mut Registry, build: Info<Vec<(&'static str, String)>>) {
        let mut put = Names(registry.sub_registry_with_prefix("lucid"));
        put.0.register("build", "The build and the processor it runs on", build);
        put.plain("http_requests", "Requests answered", &self.requests);
        let help = "Time from a request's head to its answer's head";
        put.unit("http_request_duration", help, Unit::Seconds, &self.durations);
        let help = "Requests whose answers are not at their end";
        put.plain("http_in_flight", help, &self.in_flight);
        put.plain("auth_failures", "Sign-ins and tokens refused", &self.auth_failures);
        let help = "Requests refused because there were too many";
        put.plain("rate_limited", help, &self.rate_limited);
        let help = "Sessions that came into a state";
        put.plain("session_state_changes", help, &self.state_changes);
        put.plain("proof_failures", "Proofs that did not hold", &self.proof_failures);
        put.plain("chunks", "Chunks acknowledged", &self.chunks);
        let help = "Bytes acknowledged, as they came";
        put.unit("plain", help, Unit::Bytes, &self.plain_bytes);
        let help = "Bytes acknowledged, after compression";
        put.unit("payload", help, Unit::Bytes, &self.payload_bytes);
        put.plain("uploads_active", "Uploads under way", &self.uploads);
        let help = "Chunks and requests that wait for a turn to compute";
        put.plain("queue_depth", help, &self.queue);
        let help = "Room on the data folder's disk";
        put.unit("disk_free", help, Unit::Bytes, &self.free_bytes);
        put.plain("sessions_open", "Sessions that are open", &self.open_sessions);
        put.plain("log_entries", "Entries of the log", &self.log_entries);
        let help = "Entries of the log that the database's trees do not have yet";
        put.plain("log_lag_entries", help, &self.lag_entries);
        put.plain("chain_blocks", "Blocks of the node's chain", &self.chain_blocks);
        let help = "Entries of the log that the index of sessions has not taken up yet";
        put.plain("index_lag_entries", help, &self.index_lag_entries);
        let help = "Sealed sessions whose chunks the index of sessions has not taken up yet";
        put.plain("index_unread_sessions", help, &self.index_unread_sessions);
        let help = "Entries of the log that MongoDB does not have yet";
        put.plain("sync_lag_entries", help, &self.sync_lag_entries);
        let help = "Age of the oldest of these entries that is being sent, in seconds";
        put.plain("sync_oldest_age", help, &self.sync_lag_seconds);
        let help = "Documents sent to MongoDB since the start";
        put.plain("sync_documents", help, &self.sync_documents);
        let help = "Times that MongoDB could not be written to since the start";
        put.plain("sync_faults", help, &self.sync_faults);
        let help = "Entries under the last checkpoint that was anchored on TRON";
        put.plain("anchored_entries", help, &self.anchored_entries);
        let help = "Sealed and destroyed sessions since the last anchor";
        put.plain("unanchored_sessions", help, &self.unanchored_sessions);
        let help = "What the anchors of the last 24 hours cost, in sun";
        put.plain("anchor_spent_sun", help, &self.anchor_spent_sun);
        let help = "Entries of the log that no block stands for yet";
        put.plain("chain_lag_entries", help, &self.chain_lag_entries);
        let help = "How long the oldest of these entries waits";
        put.unit("chain_lag", help, Unit::Seconds, &self.chain_lag_seconds);
        let help = "Proposals that something can still come of";
        put.plain("governance_open_proposals", help, &self.open_proposals);
        let help = "Entries of the latest checkpoint that a quorum of witnesses cosigned";
        put.plain("log_witnessed_entries", help, &self.witnessed_entries);
        let help = "Witnesses asked for a cosignature, by what came of it";
        put.plain("witness_requests", help, &self.witness_requests);
        let help = "The processor's temperature";
        put.unit("board_temperature", help, Unit::Celsius, &self.board_celsius);
        let help = "Whether the firmware slows the processor down";
        put.plain("board_throttled", help, &self.board_slowed);
        let help = "Whether the supply's voltage is too low";
        put.plain("board_under_voltage", help, &self.board_under_voltage);
        let help = "Times that the supply's voltage became too low since the start";
        put.plain("board_under_voltage_events", help, &self.board_under_voltages);
        let help = "Workers that may seal at once: fewer while the processor is slowed down";
        put.plain("board_workers", help, &self.board_workers);
        for (gauge, (name, help)) in self.tor.iter().zip(TorMeasured::NAMES) {
            put.plain(name, help, gauge);
        }
        let help = "Addresses of onion services that were last reached for from outside";
        put.plain("tor_onion_services_looked_at", help, &self.onions_looked_at);
        let help = "Those of them that were reached";
        put.plain("tor_onion_services_reached", help, &self.onions_reached);
        let help = "How long the slowest of these connections took";
        put.unit("tor_onion_connect", help, Unit::Seconds, &self.onion_connect);
        let mut put = Names(registry.sub_registry_with_prefix("process"));
        let help = "When the process began, since 1970";
        put.unit("start_time", help, Unit::Seconds, &self.started);
        put.unit("cpu", "Processor time", Unit::Seconds, &self.cpu);
        put.unit("resident_memory", "Memory in use", Unit::Bytes, &self.resident);
        put.plain("open_fds", "Files and sockets that are open", &self.open_files);
    }
}
