//! Who is insured: names, identity documents and phone numbers, parsed once and never printed raw.
//!
//! A [`PersonName`], [`Document`] or [`Phone`] is valid by construction. None of them has a
//! `Display`; their `Debug` prints the mask, so a log line cannot hold a raw value. Whoever needs
//! the raw text calls `expose()`, which is easy to find in a review. Sealing and keyed hashes are
//! made elsewhere from `expose()` and `index_text()`.

mod alone;
mod document;
mod mask;
mod name;
mod phone;
mod text;

pub use alone::number_in;
pub use document::{Document, DocumentError, DocumentKind, DocumentPart, id_number};
pub use mask::Masked;
pub use name::{NAME_CHARACTERS_MAX, NameError, PersonName};
pub use phone::{Phone, PhoneError};
pub use text::half_width;
