//! What goes wrong, as scripted by a test.

use serde::{Deserialize, Serialize};

use crate::chain::refusal::Code;

/// Something that goes wrong with a request. Whether what was asked for is *done* nevertheless is each
/// fault's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// A broadcast is answered with this code; other requests are not touched.
    Broadcast {
        /// The code.
        code: Code,
        /// Whether the transaction is taken all the same, if it can be.
        taken: bool,
    },
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut without an answer.
    Lost,
    /// No answer ever comes; the connection stays open.
    Hang {
        /// Whether it is done.
        taken: bool,
    },
    /// 429, and nothing is done.
    TooMany {
        /// `Retry-After` in seconds; `None`: no such header.
        retry_after: Option<u64>,
    },
    /// 403, and nothing is done.
    Forbidden {
        /// `Retry-After` in seconds; `None`: no such header.
        retry_after: Option<u64>,
    },
    /// 200 with `{"Error": …}`, and nothing is done.
    ErrorInside {
        /// What it says.
        text: String,
    },
    /// 500 with a page of HTML, and nothing is done.
    Html,
    /// It is done, and the answer's JSON ends in its middle.
    Truncated,
    /// It is done, and so many spaces come before the answer's JSON.
    Oversize {
        /// How many.
        bytes: usize,
    },
}

/// A fault and the requests that it is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scripted {
    /// What the path ends in, as `broadcasttransaction` or `walletsolidity/getnowblock`; `None`: any.
    #[serde(default)]
    pub path: Option<String>,
    /// How many requests more it is for.
    pub times: u32,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Most bytes that a test may ask for in one answer.
pub(crate) const OVERSIZE_MAX: usize = 256 << 20;

/// What is scripted, in the order that it was.
#[derive(Default)]
pub(crate) struct Faults(Vec<Scripted>);

impl Faults {
    pub(crate) fn add(&mut self, scripted: Scripted) {
        self.0.push(scripted);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of a request to `path`; it is one fewer from then on.
    pub(crate) fn next(&mut self, path: &str) -> Option<Fault> {
        let is_for = |scripted: &Scripted| {
            scripted.path.as_ref().is_none_or(|end| path.ends_with(end.as_str()))
                && (!matches!(scripted.fault, Fault::Broadcast { .. }) || is_broadcast(path))
        };
        self.0.retain(|scripted| scripted.times > 0);
        let scripted = self.0.iter_mut().find(|scripted| is_for(scripted))?;
        scripted.times -= 1;
        Some(scripted.fault.clone())
    }
}

/// Whether transactions are broadcast there.
pub(crate) fn is_broadcast(path: &str) -> bool {
    matches!(path, "/wallet/broadcasttransaction" | "/wallet/broadcasthex")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_for_its_requests_and_so_many_of_them() {
        let mut faults = Faults::default();
        let now = "/wallet/getnowblock";
        let busy = Fault::Broadcast { code: Code::ServerBusy, taken: false };
        faults.add(Scripted { path: None, times: 1, fault: busy.clone() });
        faults.add(Scripted { path: Some("getnowblock".to_owned()), times: 2, fault: Fault::Cut });
        assert_eq!(faults.next(now), Some(Fault::Cut));
        assert_eq!(faults.next("/wallet/getaccount"), None);
        assert_eq!(faults.next("/walletsolidity/getnowblock"), Some(Fault::Cut));
        assert_eq!(faults.next(now), None);
        assert_eq!(faults.next("/wallet/broadcasthex"), Some(busy));
        assert_eq!(faults.next("/wallet/broadcasthex"), None);
    }

    #[test]
    fn faults_are_read_from_json_strictly() {
        let read = |text: &str| serde_json::from_str::<Scripted>(text);
        let text = r#"{"times":2,"fault":"broadcast","code":"SIGERROR","taken":true}"#;
        let fault = Fault::Broadcast { code: Code::SigError, taken: true };
        assert_eq!(read(text).unwrap(), Scripted { path: None, times: 2, fault });
        assert!(read(r#"{"times":1,"fault":"nonsense"}"#).is_err());
        assert!(read(r#"{"times":1,"fault":"broadcast","code":"NO","taken":true}"#).is_err());
        assert!(read(r#"{"fault":"cut"}"#).is_err());
    }
}
