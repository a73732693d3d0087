//! ev
