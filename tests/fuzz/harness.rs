//! Inputs that are wrong in as many ways as a seed can make them, and what every reader owes them: an answer or one line of error,
//! within a second and within memory in proportion to the input; never a panic.
//!
//! Every input follows from the target's name and a number, so that a failure is found again. `ASGD_FUZZ` says how many there are.

#![allow(dead_code, reason = "each binary uses its part of this file")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::memory;

/// Inputs of a target where nothing else is asked for: seconds in CI.
const QUICK: u64 = 1000;
const LONGEST: Duration = Duration::from_secs(1);
/// What a reader may take besides a multiple of its input: its buffers, and what is unpacked whatever its size.
const BUFFERS: usize = 20 << 20;
const TIMES_THE_INPUT: usize = 100;

/// A generator of 64 bits (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn of(name: &str, index: u64) -> Self {
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Self(hash ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Whole numbers at which sizes, counts and signs break.
const INTEGERS: [u64; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Numbers as texts have them.
pub const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "0.5",
    "255",
    "256",
    "1e-45",
    "1e38",
    "3.5e38",
    "1e309",
    "-1e309",
    "nan",
    "inf",
    "-inf",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0x10",
    "1_000",
];

/// Some of the changes that files suffer, one to four times. `tokens` mean something in this kind of file.
pub fn mutated(random: &mut Random, seed: &[u8], tokens: &[&str]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        mutate(random, &mut bytes, tokens);
    }
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, tokens: &[&str]) {
    let length = bytes.len();
    if length == 0 {
        bytes.extend_from_slice(random.choose(&NUMBERS).as_bytes());
        return;
    }
    let at = random.below(length);
    // Lengths and signatures are mostly at the start and the end.
    let at = match random.below(4) {
        0 => at.min(random.below(64)),
        1 => length - 1 - (length - 1 - at).min(random.below(64)),
        _ => at,
    };
    let size = (1 + random.below(16)).min(length - at);
    match random.below(11) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = *random.choose(&[0, 1, 0x20, 0x7f, 0x80, 0xff]),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + size)),
        4 => {
            let copy = bytes[at..at + size].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let other = random.below(length - size + 1);
            let copy = bytes[at..at + size].to_vec();
            bytes.splice(other..other + size, copy);
        }
        6 | 7 => number(random, bytes, at),
        8 => {
            let integer = *random.choose(&INTEGERS);
            let width = *random.choose(&[2, 4, 8]);
            let little = random.one_in(2);
            let of_width = if little {
                integer.to_le_bytes()[..width].to_vec()
            } else {
                integer.to_be_bytes()[8 - width..].to_vec()
            };
            for (byte, new) in bytes[at..].iter_mut().zip(of_width) {
                *byte = new;
            }
        }
        9 if !tokens.is_empty() => {
            let token = random.choose(tokens).as_bytes();
            let times = if random.one_in(20) { 100 } else { 1 };
            bytes.splice(at..at, token.repeat(times));
        }
        _ => bytes.extend((0..size).map(|_| random.next() as u8).collect::<Vec<_>>()),
    }
}

/// Replaces the decimal number that follows, if there is one.
fn number(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let Some(begin) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let end = begin + bytes[begin..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    bytes.splice(begin..end, random.choose(&NUMBERS).bytes());
}

/// JSON with one to three of its values changed, left out or doubled.
pub fn mutated_json(random: &mut Random, seed: &Value) -> Value {
    let mut value = seed.clone();
    for _ in 0..=random.below(3) {
        let count = nodes(&value);
        let index = random.below(count);
        change(random, &mut value, &mut { index });
    }
    value
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Changes the node that is so many further.
fn change(random: &mut Random, value: &mut Value, index: &mut usize) {
    if *index == 0 {
        replace(random, value);
        *index = usize::MAX;
        return;
    }
    *index -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        if *index < usize::MAX {
            change(random, child, index);
        }
    }
}

fn replace(random: &mut Random, value: &mut Value) {
    let integers = INTEGERS.map(|integer| json!(integer));
    match (random.below(8), &mut *value) {
        (0, _) => *value = Value::Null,
        (1, _) => *value = random.choose(&integers).clone(),
        (2, _) => *value = json!(-0.5),
        (3, Value::Array(values)) if !values.is_empty() => drop(values.remove(random.below(values.len()))),
        (4, Value::Array(values)) if !values.is_empty() => values.push(values[random.below(values.len())].clone()),
        (3 | 4, Value::Object(fields)) if !fields.is_empty() => {
            let key = fields.keys().nth(random.below(fields.len())).cloned().unwrap_or_default();
            let taken = fields.remove(&key).unwrap_or_default();
            if random.one_in(2) {
                fields.insert(key + "x", taken);
            }
        }
        (3 | 4, Value::String(text)) => {
            let bytes = mutated(random, text.as_bytes(), &[" ", ",", "-", "--"]);
            *value = json!(String::from_utf8_lossy(&bytes));
        }
        (5, _) => *value = json!([]),
        (6, _) => *value = json!({}),
        _ => *value = json!(*random.choose(&NUMBERS)),
    }
}

/// How many inputs a target gets.
fn count() -> u64 {
    std::env::var("ASGD_FUZZ").map_or(QUICK, |count| count.parse().expect("ASGD_FUZZ is a number of inputs"))
}

/// Makes inputs and reads them. `read` says why it refuses one.
///
/// # Panics
/// With the input's number, if the reader panics, takes a second, or more memory than it may, or does not answer in one line; and if
/// it takes all inputs, or none, for then nothing was tested.
pub fn survives(name: &str, make: impl Fn(&mut Random) -> Vec<u8>, mut read: impl FnMut(&[u8]) -> Result<(), String>) {
    let (mut accepted, mut largest, count) = (0, 0, count());
    let first = std::env::var("ASGD_FUZZ_FIRST").map_or(0, |first| first.parse().expect("ASGD_FUZZ_FIRST is a number"));
    for index in first..first + count {
        let input = make(&mut Random::of(name, index));
        let fail = |what: String| -> ! {
            let path = std::env::temp_dir().join(format!("asgd-{}-{index}", name.replace(' ', "-")));
            std::fs::write(&path, &input).expect("the temporary folder can be written to");
            panic!("{name}, input {index} ({}): {what}", path.display());
        };
        let mut attempt = || {
            let begin = Instant::now();
            let (result, peak) = memory::peak_of(|| catch_unwind(AssertUnwindSafe(|| read(&input))));
            (result, peak, begin.elapsed())
        };
        let (mut result, mut peak, mut time) = attempt();
        if time > LONGEST {
            // Others may have been at work.
            (result, peak, time) = attempt();
        }
        largest = largest.max(peak);
        match result {
            Ok(Ok(())) => accepted += 1,
            Ok(Err(line)) if line.trim().is_empty() || line.contains('\n') => {
                fail(format!("no line of error: {line:?}"))
            }
            Ok(Err(_)) => {}
            Err(panic) => fail(format!("panicked: {}", message(&*panic))),
        }
        if time > LONGEST {
            fail(format!("took {time:?}"));
        }
        if peak > BUFFERS + TIMES_THE_INPUT * input.len() {
            fail(format!("took {peak} bytes for an input of {}", input.len()));
        }
    }
    println!("{name}: {count} inputs, {accepted} accepted, at most {} KiB", largest >> 10);
    assert!(0 < accepted && accepted < count, "{name}: {accepted} of {count} inputs were accepted");
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
