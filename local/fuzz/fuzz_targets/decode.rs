//! Bodies as they come, as every operation in JSON and CBOR: `cargo +nightly fuzz run decode`.
//!
//! The first line that the input has, if it is text, is a head: target and content type, split at a space.
#![no_main]

use kinesis_local::fuzzing::{decode_everything, decode_headed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    decode_everything(input);
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (head, body) = input.split_at(line);
    if let Ok(head) = std::str::from_utf8(head) {
        let (target, content_type) = head.split_once(' ').unwrap_or((head, ""));
        decode_headed(Some(target), Some(content_type), body);
    }
});
