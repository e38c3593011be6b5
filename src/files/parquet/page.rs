//! Checks pages before they are decoded.
//!
//! The decoding crate trusts some of what a page says, and panics if it is wrong. These are the cases that damaged
//! files have shown.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::error::lacks_feature;

/// What is put after the last text of a page: read as the length of one more text, it is more than any page has.
/// Without it, a page with fewer texts than it claims is read beyond its end.
const NO_LENGTH: [u8; 4] = [0x7f; 4];

/// The most values of a block of differences. Writers make blocks of 128 or 256.
const BLOCK: u64 = 1 << 16;

/// The pages of a column that can be decoded, and an error in place of the first one that cannot.
pub(super) struct Pages {
    pages: Box<dyn PageReader>,
    kind: Physical,
    optional: bool,
    has_dictionary: bool,
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ParquetError::General(what.into()))
}

/// Checks whether a column can be where the file says it is.
pub(super) fn check_place(column: &ColumnChunkMetaData) -> Result<()> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    if start < 0 || column.compressed_size() < 0 {
        return wrong(format!("the column {} begins before the file", column.column_path()));
    }
    Ok(())
}

/// Checks whether the codec of a column is built.
pub(super) fn check_codec(column: &ColumnChunkMetaData) -> std::io::Result<()> {
    match column.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY => Ok(()),
        Compression::ZSTD(_) if cfg!(feature = "zstd") => Ok(()),
        Compression::ZSTD(_) => Err(lacks_feature("a Parquet file compressed by zstd", "zstd")),
        other => {
            let text =
                format!("its pages are compressed by {other}: write them with zstd or Snappy");
            Err(std::io::Error::new(std::io::ErrorKind::Unsupported, text))
        }
    }
}

impl Pages {
    pub(super) fn new(pages: Box<dyn PageReader>, kind: Physical, optional: bool) -> Self {
        Self { pages, kind, optional, has_dictionary: false }
    }

    /// Checks whether values of this column are read in this encoding.
    fn check_encoding(&self, encoding: Encoding) -> Result<()> {
        match (encoding, self.kind) {
            (Encoding::PLAIN, _)
            | (Encoding::RLE, Physical::BOOLEAN)
            | (Encoding::DELTA_BINARY_PACKED, Physical::INT32 | Physical::INT64) => Ok(()),
            (Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, _) if self.has_dictionary => {
                Ok(())
            }
            (Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, _) => {
                wrong("values of a dictionary that is not there")
            }
            _ => wrong(format!("values of the encoding {encoding}, which is not read here")),
        }
    }

    /// Where the values of a page begin, after the levels.
    fn behind_levels(&self, buf: &Bytes) -> Result<usize> {
        if !self.optional {
            return Ok(0);
        }
        let length = buf.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
        let end = length.and_then(|length| length.checked_add(4)).filter(|end| *end <= buf.len());
        let Some(end) = end else { return wrong("levels that are longer than their page") };
        check_runs(buf.get(4..end).unwrap_or_default(), 1)?;
        Ok(end)
    }

    /// Makes a page such that its values, from `values` on, can be decoded.
    fn prepare(&self, buf: &mut Bytes, values: usize, encoding: &mut Encoding) -> Result<()> {
        self.check_encoding(*encoding)?;
        let data = buf.get(values..).unwrap_or_default();
        match (*encoding, self.kind) {
            (Encoding::PLAIN, Physical::BYTE_ARRAY) => *buf = ended(buf),
            (Encoding::DELTA_BINARY_PACKED, _) => match differences(data) {
                None => return wrong("differences that make no sense"),
                // The decoder would take the first value even where there is none at all.
                Some(0) => {
                    *buf = buf.slice(..values.min(buf.len()));
                    *encoding = Encoding::PLAIN;
                }
                Some(_) => {}
            },
            (Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, _) => {
                let (width, indexes) = data.split_at_checked(1).unwrap_or_default();
                check_runs(indexes, width.first().copied().unwrap_or_default())?;
            }
            (Encoding::RLE, _) => check_runs(data.get(4..).unwrap_or_default(), 1)?,
            _ => {}
        }
        Ok(())
    }

    fn check_dictionary(&mut self, values: u32, buf: &Bytes) -> Result<()> {
        let least = match self.kind {
            Physical::INT32 | Physical::BYTE_ARRAY => 4,
            Physical::INT64 => 8,
            _ => return wrong("a dictionary of something that has none"),
        };
        if values as usize > buf.len() / least {
            return wrong(format!("a dictionary of {values} values in {} bytes", buf.len()));
        }
        self.has_dictionary = true;
        Ok(())
    }

    fn checked(&mut self, mut page: Page) -> Result<Page> {
        match &mut page {
            Page::DictionaryPage { buf, num_values, .. } => {
                self.check_dictionary(*num_values, buf)?;
                if self.kind == Physical::BYTE_ARRAY {
                    *buf = ended(buf);
                }
            }
            Page::DataPage { buf, encoding, def_level_encoding, .. } => {
                if self.optional && *def_level_encoding != Encoding::RLE {
                    return wrong(format!("levels of the encoding {def_level_encoding}"));
                }
                let values = self.behind_levels(buf)?;
                self.prepare(buf, values, encoding)?;
            }
            Page::DataPageV2 {
                buf, encoding, def_levels_byte_len, rep_levels_byte_len, ..
            } => {
                let values = def_levels_byte_len.checked_add(*rep_levels_byte_len);
                let values = values.map(|values| values as usize);
                let levels =
                    values.and_then(|values| buf.get(*rep_levels_byte_len as usize..values));
                let (Some(values), Some(levels)) = (values, levels) else {
                    return wrong("levels that are longer than their page");
                };
                check_runs(levels, 1)?;
                self.prepare(buf, values, encoding)?;
            }
        }
        Ok(page)
    }
}

/// The texts, and after them the length that ends them.
fn ended(buf: &Bytes) -> Bytes {
    [&buf[..], &NO_LENGTH].concat().into()
}

/// Checks whether the heads of runs end, of numbers of so many bits.
fn check_runs(mut rest: &[u8], width: u8) -> Result<()> {
    while !rest.is_empty() {
        let Some(head) = varint(&mut rest) else { return wrong("runs that make no sense") };
        let bytes = match head & 1 {
            0 => u64::from(width).div_ceil(8),
            _ => (head >> 1).saturating_mul(width.into()),
        };
        rest = usize::try_from(bytes).ok().and_then(|bytes| rest.get(bytes..)).unwrap_or_default();
    }
    Ok(())
}

/// How many values blocks of differences have; `None` where a number in them does not end, or a block is too long.
/// Where blocks are cut, the decoder says so.
fn differences(mut rest: &[u8]) -> Option<u64> {
    let (block, minis) = (varint(&mut rest)?, varint(&mut rest)?);
    let (count, _first) = (varint(&mut rest)?, varint(&mut rest)?);
    if block > BLOCK || minis == 0 || block < minis {
        return None;
    }
    let (each, mut left) = (block / minis, count.saturating_sub(1));
    while left > 0 && !rest.is_empty() {
        varint(&mut rest)?;
        let Some((widths, data)) = rest.split_at_checked(minis as usize) else { break };
        // Widths of parts without a value do not count.
        let meant = left.div_ceil(each).min(minis) as usize;
        let bits: u64 = widths.iter().take(meant).map(|width| u64::from(*width) * each).sum();
        rest = data.get((bits / 8) as usize..).unwrap_or_default();
        left = left.saturating_sub(block);
    }
    Some(count)
}

/// A number of variable length (LEB128); `None` where it does not end in time.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.checked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::ZstdLevel;
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};

    use super::*;

    fn compressed_by(codec: Compression) -> ColumnChunkMetaData {
        let kind = Type::primitive_type_builder("mark", Physical::INT32).build().expect("a type");
        let path = ColumnPath::new(vec!["mark".to_owned()]);
        let column = ColumnDescriptor::new(Arc::new(kind), 0, 0, path);
        let chunk = ColumnChunkMetaData::builder(Arc::new(column)).set_compression(codec);
        chunk.build().expect("a column")
    }

    #[test]
    fn a_codec_that_is_not_built_is_told_with_its_feature() {
        assert!(check_codec(&compressed_by(Compression::SNAPPY)).is_ok());
        let checked = check_codec(&compressed_by(Compression::ZSTD(ZstdLevel::default())));
        assert_eq!(checked.is_ok(), cfg!(feature = "zstd"));
        if let Err(error) = checked {
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("without the feature zstd"), "{error}");
        }
        let error = check_codec(&compressed_by(Compression::LZ4_RAW)).expect_err("none of ours");
        assert!(error.to_string().contains("LZ4_RAW"), "{error}");
    }
}
