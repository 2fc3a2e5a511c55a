//! The one TLS crypto provider of the house: aws-lc-rs, the hybrid post-quantum key exchange first.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup;

    #[test]
    fn the_hybrid_key_exchange_is_offered_first() {
        assert_eq!(provider().kx_groups.first().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn only_aead_suites_are_spoken() {
        for suite in &provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
        }
    }
}
