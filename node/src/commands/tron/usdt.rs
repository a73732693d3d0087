//! `tron transfer-usdt`: a TRC-20 transfer, costed first.

use std::process::ExitCode;

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use clap::Args;
use lucid_core::tron::{Address, Sun};
use lucid_tron::{Asked, calls};
use serde::Serialize;

use super::spend::{self, Spending};
use crate::{
    commands::online::Online,
    context::Context,
    failure::{Failure, Outcome},
    output::table,
};

/// More than the transfer of a token to a new holder costs by several times.
const CAP: Sun = Sun::new(100 * Sun::PER_TRX);

/// Arguments of `tron transfer-usdt`.
#[derive(Args, Debug)]
pub struct TransferUsdt {
    /// To whom, T…
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// How much, such as 12.5
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
    /// The token's contract [default: the network's USDT]
    #[arg(long, value_name = "ADDRESS")]
    token: Option<Address>,
    /// Show what it costs, and send nothing; so it is without --yes, too
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Send it
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Transfer {
    token: Address,
    symbol: String,
    to: Address,
    amount: String,
    has: String,
    #[serde(flatten)]
    spending: Spending,
}

impl TransferUsdt {
    /// Shows what it costs, and sends it where that was asked for.
    ///
    /// # Errors
    /// Where there is too little of the token or of TRX; the TRON node's.
    pub(super) fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let online = Online::new(context)?;
        let token = self.token.or(online.config().network.usdt).ok_or_else(|| {
            Failure::usage("this network has no USDT that is known here: give --token ADDRESS")
        })?;
        let owner = super::key(&online)?.address();
        let (decimals, symbol, has) = facts(&online, token, owner)?;
        let amount = units(&self.amount, decimals).ok_or_else(|| {
            Failure::usage(format!(
                "--amount {:?} is no amount: it is a number with at most {decimals} decimals, above 0",
                self.amount
            ))
        })?;
        if amount > has {
            let has = shown(has, decimals);
            return Err(Failure::check(format!("{owner} has {has} {symbol}, not {}", self.amount)));
        }
        let to = self.to;
        let ready = spend::ready(&online, CAP, |terms| terms.trc20_transfer(token, to, amount))?;
        let spending = match self.yes && !self.dry_run {
            true => ready.send(&online)?,
            false => ready.spending,
        };
        let (amount, has) = (shown(amount, decimals), shown(has, decimals));
        context.output.print(&Transfer { token, symbol, to, amount, has, spending }, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The token's decimals and symbol, and how much `owner` has of it.
fn facts(online: &Online, token: Address, owner: Address) -> Outcome<(u8, String, U256)> {
    let asked = |data| Asked { owner, contract: Some(token), value: Sun::ZERO, data };
    let account = owner.evm().into();
    let decimals = asked(calls::decimalsCall {}.abi_encode());
    let symbol = asked(calls::symbolCall {}.abi_encode());
    let balance = asked(calls::balanceOfCall { account }.abi_encode());
    let answers = online.ask(async |tron| {
        tokio::try_join!(
            tron.constant_call(&decimals),
            tron.constant_call(&symbol),
            tron.constant_call(&balance),
        )
    });
    let (decimals, symbol, has) = answers.map_err(|error| Failure::io(error.to_string()))?;
    let no_token = |_| Failure::check(format!("{token} is no TRC-20 token"));
    let decimals = calls::decimalsCall::abi_decode_returns(&decimals.returned).map_err(no_token)?;
    let symbol = calls::symbolCall::abi_decode_returns(&symbol.returned).map_err(no_token)?;
    let has = calls::balanceOfCall::abi_decode_returns(&has.returned).map_err(no_token)?;
    Ok((decimals, symbol.chars().filter(char::is_ascii_graphic).take(16).collect(), has))
}

/// An amount in the token's smallest units; nothing for what is none, and for 0.
fn units(text: &str, decimals: u8) -> Option<U256> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let sound = !whole.is_empty()
        && is_number(whole)
        && is_number(part)
        && part.len() <= usize::from(decimals)
        && !(part.is_empty() && text.contains('.'));
    let digits = format!("{whole}{part:0<width$}", width = usize::from(decimals));
    let amount = sound.then(|| digits.parse::<U256>().ok()).flatten()?;
    (amount > U256::ZERO).then_some(amount)
}

/// Units as an amount, without zeros at the end.
fn shown(amount: U256, decimals: u8) -> String {
    let digits = format!(
        "{amount:0>width$}",
        amount = amount.to_string(),
        width = usize::from(decimals) + 1
    );
    let (whole, part) = digits.split_at(digits.len() - usize::from(decimals));
    match part.trim_end_matches('0') {
        "" => whole.to_owned(),
        part => format!("{whole}.{part}"),
    }
}

fn text(transfer: &Transfer) -> String {
    let Transfer { token, symbol, to, amount, has, spending } = transfer;
    let mut rows = vec![
        ("token", format!("{symbol} ({token}), of which there are {has}")),
        ("amount", format!("{amount} {symbol} to {to}")),
    ];
    rows.extend(spend::rows(spending));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_exactly() {
        for (text, decimals, wanted) in [
            ("1", 6, Some(1_000_000)),
            ("0.000001", 6, Some(1)),
            ("12.50", 6, Some(12_500_000)),
            ("7", 0, Some(7)),
            ("0", 6, None),
            ("0.0", 6, None),
            ("0.0000001", 6, None),
            ("1.", 6, None),
            (".5", 6, None),
            ("1.5", 0, None),
            ("-1", 6, None),
            ("+1", 6, None),
            ("1e3", 6, None),
            ("", 6, None),
            ("1_0", 6, None),
        ] {
            assert_eq!(units(text, decimals), wanted.map(U256::from), "{text} {decimals}");
        }
        assert_eq!(units(&"9".repeat(80), 6), None, "beyond 2^256");
        for (amount, decimals, wanted) in
            [(12_500_000, 6, "12.5"), (1, 6, "0.000001"), (0, 6, "0"), (7, 0, "7"), (10, 1, "1")]
        {
            assert_eq!(shown(U256::from(amount), decimals), wanted);
        }
    }
}
