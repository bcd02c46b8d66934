//! What a cell of a table says: a number, nothing, or text.

/// A finite number.
pub fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The value of a feature: a finite number, or true and false, which are 1 and 0.
pub fn feature(text: &str) -> Option<f64> {
    match number(text) {
        Some(value) => Some(value),
        None if text.eq_ignore_ascii_case("true") => Some(1.0),
        None if text.eq_ignore_ascii_case("false") => Some(0.0),
        None => None,
    }
}

/// Whether it would be a number if its comma were a point.
pub fn has_decimal_comma(text: &str) -> bool {
    text.contains(',') && number(&text.replacen(',', ".", 1)).is_some()
}

/// Whether a cell says that its value is missing, as spreadsheets, pandas, R and the UCI repository write it.
pub fn is_missing(text: &str) -> bool {
    matches!(
        text,
        "" | "?" | "NA" | "N/A" | "n/a" | "#N/A" | "<NA>" | "NaN" | "nan" | "NAN" | "-nan" | "NaT" | "null" | "NULL"
    )
}

/// Whether a number is spelled with a fraction or an exponent.
pub fn has_fraction(text: &str) -> bool {
    text.contains(['.', 'e', 'E'])
}

/// A label's class: equal numbers are one class, however they are spelled. Numbers beyond 2^53, which would run together,
/// stay text.
pub fn class(text: &str) -> String {
    match number(text) {
        Some(0.0) => "0".into(),
        Some(value) if (1e-9..9_007_199_254_740_992.0).contains(&value.abs()) => value.to_string(),
        _ => text.to_string(),
    }
}

/// A cell as messages show it.
pub fn shown(text: &str) -> String {
    match text.chars().count() {
        0 => "nothing".into(),
        1..=40 => format!("'{text}'"),
        _ => format!("'{}...'", text.chars().take(40).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_one_class() {
        for same in [["1", "1.0", "01"], ["-0", "0", "0.00"], ["1e2", "100", "+100"], ["0.5", ".5", "5e-1"]] {
            assert!(same.iter().all(|text| class(text) == class(same[0])), "{same:?}");
        }
        for different in [["1", "2"], ["1", "1.5"], ["9007199254740993", "9007199254740992"], ["a", "A"]] {
            assert_ne!(class(different[0]), class(different[1]));
        }
    }

    #[test]
    fn missing_is_not_a_number_and_not_a_word() {
        assert!(["", "NA", "NaN", "nan", "?", "null"].iter().all(|text| is_missing(text) && feature(text).is_none()));
        assert!(["none", "None", "0", "nano", "-"].iter().all(|text| !is_missing(text)));
        assert_eq!(["True", "FALSE", "1e3", "inf"].map(feature), [Some(1.0), Some(0.0), Some(1000.0), None]);
    }
}
