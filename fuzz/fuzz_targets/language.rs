//! Rules: read, judged, laid out, whatever they say.
#![no_main]

use doorward_fuzz::rules::hold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| hold(data));
