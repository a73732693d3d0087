//! `debug_traceTransaction` and its options.

use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::{CallConfig, GethDefaultTracingOptions};

use super::{
    Answer, Rpc,
    error::RpcError,
    json::Json,
    params::{Count, Fields, Params, Read},
    write,
};
use crate::Tracer;

impl Rpc {
    pub(super) fn trace_transaction(&self, mut params: Params) -> Result<Answer, RpcError> {
        let hash: B256 = params.take("transaction hash")?;
        let tracer = params.take_or_none("options")?;
        let asked = params.asked();
        params.end()?;
        let tracer = tracer.unwrap_or(Tracer::StructLogs(GethDefaultTracingOptions::default()));
        write(&self.in_time(asked, |patience| self.chain.trace_within(hash, &tracer, patience))?)
    }
}

impl Read for Tracer {
    fn read(json: Json) -> Result<Self, String> {
        let mut fields = Fields::read(json)?;
        // How long geth works at a trace, and how many blocks it executes again for one: here a trace is
        // bounded by its size, and no block but the transaction's own is executed.
        let _: Option<String> = fields.take("timeout")?;
        let _: Option<Count> = fields.take("reexec")?;
        let lines = GethDefaultTracingOptions {
            enable_memory: fields.take("enableMemory")?,
            disable_memory: fields.take("disableMemory")?,
            disable_stack: fields.take("disableStack")?,
            disable_storage: fields.take("disableStorage")?,
            enable_return_data: fields.take("enableReturnData")?,
            disable_return_data: fields.take("disableReturnData")?,
            debug: fields.take("debug")?,
            limit: fields.take("limit")?.map(|Count(lines)| lines),
        };
        let config: Option<Fields> = fields.take("tracerConfig")?;
        let tracer = match fields.take::<String>("tracer")?.as_deref() {
            None => Self::StructLogs(lines),
            Some("callTracer") => Self::Calls(match config {
                None => CallConfig::default(),
                Some(mut config) => {
                    let only_top_call = config.take("onlyTopCall")?;
                    let with_log = config.take("withLog")?;
                    config.end().map_err(|why| format!("tracerConfig: {why}"))?;
                    CallConfig { only_top_call, with_log }
                }
            }),
            Some(_) => {
                return Err("tracer: want callTracer, or none for struct logs".to_owned());
            }
        };
        fields.end()?;
        Ok(tracer)
    }
}
