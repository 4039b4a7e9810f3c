//! What can go wrong in any domain, and is nobody's fault among the callers.

/// A failure that says nothing about the request itself.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Try again later: a dependency is away or overloaded. The text is for our logs.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The request's time was over before its work was done.
    #[error("deadline exceeded")]
    DeadlineExceeded,
    /// A bug or a broken dependency. The text is for our logs, never for clients.
    #[error("internal: {0}")]
    Internal(String),
}

impl Fault {
    pub fn internal(error: impl std::fmt::Display) -> Fault {
        Fault::Internal(error.to_string())
    }
}
