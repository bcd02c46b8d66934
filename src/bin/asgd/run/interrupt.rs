//! Ctrl-C and SIGTERM: asked for once, a training ends at the next submission and saves what it has; twice, or while nothing
//! trains, the program ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::console::complain;
use crate::ranks::{self, last_line};

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody asks for requests, so that what is trained can be saved.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// What is said where a signal ends the program, or a training of several processes does not end at once.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// How long a training may take to end by itself before another thread says what is to be said. mpirun kills its processes a second after
/// it has asked them to end, and one that waits for another, which has died, does not end by itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a shell gives for a command that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// From now on signals are requests while a [`Hearing`] lives; for commands that have something to save.
pub fn install() {
    let handler = || {
        let is_repeated = REQUESTED.swap(true, Ordering::Relaxed);
        if is_repeated || !IS_HEARD.load(Ordering::Relaxed) {
            say_last_words();
            std::process::exit(INTERRUPTED);
        }
        if ranks::count() > 1 {
            std::thread::sleep(PATIENCE);
            say_last_words();
        }
    };
    // Where no handler can be installed, a signal ends the process: what was saved last is kept.
    let _ = ctrlc::set_handler(handler);
}

/// Unless another process, or this one, has said it.
fn say_last_words() {
    if last_line::is_mine_where_interrupted() {
        complain(LAST_WORDS.get().map_or("error: interrupted", |words| words));
    }
}

/// What is said from now on where a signal ends the program; `how` to go on.
pub fn set_last_words(how: &str) {
    let _ = LAST_WORDS.set(format!("error: interrupted; {how}"));
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

/// All that train together stop, because one of them was asked to.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}
