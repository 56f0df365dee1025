//! Pages of documentation: each says more of one thing than fits beside the code.

/// The protocol of the parker.
#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

/// The protocol of the idle set.
#[doc = include_str!("../docs/idle_protocol.md")]
pub mod idle {}

/// What each part of the idle set is for.
#[doc = include_str!("../docs/ablation.md")]
pub mod ablation {}

/// I/O and timers.
#[doc = include_str!("../docs/io.md")]
pub mod io {}

/// When a parker spins.
#[doc = include_str!("../docs/spinning.md")]
pub mod spinning {}

/// What changes for a user of another parker.
#[doc = include_str!("../docs/moving_over.md")]
pub mod moving_over {}

/// How other crates were moved to this one.
#[doc = include_str!("../docs/ports.md")]
pub mod ports {}

/// What does not work, and what is not tested where.
#[doc = include_str!("../docs/limitations.md")]
pub mod limitations {}
