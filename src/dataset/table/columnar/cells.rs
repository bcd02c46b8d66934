//! The values of columns, written as the cells of a text.

use std::fmt::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_schema::DataType;

/// What a type holds that is neither numbers nor text, in the plural.
pub fn problem(of: &DataType) -> Option<String> {
    let what = match of {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => return None,
        DataType::Dictionary(_, values) => return problem(values),
        DataType::Date32 | DataType::Date64 => "dates",
        DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..) => "times",
        DataType::Duration(_) | DataType::Interval(_) => "spans of time",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytes",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "lists",
        DataType::Struct(_) => "structs",
        DataType::Map(..) => "maps",
        other => return Some(format!("values of type {other}")),
    };
    Some(what.to_string())
}

/// Adds the value of one row to `text`: nothing where there is none. Numbers keep all their digits.
pub fn write(array: &dyn Array, row: usize, text: &mut String) {
    if array.is_null(row) {
        return;
    }
    macro_rules! number {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    let written = match array.data_type() {
        // As pandas writes it.
        DataType::Boolean => text.write_str(if array.as_boolean().value(row) { "True" } else { "False" }),
        DataType::Int8 => write!(text, "{}", number!(Int8Type)),
        DataType::Int16 => write!(text, "{}", number!(Int16Type)),
        DataType::Int32 => write!(text, "{}", number!(Int32Type)),
        DataType::Int64 => write!(text, "{}", number!(Int64Type)),
        DataType::UInt8 => write!(text, "{}", number!(UInt8Type)),
        DataType::UInt16 => write!(text, "{}", number!(UInt16Type)),
        DataType::UInt32 => write!(text, "{}", number!(UInt32Type)),
        DataType::UInt64 => write!(text, "{}", number!(UInt64Type)),
        DataType::Float16 => write!(text, "{:?}", number!(Float16Type).to_f64()),
        DataType::Float32 => write!(text, "{:?}", f64::from(number!(Float32Type))),
        DataType::Float64 => write!(text, "{:?}", number!(Float64Type)),
        DataType::Decimal32(..) => text.write_str(&array.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(..) => text.write_str(&array.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(..) => text.write_str(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => text.write_str(&array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => text.write_str(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text.write_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => text.write_str(array.as_string_view().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            if let Some(key) = key(dictionary.keys(), row) {
                write(dictionary.values().as_ref(), key, text);
            }
            Ok(())
        }
        // The type of nothing but missing values; others are not read.
        _ => Ok(()),
    };
    debug_assert!(written.is_ok(), "memory takes any text");
}

/// The key of a row, which is a whole number of any type.
fn key(keys: &dyn Array, row: usize) -> Option<usize> {
    macro_rules! key {
        ($type:ty) => {
            usize::try_from(keys.as_primitive::<$type>().value(row)).ok()
        };
    }
    match keys.data_type() {
        DataType::Int8 => key!(Int8Type),
        DataType::Int16 => key!(Int16Type),
        DataType::Int32 => key!(Int32Type),
        DataType::Int64 => key!(Int64Type),
        DataType::UInt8 => key!(UInt8Type),
        DataType::UInt16 => key!(UInt16Type),
        DataType::UInt32 => key!(UInt32Type),
        DataType::UInt64 => key!(UInt64Type),
        _ => None,
    }
}
