//! What tor says of itself: answers to GETINFO and events, as types.

use std::time::Duration;

use time::{Date, Month, Time, UtcDateTime};

use super::{
    reply::Reply,
    words::{Words, WordsError},
};
use crate::onion::OnionAddress;

/// Longest text of tor's that is kept to be shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Seconds since 1970 of `2026-11-26 23:00:00`, which is in UTC.
pub(crate) fn seconds_of(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once(' ')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?.map(u8::try_from);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    let clock = Time::from_hms(hour.ok()?, minute.ok()?, second.ok()?).ok()?;
    u64::try_from(UtcDateTime::new(date, clock).unix_timestamp()).ok()
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u16; 3]> {
    let mut parts = text.split(between);
    let mut number = |digits| {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse().ok() } else { None }
    };
    let three = [number(digits[0])?, number(digits[1])?, number(digits[2])?];
    parts.next().is_none().then_some(three)
}

/// How far tor has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// 0 to 100; with 100 it can be used.
    pub percent: u8,
    /// What it is at, in tor's short word.
    pub tag: String,
    /// The same for people.
    pub summary: String,
    /// What stands in the way, where tor says so.
    pub warning: Option<String>,
}

impl Bootstrap {
    /// Whether it can be used.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.percent == 100
    }

    /// Reads `NOTICE BOOTSTRAP PROGRESS=85 TAG=… SUMMARY="…"`, after the severity.
    fn of(words: &Words) -> Option<Self> {
        let percent: u8 = words.value("PROGRESS")?.parse().ok()?;
        (percent <= 100).then(|| Self {
            percent,
            tag: shown(words.value("TAG").unwrap_or_default()),
            summary: shown(words.value("SUMMARY").unwrap_or_default()),
            warning: words.value("WARNING").map(shown),
        })
    }

    /// Reads the answer of `status/bootstrap-phase`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words = Words::of(text).ok()?;
        (words.at(1) == Some("BOOTSTRAP")).then(|| Self::of(&words)).flatten()
    }
}

/// A clock that tor does not believe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClockSkew {
    /// Seconds that this machine's clock is ahead of the others'; less than zero where it is behind. At least so
    /// much, where tor knows no more. Zero where it does not say.
    pub seconds: i64,
    /// Who has another time.
    pub source: String,
}

/// What became of a descriptor on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Being sent to a relay.
    Upload,
    /// A relay has it.
    Uploaded,
    /// Being asked for.
    Requested,
    /// It came.
    Received,
    /// It did not come, or was not taken.
    Failed,
    /// Another step, which nothing depends on.
    Other,
}

/// `HS_DESC`: a descriptor on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescriptorStep {
    /// Whose.
    pub address: OnionAddress,
    /// What became of it.
    pub step: Step,
    /// Which relay, as tor calls it.
    pub relay: String,
    /// Why it failed, in tor's word.
    pub reason: Option<String>,
}

/// What tor says without being asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Progress, or what stands in its way.
    Bootstrap(Bootstrap),
    /// The clock is wrong.
    ClockSkew(ClockSkew),
    /// The clock jumped by so much, and circuits are given up.
    ClockJumped(Duration),
    /// Whether circuits can be made.
    Circuits(bool),
    /// Whether the network can be reached.
    Network(bool),
    /// A descriptor's step.
    Descriptor(DescriptorStep),
    /// A descriptor that came; nothing where there was none to be had.
    Fetched {
        /// Whose.
        address: OnionAddress,
        /// Its text.
        text: Option<String>,
    },
    /// Another event.
    Other,
}

impl Event {
    /// What is asked for with SETEVENTS.
    pub(crate) const NAMES: [&str; 5] =
        ["STATUS_GENERAL", "STATUS_CLIENT", "NETWORK_LIVENESS", "HS_DESC", "HS_DESC_CONTENT"];

    /// Reads an event. One that is not known, or says less than it should, is [`Event::Other`].
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn of(reply: &Reply) -> Result<Self, WordsError> {
        let Some(line) = reply.lines().first() else { return Ok(Self::Other) };
        let words = Words::of(line.text())?;
        let event = match (words.at(0), words.at(2)) {
            (Some("STATUS_CLIENT"), Some("BOOTSTRAP")) => {
                Bootstrap::of(&words).map(Self::Bootstrap)
            }
            (Some("STATUS_CLIENT"), Some("CIRCUIT_ESTABLISHED")) => Some(Self::Circuits(true)),
            (Some("STATUS_CLIENT"), Some("CIRCUIT_NOT_ESTABLISHED")) => Some(Self::Circuits(false)),
            (Some("STATUS_GENERAL"), Some("CLOCK_SKEW")) => Some(Self::ClockSkew(skew(&words))),
            (Some("STATUS_GENERAL"), Some("CLOCK_JUMPED")) => {
                let seconds: Option<i64> = words.value("TIME").and_then(|t| t.parse().ok());
                seconds.map(|s| Self::ClockJumped(Duration::from_secs(s.unsigned_abs())))
            }
            (Some("NETWORK_LIVENESS"), _) => words.at(1).map(|word| Self::Network(word == "UP")),
            (Some("HS_DESC"), _) => descriptor(&words).map(Self::Descriptor),
            (Some("HS_DESC_CONTENT"), _) => {
                let address = words.at(1).and_then(|label| OnionAddress::from_label(label).ok());
                let text = line.data().filter(|data| !data.trim().is_empty());
                address.map(|address| Self::Fetched { address, text: text.map(str::to_owned) })
            }
            _ => None,
        };
        Ok(event.unwrap_or(Self::Other))
    }
}

fn skew(words: &Words) -> ClockSkew {
    let text = words.value("SKEW").or_else(|| words.value("MIN_SKEW")).unwrap_or_default();
    let seconds = text.strip_prefix('+').unwrap_or(text).parse().unwrap_or(0);
    ClockSkew { seconds, source: shown(words.value("SOURCE").unwrap_or("another")) }
}

fn descriptor(words: &Words) -> Option<DescriptorStep> {
    let step = match words.at(1)? {
        "UPLOAD" => Step::Upload,
        "UPLOADED" => Step::Uploaded,
        "REQUESTED" => Step::Requested,
        "RECEIVED" => Step::Received,
        "FAILED" => Step::Failed,
        _ => Step::Other,
    };
    Some(DescriptorStep {
        address: OnionAddress::from_label(words.at(2)?).ok()?,
        step,
        relay: shown(words.at(4).unwrap_or("UNKNOWN")),
        reason: words.value("REASON").map(shown),
    })
}

/// Circuits, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Circuits {
    /// Those that can be used.
    pub built: u32,
    /// Those that are being made.
    pub building: u32,
}

impl Circuits {
    /// Reads the answer of `circuit-status`: a line each, `ID STATE …`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut circuits = Self::default();
        for line in text.lines() {
            match line.split(' ').nth(1) {
                Some("BUILT") => circuits.built += 1,
                Some("LAUNCHED" | "EXTENDED" | "GUARD_WAIT") => circuits.building += 1,
                _ => (),
            }
        }
        circuits
    }
}

/// A text of tor's for people: without control characters, cut short.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::reply::Decoder;

    const LABEL: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";

    fn event(text: &str) -> Event {
        let mut decoder = Decoder::default();
        decoder.feed(text.as_bytes());
        decoder.feed(b"\r\n");
        Event::of(&decoder.next_reply().unwrap().expect("whole")).unwrap()
    }

    #[test]
    fn a_consensus_ends_in_utc() {
        assert_eq!(seconds_of("1970-01-01 00:00:00"), Some(0));
        // `date -u -d '2026-11-26 23:05:09' +%s`
        assert_eq!(seconds_of("2026-11-26 23:05:09"), Some(1_795_734_309));
        for wrong in [
            "",
            "2026-11-26",
            "2026-11-26T23:05:09",
            "2026-11-26 23:05:60",
            "2026-11-26 23:05:9",
            "2026-11-26 23:05:09 ",
            "2026-11-26 23:05:09:00",
            "2026-02-29 23:05:09",
            "2026-00-29 23:05:09",
            "+026-11-26 23:05:09",
            "1969-12-31 23:59:59",
        ] {
            assert_eq!(seconds_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn events_are_what_they_say() {
        let address = OnionAddress::from_label(LABEL).unwrap();
        let boot = "650 STATUS_CLIENT WARN BOOTSTRAP PROGRESS=10 TAG=conn_done SUMMARY=\"Connected\" \
                    WARNING=\"Clock skew -7200 in NETINFO cell from OR\" REASON=CLOCK_SKEW COUNT=1";
        let bootstrap = Bootstrap {
            percent: 10,
            tag: "conn_done".into(),
            summary: "Connected".into(),
            warning: Some("Clock skew -7200 in NETINFO cell from OR".into()),
        };
        let step = |step, reason: Option<&str>| {
            let (relay, reason) = ("$AB~n".to_owned(), reason.map(str::to_owned));
            Event::Descriptor(DescriptorStep { address, step, relay, reason })
        };
        let skew =
            |seconds, source: &str| Event::ClockSkew(ClockSkew { seconds, source: source.into() });
        let rows = [
            (boot.to_owned(), Event::Bootstrap(bootstrap)),
            ("650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED".into(), Event::Circuits(true)),
            (
                "650 STATUS_CLIENT NOTICE CIRCUIT_NOT_ESTABLISHED REASON=CLOCK_JUMPED".into(),
                Event::Circuits(false),
            ),
            (
                "650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=-3600 SOURCE=\"OR:127.0.0.1:5000\"".into(),
                skew(-3600, "OR:127.0.0.1:5000"),
            ),
            (
                "650 STATUS_GENERAL WARN CLOCK_SKEW MIN_SKEW=+86400 SOURCE=CONSENSUS".into(),
                skew(86400, "CONSENSUS"),
            ),
            (
                "650 STATUS_GENERAL NOTICE CLOCK_JUMPED TIME=-90".into(),
                Event::ClockJumped(Duration::from_secs(90)),
            ),
            ("650 NETWORK_LIVENESS DOWN".into(), Event::Network(false)),
            (format!("650 HS_DESC UPLOADED {LABEL} UNKNOWN $AB~n"), step(Step::Uploaded, None)),
            (
                format!("650 HS_DESC FAILED {LABEL} NO_AUTH $AB~n x REASON=UPLOAD_REJECTED"),
                step(Step::Failed, Some("UPLOAD_REJECTED")),
            ),
            (
                format!("650+HS_DESC_CONTENT {LABEL} x $AB~n\r\nhs-descriptor 3\r\n.\r\n650 OK"),
                Event::Fetched { address, text: Some("hs-descriptor 3\n".into()) },
            ),
            (
                format!("650+HS_DESC_CONTENT {LABEL} x UNKNOWN\r\n\r\n.\r\n650 OK"),
                Event::Fetched { address, text: None },
            ),
            ("650 HS_DESC UPLOADED sp3k2 UNKNOWN x".into(), Event::Other),
            ("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=101".into(), Event::Other),
            ("650 BW 0 0".into(), Event::Other),
            ("650 ".into(), Event::Other),
        ];
        for (text, expected) in rows {
            assert_eq!(event(&text), expected, "{text}");
        }
    }

    #[test]
    fn circuits_are_counted() {
        let text = "1 BUILT $A~a PURPOSE=GENERAL\n2 EXTENDED X\n3 LAUNCHED\n4 FAILED\n\n";
        assert_eq!(Circuits::parse(text), Circuits { built: 1, building: 2 });
    }
}
