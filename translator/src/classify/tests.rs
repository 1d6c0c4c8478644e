//! The table is complete and denies what it must.
