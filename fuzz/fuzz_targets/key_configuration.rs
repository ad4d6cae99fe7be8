//! A list of key configurations (`application/ohttp-keys`) of any bytes: the client chooses one that the `ohttp` crate
//! takes and can seal with, or refuses the list; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|list: &[u8]| {
    if let Ok(chosen) = client::oblivious::select(list)
        && let Ok(request) = ohttp::ClientRequest::from_encoded_config(&chosen)
    {
        let _ = request.encapsulate(b"content");
    }
});
