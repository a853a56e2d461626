//! Any bytes at all, read as a record of every published version.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schemas::hostile::decode_as_everything(bytes));
