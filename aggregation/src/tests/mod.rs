//! Encoder and decoder, each against the other, against prost's reading of the schema, and against naive
//! models.

mod arbitrary_bytes;
mod decoder;
mod encoder;
mod hash_ranges;
mod many;
mod model;
mod packing;
