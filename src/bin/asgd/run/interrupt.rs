//! Whether the user wants to stop, and whether anybody would save what is trained.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody asks for requests, so that what is trained can be saved.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// While it lives, somebody looks at [`requested`].
pub struct Hearing;

impl Hearing {
    pub fn begin() -> Self {
        IS_HEARD.store(true, Ordering::Relaxed);
        Self
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        IS_HEARD.store(false, Ordering::Relaxed);
    }
}

/// Whether a [`Hearing`] lives.
pub fn is_heard() -> bool {
    IS_HEARD.load(Ordering::Relaxed)
}

/// Whether the user wants to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// The user wants to stop, here or in a process that trains together with this one; whether that was known.
pub fn request() -> bool {
    REQUESTED.swap(true, Ordering::Relaxed)
}
