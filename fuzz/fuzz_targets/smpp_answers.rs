//! What an SMSC says, of any bytes, to a session that binds and submits a message: it ends, whatever is said; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|answers: &[u8]| id_prover::fuzzing::smpp(answers));
