//! How a row of the database looks to the rules: typed fields, a key, a version, and an image.
//!
//! Each record type is declared once, here in the domain. From the declaration follow the SQL texts
//! (`cargo xtask gen sql`), the loading and writing in the store, the audit image of a row, and the
//! privacy class of every column. What this module does not know: any engine, any SQL.

use crate::channel::{ChannelCode, Method};
use crate::id::{AttemptNo, Bucket, OrderNo, RefundNo, VoucherNo};
use crate::money::Fen;
use crate::policy::{AfterClose, Difference};
use crate::time::{Date, Instant};
use sha2::{Digest, Sha256};

/// One field of a row as a database holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What a column may hold, as far as personal data goes (DESIGN.md 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Nothing about a person that anybody could read.
    Public,
    /// A mask that was made for showing, such as 王*国.
    Masked,
    /// Sealed with a key from outside the database.
    Sealed,
    /// A keyed hash.
    Hmac,
}

/// The engine type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Text,
    Bytes,
}

/// A column as declared.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSpec {
    pub name: &'static str,
    pub kind: Kind,
    pub privacy: Privacy,
    pub nullable: bool,
    /// Never changes once the row is there. A change of the row leaves it, and every index on it,
    /// alone.
    pub fixed: bool,
}

/// A table as declared: everything the store needs to read and write it.
#[derive(Debug)]
pub struct TableSpec {
    /// Small, stable number: part of every audit image. Never reused.
    pub number: u8,
    pub name: &'static str,
    pub columns: &'static [ColumnSpec],
    /// How many of the first columns are the primary key.
    pub key_len: usize,
    /// Whether rows may change; then there is a `version` column.
    pub mutable: bool,
    /// Named ways to load several rows: name and the columns that are given.
    pub ranges: &'static [(&'static str, &'static [&'static str])],
}

impl TableSpec {
    /// Place of a column by name.
    #[must_use]
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|spec| spec.name == column)
    }

    /// Whether its rows lie in buckets; those of a table of reference do not. Its key and all its ranges
    /// begin with the bucket then.
    #[must_use]
    pub fn in_buckets(&self) -> bool {
        self.columns
            .first()
            .is_some_and(|spec| spec.name == "bucket")
    }
}

/// A Rust type that stands in a column.
pub trait Column: Sized {
    const KIND: Kind;
    const NULLABLE: bool = false;
    fn to_value(&self) -> Value;
    /// `None` when the stored value is not one of this type: the row was damaged.
    fn from_value(value: Value) -> Option<Self>;
    /// Appends what [`encode_values`] appends for this value. Long values are written straight from
    /// the row: a batch hashes every row it changes.
    fn encode(&self, out: &mut Vec<u8>) {
        encode_values(&[self.to_value()], out);
    }
}

/// Values by which rows are found, in the order of their columns: a key, or what a range is given.
pub trait Given {
    fn values(&self) -> Vec<Value>;
    /// Appends what [`encode_values`] appends for them.
    fn encode(&self, out: &mut Vec<u8>);
}

macro_rules! given {
    ($($column:ident)+) => {
        impl<$($column: Column),+> Given for ($($column,)+) {
            fn values(&self) -> Vec<Value> {
                #[allow(non_snake_case, reason = "a value is named as its type")]
                let ($($column,)+) = self;
                vec![$($column.to_value()),+]
            }
            fn encode(&self, out: &mut Vec<u8>) {
                #[allow(non_snake_case, reason = "a value is named as its type")]
                let ($($column,)+) = self;
                $($column.encode(out);)+
            }
        }
    };
}
given!(A);
given!(A B);
given!(A B C);
given!(A B C D);
given!(A B C D E);

/// A row type.
pub trait Record: Clone + PartialEq + std::fmt::Debug + Send + 'static {
    type Key: Given + Ord + Clone + std::fmt::Debug + Send;
    const SPEC: &'static TableSpec;
    fn key(&self) -> Self::Key;
    fn key_values(key: &Self::Key) -> Vec<Value> {
        key.values()
    }
    fn values(&self) -> Vec<Value>;
    /// Appends what [`encode_values`] appends for all columns.
    fn encode(&self, out: &mut Vec<u8>);
    fn from_values(values: Vec<Value>) -> Option<Self>;
    /// Whether a column that never changes stands differently in `other`.
    fn fixed_differ(&self, other: &Self) -> bool;
    /// 1 for rows that never change.
    fn version(&self) -> u32;
    fn set_version(&mut self, version: u32);
    /// The number of the row's state in its transition table; 0 for rows without one.
    fn state_number(&self) -> u8;
    fn bucket(&self) -> Bucket;
}

/// Hash of all columns of a row, in order: what the audit chain remembers of it.
///
/// NULLs at the end are left out, so a row from before a column was added keeps its image: a new column
/// comes last and may be NULL (docs/decisions/0009). All rows of a table have the same number of columns,
/// so two different ones still never hash alike.
#[must_use]
pub fn image_hash(spec: &TableSpec, values: &[Value]) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(256);
    encode_values(values, &mut bytes);
    image_of_encoded(spec, &bytes)
}

/// The [`image_hash`] of a row of which the encoding is at hand.
#[must_use]
pub fn image_of_encoded(spec: &TableSpec, encoded: &[u8]) -> [u8; 16] {
    let full = Sha256::new()
        .chain_update([spec.number])
        .chain_update(without_last_nulls(encoded));
    let mut short = [0; 16];
    short.copy_from_slice(&full.finalize()[..16]);
    short
}

/// The [`image_hash`] of a row in memory.
#[must_use]
pub fn image_of<R: Record>(row: &R) -> [u8; 16] {
    let mut bytes = Vec::with_capacity(512);
    row.encode(&mut bytes);
    image_of_encoded(R::SPEC, &bytes)
}

/// Appends a number as [`encode_values`] does.
pub fn encode_int(number: i64, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a text (tag 2) or bytes (tag 3).
fn encode_long(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends bytes as [`encode_values`] does.
pub fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_long(3, bytes, out);
}

/// Appends NULL as [`encode_values`] does.
pub fn encode_null(out: &mut Vec<u8>) {
    out.push(0);
}

/// Appends a text as [`encode_values`] does.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    encode_long(2, text.as_bytes(), out);
}

/// Appends a self-delimiting encoding of `values`: two different rows never encode alike.
pub fn encode_values(values: &[Value], out: &mut Vec<u8>) {
    for value in values {
        match value {
            Value::Null => encode_null(out),
            Value::Int(number) => encode_int(*number, out),
            Value::Text(text) => encode_text(text, out),
            Value::Bytes(bytes) => encode_bytes(bytes, out),
        }
    }
}

/// Takes the next value of an encoding: its tag and its body.
pub(crate) fn next_encoded<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (length, rest) = match tag {
        0 => (0, rest),
        1 => (8, rest),
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, body))
}

/// What [`encode_values`] wrote without the NULLs at its end; all of it when it is damaged.
#[must_use]
pub fn without_last_nulls(encoded: &[u8]) -> &[u8] {
    if encoded.last() != Some(&0) {
        return encoded;
    }
    let (mut rest, mut end) = (encoded, 0);
    while !rest.is_empty() {
        match next_encoded(&mut rest) {
            Some((0, _)) => {}
            Some(_) => end = encoded.len() - rest.len(),
            None => return encoded,
        }
    }
    &encoded[..end]
}

/// What [`encode_values`] wrote for the first `count` values; all of it when it is damaged or shorter.
#[must_use]
pub fn encoded_prefix(encoded: &[u8], count: usize) -> &[u8] {
    let mut rest = encoded;
    for _ in 0..count {
        if next_encoded(&mut rest).is_none() {
            return encoded;
        }
    }
    encoded.get(..encoded.len() - rest.len()).unwrap_or(encoded)
}

/// Reads what [`encode_values`] wrote; `None` when it is damaged.
#[must_use]
pub fn decode_values(mut bytes: &[u8]) -> Option<Vec<Value>> {
    // As many as most rows have.
    let mut values = Vec::with_capacity(16);
    while !bytes.is_empty() {
        values.push(match next_encoded(&mut bytes)? {
            (0, _) => Value::Null,
            (1, body) => Value::Int(i64::from_be_bytes(body.try_into().ok()?)),
            (2, body) => Value::Text(String::from_utf8(body.to_vec()).ok()?),
            (_, body) => Value::Bytes(body.to_vec()),
        });
    }
    Some(values)
}

macro_rules! int_column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            const KIND: Kind = Kind::Int;
            fn to_value(&self) -> Value {
                Value::Int(i64::from(*self))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(number) => number.try_into().ok(),
                    Value::Null | Value::Text(_) | Value::Bytes(_) => None,
                }
            }
            fn encode(&self, out: &mut Vec<u8>) {
                encode_int(i64::from(*self), out);
            }
        }
    )*};
}
int_column!(i64, i32, i16, u32, u16, u8);

macro_rules! int_newtype {
    ($type:ty, $to:expr, $from:expr) => {
        impl Column for $type {
            const KIND: Kind = Kind::Int;
            fn to_value(&self) -> Value {
                Value::Int($to(self))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(number) => $from(number),
                    Value::Null | Value::Text(_) | Value::Bytes(_) => None,
                }
            }
            fn encode(&self, out: &mut Vec<u8>) {
                encode_int($to(self), out);
            }
        }
    };
}
int_newtype!(
    bool,
    |flag: &bool| i64::from(*flag),
    |number| match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
);
int_newtype!(Fen, |fen: &Fen| fen.as_i64(), Fen::from_i64);
int_newtype!(Instant, |at: &Instant| at.0, |number| Some(Instant(number)));
int_newtype!(
    Bucket,
    |bucket: &Bucket| i64::from(bucket.get()),
    |number: i64| { u16::try_from(number).ok().and_then(Bucket::try_new) }
);

macro_rules! text_newtype {
    ($type:ty, $text:ident, $from:expr) => {
        impl Column for $type {
            const KIND: Kind = Kind::Text;
            fn to_value(&self) -> Value {
                Value::Text(self.$text().to_owned())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Text(text) => $from(&text),
                    Value::Null | Value::Int(_) | Value::Bytes(_) => None,
                }
            }
            fn encode(&self, out: &mut Vec<u8>) {
                encode_text(self.$text(), out);
            }
        }
    };
}
text_newtype!(OrderNo, as_str, OrderNo::parse);
text_newtype!(AttemptNo, as_str, AttemptNo::parse);
text_newtype!(RefundNo, as_str, RefundNo::parse);
text_newtype!(VoucherNo, as_str, VoucherNo::parse);
text_newtype!(ChannelCode, code, ChannelCode::from_code);
text_newtype!(Method, code, Method::from_code);
text_newtype!(AfterClose, code, AfterClose::from_code);
text_newtype!(Difference, code, Difference::from_code);

impl Column for Date {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => text.parse().ok(),
            Value::Null | Value::Int(_) | Value::Bytes(_) => None,
        }
    }
}

impl Column for String {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Int(_) | Value::Bytes(_) => None,
        }
    }
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(self, out);
    }
}
impl Column for Vec<u8> {
    const KIND: Kind = Kind::Bytes;
    fn to_value(&self) -> Value {
        Value::Bytes(self.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Null | Value::Int(_) | Value::Text(_) => None,
        }
    }
    fn encode(&self, out: &mut Vec<u8>) {
        encode_long(3, self, out);
    }
}

impl<const N: usize> Column for [u8; N] {
    const KIND: Kind = Kind::Bytes;
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
    fn from_value(value: Value) -> Option<Self> {
        Vec::<u8>::from_value(value)?.try_into().ok()
    }
    fn encode(&self, out: &mut Vec<u8>) {
        encode_long(3, self, out);
    }
}

impl<T: Column> Column for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Column::to_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Null {
            Some(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => value.encode(out),
        }
    }
}

/// Declares a closed set of codes that stands in a text column.
#[macro_export]
macro_rules! codes {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $($(#[$vdoc:meta])* $variant:ident = $number:literal $code:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The stable code, as stored.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)* }
            }

            /// The stable small number, as audit images hold it.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $($name::$variant => $number,)* }
            }

            /// The value of a stored code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<$name> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }

            /// The value of a small number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<$name> {
                match number { $($number => Some($name::$variant),)* _ => None }
            }
        }

        impl $crate::record::Column for $name {
            const KIND: $crate::record::Kind = $crate::record::Kind::Text;
            fn to_value(&self) -> $crate::record::Value {
                $crate::record::Value::Text(self.code().to_owned())
            }
            fn from_value(value: $crate::record::Value) -> Option<Self> {
                match value {
                    $crate::record::Value::Text(text) => $name::from_code(&text),
                    _ => None,
                }
            }
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::record::encode_text(self.code(), out);
            }
        }
    };
}

/// Declares an id of 16 bytes.
#[macro_export]
macro_rules! id16 {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl $crate::record::Column for $name {
            const KIND: $crate::record::Kind = $crate::record::Kind::Bytes;
            fn to_value(&self) -> $crate::record::Value {
                $crate::record::Value::Bytes(self.0.to_vec())
            }
            fn from_value(value: $crate::record::Value) -> Option<Self> {
                <[u8; 16] as $crate::record::Column>::from_value(value).map($name)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::record::Column::encode(&self.0, out);
            }
        }
    )*};
}

/// Declares a record: its table, its key, its columns with their privacy, and its ranges.
#[macro_export]
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident in $number:literal $table:literal
            $(state $state:ident)? $(versioned $version:ident)? {
            key { $($(#[$kdoc:meta])* $key:ident: $ktype:ty = $kpriv:ident,)+ }
            row { $($(#[$fdoc:meta])* $field:ident: $ftype:ty = $fpriv:ident $($fixed:ident)?,)* }
            ranges { $($range:literal ($($given:ident),+),)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$kdoc])* pub $key: $ktype,)+
            $($(#[$fdoc])* pub $field: $ftype,)*
        }

        impl $crate::record::Record for $name {
            type Key = ($($ktype,)+);
            const SPEC: &'static $crate::record::TableSpec = &$crate::record::TableSpec {
                number: $number,
                name: $table,
                columns: &[
                    $($crate::record!(@column $key, $ktype, $kpriv fixed),)+
                    $($crate::record!(@column $field, $ftype, $fpriv $($fixed)?),)*
                ],
                key_len: [$(stringify!($key)),+].len(),
                mutable: $crate::record!(@mutable $($version)?),
                ranges: &[$(($range, &[$(stringify!($given)),+])),*],
            };
            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }
            fn values(&self) -> Vec<$crate::record::Value> {
                vec![
                    $($crate::record::Column::to_value(&self.$key),)+
                    $($crate::record::Column::to_value(&self.$field),)*
                ]
            }
            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::record::Column::encode(&self.$key, out);)+
                $($crate::record::Column::encode(&self.$field, out);)*
            }
            fn from_values(values: Vec<$crate::record::Value>) -> Option<Self> {
                let mut values = values.into_iter();
                Some($name {
                    $($key: $crate::record::Column::from_value(values.next()?)?,)+
                    $($field: $crate::record::Column::from_value(values.next()?)?,)*
                })
            }
            fn fixed_differ(&self, _other: &Self) -> bool {
                false $($(|| $crate::record!(@differ self _other $field $fixed))?)*
            }
            fn version(&self) -> u32 {
                $crate::record!(@version self $($version)?)
            }
            fn set_version(&mut self, _version: u32) {
                $(self.$version = _version;)?
            }
            fn state_number(&self) -> u8 {
                $crate::record!(@state self $($state)?)
            }
            fn bucket(&self) -> $crate::id::Bucket {
                let (first, ..) = ($(&self.$key,)+);
                $crate::record::HasBucket::bucket_of(first)
            }
        }
    };
    (@column $name:ident, $type:ty, $privacy:ident $($fixed:ident)?) => {
        $crate::record::ColumnSpec {
            name: stringify!($name),
            kind: <$type as $crate::record::Column>::KIND,
            privacy: $crate::record::Privacy::$privacy,
            nullable: <$type as $crate::record::Column>::NULLABLE,
            fixed: $crate::record!(@fixed $($fixed)?),
        }
    };
    (@fixed) => { false };
    (@fixed fixed) => { true };
    (@differ $self:ident $other:ident $field:ident fixed) => { $self.$field != $other.$field };
    (@mutable) => { false };
    (@mutable $version:ident) => { true };
    (@version $self:ident) => { 1 };
    (@version $self:ident $version:ident) => { $self.$version };
    (@state $self:ident) => { 0 };
    (@state $self:ident $state:ident) => { $self.$state.number() };
}

/// The first part of a primary key: a bucket for sharded tables, bucket 0 for reference tables.
pub trait HasBucket {
    fn bucket_of(&self) -> Bucket;
}

impl HasBucket for Bucket {
    fn bucket_of(&self) -> Bucket {
        *self
    }
}

impl HasBucket for [u8; 16] {
    fn bucket_of(&self) -> Bucket {
        Bucket::default()
    }
}

impl HasBucket for String {
    fn bucket_of(&self) -> Bucket {
        Bucket::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back_or_damaged() {
        let values = vec![
            Value::Null,
            Value::Int(-2),
            Value::Text("缴".to_owned()),
            Value::Bytes(vec![0xff; 300]),
            Value::Text(String::new()),
        ];
        let mut bytes = Vec::new();
        encode_values(&values, &mut bytes);
        assert_eq!(decode_values(&bytes), Some(values));
        assert_eq!(decode_values(&[]), Some(Vec::new()));
        for damaged in [
            &bytes[..bytes.len() - 1],
            &bytes[..5],
            &[4],
            &[2, 0, 0, 0, 1, 0xff],
        ] {
            assert_eq!(decode_values(damaged), None);
        }
    }

    mod before {
        crate::record! {
            /// A row as an older release declared it.
            pub struct Row in 77 "row" {
                key { bucket: crate::id::Bucket = Public, }
                row { sum: u32 = Public, version: u32 = Public, }
                ranges { }
            }
        }
    }

    mod after {
        crate::record! {
            /// The same two columns later.
            pub struct Row in 77 "row" {
                key { bucket: crate::id::Bucket = Public, }
                row {
                    sum: u32 = Public,
                    version: u32 = Public,
                    remark: Option<String> = Public,
                    limit: Option<u32> = Public,
                }
                ranges { }
            }
        }
    }

    /// A release that adds columns finds the rows from before unchanged, and no two rows alike.
    #[test]
    fn a_row_from_before_a_column_was_added_keeps_its_image() {
        let bucket = Bucket::default();
        // Numbers that end in bytes as a NULL is written.
        let old = before::Row {
            bucket,
            sum: 0,
            version: 0,
        };
        let new = |remark: Option<&str>, limit| after::Row {
            bucket,
            sum: 0,
            version: 0,
            remark: remark.map(str::to_owned),
            limit,
        };
        assert_eq!(image_of(&new(None, None)), image_of(&old));
        let elsewhere = Bucket::try_new(7).unwrap();
        assert_eq!(
            before::Row {
                bucket: elsewhere,
                ..old
            }
            .bucket(),
            elsewhere
        );
        let different = [
            image_of(&old),
            image_of(&before::Row { sum: 256, ..old }),
            image_of(&new(Some(""), None)),
            image_of(&new(Some("\0"), None)),
            image_of(&new(None, Some(0))),
            image_of(&new(Some(""), Some(0))),
        ];
        let count = different.len();
        assert_eq!(std::collections::BTreeSet::from(different).len(), count);
    }

    #[test]
    fn the_first_values_are_the_first_part() {
        let values = [
            Value::Int(7),
            Value::Text("缴".to_owned()),
            Value::Null,
            Value::Bytes(vec![0; 3]),
        ];
        let mut all = Vec::new();
        encode_values(&values, &mut all);
        for count in 0..=values.len() {
            let mut first = Vec::new();
            encode_values(&values[..count], &mut first);
            assert_eq!(encoded_prefix(&all, count), first);
        }
        assert_eq!(encoded_prefix(&all, 5), all);
        let damaged = &all[..all.len() - 1];
        assert_eq!(encoded_prefix(damaged, 4), damaged);
    }

    #[test]
    fn only_nulls_at_the_end_are_left_out() {
        let encoded = |values: &[Value]| {
            let mut bytes = Vec::new();
            encode_values(values, &mut bytes);
            bytes
        };
        let (null, zero) = (Value::Null, Value::Int(0));
        for (values, kept) in [
            (vec![], 0),
            (vec![null.clone(); 3], 0),
            (vec![zero.clone()], 1),
            (vec![null.clone(), zero.clone(), null.clone()], 2),
            (vec![Value::Text("\0\0".to_owned()), null.clone()], 1),
            (vec![Value::Bytes(vec![0; 9]), null.clone(), null], 1),
        ] {
            let bytes = encoded(&values);
            assert_eq!(without_last_nulls(&bytes), encoded(&values[..kept]));
        }
        for damaged in [&[1, 0][..], &[3, 0, 0, 0, 9, 0], &[4, 0]] {
            assert_eq!(without_last_nulls(damaged), damaged);
        }
    }

    #[test]
    fn a_column_takes_only_its_own_values() {
        fn check<T: Column + PartialEq + std::fmt::Debug + Clone>(good: &[T], bad: &[Value]) {
            for value in good {
                let stored = value.to_value();
                assert_eq!(T::from_value(stored.clone()).as_ref(), Some(value));
                assert_eq!(
                    Option::<T>::from_value(stored.clone()),
                    Some(Some(value.clone()))
                );
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                Some(value.clone()).encode(&mut ours);
                encode_values(&[stored], &mut theirs);
                assert_eq!(ours, theirs);
            }
            for value in bad.iter().chain([&Value::Null]) {
                assert_eq!(T::from_value(value.clone()), None);
            }
            assert_eq!(Option::<T>::from_value(Value::Null), Some(None));
            assert_eq!(None::<T>.to_value(), Value::Null);
        }
        let (int, text) = (Value::Int, |text: &str| Value::Text(text.to_owned()));
        let bytes = |count| Value::Bytes(vec![0x41; count]);
        check(&[0_u8, 255], &[int(256), int(-1), text("1"), bytes(1)]);
        check(&[i64::MIN, i64::MAX], &[text("1"), bytes(8)]);
        check(&[false, true], &[int(2), int(-1), text("true")]);
        check(&[Fen::ZERO, Fen::MAX], &[int(-1), text("1")]);
        check(&[Instant(-1)], &[text("1")]);
        check(&[Bucket::default()], &[int(4096), int(-1), text("0")]);
        check(&["a".to_owned(), String::new()], &[int(1), bytes(1)]);
        check(
            &[Date::constant(2026, 11, 22)],
            &[text("2026-13-01"), int(1)],
        );
        check(&[vec![1_u8], Vec::new()], &[int(1), text("a")]);
        check(&[[1_u8; 16]], &[bytes(15), bytes(17), text("a")]);
        check(crate::order::OrderState::ALL, &[text("other"), int(1)]);
        check(&Method::ALL, &[text("cash"), int(1)]);
        check(&[crate::due::OrderId([1; 16])], &[bytes(15), text("a")]);
    }
}
