//! What an SMS gateway answers over HTTP/1.1, of any bytes: it is judged, or it is no answer; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| id_prover::fuzzing::webhook(answer));
