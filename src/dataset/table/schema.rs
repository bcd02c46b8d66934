//! How a table was read, kept with the model; and how the columns of other files map onto it.

use serde::{Deserialize, Serialize};

use super::Header;
use super::cells;
use super::columns::{ColumnName, list, named};

/// How a table was read: what `asgd` prints, keeps with the model, and reads other files by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// What separates the values.
    pub delimiter: char,
    /// Columns of the file.
    pub columns: usize,
    /// Titles of all columns, if the first row is a header.
    pub titles: Option<Vec<String>>,
    /// Column of the labels, from 0.
    pub label: usize,
    /// Columns that are inputs of the network, in their order, from 0.
    pub features: Vec<usize>,
    /// Columns that are left out.
    pub dropped: Vec<Dropped>,
    /// What the classes are called, in the order of their labels.
    pub classes: Vec<String>,
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
    /// Column of the labels, from 0.
    pub label: Option<usize>,
    /// What was decided and should be said.
    pub notes: Vec<String>,
}

/// What is said of the columns of a file that a model is to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted<'a> {
    pub header: Header,
    pub label: Option<&'a ColumnName>,
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
            label: inputs,
            features: (0..inputs).collect(),
            dropped: Vec::new(),
            classes: Vec::new(),
        }
    }

    /// In one line: `header yes, label column 'kind' (4 of 4), 3 classes, 3 features: a, b, c`.
    pub fn describe(&self) -> String {
        let Self { columns, titles, label, features, classes, .. } = self;
        let header = if titles.is_some() { "yes" } else { "no" };
        let label = match titles.as_ref().map(|titles| &titles[*label]).filter(|title| !title.is_empty()) {
            Some(title) => format!("label column '{title}' ({} of {columns})", label + 1),
            None => format!("label column {} of {columns}", label + 1),
        };
        let names = match titles {
            Some(_) => format!(": {}", list(&self.feature_names())),
            None => String::new(),
        };
        let features = match features.len() {
            1 => "1 feature".into(),
            count => format!("{count} features"),
        };
        format!("header {header}, {label}, {} classes, {features}{names}", classes.len())
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

    /// Whether what a file says of itself fits together, for a network of so many inputs.
    pub(crate) fn is_sound(&self, inputs: usize) -> bool {
        let Self { columns, titles, label, features, dropped, .. } = self;
        let all = features.iter().chain(dropped.iter().map(|dropped| &dropped.column)).chain([label]);
        titles.as_ref().is_none_or(|titles| titles.len() == *columns)
            && features.len() == inputs
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
        let label = wanted.label.map(resolve).transpose()?;
        let mut mapping = match (&self.titles, titles) {
            (Some(ours), Some(theirs)) => self.by_title(ours, theirs, label, &dropped)?,
            _ => self.by_position(first, titles, label, &dropped)?,
        };
        if wanted.needs_label && mapping.label.is_none() {
            let wanted = match self.title(self.label) {
                Some(title) => format!("'{title}'"),
                None => format!("{} of {}", self.label + 1, self.columns),
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
        label: Option<usize>,
        dropped: &[usize],
    ) -> Result<Mapping, String> {
        // The same title twice: the first is the first, the second the second.
        let place = |column: usize| {
            let occurrence = ours[..column].iter().filter(|title| **title == ours[column]).count();
            let mut places = (0..theirs.len()).filter(|&other| theirs[other] == ours[column]);
            places.nth(occurrence).filter(|place| !dropped.contains(place))
        };
        let label = label.or_else(|| place(self.label));
        let places: Vec<Option<usize>> = self.features.iter().map(|&column| place(column)).collect();
        let is_left_out = |column: usize| {
            let title = &theirs[column];
            let was_dropped = self.dropped.iter().any(|dropped| ours[dropped.column] == *title);
            dropped.contains(&column) || label == Some(column) || was_dropped || title.is_empty() || is_untitled(title)
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
        Ok(Mapping { has_header: true, columns: theirs.len(), features, label, notes })
    }

    fn by_position(
        &self,
        first: &[String],
        titles: Option<&[String]>,
        label: Option<usize>,
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
            without(&|column| *column == self.label),
            without(&|column| *column == self.label || is_empty(column)),
            self.features.clone(),
        ];
        let kept: Vec<usize> = (0..columns).filter(|column| !dropped.contains(column)).collect();
        let (features, own_label) = match label {
            // Named by the user: all others are features, in the model's order.
            Some(label) => {
                let others: Vec<usize> = kept.iter().copied().filter(|&column| column != label).collect();
                let layout =
                    layouts.iter().find(|layout| layout.len() == others.len() && !layout.contains(&self.label));
                let layout = layout.or_else(|| (others.len() == self.features.len()).then_some(&self.features));
                (layout.map(|layout| self.places(layout, &others)), Some(label))
            }
            None => {
                let layout = layouts.iter().find(|layout| layout.len() == kept.len());
                let label = layout.and_then(|layout| layout.iter().position(|&column| column == self.label));
                (layout.map(|layout| self.places(layout, &kept)), label.map(|index| kept[index]))
            }
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
        Ok(Mapping { has_header: false, columns, features, label: own_label, notes })
    }

    /// Where each feature is, if the columns at `places` are those of `layout`.
    fn places(&self, layout: &[usize], places: &[usize]) -> Vec<usize> {
        let place = |feature: &usize| layout.iter().position(|column| column == feature).map(|index| places[index]);
        self.features.iter().filter_map(place).collect()
    }

    /// A column of the training file, as messages name it.
    pub(super) fn named(&self, column: usize) -> String {
        named(column, self.titles.as_deref())
    }
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
            label,
            features: (usize::from(index)..columns).filter(|&column| column != label).collect(),
            dropped,
            classes: vec!["x".into(), "y".into()],
        }
    }

    fn map(schema: &Schema, first: &str) -> Result<(Vec<usize>, Option<usize>, bool, usize), String> {
        let mapping = schema.map(&texts(first), &Wanted::default())?;
        Ok((mapping.features, mapping.label, mapping.has_header, mapping.notes.len()))
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
        let label = "1".parse().unwrap();
        let wanted = Wanted { label: Some(&label), ..Wanted::default() };
        let mapping = ours.map(&texts("x,1,2"), &wanted).unwrap();
        assert_eq!((mapping.features, mapping.label), (vec![1, 2], Some(0)));
    }
}
