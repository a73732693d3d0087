//! What is measured when somebody asks.

/// What a service measures when it is asked; `None` is not its to say.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Measured {
    /// Uploads under way.
    pub uploads: Option<u64>,
    /// Jobs that wait for a turn to compute.
    pub queue: Option<u64>,
    /// Room on the data folder's disk, bytes.
    pub free_bytes: Option<u64>,
    /// Sessions that are open.
    pub open_sessions: Option<u64>,
    /// Entries of the log.
    pub log_entries: Option<u64>,
    /// Entries that the database's trees do not have yet.
    pub lag_entries: Option<u64>,
    /// Blocks of the node's chain, the first not counted.
    pub chain_blocks: Option<u64>,
    /// Entries of the log that the index of sessions has not taken up yet.
    pub index_lag_entries: Option<u64>,
    /// Sealed sessions whose chunks the index of sessions has not taken up yet.
    pub index_unread_sessions: Option<u64>,
    /// Entries of the log that MongoDB does not have yet.
    pub sync_lag_entries: Option<u64>,
    /// How long ago the oldest of them that is being sent was made, seconds.
    pub sync_lag_seconds: Option<u64>,
    /// Documents that were sent to MongoDB since the start.
    pub sync_documents: Option<u64>,
    /// Times that MongoDB could not be written to since the start.
    pub sync_faults: Option<u64>,
    /// Entries under the last checkpoint that was anchored on TRON.
    pub anchored_entries: Option<u64>,
    /// Sealed and destroyed sessions since then.
    pub unanchored_sessions: Option<u64>,
    /// What the last 24 hours' anchors cost, sun.
    pub anchor_spent_sun: Option<u64>,
    /// Entries of the log that no block stands for yet.
    pub chain_lag_entries: Option<u64>,
    /// How long the oldest of them waits, seconds.
    pub chain_lag_seconds: Option<f64>,
    /// Proposals that something can still come of.
    pub open_proposals: Option<u64>,
    /// The board that it runs on.
    pub board: Option<BoardMeasured>,
    /// Tor, where onion services are kept.
    pub tor: Option<TorMeasured>,
    /// Onion services as they were seen from outside.
    pub onions: Option<OnionsMeasured>,
    /// The process itself.
    pub process: Option<Process>,
}

/// What is measured of Tor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TorMeasured {
    /// Whether it can be controlled, and is connected to its network.
    pub ready: bool,
    /// How far it has come with that, 0 to 100.
    pub bootstrap_percent: u64,
    /// Circuits that are built.
    pub circuits: u64,
    /// How often the connection to it was lost since the start.
    pub losses: u64,
    /// Onion services that there are.
    pub services: u64,
    /// Those whose current address can be reached.
    pub published: u64,
    /// Descriptors that relays did not take, of what is served now.
    pub refused: u64,
}

/// What was seen when onion services were last reached for from outside.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct OnionsMeasured {
    /// How many were looked at.
    pub looked_at: u64,
    /// How many were reached.
    pub reached: u64,
    /// How long the slowest of these connections took, seconds; 0 where there was none.
    pub slowest_connect_seconds: f64,
}

/// What a board measures of itself.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct BoardMeasured {
    /// The processor's temperature, degrees Celsius.
    pub celsius: Option<f64>,
    /// Whether the firmware slows the processor down.
    pub slowed: Option<bool>,
    /// Whether the supply's voltage is too low.
    pub under_voltage: Option<bool>,
    /// How often it became too low since the start.
    pub under_voltages: u64,
    /// Workers that may seal at once.
    pub workers: u64,
}

/// What the operating system says about the process.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Process {
    /// When it began, seconds since 1970.
    pub started_seconds: f64,
    /// Processor time it has had.
    pub cpu_seconds: f64,
    /// Memory it has in use.
    pub resident_bytes: u64,
    /// Files, sockets and the like that it has open.
    pub open_files: u64,
}

impl TorMeasured {
    /// The metrics' names and what they are, in the order of [`TorMeasured::values`].
    pub(super) const NAMES: [(&'static str, &'static str); 7] = [
        ("tor_ready", "Whether tor can be controlled and is connected to its network"),
        ("tor_bootstrap_percent", "How far tor has come with connecting to its network"),
        ("tor_circuits", "Circuits that tor has built"),
        ("tor_losses", "Times that the connection to tor was lost since the start"),
        ("tor_onion_services", "Onion services that there are"),
        ("tor_onion_services_published", "Onion services whose current address can be reached"),
        ("tor_descriptors_refused", "Descriptors of what is served now that relays did not take"),
    ];

    pub(super) fn values(self) -> [u64; 7] {
        let Self { ready, bootstrap_percent, circuits, losses, services, published, refused } =
            self;
        [ready.into(), bootstrap_percent, circuits, losses, services, published, refused]
    }
}
