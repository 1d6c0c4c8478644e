//! Who is told that blocks are gone.

use crate::mode::Mode;
use ringer_cpu::Pc;

/// Keeps entries of blocks: a processor's target tables, say, or those of several. Told of a block before its host code
/// can be anything else, so that no entry leads into it.
pub trait BlockSink {
    /// The block of `mode` at `eip` is not valid any more.
    fn block_gone(&mut self, mode: Mode, eip: Pc);

    /// No block is valid any more.
    fn all_gone(&mut self);
}

/// Nobody keeps any.
impl BlockSink for () {
    fn block_gone(&mut self, _mode: Mode, _eip: Pc) {}

    fn all_gone(&mut self) {}
}

/// Several processors' are each told.
impl<S: BlockSink> BlockSink for [S] {
    fn block_gone(&mut self, mode: Mode, eip: Pc) {
        self.iter_mut().for_each(|sink| sink.block_gone(mode, eip));
    }

    fn all_gone(&mut self) {
        self.iter_mut().for_each(BlockSink::all_gone);
    }
}
