//! Sign-in with a TRON wallet, tokens and accounts.
