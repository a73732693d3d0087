//! How many calls a second JSON-RPC answers in process, on one core: text in, text out.
//!
//! ```sh
//! cargo run --release -p lucid-chain --example rpc
//! ```

#![allow(clippy::print_stdout, reason = "a program in a terminal")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures")]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_chain::{
    ChainId, Genesis, Signer, Unsigned,
    alloy_primitives::{Address, U256, hex},
    rpc::{Host, Rpc},
};

/// Init code of a contract that returns the word in a slot: PUSH0, CALLDATALOAD, SLOAD, PUSH0, MSTORE,
/// PUSH1 32, PUSH0, RETURN.
const READER: [u8; 20] = hex!("61000a80600a5f395ff3" "5f35545f5260205ff3" "00");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signer = Signer::new(&[1; 32])?;
    let host = Arc::new(support::Alone::new(Genesis {
        allocations: [(signer.address(), U256::from(10).pow(U256::from(21)))].into(),
        chain_id: ChainId(0x1c1d),
        coinbase: Address::repeat_byte(0xcb),
        time: support::now(),
    })?);
    let create = signer.sign(Unsigned {
        chain_id: ChainId(0x1c1d),
        nonce: 0,
        to: None,
        value: U256::ZERO,
        input: READER.into(),
        gas_limit: 200_000,
    });
    let reader = create.creates().ok_or("it creates a contract")?;
    host.submit(create)?;
    let rpc = Rpc::new(Arc::clone(&host.chain), Arc::clone(&host) as Arc<dyn Host>, [1; 32]);
    let slot = "00".repeat(32);
    let read = format!(r#""eth_call","params":[{{"to":"{reader}","data":"0x{slot}"}},"latest"]"#);
    let call = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method}}}"#);
    let (read, number) = (call(&read), call(r#""eth_blockNumber""#));
    let batch = format!("[{}]", vec![read.as_str(); 100].join(","));
    println!("| call | calls/s |\n| --- | --- |");
    for (name, text, calls) in [
        ("eth_blockNumber", &number, 1),
        ("eth_call of a contract that reads a slot", &read, 1),
        ("the same, in batches of 100", &batch, 100),
    ] {
        let answer = rpc.answer(text.as_bytes()).ok_or("it is answered")?;
        let errors = answer.windows(8).any(|word| word == b"\"error\":");
        assert!(!errors, "{}", String::from_utf8_lossy(&answer));
        println!("| {name} | {:.0} |", rate(&rpc, text) * f64::from(calls));
    }
    Ok(())
}

/// Texts a second, over a second.
fn rate(rpc: &Rpc, text: &str) -> f64 {
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(1) {
        std::hint::black_box(rpc.answer(text.as_bytes()));
        done += 1;
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}
