//! One NumPy array of an .npz file.

use std::io::Read;

use npyz::NpyFile;

use super::arrays::Values;
use crate::memory;

/// An array in C's order.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Bytes of a header that is taken for one. NumPy itself refuses more than 10,000.
const LONGEST_HEADER: usize = 4096;
/// Brackets within brackets of a header: a dictionary that holds a list of pairs. The parser takes time that doubles with
/// each.
const DEEPEST_HEADER: usize = 3;
/// Axes that NumPy allows.
const AXES: usize = 64;

/// Reads an array; or what is wrong with it. `check` may refuse so many bytes.
pub fn read(mut file: impl Read, check: impl FnOnce(u128) -> Result<(), String>) -> Result<Array, String> {
    let damaged = |error: std::io::Error| format!("is damaged ({})", one_line(&error.to_string()));
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(damaged)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err("is no array of NumPy".into());
    }
    let mut length = vec![0; if start[6] == 1 { 2 } else { 4 }];
    file.read_exact(&mut length).map_err(damaged)?;
    let header_bytes = length.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte));
    if header_bytes > LONGEST_HEADER {
        return Err(format!("is damaged: its header has {header_bytes} bytes"));
    }
    let mut header = vec![0; header_bytes];
    file.read_exact(&mut header).map_err(damaged)?;
    if depth(&header) > DEEPEST_HEADER || brackets(&header) > AXES {
        return Err("is damaged: its header has brackets within brackets".into());
    }
    if !has_countable_shape(&header) {
        return Err("is damaged: its shape holds more values than can be counted".into());
    }
    let whole = [&start[..], &length, &header].concat();
    let parsed =
        NpyFile::new(&whole[..]).map_err(|error| format!("is no array of NumPy ({})", one_line(&error.to_string())))?;
    let (order, descr) = (parsed.order(), parsed.dtype().descr());
    let sizes: Option<Vec<usize>> = parsed.shape().iter().map(|&size| usize::try_from(size).ok()).collect();
    let sizes = sizes.filter(|sizes| sizes.len() <= AXES);
    let count = sizes.as_ref().and_then(|sizes| sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size)));
    let (Some(shape), Some(count)) = (sizes, count) else {
        return Err(format!("is damaged: it has the shape {:?}", parsed.shape()));
    };
    let kind = Kind::of(&descr)?;
    let bytes = count as u128 * kind.size as u128;
    check(bytes)?;
    // A value becomes at most eight bytes.
    memory::require("an array of the .npz", bytes + 8 * count as u128, "save fewer samples")
        .map_err(|error| error.to_string())?;
    let mut data = Vec::new();
    file.take(bytes as u64 + 1).read_to_end(&mut data).map_err(damaged)?;
    if (data.len() as u128) < bytes {
        return Err(format!("is damaged: {} bytes do not make the shape {shape:?} of {descr}", data.len()));
    }
    data.truncate(bytes as usize);
    let values = kind.decode(data);
    let values = if order == npyz::Order::C || shape.len() < 2 { values } else { to_c_order(&shape, &values) };
    Ok(Array { shape, values })
}

/// Whether the product of the numbers behind every `shape` can be counted; the parser multiplies without looking.
fn has_countable_shape(header: &[u8]) -> bool {
    let text = String::from_utf8_lossy(header);
    let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
    text.match_indices("shape").all(|(index, _)| {
        let inner = text[index..].split_once('(').map_or("", |(_, rest)| rest.split(')').next().unwrap_or(""));
        let mut sizes = inner.split(',').map(digits).filter(|digits| !digits.is_empty());
        sizes.try_fold(1u64, |product, size| product.checked_mul(size.parse().ok()?)).is_some()
    })
}

/// How many brackets are open at once. Those in quotes count as well: a header that NumPy writes for a type of numbers has
/// none there, and which quotes close which is the parser's business.
fn depth(header: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for &byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn brackets(header: &[u8]) -> usize {
    header.iter().filter(|byte| b"([{".contains(byte)).count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a value is.
struct Kind {
    /// As NumPy names it: b, i, u or f.
    letter: char,
    /// Bytes.
    size: usize,
    is_big_endian: bool,
}

impl Kind {
    fn of(descr: &str) -> Result<Self, String> {
        let accepted = "accepted are bool, uint8 to uint64, int8 to int64, float16, float32 and float64";
        let text = descr.trim_matches(['\'', '"']);
        let mut chars = text.chars();
        let (order, letter) = (chars.next(), chars.next());
        let size = chars.as_str().parse().ok();
        match (order, letter, size) {
            (Some('<' | '>' | '|' | '='), Some(letter @ ('b' | 'i' | 'u' | 'f')), Some(size @ (1 | 2 | 4 | 8)))
                if (letter != 'b' || size == 1) && (letter != 'f' || size > 1) =>
            {
                let is_big_endian = order == Some('>') || (order == Some('=') && cfg!(target_endian = "big"));
                Ok(Self { letter, size, is_big_endian })
            }
            (_, Some('U' | 'S' | 'a'), _) => Err(format!(
                "holds text (type {text}); save numbers instead, for labels numpy.unique(y, return_inverse=True)[1] ({accepted})"
            )),
            (_, Some('O'), _) => Err(format!("holds Python objects (type {text}); save numbers instead ({accepted})")),
            _ => Err(format!("has the type {}; {accepted}", one_line(descr))),
        }
    }

    fn decode(&self, mut data: Vec<u8>) -> Values {
        if self.size > 1 && self.is_big_endian {
            data.chunks_exact_mut(self.size).for_each(<[u8]>::reverse);
        }
        macro_rules! numbers {
            ($number:ty) => {
                data.chunks_exact(size_of::<$number>())
                    .map(|bytes| <$number>::from_le_bytes(bytes.try_into().unwrap_or_default()) as f64)
                    .collect()
            };
        }
        Values::Numbers(match (self.letter, self.size) {
            ('u', 1) => return Values::Bytes(data),
            ('b', _) => data.iter().map(|&byte| f64::from(u8::from(byte != 0))).collect(),
            ('i', 1) => data.iter().map(|&byte| f64::from(byte as i8)).collect(),
            ('i', 2) => numbers!(i16),
            ('i', 4) => numbers!(i32),
            ('i', _) => numbers!(i64),
            ('u', 2) => numbers!(u16),
            ('u', 4) => numbers!(u32),
            ('u', _) => numbers!(u64),
            (_, 2) => data.chunks_exact(2).map(|bytes| half(u16::from_le_bytes([bytes[0], bytes[1]]))).collect(),
            (_, 4) => numbers!(f32),
            _ => numbers!(f64),
        })
    }
}

/// A number of 16 bits (IEEE 754 binary16), exactly.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// Values whose first axis runs fastest, as those whose last does.
fn to_c_order(shape: &[usize], values: &Values) -> Values {
    match values {
        Values::Bytes(values) => Values::Bytes(reordered(shape, values)),
        Values::Numbers(values) => Values::Numbers(reordered(shape, values)),
    }
}

fn reordered<T: Copy>(shape: &[usize], values: &[T]) -> Vec<T> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &size in shape {
        strides.push(stride);
        stride *= size;
    }
    let mut index = vec![0; shape.len()];
    let mut result = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        result.push(values[index.iter().zip(&strides).map(|(index, stride)| index * stride).sum::<usize>()]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn numbers(bytes: &[u8]) -> Vec<f64> {
        match read(bytes, |_| Ok(())).unwrap().values {
            Values::Numbers(values) => values,
            Values::Bytes(values) => values.into_iter().map(f64::from).collect(),
        }
    }

    #[test]
    fn all_types_and_orders_of_bytes() {
        let value = |descr: &str, data: &[u8]| numbers(&npy(descr, "False", "(1,)", data))[0];
        assert_eq!(value("<i8", &(-3i64).to_le_bytes()), -3.0);
        assert_eq!(value(">i8", &(-3i64).to_be_bytes()), -3.0);
        assert_eq!(value("<u8", &7u64.to_le_bytes()), 7.0);
        assert_eq!(value(">f4", &1.5f32.to_be_bytes()), 1.5);
        assert_eq!(value(">f8", &1.5f64.to_be_bytes()), 1.5);
        assert_eq!(value(">u2", &[1, 0]), 256.0);
        assert_eq!(value("|i1", &[255]), -1.0);
        assert_eq!(value("|b1", &[1]), 1.0);
        assert_eq!(value("|u1", &[200]), 200.0);
        let halves =
            [(0x3c00u16, 1.0), (0xc000, -2.0), (0x3555, 0.333251953125), (0x0001, 2f64.powi(-24)), (0x7bff, 65504.0)];
        for (bits, expected) in halves {
            assert_eq!(value("<f2", &bits.to_le_bytes()), expected);
            assert_eq!(value(">f2", &bits.to_be_bytes()), expected);
        }
        assert!(value("<f2", &0x7e00u16.to_le_bytes()).is_nan());
    }

    #[test]
    fn fortran_order_is_put_in_order() {
        // Rows 0 1 2 and 3 4 5, by columns.
        assert_eq!(numbers(&npy("|u1", "True", "(2, 3)", &[0, 3, 1, 4, 2, 5])), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let cube: Vec<u8> = (0..24).collect();
        let mut by_first = vec![0; 24];
        for (index, &value) in cube.iter().enumerate() {
            let (a, b, c) = (index / 12, index / 4 % 3, index % 4);
            by_first[a + 2 * b + 6 * c] = value;
        }
        assert_eq!(numbers(&npy("|u1", "True", "(2, 3, 4)", &by_first)), (0..24).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_read_is_named_at_once() {
        let problem = |bytes: &[u8]| read(bytes, |_| Ok(())).err().unwrap();
        assert!(problem(&npy("<U5", "False", "(1,)", &[0; 20])).contains("holds text"));
        assert!(problem(&npy("|O", "False", "(1,)", &[0; 20])).contains("type"));
        assert!(problem(&npy("<c8", "False", "(1,)", &[0; 20])).contains("accepted are"));
        assert!(problem(&npy("<f8", "False", "(3,)", &[0; 20])).contains("damaged"));
        assert!(problem(&npy("<f8", "False", "(18446744073709551615, 2)", &[0; 20])).contains("shape"));
        let nested = format!("({}2{})", "(".repeat(56), ")".repeat(56));
        assert!(problem(&npy("|u1", "False", &nested, &[0; 20])).contains("brackets"));
        for quotes in ["\"'\": ", "'\"': ", "\\\""] {
            let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': (1,), {quotes}{}", "[".repeat(50));
            let file = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
            assert!(problem(&file).contains("brackets"), "{quotes}");
        }
        assert!(problem(&[b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat()).contains("header"));
        assert!(problem(b"nothing of the kind").contains("no array"));
    }
}
