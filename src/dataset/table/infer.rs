//! What a table says: header, label column, index, and the columns that are inputs.

use std::path::Path;

use super::cells;
use super::columns::{ColumnName, list, named, option, with_value};
use super::profile::Profile;
use super::records::{Position, Source};
use super::schema::{Dropped, Reason, Schema, is_untitled};
use super::{Header, TableOptions};
use crate::error::{Error, Result};
use crate::spec::Task;

/// A reading without its classes, with what should be said about it.
pub struct Inferred {
    pub schema: Schema,
    pub notes: Vec<String>,
}

/// A look at all rows: the first apart.
struct Look {
    first: Vec<String>,
    profiles: Vec<Profile>,
    /// Whether every row begins with a column that the header does not have.
    is_header_short: bool,
}

/// Reads what the table says of itself.
pub fn infer(source: &Source, options: &TableOptions) -> Result<Inferred> {
    let path = source.path.as_path();
    let refuse = |problem: String| Error::data(path, problem);
    let mut notes = Vec::new();
    let Look { first, profiles, is_header_short } = look(source)?;
    let columns = first.len();
    let trailing = trailing(&first, &profiles);
    if columns - trailing < 2 {
        let separators =
            "; values are separated by commas, semicolons, tabs, bars or spaces, or by what --delimiter says";
        return Err(refuse(format!(
            "has no column besides the label{}",
            if source.is_text() { separators } else { "" }
        )));
    }
    // Where the labels are, as far as numbers say it.
    let positions = match &options.label[..] {
        [] => vec![columns - trailing - 1],
        names => {
            let numbers = names.iter().filter(|name| matches!(name, ColumnName::Number(_)));
            numbers.map(|name| name.index(&first)).collect::<Result<Vec<_>, _>>().map_err(refuse)?
        }
    };
    let has_header = match source.records()?.header(options.header) {
        Header::Yes => true,
        Header::No if is_header_short => {
            let [short, others] = [columns - 1, columns].map(values);
            return Err(refuse(format!("the first row has {short}, the others have {others}")));
        }
        Header::No => false,
        Header::Auto if is_header_short => true,
        Header::Auto => {
            let labels = positions.first().map(|&column| labels(source, column)).transpose()?;
            let (has_header, note) = is_header(&first, &profiles, trailing, &positions, labels.as_ref(), options);
            notes.extend(note);
            has_header
        }
    };
    let titles = has_header.then_some(&first[..]);
    let resolve = |name: &ColumnName, what: &str| match name {
        ColumnName::Title(title) if !has_header => {
            Err(refuse(format!("has no column '{title}' for {what}: it has no header; name the column by its number")))
        }
        name => name.index(&first).map_err(refuse),
    };
    // The last column with values that --drop leaves.
    let asked = options.drop.iter().map(|name| resolve(name, "--drop")).collect::<Result<Vec<_>>>()?;
    let label_columns = match &options.label[..] {
        [] => vec![
            (0..columns - trailing)
                .rev()
                .find(|column| !asked.contains(column))
                .ok_or_else(|| refuse("has no column left for the label; name fewer with --drop".into()))?,
        ],
        names => names.iter().map(|name| resolve(name, "--label")).collect::<Result<Vec<_>>>()?,
    };
    if let Some(&label) = label_columns.iter().find(|label| asked.contains(label)) {
        return Err(refuse(format!("{} is both the label and left out by --drop", named(label, titles))));
    }
    if let Some(index) = (1..label_columns.len()).find(|&index| label_columns[..index].contains(&label_columns[index]))
    {
        return Err(refuse(format!("--label names {} twice", named(label_columns[index], titles))));
    }
    let mut hint = None;
    for (name, &label) in options.label.iter().zip(&label_columns) {
        let (ColumnName::Number(number), Some(titles)) = (name, titles) else { continue };
        let text = number.to_string();
        if let Some(other) = titles.iter().position(|title| *title == text).filter(|&other| other != label) {
            hint = Some(format!(
                "--label {number} is column {number}, titled '{}'; the column titled '{text}' is --label {}",
                titles[label],
                other + 1
            ));
        }
    }
    if options.label.is_empty() {
        let usual = |title: &String| matches!(title.to_lowercase().as_str(), "label" | "class" | "target" | "species");
        let other = titles.and_then(|titles| titles.iter().position(usual).map(|column| (column, &titles[column])));
        if let Some((_, title)) =
            other.filter(|&(column, _)| !label_columns.contains(&column) && !asked.contains(&column))
        {
            notes.push(format!("the labels are taken from the last column; --label {title} takes them from '{title}'"));
        }
    }

    notes.extend(hint.clone());
    let mut dropped: Vec<Dropped> = asked.into_iter().map(|column| Dropped { column, reason: Reason::Asked }).collect();
    for column in (columns - trailing..columns).filter(|column| !label_columns.contains(column)) {
        notes.push(format!("{} at the end is empty: left out", named(column, titles)));
        dropped.push(Dropped { column, reason: Reason::Empty });
    }
    index(&first, &profiles, titles, &label_columns, options, &mut dropped, &mut notes);
    let is_dropped = |column: &usize| dropped.iter().any(|dropped| dropped.column == *column);
    let features: Vec<usize> =
        (0..columns).filter(|column| !label_columns.contains(column) && !is_dropped(column)).collect();
    if features.is_empty() {
        return Err(refuse("has no column besides the label".into()));
    }
    let given = !options.label.is_empty();
    source.records()?.refuse_types(features.iter().chain(&label_columns).copied()).map_err(refuse)?;
    refuse_texts(path, &features, &profiles, titles, hint.as_deref(), given)?;
    dropped.sort_by_key(|dropped| dropped.column);
    let schema = Schema {
        delimiter: ',',
        columns,
        titles: titles.map(<[String]>::to_vec),
        labels: label_columns,
        features,
        dropped,
        task: Task::default(),
        classes: Vec::new(),
    };
    Ok(Inferred { schema, notes })
}

/// Profiles all rows but the first, and checks that they have equally many values.
fn look(source: &Source) -> Result<Look> {
    let path = source.path.as_path();
    let mut records = source.records()?;
    let Some(record) = records.next()? else { return Err(Error::data(path, "is empty")) };
    let mut first: Vec<String> = record.cells.iter().map(String::from).collect();
    let (begin, mut profiles): (Position, Vec<Profile>) = (record.position, Vec::new());
    let mut width = first.len();
    let mut second = None;
    while let Some(record) = records.next()? {
        if second.is_none() {
            second = Some(record.position);
            let is_shorter = record.cells.len() + 1 == first.len() && first.last().is_some_and(String::is_empty);
            if is_shorter {
                first.pop();
            }
            if is_shorter || record.cells.len() == first.len() + 1 {
                width = record.cells.len();
            }
            profiles.resize_with(width, Profile::default);
        }
        if record.cells.len() != width {
            let problem = format!(
                "{}: {}, but {} has {}",
                record.position,
                values(record.cells.len()),
                if begin == Position::Line(1) { "the first row".to_string() } else { begin.to_string() },
                values(width)
            );
            return Err(Error::data(path, problem));
        }
        for (column, (profile, cell)) in profiles.iter_mut().zip(record.cells.iter()).enumerate() {
            profile.add(cell, column < 3);
        }
    }
    if second.is_none() {
        profiles.resize_with(width, Profile::default);
    }
    let mut is_header_short = false;
    if width == first.len() + 1 {
        // The rows end with a delimiter and the header does not, or they begin with names as R writes them.
        if profiles.last().is_some_and(Profile::is_empty) {
            first.push(String::new());
        } else if profiles[0].counts_from().is_some() || profiles[0].is_shuffled_index() || profiles[0].all_differ() {
            first.insert(0, String::new());
            is_header_short = true;
        } else {
            let second = second.unwrap_or(begin);
            let problem = format!("{second}: {}, but the first row has {}", values(width), values(first.len()));
            return Err(Error::data(path, problem));
        }
    }
    Ok(Look { first, profiles, is_header_short })
}

fn values(count: usize) -> String {
    format!("{count} value{}", if count == 1 { "" } else { "s" })
}

/// How many columns at the end hold nothing below the first row.
fn trailing(first: &[String], profiles: &[Profile]) -> usize {
    let is_empty = |column: &usize| {
        let is_empty =
            if profiles[*column].rows == 0 { first[*column].is_empty() } else { profiles[*column].is_empty() };
        // A first row that is no header may have the only value.
        is_empty && (first[*column].is_empty() || cells::feature(&first[*column]).is_none())
    };
    (0..first.len()).rev().take_while(is_empty).count()
}

/// How often the first row's label occurs below, and how many labels there are.
struct Labels {
    like_first: usize,
    rows: usize,
    different: usize,
    are_numbers: bool,
}

fn labels(source: &Source, column: usize) -> Result<Labels> {
    let mut records = source.records()?;
    let mut seen = std::collections::HashSet::new();
    let mut first = None;
    let mut labels = Labels { like_first: 0, rows: 0, different: 0, are_numbers: true };
    while let Some(record) = records.next()? {
        let class = cells::class(record.cells.get(column).unwrap_or(""));
        match &first {
            None => first = Some(class),
            Some(first) => {
                labels.like_first += usize::from(*first == class);
                labels.rows += 1;
                labels.are_numbers &= cells::number(&class).is_some() || cells::is_missing(&class);
                seen.insert(class);
            }
        }
    }
    labels.different = seen.len();
    Ok(labels)
}

/// Whether the first row is a header, and what has to be said if that is not certain.
fn is_header(
    first: &[String],
    profiles: &[Profile],
    trailing: usize,
    label_columns: &[usize],
    labels: Option<&Labels>,
    options: &TableOptions,
) -> (bool, Option<String>) {
    // A title that an option names must be in a header.
    let names = options.label.iter().chain(&options.drop);
    let is_named = names.into_iter().any(|name| matches!(name, ColumnName::Title(title) if first.contains(title)));
    if is_named {
        return (true, None);
    }
    let left_out: Vec<usize> = options.drop.iter().filter_map(|name| name.index(first).ok()).collect();
    let inputs: Vec<usize> = (0..first.len() - trailing)
        .filter(|column| !label_columns.contains(column) && !left_out.contains(column))
        .collect();
    // Among columns of numbers, a first cell that is text is a title.
    let numeric: Vec<usize> = inputs.iter().copied().filter(|&column| !profiles[column].is_text()).collect();
    let is_text = |&&column: &&usize| {
        let cell = first[column].as_str();
        cells::feature(cell).is_none() && !cells::is_missing(cell) && !cells::has_decimal_comma(cell)
    };
    let texts = numeric.iter().filter(is_text).count();
    let fractions = numeric
        .iter()
        .filter(|&&column| cells::number(&first[column]).is_some() && cells::has_fraction(&first[column]))
        .count();
    if texts > 0 {
        // Numbers with fractions beside it make it a mistake in a sample, which is then refused by its line.
        return (texts > fractions, None);
    }
    if numeric.is_empty() {
        return (true, None);
    }
    let (Some(&label), Some(labels)) = (label_columns.first(), labels) else { return (false, None) };
    if labels.rows == 0 {
        return (false, None);
    }
    let mend = |taken: &str, other: &str| {
        Some(format!("the first row ({}) is taken for {taken}; if it is {other}", list(first)))
    };
    let titles = || (true, mend("titles", "a sample say --header no"));
    let sample = || (false, mend("a sample", "titles say --header yes"));
    let cells: Vec<&String> = first.iter().take(first.len() - trailing).collect();
    let begin = usize::from(cells.first().is_some_and(|cell| cell.is_empty()));
    let is_range =
        cells.len() > begin + 1 && cells[begin..].iter().enumerate().all(|(index, cell)| **cell == index.to_string());
    let fits_no_other = labels.like_first == 0;
    let is_whole =
        |cell: &str| cells::number(cell).is_some_and(|value| value.fract() == 0.0 && !cells::has_fraction(cell));
    let mut wholes: Vec<&str> = numeric.iter().map(|&column| first[column].as_str()).collect();
    let are_wholes = wholes.iter().all(|cell| is_whole(cell));
    wholes.sort_unstable();
    wholes.dedup();
    let are_different = are_wholes && wholes.len() == numeric.len();
    let fractional = |column: &&usize| profiles[**column].fractions * 10 >= profiles[**column].numbers * 9;
    let above_fractions = numeric.iter().filter(fractional).count();
    let label_is_text = cells::number(&first[label]).is_none() && !cells::is_missing(&first[label]);
    if is_range && (fits_no_other || above_fractions == numeric.len()) {
        return titles();
    }
    if is_range {
        return sample();
    }
    if fits_no_other && label_is_text && labels.are_numbers {
        return (true, None);
    }
    let labels_repeat = labels.different > 1 && labels.different * 2 <= labels.rows;
    if fits_no_other && label_is_text && labels_repeat && are_different {
        return titles();
    }
    if are_different && above_fractions == numeric.len() && numeric.len() >= 2 {
        return if fits_no_other && labels_repeat { titles() } else { sample() };
    }
    (false, None)
}

/// Rows from which on a column of a table without titles may count them: 1, 2, 3 may as well be numbers.
const ROWS_TO_COUNT: usize = 10;

/// Leaves out columns at the start that have no title and count the rows.
fn index(
    first: &[String],
    profiles: &[Profile],
    titles: Option<&[String]>,
    label_columns: &[usize],
    options: &TableOptions,
    dropped: &mut Vec<Dropped>,
    notes: &mut Vec<String>,
) {
    for column in 0..first.len().min(3) {
        let is_dropped = dropped.iter().any(|dropped| dropped.column == column);
        if label_columns.contains(&column) || is_dropped || profiles[column].rows == 0 {
            return;
        }
        let profile = &profiles[column];
        let counts_from = match titles {
            Some(_) => profile.counts_from(),
            // The first row is a sample as well.
            None => {
                profile.counts_from().map(|from| from - 1.0).filter(|from| cells::number(&first[column]) == Some(*from))
            }
        };
        let counts = counts_from.filter(|from| *from == 0.0 || *from == 1.0);
        let what = match titles {
            Some(titles) if !is_untitled(&titles[column]) => {
                if counts.is_some() {
                    let title = option(column, Some(titles));
                    notes.push(format!(
                        "{} counts the rows and is taken as a feature; {} leaves it out",
                        named(column, Some(titles)),
                        with_value("--drop", &title)
                    ));
                }
                return;
            }
            Some(_) if profile.counts_from().is_some() => "counts the rows",
            Some(_) if profile.is_shuffled_index() => "holds a number of its own for every row",
            None if counts.is_some() && profile.rows + 1 >= ROWS_TO_COUNT => "counts the rows",
            _ => return,
        };
        if options.keep_index {
            notes.push(format!("column {} has no title and {what}: kept as a feature (--keep-index)", column + 1));
            return;
        }
        notes.push(format!("column {} has no title and {what}: left out (--keep-index keeps it)", column + 1));
        dropped.push(Dropped { column, reason: Reason::Index });
        if titles.is_none() {
            return;
        }
    }
}

/// Refuses columns of text and columns without values, with the option that leaves them out.
fn refuse_texts(
    path: &Path,
    features: &[usize],
    profiles: &[Profile],
    titles: Option<&[String]>,
    label_hint: Option<&str>,
    is_label_given: bool,
) -> Result<()> {
    let mut problems = Vec::new();
    let mut drop = Vec::new();
    for &column in features {
        let profile = &profiles[column];
        let holds = if profile.rows > 0 && profile.missing == profile.rows {
            "holds no value".to_string()
        } else if !profile.is_text() {
            continue;
        } else if profile.all_differ() {
            format!("holds text that differs in every row ('{}', ...)", profile.examples.join("', '"))
        } else {
            format!("holds text ('{}', ...)", profile.examples.join("', '"))
        };
        problems.push(format!("{} {holds}", named(column, titles)));
        drop.push(option(column, titles));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let count = problems.len();
    problems.truncate(3);
    let more = if count > 3 { format!(" and {} more columns", count - 3) } else { String::new() };
    let them = if count == 1 { "it" } else { "them" };
    let hint =
        if drop.iter().any(|name| name.contains(',')) { String::new() } else { with_value("--drop", &drop.join(",")) };
    // The only column of a few words may well be that of the labels.
    let repeats = |column: &&usize| profiles[**column].is_text() && !profiles[**column].all_differ();
    let mut candidates = features.iter().filter(repeats);
    let label = match (is_label_given, candidates.next(), candidates.next()) {
        (false, Some(&column), None) => {
            Some(format!("; if it holds the labels, {}", with_value("--label", &option(column, titles))))
        }
        _ => None,
    };
    let mend = match label_hint {
        Some(hint) => hint.to_string(),
        None => format!("leave {them} out with {hint}, or write numbers instead{}", label.unwrap_or_default()),
    };
    Err(Error::data(path, format!("{}{more}; inputs must be numbers: {mend}", problems.join("; "))))
}
