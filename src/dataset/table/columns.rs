//! How people name the columns of a table.

use std::str::FromStr;

/// A column by its number, counted from 1, or by its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnName {
    /// Counted from 1.
    Number(usize),
    /// As the header has it.
    Title(String),
}

impl FromStr for ColumnName {
    type Err = std::convert::Infallible;

    /// Digits are a number, anything else a title.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(match text.parse() {
            Ok(number) if is_number => Self::Number(number),
            _ => Self::Title(text.to_string()),
        })
    }
}

impl ColumnName {
    /// Its index, from 0, in a table whose first row is `first`; or what is wrong.
    pub(super) fn index(&self, first: &[String]) -> Result<usize, String> {
        let columns = first.len();
        match self {
            Self::Number(number) => number
                .checked_sub(1)
                .filter(|&index| index < columns)
                .ok_or_else(|| format!("has no column {number}; its columns are 1 to {columns}")),
            Self::Title(title) => {
                let mut places = (0..columns).filter(|&column| first[column] == *title);
                match (places.next(), places.next()) {
                    (Some(index), None) => Ok(index),
                    (Some(one), Some(two)) => Err(format!(
                        "has two columns '{title}', {} and {}; name the number of the one that is meant",
                        one + 1,
                        two + 1
                    )),
                    _ => Err(format!("has no column '{title}'; its first row is {}", list(first))),
                }
            }
        }
    }
}

/// Some names, separated by commas; of many, the first.
pub fn list(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{}, ... and {more} more", shown.join(", ")),
    }
}

/// A column as messages name it: `column 3 (age)`.
pub(super) fn named(column: usize, titles: Option<&[String]>) -> String {
    match titles.and_then(|titles| titles.get(column)).filter(|title| !title.is_empty()) {
        Some(title) => format!("column {} ({title})", column + 1),
        None => format!("column {}", column + 1),
    }
}

/// A column as --drop and --label take it.
pub(super) fn option(column: usize, titles: Option<&[String]>) -> String {
    let title = titles.and_then(|titles| {
        let title = titles.get(column)?;
        let is_plain = !title.is_empty()
            && title.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
            && titles.iter().filter(|other| *other == title).count() == 1
            && matches!(title.parse(), Ok(ColumnName::Title(_)));
        is_plain.then_some(title)
    });
    match title {
        Some(title) => title.clone(),
        None => (column + 1).to_string(),
    }
}

/// An option with a value, as a shell takes it.
pub(super) fn with_value(option: &str, value: &str) -> String {
    if value.contains(' ') { format!("{option} '{value}'") } else { format!("{option} {value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_position_and_a_name_a_title() {
        let titles = ["a", "3", "a b", "x", "x"].map(String::from);
        let index = |text: &str| text.parse::<ColumnName>().unwrap().index(&titles);
        assert_eq!((index("a"), index("3"), index("a b"), index("5")), (Ok(0), Ok(2), Ok(2), Ok(4)));
        assert!(index("0").unwrap_err().contains("1 to 5") && index("6").is_err());
        assert!(index("b").unwrap_err().contains("no column 'b'; its first row is a, 3, a b"));
        assert!(index("x").unwrap_err().contains("two columns 'x', 4 and 5"));
        assert_eq!(
            (option(0, Some(&titles)), option(1, Some(&titles)), option(3, Some(&titles))),
            ("a".into(), "2".into(), "4".into())
        );
    }
}
