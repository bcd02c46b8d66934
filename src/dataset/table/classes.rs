//! Labels and the classes that they make.

use std::collections::HashMap;

use super::TableOptions;
use super::cells;
use super::columns::list;
use crate::spec::Task;

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

    /// The number that each class is spelled as; NaN where it is none.
    pub fn numbers(&self) -> Vec<f64> {
        self.spelled.iter().map(|(spelled, _)| cells::number(spelled).unwrap_or(f64::NAN)).collect()
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

/// Different numbers from which on they are hardly classes.
const MANY: usize = 20;

/// What labels are that hold these names in so many rows, unless somebody says that they are numbers; and what should be said
/// about it. `first_text` is the first label that is no finite number, with its line.
pub fn task(
    names: &[String],
    rows: usize,
    column: &str,
    first_text: Option<&str>,
    options: &TableOptions,
) -> Result<(Task, Option<String>), String> {
    let count = names.len();
    let numbers = names.iter().filter(|name| cells::number(name).is_some()).count();
    let are_numbers = numbers == count;
    if count < 2 {
        let constant = if are_numbers { ", or say --task regression if they are numbers to be given" } else { "" };
        return Err(format!(
            "all labels ({column}) are '{}'; name the column of the labels with --label{constant}",
            names[0]
        ));
    }
    if let Some(wanted) = options.classes {
        if wanted != count {
            return Err(format!("has {count} classes in {column}, but --classes says {wanted}"));
        }
        return Ok((Task::Classification, None));
    }
    if options.task == Some(Task::Classification) || count == 2 {
        return Ok((Task::Classification, None));
    }
    let have_fractions = names.iter().any(|name| cells::number(name).is_some_and(|value| value.fract() != 0.0));
    let are_few = count * 6 <= rows;
    let found = |what: &str| format!("{column} holds {count} different {what} in {rows} rows ({})", list(names));
    if are_numbers && have_fractions && (!are_few || count > MANY) || are_numbers && !are_few && count > MANY {
        let note =
            format!("{column} is taken for numbers to be given, a regression: {count} different ones in {rows} rows");
        return Ok((Task::Regression, Some(format!("{note} (--task classification takes them for classes)"))));
    }
    if are_numbers && !are_few {
        return Err(format!(
            "{}: say --task classification (or --classes {count}) if these are classes, --task regression if they are \
             numbers to be given, or name another column with --label",
            found("numbers")
        ));
    }
    if let (false, Some(first_text)) = (are_few, first_text.filter(|_| numbers * 2 > count)) {
        return Err(format!("{first_text}, but nearly all labels ({column}) are numbers; a finite number is needed"));
    }
    if !are_few {
        return Err(format!(
            "{}: name another column with --label, or say --task classification (or --classes {count}) if these are classes",
            found("labels")
        ));
    }
    let note = (are_numbers && count > MANY / 2).then(|| {
        format!("{column} is taken for {count} classes (--task regression takes them for numbers to be given)")
    });
    Ok((Task::Classification, note))
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
    fn numbers_that_cannot_be_classes_are_a_regression() {
        let plain = TableOptions::default();
        let numbers = |count: usize, step: f64| (0..count).map(|i| (i as f64 * step).to_string()).collect::<Vec<_>>();
        let found = |names: &[String], rows, options: &TableOptions| {
            task(names, rows, "column 3 (price)", Some("line 7: 'oops'"), options)
        };
        let classes = Ok((Task::Classification, None));
        assert_eq!(found(&numbers(10, 1.0), 60, &plain), classes);
        assert_eq!(found(&numbers(2, 1.0), 4, &plain), classes);
        assert_eq!(found(&numbers(2, 0.5), 4, &plain), classes);
        assert_eq!(found(&numbers(4, 0.5), 60, &plain), classes, "few fractions in many rows");
        for (count, step, rows) in [(21, 1.0, 60), (30, 0.5, 6000), (4, 0.5, 9), (500, 0.1, 500)] {
            let (task, note) = found(&numbers(count, step), rows, &plain).unwrap();
            let note = note.unwrap();
            assert!(task == Task::Regression && note.contains("--task classification"), "{note}");
            assert!(note.contains(&format!("{count} different ones in {rows} rows")), "{note}");
        }
        let either = found(&numbers(11, 1.0), 60, &plain).unwrap_err();
        for word in ["11 different numbers in 60 rows", "--task classification", "--task regression"] {
            assert!(either.contains(word), "{either}");
        }
        let (task, note) = found(&numbers(30, 1.0), 6000, &plain).unwrap();
        assert!(task == Task::Classification && note.unwrap().contains("30 classes (--task regression"));
        let words = found(&["a", "b", "c"].map(String::from), 9, &plain).unwrap_err();
        assert!(words.contains("3 different labels in 9 rows"), "{words}");
        let one_word = [numbers(30, 0.5), vec!["oops".into()]].concat();
        assert!(found(&one_word, 31, &plain).unwrap_err().starts_with("line 7: 'oops', but nearly all labels"));
        let constant = found(&numbers(1, 1.0), 31, &plain).unwrap_err();
        assert!(constant.contains("all labels") && constant.contains("--task regression"), "{constant}");
        let force = TableOptions { task: Some(Task::Classification), ..TableOptions::default() };
        assert_eq!(found(&numbers(300, 0.1), 300, &force), classes);
        let stated = TableOptions { classes: Some(11), ..TableOptions::default() };
        assert_eq!(found(&numbers(11, 1.0), 12, &stated), classes);
        assert!(found(&numbers(10, 1.0), 600, &stated).unwrap_err().contains("--classes says 11"));
    }
}
