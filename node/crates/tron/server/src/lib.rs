//! A strict TRON node of one process, for tests.
