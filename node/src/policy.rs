//! The policy of a session that is opened now: the one place where that is decided.

use lucid_core::{Parameters, Policy, policy::PolicyError};
use lucid_store::Store;

/// Under the parameters that were decided on, where there are any; else as it is `configured`. The suite is
/// the configuration's either way: it follows from the processor.
///
/// # Errors
/// Parameters out of their bounds, which no log has.
pub fn of_new_session(configured: Policy, store: &Store) -> Result<Policy, PolicyError> {
    let decided = store.parameters().map(|changed| changed.parameters);
    decided.map_or(Ok(configured), |parameters| Policy::decided(&parameters, configured.suite))
}

/// A setting that the configuration has, and another value that was decided on: the latter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overruled {
    /// The setting.
    pub setting: &'static str,
    /// Its value in the configuration.
    pub configured: u64,
    /// The value in force.
    pub in_force: u64,
}

/// Which settings do not count, as `decided` has other values.
#[must_use]
pub fn overruled(configured: &Parameters, decided: &Parameters) -> Vec<Overruled> {
    // The configuration has these; the others are not its to say.
    const SETTINGS: [&str; 3] = ["chunk_bytes", "open_sessions_max", "zstd_level"];
    let both = configured.values().into_iter().zip(decided.values());
    let both = both.filter(|((bounds, _), _)| SETTINGS.contains(&bounds.key));
    both.filter(|((_, configured), (_, in_force))| configured != in_force)
        .map(|((bounds, configured), (_, in_force))| Overruled {
            setting: bounds.key,
            configured,
            in_force,
        })
        .collect()
}

/// What [`overruled`] settings are, in one line.
#[must_use]
pub fn overruled_text(settings: &[Overruled]) -> String {
    let of = |it: &Overruled| format!("{} is {}, not {}", it.setting, it.in_force, it.configured);
    let texts: Vec<_> = settings.iter().map(of).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_has_and_the_chain_has_otherwise_is_named() {
        let configured = Parameters { chunk_bytes: 65_536, ..Parameters::default() };
        assert_eq!(overruled(&configured, &configured), []);
        let decided = Parameters { zstd_level: 9, session_bytes_max: 1 << 20, ..configured };
        let found = overruled(&configured, &decided);
        assert_eq!(overruled_text(&found), "zstd_level is 9, not 3");
        let found = overruled(&configured, &Parameters { open_sessions_max: 1, ..decided });
        assert_eq!(
            overruled_text(&found),
            "open_sessions_max is 1, not 64; zstd_level is 9, not 3"
        );
    }
}
