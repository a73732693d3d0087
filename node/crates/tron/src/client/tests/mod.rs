//! The client against a server that answers what a script says.

mod failing;
mod reading;
mod script;
mod sending;
