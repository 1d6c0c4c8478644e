//! Moments that are marked from outside: by a text that the guest sent, as whoever listens to its serial
//! port finds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A handle for whoever listens; clones reach the same machine.
#[derive(Clone, Debug, Default)]
pub struct Marker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicBool,
    texts: Mutex<Vec<String>>,
}

/// Marks that wait to be taken at most.
const WAITING: usize = 256;

impl Marker {
    /// Marks the moment: exactly, when a device or sink calls this while the guest accesses it.
    pub fn mark(&self, text: &str) {
        let mut texts = self.0.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() < WAITING {
            texts.push(text.to_owned());
        }
        self.0.waiting.store(true, Ordering::Release);
    }

    /// What was marked since the last time. The machine that runs takes it.
    pub fn take(&self) -> Vec<String> {
        if !self.0.waiting.load(Ordering::Relaxed) || !self.0.waiting.swap(false, Ordering::Acquire)
        {
            return Vec::new();
        }
        std::mem::take(&mut *self.0.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
