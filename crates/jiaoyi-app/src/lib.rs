//! The use cases: the only place where batches and transactions begin.

pub mod portal;
