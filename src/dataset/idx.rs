//! IDX files, the format of MNIST: a magic number with the type of the values, the sizes of the axes (big endian), the
//! values.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use mnist::MnistBuilder;

use super::arrays::{self, ArrayOptions, ArraySet, Values};
use super::kind;
use super::samples::Dataset;
use super::unpack::Expansion;
use crate::error::{Error, Result};
use crate::memory;

/// What a file holds.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Images,
    Labels,
}

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Labels => "labels",
        }
    }

    /// What files with so many axes hold. Several labels of each sample, for a regression, have two.
    fn of(axes: usize) -> Self {
        match axes {
            1 => Self::Labels,
            _ => Self::Images,
        }
    }

    fn fits(self, axes: usize) -> bool {
        Self::of(axes) == self || (self, axes) == (Self::Labels, 2)
    }
}

/// A file whose header is sound, and whose length is as far as it can be known.
struct IdxFile {
    source: PathBuf,
    content: Content,
    is_packed: bool,
    /// Type of the values, as the magic number has it.
    number: u8,
    /// The first counts the samples.
    sizes: Vec<usize>,
    /// Bytes of the values.
    bytes: u128,
    /// Bytes of the header, and of a file that is not packed.
    header_bytes: u128,
    length: Option<u128>,
    /// What follows the header.
    rest: Box<dyn Read>,
}

impl IdxFile {
    fn features(&self) -> usize {
        self.sizes[1..].iter().fold(1, |product: usize, &size| product.saturating_mul(size))
    }
}

/// Reads train and test images and labels.
pub(super) fn read_folder(
    folder: &Path,
    options: ArrayOptions<'_>,
    keeps_numbers: bool,
) -> Result<(Dataset, Vec<String>)> {
    let open = |stem: &str, content| open(&find(folder, stem, content)?, content, options.expansion);
    let pair = |split: &str| -> Result<(IdxFile, IdxFile)> {
        let images = open(&format!("{split}-images"), Content::Images)?;
        let labels = open(&format!("{split}-labels"), Content::Labels)?;
        if images.sizes[0] != labels.sizes[0] {
            let problem = format!(
                "{} labels for the {} images of {}; the two files do not belong together",
                labels.sizes[0],
                images.sizes[0],
                images.source.display()
            );
            return Err(Error::data(&labels.source, problem));
        }
        Ok((images, labels))
    };
    let (train, test) = (pair("train")?, pair("t10k")?);
    if train.0.features() != test.0.features() {
        let problem = format!(
            "images of {} pixels, but those of {} have {}",
            test.0.features(),
            train.0.source.display(),
            train.0.features()
        );
        return Err(Error::data(&test.0.source, problem));
    }
    let mut notes = Vec::new();
    let sets = match of_mnist_crate(&train, &test) {
        Some(sets) => sets,
        None => [set(train, &mut notes)?, set(test, &mut notes)?],
    };
    let name = folder.file_name().map_or_else(|| "idx".into(), |name| name.to_string_lossy().into_owned());
    let (dataset, more) = arrays::dataset(folder, name, sets, options, keeps_numbers)?;
    notes.extend(more);
    Ok((dataset, notes))
}

/// The values of both files of a set, read here.
fn set((images, labels): (IdxFile, IdxFile), notes: &mut Vec<String>) -> Result<ArraySet> {
    let (names, features) = ([file_name(&images.source), file_name(&labels.source)], images.features());
    let labels_of_each = labels.features();
    let (inputs, labels) = (values(images, notes)?, values(labels, notes)?);
    let labels = match labels {
        Values::Bytes(values) => values.into_iter().map(f64::from).collect(),
        Values::Numbers(values) => values,
    };
    Ok(ArraySet { names, inputs, labels, labels_of_each, features })
}

/// What the mnist crate reads: plain files of MNIST's own size. It panics on files that are not sound, so none of them gets
/// there.
fn of_mnist_crate(train: &(IdxFile, IdxFile), test: &(IdxFile, IdxFile)) -> Option<[ArraySet; 2]> {
    let is_mnist = |file: &IdxFile, sizes: &[usize]| {
        let length = file.bytes + file.header_bytes;
        file.number == 8 && file.sizes == sizes && !file.is_packed && file.length == Some(length)
    };
    let pair =
        |(images, labels): &(IdxFile, IdxFile), count| is_mnist(images, &[count, 28, 28]) && is_mnist(labels, &[count]);
    if !pair(train, 60_000) || !pair(test, 10_000) {
        return None;
    }
    let set = MnistBuilder::new()
        .base_path("")
        .training_images_filename(train.0.source.to_str()?)
        .training_labels_filename(train.1.source.to_str()?)
        .test_images_filename(test.0.source.to_str()?)
        .test_labels_filename(test.1.source.to_str()?)
        .training_set_length(60_000)
        .validation_set_length(0)
        .test_set_length(10_000)
        .finalize();
    let array_set = |(images, labels): &(IdxFile, IdxFile), pixels, values: Vec<u8>| ArraySet {
        names: [file_name(&images.source), file_name(&labels.source)],
        inputs: Values::Bytes(pixels),
        labels: values.into_iter().map(f64::from).collect(),
        labels_of_each: 1,
        features: 784,
    };
    Some([array_set(train, set.trn_img, set.trn_lbl), array_set(test, set.tst_img, set.tst_lbl)])
}

/// Images alone, to be classified: an IDX file, or the test images of a folder. Gives their features as well.
pub(super) fn read_inputs(path: &Path, expansion: Expansion) -> Result<(usize, Values)> {
    let path = if path.is_dir() { find(path, "t10k-images", Content::Images)? } else { path.to_path_buf() };
    let file = open(&path, Content::Images, expansion)?;
    Ok((file.features(), values(file, &mut Vec::new())?))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The file that begins with `stem`, plain or .gz, under the names that are in use.
fn find(folder: &Path, stem: &str, content: Content) -> Result<PathBuf> {
    let axes: &[usize] = match content {
        Content::Images => &[3, 2, 4],
        Content::Labels => &[1, 2],
    };
    for axes in axes {
        for name in [format!("{stem}-idx{axes}-ubyte"), format!("{stem}.idx{axes}-ubyte")] {
            for ending in ["", ".gz"] {
                let path = folder.join(format!("{name}{ending}"));
                if path.is_file() {
                    return Ok(path);
                }
            }
        }
    }
    Err(Error::data(folder, format!("holds no {stem}-idx{0}-ubyte or {stem}-idx{0}-ubyte.gz", axes[0])))
}

fn unreadable(source: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Error::data(source, error.to_string()),
        io::ErrorKind::UnexpectedEof => Error::data(source, "cut off; fetch it again"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            Error::data(source, format!("damaged ({error}); fetch it again"))
        }
        _ => Error::io(source, "read", error),
    }
}

/// Unpacks what is packed, whatever its name, and checks header and length.
fn open(source: &Path, content: Content, expansion: Expansion) -> Result<IdxFile> {
    let refuse = |problem: String| Error::data(source, problem);
    let unreadable = |error: io::Error| unreadable(source, &error);
    let mut start = [0; 2];
    let mut file = File::open(source).map_err(unreadable)?;
    let is_packed = file.read_exact(&mut start).is_ok() && kind::is_gzip(&start);
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(refuse("is empty: 0 bytes; fetch it again".into()));
    }
    let file = BufReader::new(File::open(source).map_err(unreadable)?);
    let mut file: Box<dyn Read> = if is_packed { Box::new(expansion.gunzip(file)) } else { Box::new(file) };

    let mut word = || -> Result<[u8; 4]> {
        let mut word = [0; 4];
        file.read_exact(&mut word).map_err(unreadable)?;
        Ok(word)
    };
    let [zero, also_zero, number, axes] = word()?;
    let size = match number {
        8 | 9 => 1,
        11 => 2,
        12 | 13 => 4,
        14 => 8,
        _ => 0,
    };
    let is_idx = zero == 0 && also_zero == 0 && size > 0 && axes > 0;
    if !is_idx || !content.fits(axes.into()) {
        let found = if is_idx {
            format!("it holds {}", Content::of(axes.into()).name())
        } else if source.extension().is_some_and(|extension| extension == "gz") && !is_packed {
            "it is not packed either, but damaged; fetch it again".into()
        } else {
            format!("its magic number is {:#06x}", u32::from_be_bytes([zero, also_zero, number, axes]))
        };
        return Err(refuse(format!("not an IDX file of {}: {found}", content.name())));
    }
    let sizes = (0..axes).map(|_| word().map(|word| u32::from_be_bytes(word) as usize)).collect::<Result<Vec<_>>>()?;
    if sizes[0] == 0 {
        return Err(refuse(format!("is empty: it holds no {}", content.name())));
    }
    if sizes.contains(&0) {
        return Err(refuse(format!("is empty: its {} images have no pixels", sizes[0])));
    }
    let count = sizes.iter().try_fold(1u128, |count, &size| count.checked_mul(size as u128)).unwrap_or(u128::MAX);
    let (bytes, header_bytes) = (count.saturating_mul(size), 4 + 4 * u128::from(axes));
    let length = match is_packed {
        true => None,
        false => Some(u128::from(std::fs::metadata(source).map_err(unreadable)?.len())),
    };
    let file = IdxFile {
        source: source.to_path_buf(),
        content,
        is_packed,
        number,
        sizes,
        bytes,
        header_bytes,
        length,
        rest: file,
    };
    match length {
        Some(length) if length < bytes.saturating_add(header_bytes) => Err(cut_off(&file, length)),
        _ => Ok(file),
    }
}

fn cut_off(file: &IdxFile, length: u128) -> Error {
    let announced = file.bytes.saturating_add(file.header_bytes);
    let problem =
        format!("{length} bytes, but its header announces {announced}; it is cut off or damaged, fetch it again");
    Error::data(&file.source, problem)
}

/// The values of a file. Bytes after them are left out, saying so.
fn values(mut file: IdxFile, notes: &mut Vec<String>) -> Result<Values> {
    let what = format!("the {} of {}", file.content.name(), file.source.display());
    memory::require(&what, file.bytes.saturating_mul(3), "use fewer of them")?;
    let mut data = Vec::new();
    let wanted = u64::try_from(file.bytes).unwrap_or(u64::MAX);
    let read = (&mut file.rest).take(wanted).read_to_end(&mut data);
    read.map_err(|error| unreadable(&file.source, &error))?;
    if (data.len() as u128) < file.bytes {
        return Err(cut_off(&file, data.len() as u128 + file.header_bytes));
    }
    // To the end: a checksum of what is packed is behind it.
    let padding = match io::copy(&mut file.rest, &mut io::sink()) {
        Ok(padding) => padding,
        // Zeros behind a packed file, as tapes leave them.
        Err(error) if file.is_packed && error.to_string().contains("gzip header") => 0,
        Err(error) => return Err(unreadable(&file.source, &error)),
    };
    if padding > 0 {
        notes.push(format!("{}: {padding} bytes after the end are left out", file_name(&file.source)));
    }
    Ok(decode(file.number, data))
}

/// Values of the type that the magic number says, big endian.
fn decode(number: u8, data: Vec<u8>) -> Values {
    macro_rules! numbers {
        ($number:ty) => {
            data.chunks_exact(size_of::<$number>())
                .map(|bytes| f64::from(<$number>::from_be_bytes(bytes.try_into().unwrap_or_default())))
                .collect()
        };
    }
    match number {
        8 => Values::Bytes(data),
        9 => Values::Numbers(data.iter().map(|&byte| f64::from(byte as i8)).collect()),
        11 => Values::Numbers(numbers!(i16)),
        12 => Values::Numbers(numbers!(i32)),
        13 => Values::Numbers(numbers!(f32)),
        _ => Values::Numbers(numbers!(f64)),
    }
}
