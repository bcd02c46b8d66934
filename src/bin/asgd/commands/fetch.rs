//! `asgd data fetch`

use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use asgd::dataset::Expansion;
use asgd::digest::hexadecimal;
use asgd::files::write_atomically;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use md5::{Digest, Md5};

use crate::console::{Reporter, announce};
use crate::data_source::data_root;
use crate::values::seconds;

/// Data sets that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fetchable {
    Mnist,
    FashionMnist,
    Kmnist,
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Which data set.
    #[arg(value_enum)]
    pub dataset: Fetchable,
    /// Take the files from this folder of the web, instead of the known mirrors.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Folder that holds data sets; the files go to a folder of the set's name in it.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Give up on a server that sends nothing for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// MD5 of a file as published, or of what is in it, where mirrors pack the same content differently.
enum Checksum {
    Packed(&'static str),
    Unpacked(&'static str),
}

/// Where a data set is in the web, and what its files must be.
struct Source {
    name: &'static str,
    mirrors: [&'static str; 2],
    checksums: [Checksum; 4],
}

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

const MNIST: Source = Source {
    name: "mnist",
    mirrors: ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"],
    checksums: [
        Checksum::Unpacked("6bbc9ace898e44ae57da46a324031adb"),
        Checksum::Unpacked("a25bea736e30d166cdddb491f175f624"),
        Checksum::Unpacked("2646ac647ad5339dbf082846283269ea"),
        Checksum::Unpacked("27ae3e4e09519cfbb04c329615203637"),
    ],
};

const FASHION_MNIST: Source = Source {
    name: "fashion-mnist",
    mirrors: [
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ],
    checksums: [
        Checksum::Packed("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Checksum::Packed("25c81989df183df01b3e8a0aad5dffbe"),
        Checksum::Packed("bef4ecab320f06d8554ea6380940ec79"),
        Checksum::Packed("bb300cfdad3c16e7a12a480ee83cd310"),
    ],
};

const KMNIST: Source = Source {
    name: "kmnist",
    mirrors: ["https://codh.rois.ac.jp/kmnist/dataset/kmnist", "http://codh.rois.ac.jp/kmnist/dataset/kmnist"],
    checksums: [
        Checksum::Packed("bdb82020997e1d708af4cf47b453dcf7"),
        Checksum::Packed("e144d726b3acfaa3e44228e80efcd344"),
        Checksum::Packed("5c965bf0a639b31b8f53240b1b52f4d7"),
        Checksum::Packed("7320c461ea6c1c855c0b718fb2a4b134"),
    ],
};

impl Checksum {
    /// Whether a file, packed, is the right one.
    fn matches(&self, packed: &[u8]) -> bool {
        let (expected, actual) = match self {
            Self::Packed(expected) => (expected, Md5::digest(packed)),
            Self::Unpacked(expected) => {
                let mut contents = Vec::new();
                if Expansion::default().gunzip(packed).read_to_end(&mut contents).is_err() {
                    return false;
                }
                (expected, Md5::digest(&contents))
            }
        };
        hexadecimal(&actual) == *expected
    }
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Download a data set, once.
    #[command(after_help = "\
Examples:
  asgd data fetch mnist
  asgd data fetch fashion-mnist --data-dir ~/data
  asgd data fetch kmnist --mirror https://example.org/kmnist")]
    Fetch(FetchArgs),
}

pub fn run(args: &FetchArgs) -> Result<()> {
    let source = match args.dataset {
        Fetchable::Mnist => MNIST,
        Fetchable::FashionMnist => FASHION_MNIST,
        Fetchable::Kmnist => KMNIST,
    };
    let mirrors: Vec<&str> = args.mirror.as_deref().map_or(source.mirrors.to_vec(), |mirror| vec![mirror]);
    let folder = data_root(args.data_dir.as_deref())?.join(source.name);
    std::fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let report = Reporter { quiet: args.quiet };
    for (file, checksum) in FILES.into_iter().zip(&source.checksums) {
        let path = folder.join(file);
        if std::fs::read(&path).is_ok_and(|bytes| checksum.matches(&bytes)) {
            report.line(&format!("{}: is there already", path.display()));
            continue;
        }
        let mut problems = Vec::new();
        let mut is_there = false;
        for mirror in &mirrors {
            let url = format!("{}/{file}", mirror.trim_end_matches('/'));
            match download(&url, args.timeout, &report).and_then(|bytes| check(bytes, checksum)) {
                Ok(bytes) => {
                    write_atomically(&path, &bytes)?;
                    report.line(&format!("{}: {} bytes from {url}", path.display(), bytes.len()));
                    is_there = true;
                    break;
                }
                Err(error) => problems.push(format!("{url}: {error:#}")),
            }
        }
        if !is_there {
            bail!("{}; try again later, or name another folder of the web with --mirror", problems.join("; "));
        }
    }
    if !args.quiet {
        announce(&folder.display().to_string());
    }
    Ok(())
}

/// What came must be what was published.
fn check(bytes: Vec<u8>, checksum: &Checksum) -> Result<Vec<u8>> {
    if checksum.matches(&bytes) {
        return Ok(bytes);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let start: String =
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).split_whitespace().collect::<Vec<_>>().join(" ");
        bail!("sent no .gz file but something that begins with '{start}'");
    }
    bail!("sent a file with a wrong checksum")
}

/// The body behind a URL; a server that sends nothing for `timeout` is given up.
fn download(url: &str, timeout: Duration, report: &Reporter) -> Result<Vec<u8>> {
    let config = ureq::Agent::config_builder()
        .timeout_resolve(Some(timeout))
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .user_agent(concat!("asgd/", env!("CARGO_PKG_VERSION")))
        .build();
    let response = ureq::Agent::new_with_config(config).get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(404) => anyhow!("has no such file (status 404)"),
        ureq::Error::StatusCode(status) => anyhow!("answered with status {status}"),
        ureq::Error::Timeout(_) => anyhow!("did not answer within {} s", timeout.as_secs_f64()),
        ureq::Error::HostNotFound => anyhow!("no such host, or no network"),
        error => anyhow!("cannot be reached ({error})"),
    })?;
    let announced = response.body().content_length();
    let progress = report.download(announced);
    let bytes = receive(response.into_body().into_reader(), timeout, &progress);
    progress.finish_and_clear();
    let bytes = bytes?;
    match announced {
        Some(announced) if bytes.len() as u64 != announced => {
            bail!("cut off after {} of {announced} bytes", bytes.len())
        }
        _ => Ok(bytes),
    }
}

/// Reads in a thread of its own, because a read that waits cannot be given up.
fn receive(mut reader: impl Read + Send + 'static, timeout: Duration, progress: &ProgressBar) -> Result<Vec<u8>> {
    /// No file of these sets is a tenth of it.
    const MOST: usize = 256 << 20;
    let (sender, receiver) = sync_channel(16);
    std::thread::spawn(move || {
        loop {
            let mut part = vec![0; 1 << 16];
            let read = reader.read(&mut part).map(|count| {
                part.truncate(count);
                part
            });
            let is_end = !matches!(&read, Ok(part) if !part.is_empty());
            // Nobody waits any more: then nothing is left to do.
            if sender.send(read).is_err() || is_end {
                return;
            }
        }
    });
    let mut bytes = Vec::new();
    loop {
        match receiver.recv_timeout(timeout) {
            Ok(Ok(part)) if part.is_empty() => return Ok(bytes),
            Ok(Ok(part)) => bytes.extend(part),
            Ok(Err(error)) => bail!("cut off after {} bytes ({error})", bytes.len()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("sent nothing for {} s after {} bytes", timeout.as_secs_f64(), bytes.len())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("cut off after {} bytes", bytes.len()),
        }
        if bytes.len() > MOST {
            bail!("sent more than {MOST} bytes");
        }
        progress.set_position(bytes.len() as u64);
    }
}
