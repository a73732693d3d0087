//! A Tor network of one's own, for tests.
