//! The interface of `parking` 2.2.1, on atomic-parker.
#![forbid(unsafe_code)]

pub use atomic_parker::pair;

// Aliases, and not the types themselves, whose parameter would have to be inferred: `Parker::default()` must compile.

/// See [`atomic_parker::Parker`].
pub type Parker = atomic_parker::Parker;
/// See [`atomic_parker::Unparker`].
pub type Unparker = atomic_parker::Unparker;
