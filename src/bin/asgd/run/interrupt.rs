//! Ctrl-C and SIGTERM: asked for once, work ends at the next submission and saves what it has; twice, at once.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on signals are requests; for commands that have something to save.
pub fn install() {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    // Where no handler can be installed, a signal ends the process: what was saved last is kept.
    let _ = ctrlc::set_handler(handler);
}

/// Whether the user wants to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
