//! Ctrl-C and SIGTERM: asked for once, a training ends at the next submission and saves what it has; twice, or while nothing
//! trains, the program ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::console::complain;
use crate::ranks;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody asks for requests, so that what is trained can be saved.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// What is said where a training cannot end by itself.
static LAST_WORDS: OnceLock<Box<dyn Fn() -> Option<String> + Send + Sync>> = OnceLock::new();

/// How long a training may take to end by itself, where processes wait for each other.
const PATIENCE: Duration = Duration::from_millis(600);

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
        if ranks::shares_batches() {
            // Together they end at the next step. But where one of them has died, the others wait for it for ever.
            std::thread::sleep(PATIENCE);
            if let Some(words) = LAST_WORDS.get().and_then(|words| words()) {
                complain(&words);
            }
            std::process::exit(INTERRUPTED);
        }
    };
    // Where no handler can be installed, a signal ends the process: what was saved last is kept.
    let _ = ctrlc::set_handler(handler);
}

/// Says what is to be said where a training cannot end by itself, by this process or another.
pub fn set_last_words(words: impl Fn() -> Option<String> + Send + Sync + 'static) {
    let _ = LAST_WORDS.set(Box::new(words));
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
