//! Shared by the models, on loom and on shuttle.

use atomic_parker::wait::Wait;

/// A slow path that a model can run on.
pub trait Slow: Wait + Default + Send + Sync + 'static {}

impl<W: Wait + Default + Send + Sync + 'static> Slow for W {}
