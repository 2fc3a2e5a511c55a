//! The `Date` of an answer: written once a second on each worker.

use std::cell::RefCell;

use http::HeaderValue;

use crate::base::clock;

thread_local! {
    static DATE: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
}

/// The current second, as HTTP writes it.
pub fn now() -> HeaderValue {
    let now = clock::wall();
    DATE.with_borrow_mut(|(second, value)| {
        if *second != now.seconds
            && let Ok(written) = HeaderValue::try_from(now.http_date())
        {
            *second = now.seconds;
            *value = written;
        }
        value.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_of_now() {
        let before = clock::wall().http_date();
        let date = now();
        let after = clock::wall().http_date();
        assert!(date == before || date == after, "{date:?}");
    }
}
