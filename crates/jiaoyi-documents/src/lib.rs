//! Documents that people keep: the voucher as PDF and PNG, its QR code, and the font of both.
//!
//! Pure computation: a face goes in, bytes come out; the same face gives the same bytes. What a
//! voucher says and whether it may be shown is decided elsewhere. PDF and font crates sit here so
//! that payment code rebuilds without them.

mod canvas;
pub mod face;
pub mod find;
pub mod font;
mod paper;
mod phone;
mod picture;
pub mod qr;
pub mod roster;
mod scene;
mod sheet;

pub use face::{FaceLine, FaceState, PayerRelation, VoucherFace};
pub use find::find_qr_text;
pub use font::{FontLoader, Fonts, SYSTEM_FONTS};
pub use paper::voucher_pdf;
pub use picture::{PNG_KEYWORD, voucher_png};
pub use qr::{QrError, QrModules, qr_modules, qr_svg};

/// Why a document could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The QR text is too long.
    #[error("draw a voucher: {0}")]
    Qr(#[from] QrError),
    /// The PNG library refused.
    #[error("draw a voucher: the PNG could not be made")]
    Png,
    /// The PDF library refused.
    #[error("draw a voucher: the PDF could not be made")]
    Pdf,
}

impl DocumentError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            DocumentError::Qr(error) => error.code(),
            DocumentError::Png => "document.png",
            DocumentError::Pdf => "document.pdf",
        }
    }
}

#[cfg(test)]
mod tests;
