//! What needs no kernel: bytes, values, and the arithmetic on them.

mod golden;
mod hostile;
mod model;
mod naive;
mod round_trip;
mod special;
mod strategy;
