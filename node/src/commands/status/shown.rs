//! What is shown of a node's figures, to people.

use std::collections::VecDeque;

use super::figures::{Check, Rates, Status};
use crate::{
    context::now,
    output::{human_bytes, human_rate, table, without_controls},
};

/// Of what a node says at most so much is shown: it may be anybody.
const CHECKS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 32;
const DETAIL_CHARS_MAX: usize = 500;

/// Everything, once.
pub(super) fn once(status: &Status) -> String {
    let mut rows = head(status);
    rows.extend(checks(status));
    rows.extend(counts(status, None));
    rows.extend(machine(status, None));
    table(&rows)
}

/// Everything, with what goes through. Each line stands alone; `history` is what came in a second, the latest
/// last.
pub(super) fn live(status: &Status, rates: Option<&Rates>, history: &VecDeque<f64>) -> String {
    let mut rows = head(status);
    rows.extend(checks(status));
    rows.push(("throughput", throughput(rates)));
    rows.push(("last minutes", bars(history)));
    rows.extend(counts(status, rates));
    rows.extend(machine(status, rates));
    table(&rows)
}

fn head(status: &Status) -> Vec<(&str, String)> {
    let Status { url, ready, version, started_at, .. } = status;
    let version = version.as_deref().unwrap_or("of an unknown version");
    let ready = if *ready { "ready" } else { "NOT READY" };
    let said = format!("lucid-node {version} at {url}: {ready}");
    let mut rows = vec![("node", without_controls(&said))];
    if let Some(at) = started_at {
        let seconds = now().unix_millis().saturating_sub(at.unix_millis()) / 1000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        rows.push(("up", format!("{hours} h {minutes:02} min, since {at}")));
    }
    rows
}

fn checks(status: &Status) -> impl Iterator<Item = (&str, String)> {
    // Names and details are whoever answers' own words.
    status.checks.iter().take(CHECKS_MAX).map(|Check { name, ok, detail }| {
        let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
        let found = match (ok, detail.is_empty()) {
            (true, true) => "ok".to_owned(),
            (true, false) => format!("ok, but {detail}"),
            (false, _) => format!("FAIL: {detail}"),
        };
        let is_name =
            name.len() <= NAME_BYTES_MAX && name.bytes().all(|c| c.is_ascii_graphic() || c == b' ');
        let name = if is_name { name } else { "?" };
        (name, without_controls(&found).replace('\n', " "))
    })
}

fn counts(status: &Status, rates: Option<&Rates>) -> Vec<(&'static str, String)> {
    let counts = [
        ("open sessions", status.open_sessions),
        ("uploads", status.uploads_active),
        ("waiting jobs", status.queue_depth),
        ("log entries", status.log_entries),
        ("local database lag", status.log_lag_entries),
        ("index lag", status.index_lag_entries.filter(|&lag| lag > 0)),
        ("witnessed entries", status.log_witnessed_entries),
        ("failed proofs", status.proof_failures),
        ("chain blocks", status.chain_blocks),
        ("chain lag", status.chain_lag_entries),
    ];
    let shown = counts.into_iter().filter_map(|(name, count)| Some((name, count?.to_string())));
    let mut rows: Vec<_> = shown.collect();
    if let Some(lag) = status.sync_lag_entries {
        let age = status.sync_oldest_age.filter(|_| lag > 0);
        let age = age.map(|age| format!(", the oldest for {age} s")).unwrap_or_default();
        let rate = rates.and_then(|rates| rates.each.sync_documents);
        let rate = rate.map(|rate| format!(", {rate:.0} documents/s")).unwrap_or_default();
        let faults = status.sync_faults.unwrap_or(0);
        rows.push(("mongodb", format!("{lag} entries behind{age}{rate}, {faults} faults")));
    }
    if let Some(entries) = status.anchored_entries {
        let waiting = status.unanchored_sessions.unwrap_or(0);
        let spent = status.anchor_spent_sun.unwrap_or(0);
        let spent = lucid_core::tron::Sun::new(spent);
        let anchors = format!("{entries} entries, {waiting} sessions since; {spent} in 24 h");
        rows.push(("anchored", anchors));
    }
    if let (Some(services), Some(published)) =
        (status.onion_services, status.onion_services_published)
    {
        let percent = status.tor_bootstrap_percent.unwrap_or(0);
        let tor = format!("{published} of {services} published, tor is connected to {percent} %");
        rows.push(("onion services", tor));
    }
    rows
}

fn machine(status: &Status, rates: Option<&Rates>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(workers) = status.board_workers {
        let heat = status.board_celsius.map(|celsius| format!("{celsius:.1} °C, "));
        let slowed = if status.board_throttled == Some(true) { ", SLOWED DOWN" } else { "" };
        let voltage =
            if status.board_under_voltage == Some(true) { ", VOLTAGE TOO LOW" } else { "" };
        let heat = heat.unwrap_or_default();
        rows.push(("board", format!("{heat}{workers} workers{slowed}{voltage}")));
    }
    if let Some(free) = status.disk_free_bytes {
        rows.push(("disk free", human_bytes(free)));
    }
    if let Some(resident) = status.resident_memory_bytes {
        rows.push(("memory", human_bytes(resident)));
    }
    if let Some(cpu) = rates.and_then(|rates| rates.each.cpu_seconds) {
        let files = status.open_files.map(|files| format!(", {files} open files"));
        rows.push((
            "process",
            format!("{:.1} % of a core{}", 100.0 * cpu, files.unwrap_or_default()),
        ));
    }
    rows
}

fn throughput(rates: Option<&Rates>) -> String {
    let Some(Rates { each, .. }) = rates else { return "known from the second look on".to_owned() };
    #[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
    let bytes = |rate: Option<f64>| human_rate(rate.unwrap_or(0.0) as u64, 1.0);
    let (taken, stored) = (bytes(each.plain_bytes), bytes(each.payload_bytes));
    let (chunks, requests) = (each.chunks.unwrap_or(0.0), each.http_requests.unwrap_or(0.0));
    format!("{taken} in, {stored} stored, {chunks:.1} chunks/s, {requests:.1} requests/s")
}

/// A bar for each value, as high as it is by the highest.
fn bars(history: &VecDeque<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = history.iter().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
    let bar = |rate: &f64| match most > 0.0 && *rate > 0.0 {
        true => BARS[(rate / most * 7.0).round() as usize],
        false => ' ',
    };
    let bars: String = history.iter().map(bar).collect();
    #[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
    let highest = human_rate(most as u64, 1.0);
    if most > 0.0 { format!("{bars} at most {highest}") } else { "nothing".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::status::figures::Totals;

    fn status() -> Status {
        Status {
            url: "http://x\u{1b}[2J".to_owned(),
            ready: true,
            checks: vec![
                Check { name: "ledger log".into(), ok: true, detail: String::new() },
                Check { name: "led\u{202e}ger".into(), ok: false, detail: "a\nb\u{7}".into() },
            ],
            log_entries: Some(3),
            sync_lag_entries: Some(2),
            sync_oldest_age: Some(9),
            anchored_entries: Some(1),
            anchor_spent_sun: Some(1_500_000),
            board_workers: Some(2),
            board_celsius: Some(81.25),
            board_throttled: Some(true),
            ..Status::default()
        }
    }

    #[test]
    fn what_a_node_says_cannot_steer_the_terminal() {
        let shown = once(&status());
        assert!(shown.chars().all(|c| c == '\n' || !crate::output::steers(c)), "{shown:?}");
        assert!(
            shown.contains("http://x\\u{1b}[2J") && shown.contains("FAIL: a b\\u{7}"),
            "{shown}"
        );
        let row = |begin: &str, end: &str| {
            shown.lines().any(|line| line.trim_start().starts_with(begin) && line.contains(end))
        };
        assert!(row("ledger log ", "ok") && row("? ", "FAIL"), "{shown}");
        assert!(!shown.contains("throughput"));
        let long = |count| Check { name: "n".repeat(count), ok: false, detail: "d".repeat(9999) };
        let many = Status { checks: vec![long(70_000); 2000], ..Status::default() };
        assert!(once(&many).len() < 100_000, "{}", once(&many).len());
    }

    #[test]
    fn every_part_that_is_known_is_shown() {
        let each = Totals {
            plain_bytes: Some(2_097_152.0),
            cpu_seconds: Some(0.25),
            sync_documents: Some(7.0),
            ..Totals::default()
        };
        let rates = Rates { seconds: 2.0, each };
        let history = VecDeque::from([0.0, 1.0, 7.0]);
        let shown = live(&status(), Some(&rates), &history);
        for part in [
            "2.00 MiB/s in, 0 B/s stored",
            " ▂█ at most 7 B/s",
            "2 entries behind, the oldest for 9 s, 7 documents/s, 0 faults",
            "1 entries, 0 sessions since; 1.5 TRX in 24 h",
            "81.2 °C, 2 workers, SLOWED DOWN",
            "25.0 % of a core",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("VOLTAGE") && !shown.contains("onion"));
        assert!(live(&status(), None, &VecDeque::new()).contains("from the second look on"));
    }
}
