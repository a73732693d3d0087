//! What the chain made of it.

use lucid_chain::{
    At, Call, CallError, Chain, LogPosition, Receipt, Tracer, Transaction,
    alloy_primitives::{Address, Bytes, hex},
    alloy_rpc_types_trace::geth::{CallConfig, GethTrace},
};
use lucid_core::{Hash, Timestamp};
use serde_json::{Value, json};

/// A chain, and what came of each of its blocks.
pub(crate) struct Recorder<'a> {
    chain: &'a Chain,
    genesis: Value,
    blocks: Vec<Value>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(chain: &'a Chain) -> Self {
        let head = chain.head();
        let genesis =
            json!({ "hash": word(head.hash), "state_root": word(head.header.state_root) });
        Self { chain, genesis, blocks: Vec::new() }
    }

    /// Makes a block of these transactions, and asks the questions after it.
    pub(crate) fn block(
        &mut self,
        time: u64,
        transactions: Vec<Transaction>,
        questions: &[(Address, Bytes)],
    ) {
        let number = self.chain.head().header.number.0 + 1;
        let log = LogPosition { size: number, root: Hash::of(&number.to_be_bytes()) };
        let sent = transactions.clone();
        let time = Timestamp::from_unix_millis(time);
        let proposal = self.chain.propose(time, log, transactions).unwrap();
        let refused = proposal.left_out.first().map(|(_, error)| error);
        assert!(refused.is_none(), "each of them is one that a block takes: {refused:?}");
        let (header, receipts) = (proposal.block.header.clone(), proposal.receipts.clone());
        let head = self.chain.apply(proposal).unwrap();
        let mut before = 0;
        let transactions: Vec<_> = sent
            .iter()
            .zip(&receipts)
            .map(|(tx, receipt)| {
                let gas = receipt.cumulative_gas_used - before;
                before = receipt.cumulative_gas_used;
                self.transaction(tx, receipt, gas)
            })
            .collect();
        let calls: Vec<_> = questions.iter().map(|(to, input)| self.call(*to, input)).collect();
        self.blocks.push(json!({
            "number": number,
            "hash": word(head.hash),
            "parent": word(header.parent),
            "timestamp": header.time.unix_millis() / 1000,
            "gas_used": header.gas_used,
            "state_root": word(header.state_root),
            "transactions": transactions,
            "calls": calls,
        }));
    }

    fn transaction(&self, tx: &Transaction, receipt: &Receipt, gas_used: u64) -> Value {
        let top = CallConfig { only_top_call: Some(true), with_log: None };
        let GethTrace::CallTracer(call) = self.chain.trace(tx.hash(), &Tracer::Calls(top)).unwrap()
        else {
            panic!("a trace of calls")
        };
        let logs = receipt.logs.iter().map(
            |log| json!({ "address": log.address, "topics": log.topics(), "data": log.data.data }),
        );
        json!({
            "raw": tx.raw(),
            "success": receipt.success,
            "reverted": call.error.as_deref() == Some("execution reverted"),
            "gas_used": gas_used,
            "output": call.output.unwrap_or_default(),
            "logs": logs.collect::<Vec<_>>(),
        })
    }

    fn call(&self, to: Address, input: &Bytes) -> Value {
        let call = Call { to: Some(to), input: input.clone(), ..Call::default() };
        let (ended, output) = match self.chain.call(&call, At::Latest) {
            Ok(called) => ("returned", called.output),
            Err(CallError::Reverted { data, .. }) => ("reverted", data),
            Err(CallError::Halted { .. }) => ("halted", Bytes::new()),
            Err(error) => panic!("a call: {error}"),
        };
        json!({ "to": to, "input": input, "ended": ended, "output": output })
    }

    pub(crate) fn finish(self, number: u64) -> Value {
        json!({ "number": number, "genesis": self.genesis, "blocks": self.blocks })
    }
}

fn word(hash: Hash) -> String {
    hex::encode_prefixed(hash.as_bytes())
}
