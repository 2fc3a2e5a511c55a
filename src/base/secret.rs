//! Bytes that can't be printed and are wiped when they go.

use zeroize::Zeroizing;

/// A secret has no `Debug` and no `Display`: code that would print one does not compile.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves; the name of this function is what a reviewer looks for.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
