//! Staged rows and the pages that hold them.
//!
//! A roster may be larger than memory, and its rows come in no order. They are sorted in runs of
//! fixed size, and a run is staged as pages of rows in key order: few, large, appended writes,
//! where a row of its own each would touch another place of an index each.

use jiaoyi_domain::Bucket;
use jiaoyi_domain::decide::SliceRow;
use jiaoyi_domain::due::{RevisionKind, RosterId};
use jiaoyi_domain::record::{Column, Value, decode_values};

/// Rows of one page.
pub(super) const PAGE_ROWS: usize = 64;
/// Bytes of an encoded key.
const KEY_LEN: usize = 2 + 32 + 2 + 8;

/// What orders staged rows: the person's place, then the row of the file. Rows of one person and
/// year stand side by side, the earliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    pub bucket: Bucket,
    pub doc_hmac: [u8; 32],
    pub benefit_year: i16,
    pub row_no: u64,
}

impl RowKey {
    /// Whether both rows name the same person and year.
    pub(super) fn same_person(&self, other: &RowKey) -> bool {
        (self.bucket, self.doc_hmac, self.benefit_year)
            == (other.bucket, other.doc_hmac, other.benefit_year)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bucket.get().to_be_bytes());
        out.extend_from_slice(&self.doc_hmac);
        out.extend_from_slice(&self.benefit_year.to_be_bytes());
        out.extend_from_slice(&self.row_no.to_be_bytes());
    }

    fn decode(bytes: &[u8; KEY_LEN]) -> Option<RowKey> {
        let (bucket, rest) = bytes.split_first_chunk()?;
        let (doc_hmac, rest) = rest.split_first_chunk()?;
        let (year, rest) = rest.split_first_chunk()?;
        Some(RowKey {
            bucket: Bucket::try_new(u16::from_be_bytes(*bucket))?,
            doc_hmac: *doc_hmac,
            benefit_year: i16::from_be_bytes(*year),
            row_no: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// A good row, sealed, masked and priced, as the staging table holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StagedRow {
    pub key: RowKey,
    /// The rest of the row, in the encoding of `encode_values`; empty where only keys were read.
    pub data: Vec<u8>,
}

/// One run as staged pages; the rows must be in key order.
///
/// A page is: bucket of its first row, roster, run, page number, keys, data.
pub(super) fn pages(roster: RosterId, run_no: i64, rows: &[StagedRow]) -> Vec<[Value; 6]> {
    let mut pages = Vec::with_capacity(rows.len() / PAGE_ROWS + 1);
    for (page_no, rows) in (0..).zip(rows.chunks(PAGE_ROWS)) {
        let mut keys = Vec::with_capacity(rows.len() * KEY_LEN);
        let mut data = Vec::with_capacity(rows.iter().map(|row| row.data.len() + 4).sum());
        for row in rows {
            row.key.encode(&mut keys);
            let length = u32::try_from(row.data.len()).unwrap_or(u32::MAX);
            data.extend_from_slice(&length.to_be_bytes());
            data.extend_from_slice(&row.data);
        }
        let bucket = rows
            .first()
            .map_or(Value::Int(0), |row| row.key.bucket.to_value());
        pages.push([
            bucket,
            Value::Bytes(roster.0.to_vec()),
            Value::Int(run_no),
            Value::Int(page_no),
            Value::Bytes(keys),
            Value::Bytes(data),
        ]);
    }
    pages
}

/// The rows of a page that was read back; `None` when it is damaged. Without `data` only the keys.
pub(super) fn rows_of_page(keys: &[u8], data: Option<&[u8]>) -> Option<Vec<StagedRow>> {
    let (keys, rest) = keys.as_chunks::<KEY_LEN>();
    if !rest.is_empty() {
        return None;
    }
    let mut data_left = data;
    keys.iter()
        .map(|key| {
            let key = RowKey::decode(key)?;
            let data = match &mut data_left {
                None => Vec::new(),
                Some(left) => {
                    let (length, rest) = left.split_first_chunk()?;
                    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                    let (data, rest) = rest.split_at_checked(length)?;
                    *left = rest;
                    data.to_vec()
                }
            };
            Some(StagedRow { key, data })
        })
        .collect()
}

/// What the command that publishes needs of a staged row; `None` when it is damaged.
pub(crate) fn slice_row(row: &StagedRow) -> Option<SliceRow> {
    let mut values = decode_values(&row.data)?.into_iter();
    fn next<T: Column>(values: &mut impl Iterator<Item = Value>) -> Option<T> {
        T::from_value(values.next()?)
    }
    let document_kind = next(&mut values)?;
    let number_sealed = next(&mut values)?;
    let document_masked = next(&mut values)?;
    let name_sealed = next(&mut values)?;
    let name_hmac = next(&mut values)?;
    let name_masked = next(&mut values)?;
    let birthday_hmac = next(&mut values)?;
    let phone_sealed = next(&mut values)?;
    let void_cause: Option<String> = next(&mut values)?;
    Some(SliceRow {
        bucket: row.key.bucket,
        doc_hmac: row.key.doc_hmac,
        document_kind,
        number_sealed,
        document_masked,
        name_sealed,
        name_hmac,
        name_masked,
        birthday_hmac,
        phone_sealed,
        benefit_year: row.key.benefit_year,
        kind: if void_cause.is_some() {
            RevisionKind::Void
        } else {
            RevisionKind::Price
        },
        void_cause,
        region: next(&mut values)?,
        category: next(&mut values)?,
        tier: next(&mut values)?,
        aids: next(&mut values)?,
        items: next(&mut values)?,
        subsidies: next(&mut values)?,
        own: next(&mut values)?,
        gross: next(&mut values)?,
        late_own: next(&mut values)?,
        policy_version: next(&mut values)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bucket: u16, row_no: u64, data: &[u8]) -> StagedRow {
        StagedRow {
            key: RowKey {
                bucket: Bucket::try_new(bucket).unwrap(),
                doc_hmac: [7; 32],
                benefit_year: 2027,
                row_no,
            },
            data: data.to_vec(),
        }
    }

    #[test]
    fn pages_read_back_as_they_were_written_and_damage_is_seen() {
        let rows: Vec<StagedRow> = (0..100).map(|n| row(n, u64::from(n), b"abc")).collect();
        let pages = pages(RosterId([1; 16]), 3, &rows);
        assert_eq!(pages.len(), 2);
        let mut back = Vec::new();
        for page in &pages {
            let (Value::Bytes(keys), Value::Bytes(data)) = (&page[4], &page[5]) else {
                panic!("a page has keys and data")
            };
            back.extend(rows_of_page(keys, Some(data)).unwrap());
            assert!(rows_of_page(&keys[1..], Some(data)).is_none());
            assert!(rows_of_page(keys, Some(&data[..data.len() - 1])).is_none());
            let only_keys = rows_of_page(keys, None).unwrap();
            assert!(only_keys.iter().all(|row| row.data.is_empty()));
        }
        assert_eq!(back, rows);
    }
}
