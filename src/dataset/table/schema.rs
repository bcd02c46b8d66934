//! How a table was read, kept with the model; and how the columns of other files map onto it.

use serde::{Deserialize, Serialize};

use super::Header;
use super::cells;
use super::columns::{ColumnName, list, named};
use crate::spec::Task;

/// How a table was read: what `asgd` prints, keeps with the model, and reads other files by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// What separates the values.
    pub delimiter: char,
    /// Columns of the file.
    pub columns: usize,
    /// Titles of all columns, if the first row is a header.
    pub titles: Option<Vec<String>>,
    /// Columns of the labels, from 0: that of the classes, or those of the numbers of a regression.
    #[serde(rename = "label", with = "one_or_more")]
    pub labels: Vec<usize>,
    /// Columns that are inputs of the network, in their order, from 0.
    pub features: Vec<usize>,
    /// Columns that are left out.
    pub dropped: Vec<Dropped>,
    /// What the labels are.
    #[serde(default, skip_serializing_if = "is_classification")]
    pub task: Task,
    /// What the classes are called, in the order of their labels; empty for a regression.
    pub classes: Vec<String>,
}

/// Files of classifiers do not say it, as those of earlier versions.
fn is_classification(task: &Task) -> bool {
    *task == Task::Classification
}

/// One column is a number, as in files of earlier versions, several are a list.
mod one_or_more {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(usize),
        More(Vec<usize>),
    }

    pub fn serialize<S: Serializer>(columns: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
        match columns {
            [column] => OneOrMore::One(*column).serialize(serializer),
            columns => OneOrMore::More(columns.to_vec()).serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
        Ok(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(column) => vec![column],
            OneOrMore::More(columns) => columns,
        })
    }
}

/// A column that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// From 0.
    pub column: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a column is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `--drop` names it.
    Asked,
    /// It has no title and counts the rows.
    Index,
    /// It is empty, at the end of the rows.
    Empty,
}

/// Where a file has what a model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Whether the first row is a header.
    pub has_header: bool,
    /// Columns of the file.
    pub columns: usize,
    /// The column of each feature, in the model's order, from 0.
    pub features: Vec<usize>,
    /// Columns of the labels, from 0, in the model's order; empty where the file lacks one of them.
    pub labels: Vec<usize>,
    /// What was decided and should be said.
    pub notes: Vec<String>,
}

/// What is said of the columns of a file that a model is to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted<'a> {
    pub header: Header,
    pub label: &'a [ColumnName],
    pub drop: &'a [ColumnName],
    /// Whether labels are needed.
    pub needs_label: bool,
}

impl Schema {
    /// Of a network that nobody has trained on a table: its inputs in their order, and at the end perhaps a label.
    pub fn without_titles(inputs: usize) -> Self {
        Self {
            delimiter: ',',
            columns: inputs + 1,
            titles: None,
            labels: vec![inputs],
            features: (0..inputs).collect(),
            dropped: Vec::new(),
            task: Task::default(),
            classes: Vec::new(),
        }
    }

    /// In one line: `header yes, label column 'kind' (4 of 4), 3 classes, 3 features: a, b, c`; of a regression
    /// `header yes, target column 'price' (4 of 4), regression, 3 features: a, b, c`.
    pub fn describe(&self) -> String {
        let Self { columns, titles, labels, features, task, classes, .. } = self;
        let header = if titles.is_some() { "yes" } else { "no" };
        let column = |&label: &usize| match self.title(label) {
            Some(title) => format!("'{title}' ({} of {columns})", label + 1),
            None => format!("{} of {columns}", label + 1),
        };
        let label = format!(
            "{} column{} {}",
            if self.is_regression() { "target" } else { "label" },
            if labels.len() == 1 { "" } else { "s" },
            list(&labels.iter().map(column).collect::<Vec<_>>())
        );
        let classes = match task {
            Task::Classification => format!("{} classes", classes.len()),
            Task::Regression => "regression".into(),
        };
        let names = match titles {
            Some(_) => format!(": {}", list(&self.feature_names())),
            None => String::new(),
        };
        let features = match features.len() {
            1 => "1 feature".into(),
            count => format!("{count} features"),
        };
        format!("header {header}, {label}, {classes}, {features}{names}")
    }

    /// Whether labels are numbers rather than classes.
    pub fn is_regression(&self) -> bool {
        self.task == Task::Regression
    }

    /// What the targets of a regression are called: their titles, or `target`, `target_1`, `target_2` and so on.
    pub fn target_names(&self) -> Vec<String> {
        let name = |(index, &column): (usize, &usize)| match self.title(column) {
            Some(title) => title.to_string(),
            None if self.labels.len() == 1 => "target".into(),
            None => format!("target_{}", index + 1),
        };
        self.labels.iter().enumerate().map(name).collect()
    }

    /// What the features are called: their titles, or `column N`.
    pub fn feature_names(&self) -> Vec<String> {
        let name = |&column: &usize| match self.title(column) {
            Some(title) => title.to_string(),
            None => format!("column {}", column + 1),
        };
        self.features.iter().map(name).collect()
    }

    fn title(&self, column: usize) -> Option<&str> {
        self.titles.as_ref().map(|titles| titles[column].as_str()).filter(|title| !title.is_empty())
    }

    /// Whether what a file says of itself fits together, for a network of so many inputs and outputs.
    pub(crate) fn is_sound(&self, inputs: usize, outputs: usize) -> bool {
        let Self { columns, titles, labels, features, dropped, .. } = self;
        let all = features.iter().chain(dropped.iter().map(|dropped| &dropped.column)).chain(labels);
        titles.as_ref().is_none_or(|titles| titles.len() == *columns)
            && features.len() == inputs
            && labels.len() == if self.is_regression() { outputs } else { 1 }
            && all.into_iter().all(|column| column < columns)
    }

    /// Which columns of a file, whose first row is `first`, are the model's.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub(super) fn map(&self, first: &[String], wanted: &Wanted<'_>) -> Result<Mapping, String> {
        let has_header = match wanted.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => self.is_header(first),
        };
        let titles = has_header.then_some(first);
        let resolve = |name: &ColumnName| match name {
            ColumnName::Title(title) if !has_header => Err(format!("has no header, and so no column '{title}'")),
            name => name.index(first),
        };
        let dropped = wanted.drop.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
        let labels = wanted.label.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
        if !labels.is_empty() && labels.len() != self.labels.len() {
            return Err(format!("--label names {} columns, but the model has {}", labels.len(), self.labels.len()));
        }
        let mut mapping = match (&self.titles, titles) {
            (Some(ours), Some(theirs)) => self.by_title(ours, theirs, labels, &dropped)?,
            _ => self.by_position(first, titles, labels, &dropped)?,
        };
        if wanted.needs_label && mapping.labels.is_empty() {
            let is_missing =
                |label: &&usize| !self.title(**label).is_some_and(|title| first.iter().any(|t| t == title));
            let missing = *self.labels.iter().find(is_missing).unwrap_or(&self.labels[0]);
            let wanted = match self.title(missing) {
                Some(title) => format!("'{title}'"),
                None => format!("{} of {}", missing + 1, self.columns),
            };
            return Err(format!("has no label column {wanted}; name it with --label"));
        }
        mapping.has_header = has_header;
        Ok(mapping)
    }

    /// Whether a first row holds titles: ours, or more texts than numbers.
    fn is_header(&self, first: &[String]) -> bool {
        let numbers = first.iter().filter(|cell| cells::feature(cell).is_some()).count();
        let missing = first.iter().filter(|cell| cells::is_missing(cell)).count();
        let known =
            |cell: &&String| self.titles.as_ref().is_some_and(|titles| !cell.is_empty() && titles.contains(cell));
        let known = first.iter().filter(known).count();
        let named = first.iter().filter(|cell| !cell.is_empty()).count();
        let texts = first.len() - numbers - missing;
        let is_ours = known > 0 && (known == named || numbers < self.features.len());
        is_ours || texts > numbers
    }

    fn by_title(
        &self,
        ours: &[String],
        theirs: &[String],
        labels: Vec<usize>,
        dropped: &[usize],
    ) -> Result<Mapping, String> {
        // The same title twice: the first is the first, the second the second.
        let place = |column: usize| {
            let occurrence = ours[..column].iter().filter(|title| **title == ours[column]).count();
            let mut places = (0..theirs.len()).filter(|&other| theirs[other] == ours[column]);
            places.nth(occurrence).filter(|place| !dropped.contains(place))
        };
        let own: Vec<usize> = self.labels.iter().filter_map(|&column| place(column)).collect();
        let labels = if labels.is_empty() { own } else { labels };
        let places: Vec<Option<usize>> = self.features.iter().map(|&column| place(column)).collect();
        let is_left_out = |column: usize| {
            let title = &theirs[column];
            let was_dropped = self.dropped.iter().any(|dropped| ours[dropped.column] == *title);
            dropped.contains(&column)
                || labels.contains(&column)
                || was_dropped
                || title.is_empty()
                || is_untitled(title)
        };
        let other = (0..theirs.len()).find(|&column| !places.contains(&Some(column)) && !is_left_out(column));
        let model = list(&self.feature_names());
        if let Some(missing) = places.iter().position(Option::is_none) {
            let instead = match other {
                Some(other) => format!("; its column {} is '{}' instead", other + 1, theirs[other]),
                None => String::new(),
            };
            return Err(format!(
                "has no column {}, which the model was trained on{instead} (the model's features: {model})",
                match self.title(self.features[missing]) {
                    Some(title) => format!("'{title}'"),
                    None => format!("{} of those without a title", self.features[missing] + 1),
                }
            ));
        }
        if let Some(other) = other {
            return Err(format!(
                "has a column '{}' ({} of {}), which the model was not trained on; {} leaves it out (the model's features: {model})",
                theirs[other],
                other + 1,
                theirs.len(),
                super::columns::with_value("--drop", &super::columns::option(other, Some(theirs)))
            ));
        }
        let features: Vec<usize> = places.into_iter().flatten().collect();
        let mut notes = Vec::new();
        if features.windows(2).any(|pair| pair[0] > pair[1]) {
            notes.push(format!(
                "its columns are in another order than the model's; they are put in order by their titles: {model}"
            ));
        }
        let labels = if labels.len() == self.labels.len() { labels } else { Vec::new() };
        Ok(Mapping { has_header: true, columns: theirs.len(), features, labels, notes })
    }

    fn by_position(
        &self,
        first: &[String],
        titles: Option<&[String]>,
        labels: Vec<usize>,
        dropped: &[usize],
    ) -> Result<Mapping, String> {
        let columns = first.len();
        // The columns of the training file that this one can hold: all, or without those left out there, or features only.
        let everything: Vec<usize> = (0..self.columns).collect();
        let is_dropped = |column: &usize| self.dropped.iter().any(|dropped| dropped.column == *column);
        let is_empty = |column: &usize| {
            self.dropped.iter().any(|dropped| dropped.column == *column && dropped.reason == Reason::Empty)
        };
        let without = |leave: &dyn Fn(&usize) -> bool| -> Vec<usize> {
            everything.iter().copied().filter(|column| !leave(column)).collect()
        };
        let layouts = [
            everything.clone(),
            without(&is_empty),
            without(&is_dropped),
            without(&|column| self.labels.contains(column)),
            without(&|column| self.labels.contains(column) || is_empty(column)),
            self.features.clone(),
        ];
        let kept: Vec<usize> = (0..columns).filter(|column| !dropped.contains(column)).collect();
        // Named by the user: all others are features, in the model's order.
        let (features, labels) = if !labels.is_empty() {
            let others: Vec<usize> = kept.iter().copied().filter(|column| !labels.contains(column)).collect();
            let has_labels = |layout: &Vec<usize>| self.labels.iter().any(|label| layout.contains(label));
            let layout = layouts.iter().find(|layout| layout.len() == others.len() && !has_labels(layout));
            let layout = layout.or_else(|| (others.len() == self.features.len()).then_some(&self.features));
            (layout.map(|layout| places(&self.features, layout, &others)), labels)
        } else {
            let layout = layouts.iter().find(|layout| layout.len() == kept.len());
            let labels = layout.map_or_else(Vec::new, |layout| places(&self.labels, layout, &kept));
            let labels = if labels.len() == self.labels.len() { labels } else { Vec::new() };
            (layout.map(|layout| places(&self.features, layout, &kept)), labels)
        };
        let model = list(&self.feature_names());
        let Some(features) = features else {
            let count = self.features.len();
            return Err(format!(
                "has {columns} columns, but the model has {count} inputs ({model}); a file for it has these columns, with \
                 or without the label{}",
                if titles.is_some() { "" } else { "; --drop leaves columns out" }
            ));
        };
        let mut notes = Vec::new();
        match (&self.titles, titles) {
            (Some(_), None) => notes.push(format!("has no header; its columns are taken by position: {model}")),
            (None, Some(_)) => notes
                .push("has a header, but the model was trained without one; columns are taken by position".to_string()),
            _ => {}
        }
        Ok(Mapping { has_header: false, columns, features, labels, notes })
    }

    /// A column of the training file, as messages name it.
    pub(super) fn named(&self, column: usize) -> String {
        named(column, self.titles.as_deref())
    }
}

/// Where each of the columns is, if those at `places` are those of `layout`.
fn places(columns: &[usize], layout: &[usize], places: &[usize]) -> Vec<usize> {
    let place = |wanted: &usize| layout.iter().position(|column| column == wanted).map(|index| places[index]);
    columns.iter().filter_map(place).collect()
}

/// What pandas calls a column without title.
pub(super) fn is_untitled(title: &str) -> bool {
    title.is_empty() || title.starts_with("Unnamed: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        line.split(',').map(String::from).collect()
    }

    fn schema(titles: Option<&str>, columns: usize, label: usize, index: bool) -> Schema {
        let dropped: Vec<Dropped> = index.then_some(Dropped { column: 0, reason: Reason::Index }).into_iter().collect();
        Schema {
            delimiter: ',',
            columns,
            titles: titles.map(texts),
            labels: vec![label],
            features: (usize::from(index)..columns).filter(|&column| column != label).collect(),
            dropped,
            task: Task::Classification,
            classes: vec!["x".into(), "y".into()],
        }
    }

    fn map(schema: &Schema, first: &str) -> Result<(Vec<usize>, Option<usize>, bool, usize), String> {
        let mapping = schema.map(&texts(first), &Wanted::default())?;
        Ok((mapping.features, mapping.labels.first().copied(), mapping.has_header, mapping.notes.len()))
    }

    #[test]
    fn titles_are_put_in_order() {
        let ours = schema(Some("a,b,c,kind"), 4, 3, false);
        assert_eq!(map(&ours, "a,b,c,kind"), Ok((vec![0, 1, 2], Some(3), true, 0)));
        assert_eq!(map(&ours, "a,b,c"), Ok((vec![0, 1, 2], None, true, 0)));
        assert_eq!(map(&ours, "c,b,a"), Ok((vec![2, 1, 0], None, true, 1)));
        assert_eq!(map(&ours, "kind,c,a,b"), Ok((vec![2, 3, 1], Some(0), true, 1)));
        assert_eq!(map(&ours, "kind,a,b,c"), Ok((vec![1, 2, 3], Some(0), true, 0)));
        assert_eq!(map(&ours, ",a,b,c"), Ok((vec![1, 2, 3], None, true, 0)), "an index is left out");
        let twice = schema(Some("a,a,kind"), 3, 2, false);
        assert_eq!(map(&twice, "kind,a,a"), Ok((vec![1, 2], Some(0), true, 0)));
        let numbers = schema(Some("0,1,2,3"), 4, 3, false);
        assert_eq!(map(&numbers, "0,1,2"), Ok((vec![0, 1, 2], None, true, 0)));
        assert_eq!(map(&numbers, "2,1,0"), Ok((vec![2, 1, 0], None, true, 1)));
        assert_eq!(map(&numbers, "5,1,0"), Ok((vec![0, 1, 2], None, false, 1)));
    }

    #[test]
    fn other_titles_are_refused_with_the_first_difference() {
        let ours = schema(Some("a,b,c,kind"), 4, 3, false);
        let problem = |first: &str| map(&ours, first).unwrap_err();
        assert!(problem("height,weight,price").contains("no column 'a'"), "{}", problem("height,weight,price"));
        assert!(problem("height,weight,price").contains("column 1 is 'height'"));
        assert!(problem("a,x,c,kind").contains("no column 'b'") && problem("a,x,c,kind").contains("'x'"));
        assert!(problem("a,b,c,d").contains("has a column 'd' (4 of 4)") && problem("a,b,c,d").contains("--drop d"));
        assert!(problem("A,b,c").contains("no column 'a'"), "titles are taken as they are");
        assert!(problem("a,b").contains("no column 'c'"));
    }

    #[test]
    fn without_titles_columns_go_by_position() {
        let ours = schema(Some("a,b,kind"), 3, 2, false);
        assert_eq!(map(&ours, "1,2"), Ok((vec![0, 1], None, false, 1)));
        assert_eq!(map(&ours, "1,2,x"), Ok((vec![0, 1], Some(2), false, 1)));
        assert!(map(&ours, "1").unwrap_err().contains("has 1 columns, but the model has 2 inputs (a, b)"));
        let bare = schema(None, 3, 0, false);
        assert_eq!(map(&bare, "x,1,2"), Ok((vec![1, 2], Some(0), false, 0)));
        assert_eq!(map(&bare, "1,2"), Ok((vec![0, 1], None, false, 0)));
        assert_eq!(map(&bare, "kind,a,b"), Ok((vec![1, 2], Some(0), true, 1)));
        let indexed = schema(None, 4, 3, true);
        assert_eq!(map(&indexed, "7,1,2,x"), Ok((vec![1, 2], Some(3), false, 0)));
        assert_eq!(map(&indexed, "1,2,x"), Ok((vec![0, 1], Some(2), false, 0)));
        assert_eq!(map(&indexed, "1,2"), Ok((vec![0, 1], None, false, 0)));
        let label = ["1".parse().unwrap()];
        let wanted = Wanted { label: &label, ..Wanted::default() };
        let mapping = ours.map(&texts("x,1,2"), &wanted).unwrap();
        assert_eq!((mapping.features, mapping.labels), (vec![1, 2], vec![0]));
    }

    #[test]
    fn several_targets_are_there_or_not() {
        let ours = |titles| Schema {
            labels: vec![3, 1],
            features: vec![0, 2],
            task: Task::Regression,
            classes: Vec::new(),
            ..schema(titles, 4, 3, false)
        };
        let map = |schema: &Schema, first: &str| {
            let mapping = schema.map(&texts(first), &Wanted::default()).unwrap();
            (mapping.features, mapping.labels)
        };
        let titled = ours(Some("a,t,b,u"));
        assert_eq!(map(&titled, "a,t,b,u"), (vec![0, 2], vec![3, 1]));
        assert_eq!(map(&titled, "u,b,a,t"), (vec![2, 1], vec![0, 3]));
        assert_eq!(map(&titled, "a,b"), (vec![0, 1], vec![]));
        assert_eq!(map(&titled, "a,t,b"), (vec![0, 2], vec![]), "one of two is of no use, and no feature");
        let needed = Wanted { needs_label: true, ..Wanted::default() };
        let problem = titled.map(&texts("a,t,b"), &needed).unwrap_err();
        assert!(problem.contains("no label column 'u'"), "{problem}");
        let bare = ours(None);
        assert_eq!(map(&bare, "1,2,3,4"), (vec![0, 2], vec![3, 1]));
        assert_eq!(map(&bare, "1,3"), (vec![0, 1], vec![]));
        let one = ["1".parse().unwrap()];
        let problem = bare.map(&texts("1,2,3,4"), &Wanted { label: &one, ..Wanted::default() }).unwrap_err();
        assert!(problem.contains("names 1 columns, but the model has 2"), "{problem}");
        assert_eq!(
            titled.describe(),
            "header yes, target columns 'u' (4 of 4), 't' (2 of 4), regression, 2 features: a, b"
        );
        assert_eq!(
            (titled.target_names(), bare.target_names()[1].as_str()),
            (vec!["u".into(), "t".into()], "target_2")
        );
    }

    /// One label column is a number in files, as it was before there could be several.
    #[test]
    fn files_of_earlier_versions_are_read() {
        let ours = schema(Some("a,b,kind"), 3, 2, false);
        let text = serde_json::to_string(&ours).unwrap();
        assert!(text.contains("\"label\":2") && !text.contains("task"), "{text}");
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), ours);
        let several = Schema { labels: vec![2, 1], task: Task::Regression, ..ours };
        let text = serde_json::to_string(&several).unwrap();
        assert!(text.contains("\"label\":[2,1]") && text.contains("\"task\":\"regression\""), "{text}");
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), several);
    }
}
