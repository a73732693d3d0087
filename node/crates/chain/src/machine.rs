//! The virtual machine: revm over an overlay, one transaction at a time.

use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, InspectEvm, Inspector, MainBuilder, MainnetEvm,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction},
    database_interface::DatabaseRef,
    handler::MainnetContext,
};

use crate::{
    ChainError, TxError,
    rules::{BLOCK_GAS_MAX, TX_GAS_MAX},
    state::{Changes, Overlay},
};

/// A machine at one block over one state.
pub(crate) struct Machine<D: DatabaseRef<Error = ChainError>> {
    evm: MainnetEvm<MainnetContext<Overlay<D>>>,
}

/// Why a transaction was not executed: the transaction's fault, or not.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It does not hold at this state.
    Transaction(InvalidTransaction),
    /// The database's or the machine's.
    Chain(ChainError),
}

impl<D: DatabaseRef<Error = ChainError>> Machine<D> {
    pub(crate) fn new(base: D, config: CfgEnv, block: BlockEnv) -> Self {
        Self { evm: context(base, config, block).build_mainnet() }
    }

    /// Executes a transaction and keeps what it changed.
    ///
    /// # Errors
    /// [`Failure`]; nothing is changed then.
    pub(crate) fn execute(&mut self, tx: TxEnv) -> Result<ExecutionResult, Failure> {
        self.evm.transact_commit(tx).map_err(failure)
    }

    /// Executes a transaction and keeps nothing.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn call(&mut self, tx: TxEnv) -> Result<ExecutionResult, Failure> {
        Ok(self.evm.transact(tx).map_err(failure)?.result)
    }

    /// Executes a transaction under the eyes of `inspector`, and keeps nothing.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn inspect<I>(
        self,
        tx: TxEnv,
        inspector: &mut I,
    ) -> Result<(ExecutionResult, Self), Failure>
    where
        I: Inspector<MainnetContext<Overlay<D>>>,
    {
        let mut evm = self.evm.ctx.build_mainnet_with_inspector(inspector);
        let result = evm.inspect_tx(tx).map_err(failure)?.result;
        Ok((result, Self { evm: evm.ctx.build_mainnet() }))
    }

    /// The state that it began with, and what all executed transactions changed.
    pub(crate) fn into_parts(self) -> (D, Changes) {
        self.evm.ctx.journaled_state.database.into_parts()
    }

    /// The state that it began with.
    pub(crate) fn base(&self) -> &D {
        self.evm.ctx.journaled_state.database.base()
    }
}

fn context<D: DatabaseRef<Error = ChainError>>(
    base: D,
    config: CfgEnv,
    block: BlockEnv,
) -> MainnetContext<Overlay<D>> {
    let mut context = Context::new(Overlay::new(base), config.spec);
    context.cfg = config;
    context.block = block;
    context
}

fn failure(error: EVMError<ChainError>) -> Failure {
    match error {
        EVMError::Transaction(error) => Failure::Transaction(error),
        EVMError::Database(error) => Failure::Chain(error),
        EVMError::Header(error) => Failure::Chain(ChainError::Machine { what: error.to_string() }),
        EVMError::Custom(what) => Failure::Chain(ChainError::Machine { what }),
        EVMError::CustomAny(error) => {
            Failure::Chain(ChainError::Machine { what: error.to_string() })
        }
    }
}

/// The same refusal in this crate's words.
pub(crate) fn refusal(error: InvalidTransaction, tx: &TxEnv) -> TxError {
    match error {
        InvalidTransaction::NonceTooLow { tx, state } => {
            TxError::NonceTooLow { have: tx, want: state }
        }
        InvalidTransaction::NonceTooHigh { tx, state } => {
            TxError::NonceTooHigh { have: tx, want: state, ahead_max: 0 }
        }
        InvalidTransaction::NonceOverflowInTransaction => TxError::NonceMax,
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            TxError::InsufficientFunds { balance: *balance, cost: *fee }
        }
        InvalidTransaction::RejectCallerWithCode => TxError::SenderNotEoa { sender: tx.caller },
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            TxError::IntrinsicGas { gas: gas_limit, needed: initial_gas }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            TxError::FloorGas { gas: gas_limit, needed: gas_floor }
        }
        InvalidTransaction::CallerGasLimitMoreThanBlock if tx.gas_limit > BLOCK_GAS_MAX => {
            TxError::ExceedsBlockGas { gas: tx.gas_limit }
        }
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap: TX_GAS_MAX } => {
            TxError::ExceedsTxGas { gas: gas_limit }
        }
        InvalidTransaction::GasPriceLessThanBasefee => TxError::FeeCapTooLow { max: tx.gas_price },
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => TxError::TipAboveFeeCap {
            tip: tx.gas_priority_fee.unwrap_or_default(),
            max: tx.gas_price,
        },
        InvalidTransaction::CreateInitCodeSizeLimit => TxError::InitCodeTooLong {
            bytes: tx.data.len(),
            max: revm::primitives::eip3860::MAX_INITCODE_SIZE,
        },
        other => TxError::Refused(other.to_string()),
    }
}
