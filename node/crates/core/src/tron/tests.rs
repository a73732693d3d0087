//! Vectors of tronweb, and what is refused.
