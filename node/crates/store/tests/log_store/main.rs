//! The ledger log from outside: sizes, faults, damage, and clients that others wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod cosigned;
mod damage;
mod faults;
mod foreign;
mod forged;
mod newer;
mod power;
mod property;
mod sizes;
mod support;
