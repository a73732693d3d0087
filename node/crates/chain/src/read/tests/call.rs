use alloy_primitives::{Address, Bytes, U256, hex};
use revm::context_interface::result::HaltReason;

use crate::{
    At, BlockNumber, CALL_GAS_MAX, Call, CallError, Chain, ChainError, Patience, Revert, TxError,
    rules, testing::*,
};

fn call(to: Address, input: Bytes) -> Call {
    Call { to: Some(to), input, ..Call::default() }
}

/// Deploys code from signer 7.
fn deploy_code(chain: &Chain, nonce: u64, code: &[u8]) -> Address {
    let tx = signer(7).sign(unsigned(nonce, None, init_code(code)));
    let address = tx.creates().unwrap();
    assert!(block(chain, vec![tx])[0].success);
    address
}

#[test]
fn a_call_reads_now_and_then_and_changes_nothing() {
    let chain = chain();
    let keeper = deploy(&chain);
    for value in [11, 22] {
        let nonce = value / 11 - 1;
        block(&chain, vec![signer(1).sign(unsigned(nonce, Some(keeper), words(&[1, value])))]);
    }
    let read = |at| chain.call(&call(keeper, words(&[1])), at).map(|called| called.output);
    assert_eq!(read(At::Latest).unwrap(), words(&[22]));
    assert_eq!(read(At::Pending(time(0))).unwrap(), words(&[22]));
    assert_eq!(read(At::Number(BlockNumber(3))).unwrap(), words(&[22]));
    assert_eq!(read(At::Number(BlockNumber(2))).unwrap(), words(&[11]));
    assert_eq!(read(At::Number(BlockNumber(1))).unwrap(), words(&[0]));
    assert_eq!(read(At::Number(BlockNumber(0))).unwrap(), Bytes::new(), "it was not there yet");
    let error = read(At::Number(BlockNumber(4))).unwrap_err();
    assert!(matches!(error, CallError::Chain(ChainError::NoSuchBlock { .. })), "{error}");

    chain.call(&call(keeper, words(&[1, 33])), At::Latest).unwrap();
    assert_eq!(read(At::Latest).unwrap(), words(&[22]));
}

#[test]
fn a_call_sees_its_block() {
    let chain = chain();
    // NUMBER, TIMESTAMP, PREVRANDAO, BASEFEE, GASLIMIT, CHAINID, COINBASE, BLOCKHASH(NUMBER - 1)
    let code = hex!(
        "435f52" "42602052" "44604052" "48606052" "45608052" "4660a052" "4160c052"
        "600143034060e052" "6101005ff3"
    );
    let teller = deploy_code(&chain, 0, &code);
    block(&chain, vec![]);
    let head = chain.head();
    let parent = chain.header(BlockNumber(1)).unwrap().0;
    let told = |at| {
        let output = chain.call(&call(teller, Bytes::new()), at).unwrap().output;
        let words: Vec<_> = output.chunks(32).map(U256::from_be_slice).collect();
        <[U256; 8]>::try_from(words).unwrap()
    };
    let hash = |hash: lucid_core::Hash| U256::from_be_bytes(hash.0);
    let constants = [rules::BASE_FEE, rules::BLOCK_GAS_MAX, CHAIN.0].map(U256::from);
    let coinbase = U256::from_be_slice(genesis().coinbase.as_slice());
    let expect = |number: u64, seconds: u64, parent| {
        let [fee, gas, id] = constants;
        [
            U256::from(number),
            U256::from(seconds),
            hash(parent),
            fee,
            gas,
            id,
            coinbase,
            hash(parent),
        ]
    };
    assert_eq!(told(At::Latest), expect(2, START / 1000, parent));
    assert_eq!(told(At::Number(BlockNumber(2))), expect(2, START / 1000, parent));
    // A day later, with no block since.
    let later = lucid_core::Timestamp::from_unix_millis(START + 86_400_999);
    assert_eq!(told(At::Pending(later)), expect(3, START / 1000 + 86_400, head.hash));
    assert_eq!(
        told(At::Pending(time(0))),
        expect(3, START / 1000, head.hash),
        "never before the head"
    );
}

#[test]
fn the_machine_is_osakas() {
    let chain = chain();
    // CLZ(1) (EIP-7939), which no fork before has.
    let clz = deploy_code(&chain, 0, &hex!("60011e5f5260205ff3"));
    assert_eq!(chain.call(&call(clz, Bytes::new()), At::Latest).unwrap().output, words(&[255]));

    let precompile = |number: u16, input: Bytes| {
        let address = Address::left_padding_from(&number.to_be_bytes());
        chain.call(&call(address, input), At::Latest)
    };
    // BLS12-381 (EIP-2537): the generator of G1, alone, and with its negative, which has y and p - y.
    let x = hex!(
        "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    );
    let y = hex!(
        "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
    );
    let negative = hex!(
        "00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca"
    );
    let zero = [0; 128];
    let add = |one: &[u8], other: &[u8]| precompile(0x0b, [one, other].concat().into());
    let generator = [x, y].concat();
    assert_eq!(add(&generator, &zero).unwrap().output, generator);
    assert_eq!(add(&generator, &[x, negative].concat()).unwrap().output, zero.to_vec());
    let error = add(&[x, x].concat(), &zero).unwrap_err();
    assert!(matches!(error, CallError::Halted { .. }), "not on the curve: {error}");
    // A pairing of nothing is one.
    let paired = precompile(0x0f, [zero.as_slice(), &[0; 256]].concat().into()).unwrap().output;
    assert_eq!(paired, words(&[1]));
    // Point evaluation (EIP-4844): the polynomial zero, whose commitment and proof are infinity, is 0 at 0.
    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    let versioned = hex!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
    let input = [versioned.as_slice(), &[0; 64], &infinity, &infinity].concat();
    let output = precompile(0x0a, input.into()).unwrap().output;
    assert_eq!(output[..32], words(&[4096])[..]);
    // P256VERIFY (EIP-7951) answers nothing for a signature that does not hold.
    assert_eq!(precompile(0x100, vec![1; 160].into()).unwrap().output, Bytes::new());
    assert!(precompile(0x100, vec![1; 160].into()).unwrap().gas_used > 21_000 + 6_900);
}

#[test]
fn a_call_that_gives_nothing_says_why() {
    let chain = chain();
    let keeper = deploy(&chain);
    let error = chain.call(&call(keeper, Bytes::new()), At::Latest).unwrap_err();
    assert_eq!(error.to_string(), "execution reverted: no");
    let CallError::Reverted { revert, data } = error else { panic!("{error}") };
    assert_eq!(revert, Revert::Error("no".to_owned()));
    assert_eq!(data.as_ref(), &KEEPER[0x34..]);
    let invalid = deploy_code(&chain, 0, &[0xfe]);
    let error = chain.call(&call(invalid, Bytes::new()), At::Latest).unwrap_err();
    assert!(matches!(error, CallError::Halted { reason: HaltReason::InvalidFEOpcode }), "{error}");
    let short = Call { gas: Some(30_000), ..call(keeper, words(&[1, 2])) };
    assert_eq!(chain.call(&short, At::Latest).unwrap_err().to_string(), "out of gas");
    let poor = Call { value: U256::from(1), ..call(keeper, words(&[1])) };
    let error = chain.call(&poor, At::Latest).unwrap_err();
    assert!(matches!(error, CallError::Refused(TxError::InsufficientFunds { .. })), "{error}");
    let priced = Call { gas_price: Some(1), ..call(keeper, words(&[1])) };
    let error = chain.call(&priced, At::Latest).unwrap_err();
    assert!(matches!(error, CallError::Refused(TxError::FeeCapTooLow { max: 1 })), "{error}");
    // 10 MB of calldata: more than the gas of any call pays for.
    let long = call(keeper, vec![1; 10 << 20].into());
    let error = chain.call(&long, At::Latest).unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error}");
}

/// The least gas that works, by looking at each half.
fn least(chain: &Chain, call: &Call) -> u64 {
    let (mut low, mut high) = (0, CALL_GAS_MAX);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match chain.call(&Call { gas: Some(middle), ..call.clone() }, At::Latest) {
            Ok(_) => high = middle,
            Err(_) => low = middle,
        }
    }
    high
}

#[test]
fn an_estimate_works_and_is_near_the_least_that_does() {
    let chain = chain();
    let keeper = deploy(&chain);
    let from = signer(1).address();
    // Calls the keeper with what it was given, and all the gas but 1/64 (EIP-150).
    let code =
        [&hex!("365f5f375f5f365f5f73")[..], keeper.as_slice(), &hex!("5af1155f5700")].concat();
    let through = deploy_code(&chain, 0, &code);
    // Clears a slot, which gives a refund after it was paid.
    block(&chain, vec![signer(1).sign(unsigned(0, Some(keeper), words(&[5, 1])))]);
    for call in [
        Call { from, to: Some(Address::repeat_byte(9)), value: U256::from(1), ..Call::default() },
        call(keeper, words(&[1, 2])),
        call(keeper, words(&[5, 0])),
        call(through, words(&[3, 4])),
        Call { input: init_code(&KEEPER), ..Call::default() },
        Call { gas_price: Some(2_000_000_000), from, ..call(keeper, words(&[1, 2])) },
    ] {
        let (estimate, least) =
            (chain.estimate_gas(&call, At::Latest).unwrap(), least(&chain, &call));
        assert!(
            least <= estimate && estimate * 1000 <= least * 1016,
            "{estimate}, {least}: {call:?}"
        );
    }
    let error = chain.estimate_gas(&call(keeper, Bytes::new()), At::Latest).unwrap_err();
    assert_eq!(error.to_string(), "execution reverted: no");
    let endless = deploy_code(&chain, 1, &hex!("5b5f56"));
    let error = chain.estimate_gas(&call(endless, Bytes::new()), At::Latest).unwrap_err();
    assert_eq!(error.to_string(), format!("gas required exceeds allowance ({CALL_GAS_MAX})"));
    let poor = Call { gas_price: Some(1 << 60), from, ..call(keeper, words(&[1, 2])) };
    let error = chain.estimate_gas(&poor, At::Latest).unwrap_err();
    assert!(
        matches!(error, CallError::GasExceedsAllowance { allowance } if allowance < 1000),
        "{error}"
    );
    let broke = Call { gas_price: Some(1), value: U256::from(1), ..call(keeper, words(&[1])) };
    let error = chain.estimate_gas(&broke, At::Latest).unwrap_err();
    assert!(matches!(error, CallError::Refused(TxError::InsufficientFunds { .. })), "{error}");
}

#[test]
fn an_estimate_ends_when_its_time_does() {
    let chain = chain();
    let keeper = deploy(&chain);
    let call = call(keeper, words(&[1, 2]));
    let error = chain.estimate_gas_within(&call, At::Latest, Patience::until(&|| true));
    let error = error.unwrap_err();
    assert!(matches!(error, CallError::Chain(ChainError::OutOfTime { .. })), "{error}");
}

#[test]
fn what_halts_a_call_is_said_in_words() {
    for (reason, words) in [
        (HaltReason::OutOfOffset, "return data out of bounds"),
        (HaltReason::StateChangeDuringStaticCall, "write protection"),
        (HaltReason::PrecompileError, "precompile error"),
        (HaltReason::NotActivated, "feature or opcode not activated"),
        (HaltReason::CallNotAllowedInsideStatic, "call not allowed inside static call"),
    ] {
        assert_eq!(CallError::Halted { reason }.to_string(), words);
    }
}
