//! IDX files, the format of MNIST: a magic number, the sizes of the axes (big endian), one byte a value.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use mnist::MnistBuilder;

use super::samples::{Dataset, Inputs, Samples};
use crate::error::{Error, Result};

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// What a file of one kind is called and how it begins.
struct Kind {
    magic: u32,
    /// Axes after the first, which counts the samples.
    axes: usize,
    content: &'static str,
}

const IMAGES: Kind = Kind { magic: IMAGES_MAGIC, axes: 2, content: "images" };
const LABELS: Kind = Kind { magic: LABELS_MAGIC, axes: 0, content: "labels" };

/// A file whose header and length are sound, unpacked.
struct IdxFile {
    /// As the user knows it.
    source: PathBuf,
    /// Unpacked: the source itself, or a copy in the temporary folder.
    plain: PathBuf,
    count: usize,
    /// Values of a sample.
    features: usize,
    header_bytes: usize,
}

/// Reads train and test images and labels; labels must be below `classes`.
pub(super) fn read_folder(folder: &Path, classes: usize) -> Result<Dataset> {
    let unpacked = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "write", error))?;
    let open = |stem: &str, kind: &Kind| open(&find(folder, stem, kind)?, kind, unpacked.path());
    let files = [
        open("train-images", &IMAGES)?,
        open("train-labels", &LABELS)?,
        open("t10k-images", &IMAGES)?,
        open("t10k-labels", &LABELS)?,
    ];
    let [train_images, train_labels, test_images, test_labels] = &files;
    for (images, labels) in [(train_images, train_labels), (test_images, test_labels)] {
        if images.count != labels.count {
            let problem = format!(
                "{} labels for the {} images of {}; the two files do not belong together",
                labels.count,
                images.count,
                images.source.display()
            );
            return Err(Error::data(&labels.source, problem));
        }
    }
    if train_images.features != test_images.features {
        let problem = format!(
            "images of {} pixels, but those of {} have {}",
            test_images.features,
            train_images.source.display(),
            train_images.features
        );
        return Err(Error::data(&test_images.source, problem));
    }

    let [train_images_bytes, train_labels_bytes, test_images_bytes, test_labels_bytes] = payloads(&files)?;
    let samples = |images: &IdxFile, pixels: Vec<u8>, labels: &IdxFile, values: Vec<u8>| {
        if let Some(index) = values.iter().position(|&label| usize::from(label) >= classes) {
            let problem = format!("label {} at index {index}; labels must be 0 to {}", values[index], classes - 1);
            return Err(Error::data(&labels.source, problem));
        }
        Samples::new(images.features, Inputs::U8(pixels), values.into_iter().map(u32::from).collect(), classes)
    };
    Ok(Dataset {
        name: folder.file_name().map_or_else(|| "idx".into(), |name| name.to_string_lossy().into_owned()),
        classes,
        class_names: Vec::new(),
        train: samples(train_images, train_images_bytes, train_labels, train_labels_bytes)?,
        test: samples(test_images, test_images_bytes, test_labels, test_labels_bytes)?,
    })
}

/// The file that begins with `stem`, plain or .gz, under the names that are in use.
fn find(folder: &Path, stem: &str, kind: &Kind) -> Result<PathBuf> {
    let suffix = format!("idx{}-ubyte", kind.axes + 1);
    for name in [format!("{stem}-{suffix}"), format!("{stem}.{suffix}")] {
        for ending in ["", ".gz"] {
            let path = folder.join(format!("{name}{ending}"));
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    Err(Error::data(folder, format!("holds no {stem}-{suffix} or {stem}-{suffix}.gz")))
}

/// Unpacks a .gz into the temporary folder, and checks header and length. The mnist crate panics on files
/// that are not sound, so none of them gets past here.
fn open(source: &Path, kind: &Kind, temporary: &Path) -> Result<IdxFile> {
    let refuse = |problem: String| Error::data(source, problem);
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => refuse("cut off; fetch it again".into()),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            refuse(format!("damaged ({error}); fetch it again"))
        }
        _ => Error::io(source, "read", error),
    };
    let file = File::open(source).map_err(unreadable)?;
    let packed = source.extension().is_some_and(|extension| extension == "gz");
    let plain = if packed {
        let plain = temporary.join(source.file_stem().unwrap_or_default());
        let mut output = File::create(&plain).map(BufWriter::new).map_err(|error| Error::io(&plain, "write", error))?;
        io::copy(&mut MultiGzDecoder::new(BufReader::new(file)), &mut output).map_err(unreadable)?;
        output.flush().map_err(|error| Error::io(&plain, "write", error))?;
        plain
    } else {
        source.to_path_buf()
    };

    let mut file = File::open(&plain).map_err(unreadable)?;
    let header_bytes = 4 * (2 + kind.axes);
    let mut header = vec![0; header_bytes];
    file.read_exact(&mut header).map_err(unreadable)?;
    let words: Vec<u32> =
        header.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect();
    if words[0] != kind.magic {
        let found = match words[0] {
            IMAGES_MAGIC => "it holds images".to_string(),
            LABELS_MAGIC => "it holds labels".to_string(),
            magic => format!("its magic number is {magic:#06x}, not {:#06x}", kind.magic),
        };
        return Err(refuse(format!("not an IDX file of {}: {found}", kind.content)));
    }
    let count = words[1] as usize;
    let features = words[2..].iter().map(|&size| size as usize).product::<usize>();
    let expected = (count as u64).saturating_mul(features as u64).saturating_add(header_bytes as u64);
    let length = file.metadata().map_err(unreadable)?.len();
    if length != expected || count == 0 || features == 0 {
        let problem =
            format!("{length} bytes, but its header announces {expected}; it is cut off or damaged, fetch it again");
        return Err(refuse(problem));
    }
    Ok(IdxFile { source: source.to_path_buf(), plain, count, features, header_bytes })
}

/// The values of the four files. The mnist crate knows sets of MNIST's own size; others are read here.
fn payloads(files: &[IdxFile; 4]) -> Result<[Vec<u8>; 4]> {
    let has_mnist_size = files[0].count == 60_000 && files[2].count == 10_000 && {
        // 28 x 28, which the crate insists on: 784 pixels might also be 16 x 49.
        let sides = |file: &IdxFile| -> Result<Vec<u8>> { read(file, 8, 8) };
        let expected = [28u32.to_be_bytes(), 28u32.to_be_bytes()].concat();
        sides(&files[0])? == expected && sides(&files[2])? == expected
    };
    let paths = files.each_ref().map(|file| file.plain.to_str());
    if let (true, [Some(train_images), Some(train_labels), Some(test_images), Some(test_labels)]) =
        (has_mnist_size, paths)
    {
        let set = MnistBuilder::new()
            .base_path("")
            .training_images_filename(train_images)
            .training_labels_filename(train_labels)
            .test_images_filename(test_images)
            .test_labels_filename(test_labels)
            .training_set_length(60_000)
            .validation_set_length(0)
            .test_set_length(10_000)
            .finalize();
        return Ok([set.trn_img, set.trn_lbl, set.tst_img, set.tst_lbl]);
    }
    let payload = |file: &IdxFile| read(file, file.header_bytes, file.count * file.features);
    Ok([payload(&files[0])?, payload(&files[1])?, payload(&files[2])?, payload(&files[3])?])
}

/// `count` bytes from `start`.
fn read(file: &IdxFile, start: usize, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(start + count);
    File::open(&file.plain)
        .and_then(|source| source.take((start + count) as u64).read_to_end(&mut bytes))
        .map_err(|error| Error::io(&file.source, "read", error))?;
    bytes.drain(..start);
    Ok(bytes)
}
