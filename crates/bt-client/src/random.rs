use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

/// Seeds for the machines of a session. The system is asked for randomness once, when the session
/// starts, so that nothing can fail later.
pub(crate) struct Seeds(ChaCha12Rng);

impl Seeds {
    pub(crate) fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(ChaCha12Rng::from_seed(seed)))
    }

    /// A seed that nobody else gets.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut seed = [0; N];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// Seeds for somebody who draws by himself.
    pub(crate) fn fork(&mut self) -> Self {
        Self(ChaCha12Rng::from_seed(self.draw()))
    }
}
