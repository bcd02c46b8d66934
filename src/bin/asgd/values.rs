//! What options take: parsers of their values, each with a message that says what it expects.

use std::time::Duration;

use asgd::Init;

/// Widths of the hidden layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden(pub Vec<usize>);

/// Widths separated by commas, or `none`.
pub fn hidden(text: &str) -> Result<Hidden, String> {
    if text == "none" {
        return Ok(Hidden(Vec::new()));
    }
    let width = |part: &str| match part.trim().parse::<usize>() {
        Ok(width) if width > 0 => Ok(width),
        Ok(_) => Err("a layer has at least 1 unit".to_string()),
        Err(_) => Err(format!("'{part}' is no width; write for example 30,20")),
    };
    text.split(',').map(width).collect::<Result<_, _>>().map(Hidden)
}

/// Widths as [`hidden`] reads them.
pub fn widths(widths: &[usize]) -> String {
    match widths {
        [] => "none".into(),
        _ => widths.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    }
}

/// A number as people write it: 0.001, but 1e-8.
pub fn number(value: f32) -> String {
    let plain = value.to_string();
    if plain.len() > 7 { format!("{value:e}") } else { plain }
}

/// A bound, or `none`, which is infinite.
pub fn bound(text: &str) -> Result<f32, String> {
    match text {
        "none" => Ok(f32::INFINITY),
        _ => text.parse().map_err(|_| "must be a number or none".into()),
    }
}

/// What separates the values of a table, by its name or as it is.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "comma" => Ok(b','),
        "semicolon" => Ok(b';'),
        "tab" | "\\t" => Ok(b'\t'),
        "bar" | "pipe" => Ok(b'|'),
        "space" => Ok(b' '),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\n\r.+-".contains(byte) => Ok(*byte),
            _ => Err("expected comma, semicolon, tab, bar, space or one such character".into()),
        },
    }
}

/// A number of seconds, fractions included.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "must be a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A finite number above 0.
pub fn positive(text: &str) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ if text.trim().parse::<f64>().is_ok_and(|value| value.is_finite() && value > 0.0) => {
            Err("is no number of f32, which holds those from 1e-45 to 3.4e38".into())
        }
        _ => Err("must be a finite number above 0".into()),
    }
}

/// A finite number of at least 0.
pub fn not_negative<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    match text.trim().parse::<T>() {
        Ok(value) if value.into().is_finite() && value.into() >= 0.0 => Ok(value),
        _ => Err("must be a finite number of at least 0".into()),
    }
}

/// A number of at least 0 and below 1.
pub fn below_one(text: &str) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        Ok(_) if text.trim().parse::<f64>().is_ok_and(|value| (0.0..1.0).contains(&value)) => {
            Err("must be below 1, and is 1 as f32 rounds it".into())
        }
        _ => Err("must be a number of at least 0 and below 1".into()),
    }
}

/// A number between 0 and 1.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("must be a number above 0 and below 1".into()),
    }
}

/// A whole number of at least 1.
pub fn at_least_one<T: std::str::FromStr + From<u8> + PartialOrd>(text: &str) -> Result<T, String> {
    match text.trim().parse::<T>() {
        Ok(value) if value >= T::from(1) => Ok(value),
        _ => Err("must be a whole number of at least 1".into()),
    }
}

/// A whole number of at least 2.
pub fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if value >= 2 => Ok(value),
        _ => Err("must be a whole number of at least 2".into()),
    }
}

/// An initialisation for which a seed is enough.
pub fn drawn_init(text: &str) -> Result<Init, String> {
    match text.parse()? {
        Init::File(_) => Err("expected kaiming, glorot, pytorch or normal:STD: repeats differ by their seeds".into()),
        init => Ok(init),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.001, 1e-8, 1.0, 0.12345678, 3e-12].map(number), ["0.001", "1e-8", "1", "1.2345678e-1", "3e-12"]);
    }

    #[test]
    fn numbers_that_f32_cannot_hold() {
        for wrong in ["1e-50", "1e39"] {
            assert!(positive(wrong).unwrap_err().contains("no number of f32"), "{wrong}");
        }
        for wrong in ["0", "-1", "nan", "inf", "x"] {
            assert_eq!(positive(wrong).unwrap_err(), "must be a finite number above 0", "{wrong}");
        }
        assert!(
            below_one("0.999999999").unwrap_err().contains("rounds")
                && below_one("1").unwrap_err().contains("at least 0")
        );
        assert_eq!((positive("1e-45"), below_one("0.99999")), (Ok(1e-45), Ok(0.99999)));
    }

    #[test]
    fn hidden_widths() {
        assert_eq!(hidden("30,20"), Ok(Hidden(vec![30, 20])));
        assert_eq!(hidden("none"), Ok(Hidden(vec![])));
        for text in ["none", "30", "30,20"] {
            assert_eq!(widths(&hidden(text).unwrap().0), text);
        }
        for wrong in ["", "0", "30,,20", "30,x", "-3", "1e3"] {
            assert!(hidden(wrong).is_err(), "{wrong}");
        }
    }
}
