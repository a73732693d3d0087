//! Seeded randomness and the inputs made of it.

/// splitmix64 (Steele, Lea and Flood 2014): any seed will do.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The seed in `LUCID_TEST_SEED`, else a fresh one. It is printed, which is seen where the
    /// test fails.
    #[allow(clippy::print_stdout, reason = "the harness shows it with the failure")]
    pub(crate) fn seeded(test: &str) -> Self {
        let given = std::env::var("LUCID_TEST_SEED").ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).unwrap();
            u64::from_ne_bytes(bytes)
        });
        println!("{test}: again with LUCID_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True one time in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// Bytes as a recording has them: stretches that shrink and stretches that do not.
pub(crate) fn mixed(count: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut bytes = Vec::with_capacity(count + 100_000);
    while bytes.len() < count {
        let stretch = rng.below(90_000) as usize + 1;
        if rng.one_in(2) {
            bytes.extend_from_slice(&rng.bytes(stretch));
        } else {
            let line = format!("{:016x} the quick brown fox\n", rng.next());
            bytes.extend(line.bytes().cycle().take(stretch));
        }
    }
    bytes.truncate(count);
    bytes
}
