//! What threads share. With the feature `model` the same names stand for those of a model checker,
//! which then decides who runs when; nothing else of the crate works with it.

#[cfg(feature = "model")]
pub use shuttle::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
#[cfg(not(feature = "model"))]
pub use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
