//! Numbers that follow from a seed: SplitMix64 (Steele, Lea, Flood 2014), the same on every machine.

use lucid_chain::alloy_primitives::{Bytes, U256};

/// The numbers' state.
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of sequence `number` under `seed`.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next() ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of `things`, which are some.
    pub(crate) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap()]
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Bytes {
        (0..count).map(|_| self.next() as u8).collect::<Vec<_>>().into()
    }

    /// A word: small, near a power of two, or any.
    pub(crate) fn word(&mut self) -> U256 {
        match self.below(6) {
            0 => U256::ZERO,
            1 | 2 => U256::from(self.below(300)),
            3 => (U256::from(1) << self.below(256)).wrapping_sub(U256::from(self.below(2))),
            4 => U256::MAX - U256::from(self.below(300)),
            _ => U256::from_be_slice(&self.bytes(32)),
        }
    }
}
