//! TRON: transactions, their signing, a client of its HTTP API, anchoring.
