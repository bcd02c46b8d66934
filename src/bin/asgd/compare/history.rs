//! metrics.csv, read by its titles: columns may be in any order, and there may be others.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use asgd::{Error, Task};
use csv::{ReaderBuilder, StringRecord};

/// What replicas of the same settings went through: a run's, or those of one cell of a sweep.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Number of the cell; none where the file has no cells.
    pub cell: Option<String>,
    /// Says what the score of its evaluations is.
    pub task: Task,
    /// The evaluations of each replica, in the order of their steps.
    pub replicas: Vec<Vec<Row>>,
}

/// An evaluation of a replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub epoch: f64,
    pub step: u64,
    pub test_loss: f64,
    pub test_score: f64,
    pub has_diverged: bool,
}

/// Reads the histories in a metrics.csv: one, or one for each value of the column `cell`.
///
/// # Errors
/// [`Error::Data`] that names the line.
pub fn read(path: &Path) -> Result<Vec<History>> {
    let file = std::fs::File::open(path)
        .map_err(|error| Error::Data { path: path.into(), problem: format!("cannot be read: {error}") })?;
    let problem = |problem: String| Error::Data { path: path.into(), problem };
    // The number of values is checked here, for a message of our own.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(std::io::BufReader::new(file));
    let titles = reader.headers().map_err(|error| problem(what(&error)))?.clone();
    let columns = Columns::find(&titles).map_err(problem)?;
    let mut cells: BTreeMap<Cell, (History, BTreeMap<u64, usize>)> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| problem(what(&error)))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |what: String| problem(format!("line {line}: {what}"));
        if record.len() != titles.len() {
            return Err(wrong(format!("{} values, but {} titles", record.len(), titles.len())).into());
        }
        let row = columns.row(&record).map_err(wrong)?;
        let replica = columns.replica.parse(&record).map_err(wrong)?;
        let cell = columns.cell.map(|index| record[index].to_string());
        let (history, places) = cells
            .entry(Cell(cell.clone()))
            .or_insert_with(|| (History { cell, task: columns.task, replicas: Vec::new() }, BTreeMap::new()));
        let place = *places.entry(replica).or_insert(history.replicas.len());
        if place == history.replicas.len() {
            history.replicas.push(Vec::new());
        }
        let rows = &mut history.replicas[place];
        if let Some(last) = rows.last().filter(|last| last.step >= row.step) {
            return Err(wrong(format!("step {} of replica {replica} after step {}", row.step, last.step)).into());
        }
        rows.push(row);
    }
    if cells.is_empty() {
        return Err(problem("has no evaluation yet".into()).into());
    }
    Ok(cells.into_values().map(|(history, _)| history).collect())
}

/// Cells by their numbers, where they are numbers.
#[derive(PartialEq, Eq)]
struct Cell(Option<String>);

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |cell: &Self| cell.0.as_ref().map(|name| (name.parse().unwrap_or(u64::MAX), name.clone()));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A column that must be there.
struct Column {
    title: &'static str,
    index: usize,
}

impl Column {
    fn parse<T: std::str::FromStr>(&self, record: &StringRecord) -> Result<T, String> {
        let text = &record[self.index];
        text.parse().map_err(|_| format!("column '{}' holds '{text}'", self.title))
    }
}

struct Columns {
    replica: Column,
    epoch: Column,
    step: Column,
    test_loss: Column,
    test_score: Column,
    task: Task,
    diverged: Column,
    cell: Option<usize>,
}

impl Columns {
    fn find(titles: &StringRecord) -> Result<Self, String> {
        let place = |title: &str| titles.iter().position(|other| other == title);
        let column = |title| {
            let index = place(title).ok_or_else(|| format!("line 1: there is no column '{title}'"))?;
            Ok::<_, String>(Column { title, index })
        };
        let task = if place("test_r2").is_some() { Task::Regression } else { Task::Classification };
        Ok(Self {
            replica: column("replica")?,
            epoch: column("epoch")?,
            step: column("step")?,
            test_loss: column("test_loss")?,
            test_score: column(if task == Task::Regression { "test_r2" } else { "test_accuracy" })?,
            task,
            diverged: column("diverged")?,
            cell: place("cell"),
        })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        Ok(Row {
            epoch: self.epoch.parse(record)?,
            step: self.step.parse(record)?,
            test_loss: self.test_loss.parse(record)?,
            test_score: self.test_score.parse(record)?,
            has_diverged: self.diverged.parse::<u8>(record)? != 0,
        })
    }
}

/// What the reader says, with the line.
fn what(error: &csv::Error) -> String {
    match (error.position(), error.kind()) {
        (Some(position), csv::ErrorKind::Utf8 { .. }) => format!("line {}: is no text", position.line()),
        (Some(position), _) => format!("line {}: {error}", position.line()),
        (None, _) => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<History>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_go_by_their_titles() {
        let text = "test_loss,later,step,epoch,replica,diverged,test_accuracy\n\
                    0.5,x,0,0,1,0,0.75\n0.25,x,0,0,0,0,0.5\nNaN,x,4,2,1,1,0.5\n";
        let histories = read_text(text).unwrap();
        let [History { cell: None, task: Task::Classification, replicas }] = &histories[..] else {
            panic!("{histories:?}")
        };
        assert_eq!(replicas.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let first = Row { epoch: 0.0, step: 0, test_loss: 0.5, test_score: 0.75, has_diverged: false };
        assert_eq!(replicas[0][0], first);
        assert!(replicas[0][1].has_diverged && replicas[0][1].test_loss.is_nan());
        let regression = read_text("replica,epoch,step,test_loss,test_r2,diverged\n0,0,0,0.5,-0.25,0\n").unwrap();
        assert_eq!((regression[0].task, regression[0].replicas[0][0].test_score), (Task::Regression, -0.25));
    }

    #[test]
    fn cells_are_histories_of_their_own() {
        let header = "replica,epoch,step,test_loss,test_accuracy,diverged,cell,learning_rate\n";
        let histories =
            read_text(&format!("{header}0,0,0,1,1,0,10,0.1\n0,0,0,1,1,0,2,0.3\n1,0,0,1,1,0,10,0.1\n")).unwrap();
        let cells: Vec<_> = histories.iter().map(|history| history.cell.clone().unwrap()).collect();
        assert_eq!(cells, ["2", "10"], "in the order of numbers");
        assert_eq!(histories[1].replicas.len(), 2);
    }

    #[test]
    fn damage_is_named_by_its_line() {
        let header = "replica,epoch,step,test_loss,test_accuracy,diverged\n";
        let problem = |rows: &str| read_text(&format!("{header}{rows}")).unwrap_err();
        assert!(problem("0,0,0,1,1,0\n0,1,2,1\n").contains("line 3: 4 values, but 6 titles"));
        assert!(problem("0,0,0,one,1,0\n").contains("line 2: column 'test_loss' holds 'one'"));
        assert!(problem("0,0,4,1,1,0\n0,0,4,1,1,0\n").contains("line 3: step 4 of replica 0 after step 4"));
        assert!(problem("").contains("no evaluation"));
        assert!(read_text("replica,epoch,step\n").unwrap_err().contains("line 1: there is no column 'test_loss'"));
        assert!(read_text("").unwrap_err().contains("line 1"));
    }
}
