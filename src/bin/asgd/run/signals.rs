//! Ctrl-C and SIGTERM: asked for once, a training ends at the next submission and saves what it has; twice, or while nothing
//! trains, the program ends at once.

use std::sync::OnceLock;
use std::time::Duration;

use super::interrupt;
use crate::console::complain;
use crate::ranks::{self, last_line};

/// What is said where a signal ends the program, or a training of several processes does not end at once.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// How long a training may take to end by itself before another thread says what is to be said. mpirun kills its processes a second after
/// it has asked them to end, and one that waits for another, which has died, does not end by itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a shell gives for a command that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// From now on signals are requests while an [`interrupt::Hearing`] lives; for commands that have something to save.
pub fn install() {
    let handler = || {
        let is_repeated = interrupt::request();
        if is_repeated || !interrupt::is_heard() {
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
