//! System instructions: segments, gates, interrupts, tasks, control registers.
