use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_rpc_types_trace::geth::{CallConfig, GethDefaultTracingOptions, GethTrace};

use crate::{Chain, ChainError, Patience, Tracer, testing::*};

fn lines() -> Tracer {
    Tracer::StructLogs(GethDefaultTracingOptions::default())
}

/// A trace as clients see it.
fn json(chain: &Chain, hash: B256, tracer: &Tracer) -> serde_json::Value {
    let trace = chain.trace(hash, tracer).unwrap();
    match trace {
        GethTrace::CallTracer(frame) => serde_json::to_value(frame).unwrap(),
        GethTrace::Default(frame) => serde_json::to_value(frame).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn shows_calls_within_calls() {
    let chain = chain();
    let keeper = deploy(&chain);
    // Calls the keeper with what it was given, and returns what that returns.
    let code =
        [&hex!("365f5f375f5f365f5f73")[..], keeper.as_slice(), &hex!("5af1503d5f5f3e3d5ff3")]
            .concat();
    let deploy = signer(7).sign(unsigned(0, None, init_code(&code)));
    let through = deploy.creates().unwrap();
    let tx = signer(7).sign(unsigned(1, Some(through), words(&[])));
    block(&chain, vec![deploy.clone(), tx.clone()]);

    let trace = json(&chain, tx.hash(), &Tracer::Calls(CallConfig::default()));
    let gas_used = chain.included(tx.hash()).unwrap().unwrap().gas_used;
    let text = |address: Address| format!("{address:#x}");
    assert_eq!(trace["type"], "CALL");
    assert_eq!(trace["from"], text(signer(7).address()));
    assert_eq!(trace["to"], text(through));
    assert_eq!(trace["gas"], format!("{:#x}", tx.gas_limit()));
    assert_eq!(trace["gasUsed"], format!("{gas_used:#x}"));
    let inner = &trace["calls"][0];
    assert_eq!((&inner["type"], &inner["to"]), (&"CALL".into(), &text(keeper).into()));
    assert_eq!(
        (&inner["error"], &inner["revertReason"]),
        (&"execution reverted".into(), &"no".into())
    );
    assert_eq!(trace["calls"].as_array().unwrap().len(), 1);

    let trace = json(&chain, deploy.hash(), &Tracer::Calls(CallConfig::default()));
    assert_eq!((&trace["type"], &trace["to"]), (&"CREATE".into(), &text(through).into()));
    let trace = json(&chain, tx.hash(), &Tracer::Calls(CallConfig::default().only_top_call()));
    assert!(trace.get("calls").is_none());
}

#[test]
fn shows_every_instruction_over_the_state_before_it() {
    let chain = chain();
    let keeper = deploy(&chain);
    let store = |nonce, value| signer(1).sign(unsigned(nonce, Some(keeper), words(&[7, value])));
    let read = signer(2).sign(unsigned(0, Some(keeper), words(&[7])));
    block(&chain, vec![store(0, 41), read.clone(), store(1, 42)]);
    block(&chain, vec![store(2, 43)]);
    // Between the first and the third transaction of its block, whatever came later.
    let trace = json(&chain, read.hash(), &lines());
    assert_eq!(trace["failed"], false);
    let returned = trace["returnValue"].as_str().unwrap();
    assert!(returned.trim_start_matches("0x").ends_with("29"), "41: {returned}");
    let steps = trace["structLogs"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["op"].as_str().unwrap()).collect();
    let head = ["CALLDATASIZE", "PUSH1", "EQ", "PUSH1", "JUMPI"];
    assert_eq!(names[..10], [head, head].concat());
    assert_eq!(
        names[10..],
        [
            "JUMPDEST",
            "PUSH0",
            "CALLDATALOAD",
            "SLOAD",
            "PUSH0",
            "MSTORE",
            "PUSH1",
            "PUSH0",
            "RETURN"
        ]
    );
    let gas_used = chain.included(read.hash()).unwrap().unwrap().gas_used;
    assert_eq!(trace["gas"], gas_used);
    let stack = steps[4]["stack"].as_array().unwrap();
    assert_eq!(stack.len(), 2);
    let bare = GethDefaultTracingOptions::default().disable_stack().disable_storage();
    let trace = json(&chain, read.hash(), &Tracer::StructLogs(bare));
    assert!(trace["structLogs"][4].get("stack").is_none());
    assert_eq!(trace["structLogs"].as_array().unwrap().len(), 19);
}

#[test]
fn what_would_be_too_large_is_refused_before_it_is_recorded() {
    let chain = chain();
    let deploy = signer(7).sign(unsigned(0, None, init_code(&hex!("5b5f56"))));
    let endless = deploy.creates().unwrap();
    let tx = signer(7).sign(crate::Unsigned {
        gas_limit: crate::rules::TX_GAS_MAX,
        ..unsigned(1, Some(endless), Bytes::new())
    });
    block(&chain, vec![deploy, tx.clone()]);
    let error = chain.trace(tx.hash(), &lines()).unwrap_err();
    assert!(matches!(error, ChainError::TraceTooLarge { .. }), "{error}");
    let few =
        GethDefaultTracingOptions { limit: Some(100), ..GethDefaultTracingOptions::default() };
    let trace = json(&chain, tx.hash(), &Tracer::StructLogs(few));
    assert_eq!(trace["structLogs"].as_array().unwrap().len(), 100);
    assert_eq!(trace["failed"], true);
    let trace = json(&chain, tx.hash(), &Tracer::Calls(CallConfig::default()));
    assert_eq!(trace["error"], "out of gas");
}

#[test]
fn an_old_transaction_cannot_be_traced_and_an_unknown_one_is_none() {
    let chain = Chain::open(tree(), genesis(), 2).unwrap();
    let tx = signer(0).sign(unsigned(0, Some(Address::ZERO), Bytes::new()));
    block(&chain, vec![tx.clone()]);
    block(&chain, vec![]);
    chain.trace(tx.hash(), &lines()).unwrap();
    block(&chain, vec![]);
    let error = chain.trace(tx.hash(), &lines()).unwrap_err();
    assert!(matches!(error, ChainError::StateNotKept { .. }), "{error}");
    let error = chain.trace(B256::ZERO, &lines()).unwrap_err();
    assert!(matches!(error, ChainError::NoSuchTransaction { .. }), "{error}");
}

#[test]
fn a_trace_ends_when_its_time_does() {
    let chain = chain();
    let tx = |nonce| signer(0).sign(unsigned(nonce, Some(Address::ZERO), Bytes::new()));
    block(&chain, (0..9).map(tx).collect());
    let last = tx(8).hash();
    // One look before each transaction of the block, and one before it is recorded.
    for (looks, fits) in [(3, false), (9, false), (10, true)] {
        let left = std::cell::Cell::new(looks);
        let is_over = || left.replace(left.get() - 1) == 0;
        match chain.trace_within(last, &lines(), Patience::until(&is_over)) {
            Ok(_) => assert!(fits, "{looks}"),
            Err(ChainError::OutOfTime { number }) => assert!(!fits && number.0 == 1, "{looks}"),
            Err(error) => panic!("{error}"),
        }
    }
}
