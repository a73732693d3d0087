//! What happened inside a transaction (`debug_traceTransaction`): geth's call tracer and struct logs.
//!
//! The block's earlier transactions are executed again over the state before the block, which is kept for
//! recent blocks; then the transaction itself, watched. revm-inspectors records and words the trace. What
//! it would record is counted first, in a run of its own, because a transaction of 16 million gas can take
//! gigabytes to describe.

use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::{CallConfig, GethDefaultTracingOptions, GethTrace};
use revm::{
    Inspector,
    bytecode::opcode,
    context::TxEnv,
    context_interface::ContextTr,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, interpreter_types::Jumps,
    },
};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

use super::{At, Patience};
use crate::{
    BlockNumber, Chain, ChainError, Head, Transaction,
    error::damaged,
    machine::{Failure, Machine},
    rules::FORK,
    state::View,
};

/// The most that a trace may take in memory, bytes; its JSON is some three times that.
pub const TRACE_BYTES_MAX: usize = 32 << 20;
/// What a step takes beside its stack, memory and storage: the recorder's own structure, rounded up.
const STEP_BYTES: usize = 512;
/// What a call takes beside its input and its output.
const CALL_BYTES: usize = 1024;

/// Which trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tracer {
    /// `callTracer`: a tree of calls.
    Calls(CallConfig),
    /// The default one: a line for each instruction.
    StructLogs(GethDefaultTracingOptions),
}

impl Chain {
    /// [`trace_within`](Self::trace_within) whatever time it takes.
    ///
    /// # Errors
    /// As that, but for the time.
    pub fn trace(&self, hash: B256, tracer: &Tracer) -> Result<GethTrace, ChainError> {
        self.trace_within(hash, tracer, Patience::ENDLESS)
    }

    /// The trace of a transaction in a block.
    ///
    /// # Errors
    /// [`ChainError::NoSuchTransaction`], [`ChainError::StateNotKept`] where the state before its block
    /// is not kept any more, [`ChainError::TraceTooLarge`], [`ChainError::OutOfTime`], and the database's.
    pub fn trace_within(
        &self,
        hash: B256,
        tracer: &Tracer,
        patience: Patience<'_>,
    ) -> Result<GethTrace, ChainError> {
        let (number, index) = self.place_of(hash)?.ok_or(ChainError::NoSuchTransaction { hash })?;
        let head = self.head();
        let (machine, tx) = self.before(&head, number, index, patience)?;
        let gas_limit = tx.gas_limit;
        let mut meter = Meter::new(tracer);
        let (_, machine) = machine.inspect(tx.clone(), &mut meter).map_err(failed)?;
        meter.check()?;
        patience.check(number)?;
        let mut inspector = TracingInspector::new(match tracer {
            Tracer::Calls(config) => TracingInspectorConfig::from_geth_call_config(config),
            Tracer::StructLogs(options) => TracingInspectorConfig::from_geth_config(options),
        });
        let (result, _) = machine.inspect(tx, &mut inspector).map_err(failed)?;
        inspector.set_transaction_gas_limit(gas_limit);
        let gas_used = result.tx_gas_used();
        let builder = inspector.geth_builder().with_spec_id(FORK);
        Ok(match tracer {
            Tracer::Calls(config) => {
                GethTrace::CallTracer(builder.geth_call_traces(*config, gas_used))
            }
            Tracer::StructLogs(options) => {
                let output = result.into_output().unwrap_or_default();
                GethTrace::Default(builder.geth_traces(gas_used, output, *options))
            }
        })
    }

    /// A machine in which the transactions before `index` of block `number` were executed, and that one.
    fn before(
        &self,
        head: &Head,
        number: BlockNumber,
        index: u32,
        patience: Patience<'_>,
    ) -> Result<(Machine<View<'_>>, TxEnv), ChainError> {
        let view = self.view(head, At::Number(BlockNumber(number.0.saturating_sub(1))))?;
        let block = self.block_at(head, At::Number(number))?;
        let mut machine = Machine::new(view, self.config.clone(), block);
        for (place, raw) in (0_u32..).zip(self.body_of(number)?) {
            patience.check(number)?;
            let tx = Transaction::decode(&raw, self.chain_id()).map_err(|error| {
                damaged(format!("block {number}, transaction {place}: {error}"))
            })?;
            if place == index {
                return Ok((machine, tx.to_env()));
            }
            machine.execute(tx.to_env()).map_err(failed)?;
        }
        Err(damaged(format!("block {number} has no transaction {index}")))
    }
}

/// A transaction that is in a block was executed once: it cannot be refused now.
fn failed(failure: Failure) -> ChainError {
    match failure {
        Failure::Chain(error) => error,
        Failure::Transaction(error) => {
            damaged(format!("a transaction in a block cannot be executed again: {error}"))
        }
    }
}

/// Counts what a trace would take, and records nothing.
struct Meter {
    /// What is recorded of each step, if steps are.
    lines: Option<GethDefaultTracingOptions>,
    /// Steps that are still asked for.
    lines_left: u64,
    storage_lines: usize,
    bytes: usize,
}

impl Meter {
    fn new(tracer: &Tracer) -> Self {
        let lines = match tracer {
            Tracer::Calls(_) => None,
            Tracer::StructLogs(options) => Some(*options),
        };
        let limit = lines.and_then(|options| options.limit).filter(|limit| *limit > 0);
        Self { lines, lines_left: limit.unwrap_or(u64::MAX), storage_lines: 0, bytes: 0 }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn check(&self) -> Result<(), ChainError> {
        match self.bytes <= TRACE_BYTES_MAX {
            true => Ok(()),
            false => Err(ChainError::TraceTooLarge {
                limit: format!("{} MiB of memory", TRACE_BYTES_MAX >> 20),
            }),
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Meter {
    fn step(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        let Some(options) = self.lines.filter(|_| self.lines_left > 0) else { return };
        self.lines_left -= 1;
        self.add(STEP_BYTES);
        if !options.disable_stack.unwrap_or_default() {
            self.add(32 * interp.stack.len());
        }
        if options.is_memory_enabled() {
            self.add(interp.memory.len());
        }
        let touches = matches!(interp.bytecode.opcode(), opcode::SLOAD | opcode::SSTORE);
        if touches && !options.disable_storage.unwrap_or_default() {
            // Such a line shows every slot that was touched so far.
            self.storage_lines += 1;
            self.add(64 * self.storage_lines);
        }
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.add(CALL_BYTES + inputs.input.len());
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.add(outcome.output().len());
    }

    fn create(&mut self, _context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.add(CALL_BYTES + inputs.init_code().len());
        None
    }
}
