//! What needs no kernel: bytes, values, and the arithmetic on them.

mod asked;
mod bounds;
mod capture;
mod diagnose;
mod escape;
mod filter;
mod flow;
mod golden;
mod hostile;
mod import;
mod kernel;
mod messages;
mod model;
mod naive;
mod parquet;
mod persist;
mod population;
mod replace;
mod round_trip;
mod shapes;
mod since;
mod snapshot;
mod spec;
mod special;
mod strategy;
mod tune;
