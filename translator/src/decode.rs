//! Guest bytes to instructions.

use crate::mode::Mode;
use iced_x86::{Decoder, DecoderOptions};

/// F3 before WBINVD has no meaning on the modelled processors. (Where it has none before BSF and BSR, `run_as` says so.)
const DECODER: u32 = DecoderOptions::NO_WBNOINVD;

/// The translator's decoding, also for listings.
pub(crate) fn guest_decoder(bytes: &[u8], eip: u32, mode: Mode) -> Decoder<'_> {
    Decoder::with_ip(mode.bitness(), bytes, u64::from(eip), DECODER)
}
