//! A prefixed and padded message as whole blocks, without a copy of the message.

use super::compress::Block;

/// A block's bytes, minus the prefix: what the first block takes of the message.
const FIRST_BYTES: usize = size_of::<Block>() - 1;

/// `prefix ‖ message ‖ padding` (FIPS 180-4 §5.1.1) as runs of blocks.
///
/// Blocks lie in at most three runs: the first block, built here because the prefix shifts the
/// message by a byte; the body, read where the message lies; and the last one or two blocks, built
/// here with the padding. Without a body the first and last blocks are one run, so a tree node
/// (prefix and 64 bytes) is a single run of two blocks.
pub(crate) struct Padded<'message> {
    edges: [Block; 3],
    edge_blocks: usize,
    body: &'message [Block],
    /// Blocks already consumed.
    position: usize,
}

impl<'message> Padded<'message> {
    /// Splits and pads; nothing is consumed yet.
    pub(crate) fn new(prefix: u8, message: &'message [u8]) -> Self {
        let (first, after) = message.split_at(message.len().min(FIRST_BYTES));
        let (body, last) = after.as_chunks();

        let mut edges = [[0; 64]; 3];
        let bytes = edges.as_flattened_mut();
        bytes[0] = prefix;
        bytes[1..=first.len()].copy_from_slice(first);
        let filled = 1 + first.len() + last.len();
        bytes[1 + first.len()..filled].copy_from_slice(last);
        bytes[filled] = 0x80;
        let edge_blocks = (filled + 1 + size_of::<u64>()).div_ceil(size_of::<Block>());
        let end = edge_blocks * size_of::<Block>();
        // A slice is shorter than 2^63 bytes and no memory holds 2^61, so the bits fit 64.
        let bits = (message.len() as u64 + 1) * 8;
        bytes[end - size_of::<u64>()..end].copy_from_slice(&bits.to_be_bytes());

        Self { edges, edge_blocks, body, position: 0 }
    }

    /// The blocks that come next and lie together; empty when all are consumed.
    pub(crate) fn run(&self) -> &[Block] {
        match self.position {
            0 if !self.body.is_empty() => &self.edges[..1],
            position if (1..=self.body.len()).contains(&position) => &self.body[position - 1..],
            position => &self.edges[position - self.body.len()..self.edge_blocks],
        }
    }

    /// Consumes blocks, no more than [`Self::run`] has.
    pub(crate) fn advance(&mut self, blocks: usize) {
        debug_assert!(blocks <= self.run().len());
        self.position += blocks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects the runs and compares them with padding written the obvious way.
    fn check(len: usize, runs_expected: &[usize]) {
        let message: Vec<u8> = (0..len).map(|index| index as u8 ^ 0x5a).collect();
        let mut expected = vec![0x01];
        expected.extend(&message);
        expected.push(0x80);
        while expected.len() % 64 != 56 {
            expected.push(0);
        }
        expected.extend((8 * (len as u64 + 1)).to_be_bytes());

        let mut padded = Padded::new(0x01, &message);
        let mut blocks = Vec::new();
        let mut runs = Vec::new();
        while !padded.run().is_empty() {
            blocks.extend_from_slice(padded.run());
            runs.push(padded.run().len());
            padded.advance(padded.run().len());
        }
        assert_eq!(blocks.as_flattened(), expected, "length {len}");
        assert_eq!(runs, runs_expected, "length {len}");
    }

    #[test]
    fn runs_hold_every_byte_and_the_padding() {
        check(0, &[1]);
        check(54, &[1]);
        check(55, &[2]);
        check(62, &[2]);
        check(63, &[2]);
        check(64, &[2]);
        check(118, &[2]);
        check(119, &[3]);
        check(126, &[3]);
        check(127, &[1, 1, 1]);
        check(63 + 64 + 55, &[1, 1, 1]);
        check(63 + 64 + 56, &[1, 1, 2]);
        check(16_400, &[1, 255, 1]);
    }

    #[test]
    fn every_short_length_is_padded_right() {
        for len in 0..127 {
            let blocks = (1 + len + 9_usize).div_ceil(64);
            check(len, &[blocks]);
        }
    }

    #[test]
    fn a_run_is_consumed_in_parts() {
        let message = [7; 400];
        let mut padded = Padded::new(0, &message);
        padded.advance(1);
        assert_eq!(padded.run().len(), 5);
        padded.advance(2);
        assert_eq!(padded.run().as_flattened(), &message[63 + 128..63 + 320]);
    }
}
