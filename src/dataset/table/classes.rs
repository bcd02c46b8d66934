//! Labels and the classes that they make.

use std::collections::HashMap;

use super::TableOptions;
use super::cells;
use super::columns::list;

/// The classes of labels as they come.
#[derive(Default)]
pub struct Classes {
    /// By what the labels say: equal numbers are one class.
    indices: HashMap<String, u32>,
    /// How each was spelled first, and whether always so.
    spelled: Vec<(String, bool)>,
    last: Option<(String, u32)>,
}

impl Classes {
    /// The classes of a model, in its order.
    pub fn known(names: &[String]) -> Self {
        let mut classes = Self::default();
        for name in names {
            classes.add(name);
        }
        classes.last = None;
        classes
    }

    /// The class of a label; a new one if there is none yet.
    pub fn add(&mut self, label: &str) -> u32 {
        if let Some((last, index)) = &self.last
            && last == label
        {
            return *index;
        }
        let class = cells::class(label);
        let next = self.spelled.len() as u32;
        let index = *self.indices.entry(class).or_insert(next);
        if index == next {
            self.spelled.push((label.to_string(), true));
        } else if self.spelled[index as usize].0 != label {
            self.spelled[index as usize].1 = false;
        }
        self.last = Some((label.to_string(), index));
        index
    }

    /// The class of a label, if it is known.
    pub fn get(&self, label: &str) -> Option<u32> {
        self.indices.get(&cells::class(label)).copied()
    }

    /// Names in order, by number if all are numbers, else by their letters; and the place in it of every class as it came.
    pub fn sorted(&self) -> (Vec<String>, Vec<u32>) {
        let name = |(spelled, is_always): &(String, bool)| {
            if *is_always { spelled.clone() } else { cells::class(spelled) }
        };
        let names: Vec<String> = self.spelled.iter().map(name).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        let numbers: Option<Vec<f64>> = names.iter().map(|name| cells::number(name)).collect();
        match &numbers {
            Some(numbers) => order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b])),
            None => order.sort_by(|&a, &b| names[a].cmp(&names[b])),
        }
        let mut places = vec![0; names.len()];
        for (place, &class) in order.iter().enumerate() {
            places[class] = place as u32;
        }
        (order.into_iter().map(|class| names[class].clone()).collect(), places)
    }
}

/// Refuses labels that make no classes to learn, in so many rows.
pub fn check(names: &[String], rows: usize, column: &str, options: &TableOptions) -> Result<(), String> {
    let count = names.len();
    if count < 2 {
        return Err(format!("all labels ({column}) are '{}'; name the column of the labels with --label", names[0]));
    }
    if let Some(wanted) = options.classes {
        if wanted != count {
            return Err(format!("has {count} classes in {column}, but --classes says {wanted}"));
        }
        return Ok(());
    }
    if options.force_classes || count == 2 {
        return Ok(());
    }
    let are_numbers = names.iter().all(|name| cells::number(name).is_some());
    let have_fractions = names.iter().any(|name| cells::number(name).is_some_and(|value| value.fract() != 0.0));
    let mend =
        format!("name another column with --label, or say --force-classes (or --classes {count}) if these are classes");
    if are_numbers && (count * 6 > rows || (have_fractions && count > 20)) {
        return Err(format!(
            "{column} looks like a regression target: {count} different numbers in {rows} rows ({}); this trains classifiers: {mend}",
            list(names)
        ));
    }
    if count * 6 > rows {
        return Err(format!("{column} holds {count} different labels in {rows} rows ({}): {mend}", list(names)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(labels: &[&str]) -> Vec<String> {
        let mut classes = Classes::default();
        for label in labels {
            classes.add(label);
        }
        classes.sorted().0
    }

    #[test]
    fn names_are_sorted_and_equal_numbers_are_one() {
        assert_eq!(sorted(&["10", "9", "100", "9"]), ["9", "10", "100"]);
        assert_eq!(sorted(&["b", "10", "a"]), ["10", "a", "b"]);
        assert_eq!(sorted(&["1.0", "2", "1", "01", "2.0"]), ["1", "2"]);
        assert_eq!(sorted(&["01", "02", "01"]), ["01", "02"], "as they are spelled, if always so");
        let classes = Classes::known(&sorted(&["2.0", "1"]));
        assert_eq!((classes.get("1.00"), classes.get("2"), classes.get("3")), (Some(0), Some(1), None));
    }

    #[test]
    fn targets_of_a_regression_are_refused() {
        let options = TableOptions::default();
        let numbers = |count: usize, step: f64| (0..count).map(|i| (i as f64 * step).to_string()).collect::<Vec<_>>();
        let problem =
            |names: &[String], rows, options: &TableOptions| check(names, rows, "column 3 (price)", options).err();
        assert_eq!(problem(&numbers(10, 1.0), 60, &options), None);
        assert_eq!(problem(&numbers(2, 1.0), 4, &options), None);
        let refused = problem(&numbers(11, 1.0), 60, &options).unwrap();
        assert!(
            refused.contains("regression target: 11 different numbers in 60 rows")
                && refused.contains("--force-classes"),
            "{refused}"
        );
        assert!(problem(&numbers(30, 0.5), 6000, &options).unwrap().contains("regression"));
        assert!(
            problem(&["a", "b", "c"].map(String::from), 9, &options).unwrap().contains("3 different labels in 9 rows")
        );
        let force = TableOptions { force_classes: true, ..TableOptions::default() };
        assert_eq!(problem(&numbers(300, 0.1), 300, &force), None);
        let stated = TableOptions { classes: Some(11), ..TableOptions::default() };
        assert_eq!(problem(&numbers(11, 1.0), 12, &stated), None);
        assert!(problem(&numbers(10, 1.0), 600, &stated).unwrap().contains("--classes says 11"));
    }
}
