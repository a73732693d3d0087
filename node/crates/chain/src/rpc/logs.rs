//! `eth_getLogs`, and the methods of filters.

use alloy_primitives::{B256, U128};

use super::{
    Answer, Rpc,
    caller::{Asked, Caller},
    error::RpcError,
    filters::{Changes, Kind},
    forms,
    json::Json,
    params::{Fields, Params, Read, Tag, one_or_many},
    write,
};
use crate::{BlockNumber, LogEntry, LogFilter, LogPlace, Patience};

/// Which logs, and where.
pub(super) struct LogQuery {
    filter: LogFilter,
    blocks: Blocks,
}

/// The blocks of a query.
enum Blocks {
    Hash(B256),
    /// What is left out is the newest.
    Range(Option<Tag>, Option<Tag>),
}

/// An address or several.
struct OneOrMany<T>(Vec<T>);

impl<T: Read> Read for OneOrMany<T> {
    fn read(json: Json) -> Result<Self, String> {
        one_or_many(json).map(Self)
    }
}

/// The topics of one position: `null`, alone or among others, is any.
struct Alternatives(Vec<B256>);

impl Read for Alternatives {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::Null => Ok(Self(Vec::new())),
            Json::List(list) if list.contains(&Json::Null) => {
                // The others are read nevertheless: a wrong one is a mistake.
                let others = list.into_iter().filter(|topic| *topic != Json::Null);
                others.map(B256::read).collect::<Result<Vec<_>, _>>()?;
                Ok(Self(Vec::new()))
            }
            other => one_or_many(other).map(Self),
        }
    }
}

impl Read for LogQuery {
    fn read(json: Json) -> Result<Self, String> {
        let mut fields = Fields::read(json)?;
        let hash = fields.take("blockHash")?;
        let (from, to) = (fields.take("fromBlock")?, fields.take("toBlock")?);
        let blocks = match hash {
            None => Blocks::Range(from, to),
            Some(hash) if from.is_none() && to.is_none() => Blocks::Hash(hash),
            Some(_) => {
                let both = "cannot specify both blockHash and fromBlock/toBlock, choose one";
                return Err(both.to_owned());
            }
        };
        let addresses = fields.take("address")?.map_or_else(Vec::new, |OneOrMany(any)| any);
        let topics = fields.take::<Vec<Alternatives>>("topics")?.unwrap_or_default();
        fields.end()?;
        let topics = topics.into_iter().map(|Alternatives(any)| any).collect();
        Ok(Self { filter: LogFilter { addresses, topics }, blocks })
    }
}

impl Rpc {
    pub(super) fn logs(&self, mut params: Params) -> Result<Answer, RpcError> {
        let LogQuery { filter, blocks } = params.take("filter")?;
        let asked = params.asked();
        params.end()?;
        let (from, to) = match blocks {
            Blocks::Range(from, to) => self.range(from, to),
            Blocks::Hash(hash) => {
                let number = self.number_of(hash)?;
                let number =
                    number.ok_or_else(|| RpcError::not_found(format!("unknown block: {hash}")))?;
                (number, number)
            }
        };
        self.write_logs_of(from, to, &filter, asked)
    }

    fn write_logs_of(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        filter: &LogFilter,
        asked: Asked,
    ) -> Result<Answer, RpcError> {
        let logs = |patience: Patience<'_>| self.chain.logs_within(from, to, filter, patience);
        write_logs(self.in_time(asked, logs)?)
    }

    fn range(&self, from: Option<Tag>, to: Option<Tag>) -> (BlockNumber, BlockNumber) {
        let number = |tag: Option<Tag>| self.number(tag.unwrap_or(Tag::Latest));
        (number(from), number(to))
    }

    pub(super) fn new_filter(&self, mut params: Params) -> Result<Answer, RpcError> {
        let LogQuery { filter, blocks } = params.take("filter")?;
        let Asked { caller, .. } = params.asked();
        params.end()?;
        let Blocks::Range(from, to) = blocks else {
            return Err(RpcError::invalid_params(
                "invalid argument 0 (filter): a filter has no blockHash: ask eth_getLogs",
            ));
        };
        let head = self.chain.head().header.number;
        // Its bounds are seen by asking once.
        self.chain.logs(head, head, &filter)?;
        let next = LogPlace::first_of(head.next());
        self.install(Kind::Logs { filter, from, to, next }, caller)
    }

    pub(super) fn new_block_filter(&self, params: Params) -> Result<Answer, RpcError> {
        let Asked { caller, .. } = params.asked();
        params.end()?;
        self.install(Kind::Blocks { next: self.chain.head().header.number.next() }, caller)
    }

    pub(super) fn new_pending_filter(&self, params: Params) -> Result<Answer, RpcError> {
        let Asked { caller, .. } = params.asked();
        params.end()?;
        self.install(Kind::Transactions { next: self.filters.announced() }, caller)
    }

    fn install(&self, kind: Kind, caller: Caller) -> Result<Answer, RpcError> {
        write(&U128::from(self.filters.install(kind, caller, self.host.now())?))
    }

    pub(super) fn uninstall_filter(&self, mut params: Params) -> Result<Answer, RpcError> {
        let id = params.take("filter id")?;
        params.end()?;
        write(&self.filters.remove(id, self.host.now()))
    }

    pub(super) fn filter_changes(&self, mut params: Params) -> Result<Answer, RpcError> {
        let id = params.take("filter id")?;
        let asked = params.asked();
        params.end()?;
        let changes = |patience: Patience<'_>| {
            self.filters.changes(id, self.host.now(), &self.chain, patience)
        };
        match self.in_time(asked, changes)? {
            Changes::Hashes(hashes) => write(&hashes),
            Changes::Logs(logs) => write_logs(logs),
        }
    }

    pub(super) fn filter_logs(&self, mut params: Params) -> Result<Answer, RpcError> {
        let id = params.take("filter id")?;
        let asked = params.asked();
        params.end()?;
        let (filter, from, to) = self.filters.query(id, self.host.now())?;
        let (from, to) = self.range(from, to);
        self.write_logs_of(from, to, &filter, asked)
    }
}

fn write_logs(logs: Vec<LogEntry>) -> Result<Answer, RpcError> {
    write(&logs.into_iter().map(forms::log).collect::<Vec<_>>())
}
