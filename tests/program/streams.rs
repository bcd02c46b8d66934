//! Streams that are closed, full, or pause: stdout, stderr and stdin of the command.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use asgd::dataset::{Inputs, Samples};
use asgd::{Device, Init, Model, NetworkSpec, Predictor};
use tempfile::TempDir;

use crate::command::{asgd, devices, refuses, run};

/// A folder with a trained network and its table of three classes.
fn trained() -> TempDir {
    let folder = TempDir::new().unwrap();
    let row = |index: usize| {
        let (class, noise) = (index % 3, (index * 37 % 11) as f64 / 20.0);
        format!("{:.2},{:.2},{:.2},{}\n", class as f64 + noise, 1.0 - noise, noise, ["red", "green", "blue"][class])
    };
    fs::write(folder.path().join("in.csv"), format!("a,b,c,kind\n{}", (0..60).map(row).collect::<String>())).unwrap();
    run(folder.path(), "train in.csv --batch-size 16 --steps 40 --quiet --out run");
    folder
}

/// The exit code of `asgd` in a line of shell, whatever comes behind it in a pipe, and what is printed.
#[track_caller]
fn shell(folder: &Path, line: &str) -> (i32, String) {
    let script = line.replace("asgd ", &format!("{} ", env!("CARGO_BIN_EXE_asgd"))) + "; exit ${PIPESTATUS[0]}";
    let output = Command::new("bash").current_dir(folder).args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{line}: {said}");
    (output.status.code().unwrap(), said)
}

/// What says something while it makes files makes them, whoever listens.
#[test]
fn work_goes_on_when_nobody_listens() {
    let folder = trained();
    let path = folder.path();
    fs::write(path.join("model.safetensors"), fs::read(path.join("run/model.safetensors")).unwrap()).unwrap();
    let works = [
        ("train in.csv --batch-size 16 --epochs 300 --out OUT", "OUT/run.json"),
        ("train in.csv --epochs 3 --json --out OUT", "OUT/run.json"),
        ("train in.csv --epochs 3 --replicas 4 --lr 1e30 --out OUT", "OUT/model.safetensors"),
        ("experiment 1 --steps 20 --out OUT", "OUT/report.html"),
        ("prune model.safetensors in.csv -o OUT", "OUT"),
        ("prune model.safetensors in.csv --json -o OUT", "OUT"),
        ("export model.safetensors -o OUT", "OUT"),
    ];
    let ways =
        ["2>&1 | head -1", "2>&1 | true", "2>/dev/full", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full"];
    for (index, (work, product)) in works.iter().enumerate() {
        for (number, way) in ways.iter().enumerate() {
            let out = format!("out-{index}-{number}");
            let line = format!("asgd {} {way}", work.replace("OUT", &out));
            let (code, said) = shell(path, &line);
            assert_eq!(code, 0, "{line}: {said}");
            assert!(path.join(product.replace("OUT", &out)).exists(), "{line}: {said}");
            if *way == ">/dev/full" {
                assert_eq!(said.matches("warning  stdout cannot be written").count(), 1, "{line}: {said}");
            }
        }
    }
    // The same files as ever: nothing that was said went into one of them.
    let file = |name: &str| fs::read(path.join(name)).unwrap();
    for (number, way) in ways.iter().enumerate().skip(1) {
        for name in ["model.safetensors", "metrics.csv", "counts.safetensors"] {
            assert_eq!(file(&format!("out-0-{number}/{name}")), file(&format!("out-0-0/{name}")), "{way}");
        }
        assert_eq!(file(&format!("out-6-{number}")), file("out-6-0"));
    }
}

/// A mistake stays a mistake where nobody reads what it is.
#[test]
fn exit_codes_do_not_depend_on_stderr() {
    let folder = trained();
    for way in ["2>&1 | true", "2>&-", "2>/dev/full", ">&- 2>&-"] {
        for (arguments, code) in [
            ("train nofile.csv", 1),
            ("train --lr nonsense", 2),
            ("trian", 2),
            ("", 2),
            ("predict run/model.safetensors nofile.csv", 1),
            ("evaluate run/model.safetensors in.csv --device voodoo", 2),
            ("data fetch mnist --mirror http://127.0.0.1:9/none --data-dir d", 1),
        ] {
            assert_eq!(shell(folder.path(), &format!("asgd {arguments} {way}")).0, code, "{arguments} {way}");
        }
    }
}

/// What prints its product ends when nobody reads on, and that is no failure; a full disk is one.
#[test]
fn printing_ends_quietly_with_its_reader() {
    let folder = trained();
    let path = folder.path();
    // More than a pipe holds.
    let rows: String = (0..30_000).map(|index| format!("{index},1,2\n")).collect();
    fs::write(path.join("long.csv"), rows).unwrap();
    let model = "run/model.safetensors";
    for arguments in [
        &format!("inspect {model} in.csv"),
        &format!("inspect {model} in.csv --json"),
        &format!("evaluate {model} in.csv"),
        &format!("evaluate {model} in.csv --json"),
        &format!("predict {model} in.csv"),
        &format!("predict {model} long.csv -q"),
        "devices",
        "devices --json",
        "--help",
        "train --help",
        "--version",
        "completions bash",
        "completions zsh",
    ] {
        for reader in ["true", "head -1", "head -c 1", "sed 3q"] {
            let (code, said) = shell(path, &format!("asgd {arguments} | {reader}"));
            assert!(code == 0 && !said.contains("error"), "{arguments} | {reader}: {code} {said}");
        }
        let (code, said) = shell(path, &format!("asgd {arguments} > /dev/full"));
        assert_eq!(code, 1, "{arguments}: {said}");
        let errors = said.lines().filter(|line| line.starts_with("error: stdout cannot be written: ")).count();
        assert_eq!(errors, 1, "{arguments}: {said}");
        assert_eq!(shell(path, &format!("asgd {arguments} >&-")).0, 0, "{arguments}");
        assert_eq!(shell(path, &format!("asgd {arguments} > /dev/null 2>&-")).0, 0, "{arguments}");
    }
}

/// A prediction whose input is in the test's hands.
struct Asked {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Asked {
    fn start(folder: &Path, arguments: &str) -> Self {
        let mut child = asgd(folder, arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn write(&mut self, text: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(text).unwrap();
    }

    /// The next line of output; nothing after the last.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }
}

/// Rows are answered while the input stays open, on both engines, however they come.
#[test]
fn predict_answers_when_input_pauses() {
    let folder = trained();
    for device in devices() {
        let mut asked = Asked::start(folder.path(), &format!("predict run/model.safetensors - --device {device}"));
        asked.write(b"1,2,3\n");
        assert_eq!(asked.line(), "class,probability");
        let first = asked.line();
        asked.write(b"1,2");
        std::thread::sleep(Duration::from_millis(50));
        asked.write(b",3\n");
        let start = Instant::now();
        assert_eq!(asked.line(), first, "half a row is no row");
        // One by one, in growing groups, and many at once.
        for count in [1, 2, 5, 40, 1, 700, 3, 6000, 1] {
            asked.write("1,2,3\n".repeat(count).as_bytes());
            for _ in 0..count {
                assert_eq!(asked.line(), first);
            }
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        // Line ends of Windows, and a last line without one.
        asked.write(b"1,2,3\r\n");
        assert_eq!(asked.line(), first);
        asked.write(b"1,2,3");
        drop(asked.child.stdin.take());
        assert_eq!((asked.line(), asked.line()), (first, String::new()));
        assert!(asked.child.wait().unwrap().success());
    }
}

#[test]
fn predict_answers_a_fifo_a_header_and_what_comes_before_a_mistake() {
    let folder = trained();
    let path = folder.path();
    assert!(Command::new("mkfifo").arg(path.join("fifo.csv")).status().unwrap().success());
    let mut asked = Asked::start(path, "predict run/model.safetensors fifo.csv");
    let mut fifo = fs::OpenOptions::new().write(true).open(path.join("fifo.csv")).unwrap();
    // Its titles in another order, and the label among them.
    fifo.write_all(b"kind,c,b,a\nred,3,2,1\n").unwrap();
    assert_eq!(asked.line(), "class,probability");
    let first = asked.line();
    assert!(first.contains(','), "{first}");
    fifo.write_all(b"red,3,2,1\nred,3,2,1\n").unwrap();
    assert_eq!((asked.line(), asked.line()), (first.clone(), first.clone()));
    fifo.write_all(b"red,3,2,1\nred,3,oops,1\nred,3,2,1\n").unwrap();
    assert_eq!((asked.line(), asked.line()), (first.clone(), String::new()));
    assert_eq!(asked.child.wait().unwrap().code(), Some(1));

    // Other mistakes than text.
    for (mistake, words) in [
        ("1,2\n", &["line 3", "2 values"][..]),
        ("1,1e300,3\n", &["line 3", "feature 2", "1e300"]),
        ("\"1,2,3\n", &["quote"]),
    ] {
        fs::write(path.join("wrong.csv"), format!("1,2,3\n1,2,3\n{mistake}1,2,3\n")).unwrap();
        refuses(path, "predict run/model.safetensors wrong.csv", 1, words);
        let output = asgd(path, "predict run/model.safetensors wrong.csv").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("class,probability\n{first}\n{first}\n"));
    }
}

/// Waiting takes no processor time.
#[test]
#[cfg(target_os = "linux")]
fn predict_sleeps_while_it_waits() {
    let folder = trained();
    let mut asked = Asked::start(folder.path(), "predict run/model.safetensors - --device cpu");
    asked.write(b"1,2,3\n");
    asked.line();
    asked.line();
    // utime and stime, in ticks.
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", asked.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_secs(1));
    assert!(ticks() - before <= 10, "{} ticks", ticks() - before);
    asked.child.kill().unwrap();
    asked.child.wait().unwrap();
}

/// It says on stderr what it does on a long file, and nothing if it is to be quiet.
#[test]
fn predict_counts_many_rows() {
    let folder = trained();
    let path = folder.path();
    fs::write(path.join("long.csv"), "1,2,3\n".repeat(250_000)).unwrap();
    let output = run(path, "predict run/model.safetensors long.csv");
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 250_001);
    let said = String::from_utf8(output.stderr).unwrap();
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with("rows ")).collect();
    assert!((2..=4).contains(&rows.len()) && rows[rows.len() - 1] == "rows     250000 answered", "{said}");
    assert!(run(path, "predict run/model.safetensors long.csv --quiet").stderr.is_empty());
    assert!(!String::from_utf8(run(path, "predict run/model.safetensors in.csv").stderr).unwrap().contains("rows "));
}

/// Data sets by their names, as evaluate takes them: the answers score what evaluate says.
#[test]
fn predict_takes_names() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for arguments in ["circles --samples 300 --noise 0.2", "spirals"] {
        let name = arguments.split(' ').next().unwrap();
        run(path, &format!("train {arguments} --epochs 30 --quiet --out {name}"));
        let output = run(path, &format!("predict {name}/model.safetensors {name}"));
        let samples = if name == "circles" { 90 } else { 300 };
        assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), samples + 1);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("{name}: the {samples} samples of its test set")), "{said}");
        let evaluation = run(path, &format!("evaluate {name}/model.safetensors {name} --json")).stdout;
        let evaluation: serde_json::Value = serde_json::from_slice(&evaluation).unwrap();
        let ones = String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.starts_with("1,")).count();
        let confusion = &evaluation["confusion"];
        assert_eq!(ones as u64, confusion[0][1].as_u64().unwrap() + confusion[1][1].as_u64().unwrap());
    }
    let model = "circles/model.safetensors";
    refuses(path, &format!("predict {model} mnist --data-dir ."), 1, &["mnist", "asgd data fetch mnist"]);
    refuses(path, &format!("predict {model} circles --label 1"), 2, &["--label", "is no table"]);
    refuses(path, &format!("predict {model} circels"), 1, &["no such file", "did you mean 'circles'?"]);
    refuses(path, &format!("predict {model} fashionmnist"), 1, &["did you mean 'fashion-mnist'?"]);
}

/// A predictor that is given other samples says what a new one says, whatever their number and type.
#[test]
fn replaced_samples_are_as_good_as_new() {
    let spec = NetworkSpec::new(&[7, 9, 3]).unwrap();
    let model: Model = Init::Pytorch.model(&spec, &[1, 2]).unwrap();
    let samples = |count: usize, bytes: bool| {
        let value = |index: usize| (index * 7919 % 251) as u8;
        let inputs = match bytes {
            true => Inputs::U8((0..count * 7).map(|index| if index % 3 == 0 { value(index) } else { 0 }).collect()),
            false => Inputs::F32((0..count * 7).map(|index| f32::from(value(index + count)) / 100.0 - 1.0).collect()),
        };
        Samples::new(7, inputs, (0..count).map(|index| (index % 3) as u32).collect(), 3).unwrap()
    };
    for device in devices().map(|name| Device::open(Some(&name)).unwrap()) {
        let mut predictor = Predictor::new(&device, &model, &samples(5, false)).unwrap();
        for (count, bytes) in [(3, false), (300, false), (1, false), (450, false), (4, true), (2500, false), (5, false)]
        {
            let samples = samples(count, bytes);
            predictor.replace_samples(&samples).unwrap();
            let mut other = Predictor::new(&device, &model, &samples).unwrap();
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(predictor.logits().unwrap()), bits(other.logits().unwrap()), "{count}");
            assert_eq!(bits(predictor.outputs(0).unwrap()), bits(other.outputs(0).unwrap()), "{count}");
            assert_eq!(predictor.evaluate().unwrap(), other.evaluate().unwrap(), "{count}");
        }
        let narrow = Samples::new(2, Inputs::F32(vec![0.0; 4]), vec![0; 2], 3).unwrap();
        assert!(predictor.replace_samples(&narrow).is_err());
        assert_eq!(predictor.logits().unwrap().len(), 2 * 5 * 3, "it stays as it was");
    }
}

/// A prediction whose reader goes away while it waits for input ends with the next answer.
#[test]
fn predict_ends_with_its_reader() {
    let folder = trained();
    let mut asked = Asked::start(folder.path(), "predict run/model.safetensors -");
    asked.write(b"1,2,3\n");
    asked.line();
    drop(asked.answers);
    // The next answer finds nobody; what it cannot take any more is no failure of its writer's either.
    let mut stdin = asked.child.stdin.take().unwrap();
    let start = Instant::now();
    while asked.child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "it goes on");
        let _ = stdin.write_all(b"1,2,3\n");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(asked.child.wait().unwrap().success());
}
