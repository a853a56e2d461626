//! What can go wrong: only stored state that is not what was written; data are counted, never an error.

/// Why a baseline could not be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The bytes are not a state this version wrote; the task must be rebuilt from an older checkpoint or the log.
    #[error("state of a baseline, byte {at}: {what}; expected a state written by semantics {}", crate::SEMANTICS)]
    State {
        /// Position of the first byte that was not understood.
        at: usize,
        /// What was found.
        what: &'static str,
    },
}
