//! Ctrl-C and SIGTERM: asked for once, a training ends at the next submission and saves what it has; twice, or while nothing
//! trains, the program ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::console::complain;
use crate::ranks;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody asks for requests, so that what is trained can be saved.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// What a shell gives for a command that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// From now on signals are requests while a [`Hearing`] lives; for commands that have something to save.
pub fn install() {
    let handler = || {
        let is_repeated = REQUESTED.swap(true, Ordering::Relaxed);
        if is_repeated || !IS_HEARD.load(Ordering::Relaxed) {
            if ranks::is_first() {
                complain("error: interrupted");
            }
            std::process::exit(INTERRUPTED);
        }
    };
    // Where no handler can be installed, a signal ends the process: what was saved last is kept.
    let _ = ctrlc::set_handler(handler);
}

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

/// Whether the user wants to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
