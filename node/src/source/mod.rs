//! Where the command line gets its plaintext from: files, folders, pipes and terminals.

mod compare;
mod paused;
mod tar;

pub use compare::{CompareError, compare_prefix};
pub use paused::{ChannelSource, PollSource};
pub use tar::{Skipped, TarSource};
