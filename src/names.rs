//! Names that people type: which one was probably meant.

/// Of `names`, the one that `word` was probably meant to be: the same but for case, or for a slip or two of the fingers.
pub fn closest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    let slips = |name: &str| strsim::osa_distance(&word, &name.to_lowercase());
    let (slips, name) = names.into_iter().map(|name| (slips(name), name)).min_by_key(|&(slips, _)| slips)?;
    // Short words are close to everything.
    (slips <= 1 + letters / 6 && slips < letters.min(name.chars().count())).then_some(name)
}

/// To be put behind a message: "; did you mean '...'?", or nothing.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, names).map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// What is said of a word that is none of `names`.
pub(crate) fn expected(word: &str, names: &[&str]) -> String {
    let (last, others) = names.split_last().unwrap_or((&"nothing", &[]));
    let list = if others.is_empty() { (*last).to_string() } else { format!("{} or {last}", others.join(", ")) };
    format!("expected {list}{}", did_you_mean(word, names.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers() {
        let names = ["circles", "spirals", "mnist", "fashion-mnist", "kmnist", "cpu"];
        for (word, name) in [
            ("circels", "circles"),
            ("mnsit", "mnist"),
            ("MNIST", "mnist"),
            ("fashionmnist", "fashion-mnist"),
            ("fashion_mnist", "fashion-mnist"),
            ("spiral", "spirals"),
            ("cup", "cpu"),
        ] {
            assert_eq!(closest(word, names), Some(name), "{word}");
        }
        for word in ["", "x", "iris", "cats", "gpu0", "data.csv", "circumference"] {
            assert_eq!(closest(word, names), None, "{word}");
        }
        assert_eq!(closest("a", []), None);
        assert_eq!(expected("agsd", &["asgd", "sgd"]), "expected asgd or sgd; did you mean 'asgd'?");
        assert_eq!(expected("adam", &["asgd", "sgd"]), "expected asgd or sgd");
        assert_eq!(expected("x", &["yes", "no", "auto"]), "expected yes, no or auto");
    }
}
