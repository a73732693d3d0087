//! What a node says of itself in `/ready` and `/metrics`, and what went through between two looks.

use lucid_core::Timestamp;
use serde::{Deserialize, Serialize};

/// What `/ready` answers, for each thing that was looked at.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

/// How a node is. What it does not say is absent.
#[derive(Serialize, Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) url: String,
    pub(super) ready: bool,
    pub(super) version: Option<String>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) checks: Vec<Check>,
    pub(super) open_sessions: Option<u64>,
    pub(super) uploads_active: Option<u64>,
    pub(super) queue_depth: Option<u64>,
    pub(super) log_entries: Option<u64>,
    pub(super) log_lag_entries: Option<u64>,
    pub(super) log_witnessed_entries: Option<u64>,
    pub(super) index_lag_entries: Option<u64>,
    pub(super) chain_blocks: Option<u64>,
    pub(super) chain_lag_entries: Option<u64>,
    pub(super) sync_lag_entries: Option<u64>,
    pub(super) sync_oldest_age: Option<u64>,
    pub(super) sync_faults: Option<u64>,
    pub(super) anchored_entries: Option<u64>,
    pub(super) unanchored_sessions: Option<u64>,
    pub(super) anchor_spent_sun: Option<u64>,
    pub(super) tor_bootstrap_percent: Option<u64>,
    pub(super) onion_services: Option<u64>,
    pub(super) onion_services_published: Option<u64>,
    pub(super) board_celsius: Option<f64>,
    pub(super) board_throttled: Option<bool>,
    pub(super) board_under_voltage: Option<bool>,
    pub(super) board_workers: Option<u64>,
    pub(super) proof_failures: Option<u64>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) resident_memory_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    /// What only grows, since the node began.
    pub(super) totals: Totals,
}

/// What only grows while a node runs.
#[derive(Serialize, Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Totals {
    pub(super) plain_bytes: Option<f64>,
    pub(super) payload_bytes: Option<f64>,
    pub(super) chunks: Option<f64>,
    pub(super) http_requests: Option<f64>,
    pub(super) sync_documents: Option<f64>,
    pub(super) cpu_seconds: Option<f64>,
}

/// The totals' growth in a second.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(super) struct Rates {
    /// Seconds between the two looks.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) each: Totals,
}

impl Rates {
    /// From an earlier look to a later one, `seconds` apart. Nothing where the node began anew between.
    pub(super) fn between(earlier: &Status, later: &Status, seconds: f64) -> Option<Self> {
        if seconds <= 0.0 || earlier.started_at != later.started_at {
            return None;
        }
        let rate = |of: fn(&Totals) -> Option<f64>| {
            let grown = of(&later.totals)? - of(&earlier.totals)?;
            (grown >= 0.0).then_some(grown / seconds)
        };
        let each = Totals {
            plain_bytes: rate(|totals| totals.plain_bytes),
            payload_bytes: rate(|totals| totals.payload_bytes),
            chunks: rate(|totals| totals.chunks),
            http_requests: rate(|totals| totals.http_requests),
            sync_documents: rate(|totals| totals.sync_documents),
            cpu_seconds: rate(|totals| totals.cpu_seconds),
        };
        Some(Self { seconds, each })
    }
}

impl Status {
    pub(super) fn of(url: String, ready: bool, checks: Vec<Check>, metrics: &str) -> Self {
        let sum = |name: &str| sum(metrics, name);
        let whole = |name: &str| sum(name).map(not_negative);
        let flag = |name: &str| sum(name).map(|value| value > 0.0);
        let build = metrics.lines().find(|line| line.starts_with("lucid_build_info{"));
        let version = build.and_then(|line| line.split_once("version=\"")?.1.split_once('"'));
        let started_at = sum("process_start_time_seconds");
        let started_at =
            started_at.map(|at| Timestamp::from_unix_millis(not_negative(at * 1000.0)));
        Self {
            url,
            ready,
            version: version.map(|(version, _)| version.to_owned()),
            started_at,
            checks,
            open_sessions: whole("lucid_sessions_open"),
            uploads_active: whole("lucid_uploads_active"),
            queue_depth: whole("lucid_queue_depth"),
            log_entries: whole("lucid_log_entries"),
            log_lag_entries: whole("lucid_log_lag_entries"),
            log_witnessed_entries: whole("lucid_log_witnessed_entries"),
            index_lag_entries: whole("lucid_index_lag_entries"),
            chain_blocks: whole("lucid_chain_blocks"),
            chain_lag_entries: whole("lucid_chain_lag_entries"),
            sync_lag_entries: whole("lucid_sync_lag_entries"),
            sync_oldest_age: whole("lucid_sync_oldest_age"),
            sync_faults: whole("lucid_sync_faults"),
            anchored_entries: whole("lucid_anchored_entries"),
            unanchored_sessions: whole("lucid_unanchored_sessions"),
            anchor_spent_sun: whole("lucid_anchor_spent_sun"),
            tor_bootstrap_percent: whole("lucid_tor_bootstrap_percent"),
            onion_services: whole("lucid_tor_onion_services"),
            onion_services_published: whole("lucid_tor_onion_services_published"),
            board_celsius: sum("lucid_board_temperature_celsius"),
            board_throttled: flag("lucid_board_throttled"),
            board_under_voltage: flag("lucid_board_under_voltage"),
            board_workers: whole("lucid_board_workers"),
            proof_failures: whole("lucid_proof_failures_total"),
            disk_free_bytes: whole("lucid_disk_free_bytes"),
            resident_memory_bytes: whole("process_resident_memory_bytes"),
            open_files: whole("process_open_fds"),
            totals: Totals {
                plain_bytes: sum("lucid_plain_bytes_total"),
                payload_bytes: sum("lucid_payload_bytes_total"),
                chunks: sum("lucid_chunks_total"),
                http_requests: sum("lucid_http_requests_total"),
                sync_documents: sum("lucid_sync_documents"),
                cpu_seconds: sum("process_cpu_seconds_total"),
            },
        }
    }
}

#[expect(clippy::cast_sign_loss, reason = "negative values are left out")]
fn not_negative(value: f64) -> u64 {
    value as u64
}

/// The values of a metric, with whichever labels, added up; nothing where it is not there, or is no number
/// that can be.
fn sum(metrics: &str, name: &str) -> Option<f64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.trim().parse::<f64>().ok()
    };
    let sum =
        metrics.lines().filter_map(value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value));
    sum.filter(|sum| sum.is_finite() && *sum >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE lucid_build info\n\
        lucid_build_info{version=\"1.2.3\",cpu=\"x\"} 1\n\
        lucid_log_entries{} 12\nlucid_log_entries_other 7\nlucid_disk_free_bytes 3.5e9\n\
        lucid_http_requests_total{method=\"GET\",route=\"/a} b\",status=\"200\"} 3\n\
        lucid_http_requests_total{method=\"PUT\",route=\"/c\",status=\"404\"} 4\n\
        lucid_plain_bytes_total 1000\nlucid_uploads_active -1\nlucid_queue_depth NaN\n\
        process_start_time_seconds 1.5\nlucid_board_throttled 0\n# EOF\n";

    fn status(metrics: &str) -> Status {
        Status::of("http://x".into(), true, Vec::new(), metrics)
    }

    #[test]
    fn a_node_is_what_its_metrics_say() {
        let status = status(METRICS);
        assert_eq!(status.version.as_deref(), Some("1.2.3"));
        assert_eq!(status.log_entries, Some(12));
        assert_eq!(status.disk_free_bytes, Some(3_500_000_000));
        assert_eq!(status.totals.http_requests, Some(7.0), "of all routes");
        assert_eq!(status.started_at, Some(Timestamp::from_unix_millis(1500)));
        assert_eq!(status.board_throttled, Some(false));
        let absent = [status.uploads_active, status.queue_depth, status.sync_lag_entries];
        assert_eq!(absent, [None; 3], "what cannot be, or is not there, is not said");
    }

    #[test]
    fn rates_are_of_one_run_of_a_node() {
        let (first, second) = (status(METRICS), status(&METRICS.replace(" 1000\n", " 5000\n")));
        let rates = Rates::between(&first, &second, 2.0).unwrap();
        assert_eq!(rates.each.plain_bytes, Some(2000.0));
        assert_eq!(rates.each.http_requests, Some(0.0));
        assert_eq!(rates.each.cpu_seconds, None, "it was not said");
        assert_eq!(Rates::between(&second, &first, 2.0).unwrap().each.plain_bytes, None);
        assert_eq!(Rates::between(&first, &second, 0.0), None);
        let anew = status(&METRICS.replace("start_time_seconds 1.5", "start_time_seconds 2.5"));
        assert_eq!(Rates::between(&first, &anew, 2.0), None);
    }
}
