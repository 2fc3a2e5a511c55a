//! What a visit may cost: bytes of its body, time in all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until, timeout_at};

use crate::base::amount;
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::Body;

/// A body that may have `most` bytes, 0 for any number: refused at once when it announces more, broken off
/// where it turns out to be more.
pub fn capped(body: Body, most: u64) -> Result<Body, Fault> {
    if most == 0 || body.length().is_some_and(|length| length <= most) {
        return Ok(body);
    }
    if body.length().is_some() {
        return Err(too_large(most));
    }
    Ok(Body::stream(Capped { body, most, rest: most }))
}

fn too_large(most: u64) -> Fault {
    Fault::with(Cause::BodyTooLarge, format!("the body is larger than {}", amount::write_size(most)))
}

struct Capped {
    body: Body,
    most: u64,
    rest: u64,
}

impl HttpBody for Capped {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let capped = self.get_mut();
        let frame = ready!(Pin::new(&mut capped.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match capped.rest.checked_sub(data.len() as u64) {
                Some(rest) => capped.rest = rest,
                None => return Poll::Ready(Some(Err(too_large(capped.most)))),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The time of one visit: what is spent on waiting for the answer's head is gone for its body.
#[derive(Clone, Copy)]
pub struct Time {
    most: Duration,
    /// `None`: no limit.
    end: Option<Instant>,
}

impl Time {
    /// From now on this long; zero is no limit.
    pub fn begin(most: Duration) -> Self {
        let end = if most.is_zero() { None } else { clock::now().checked_add(most) };
        Self { most, end }
    }

    /// What `work` yields, if there is time for it. Taken pinned: a future that is handed over lies in its new
    /// owner twice, and this one is large.
    pub async fn within<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    ) -> Result<T, Fault> {
        match self.end {
            None => work.await,
            Some(end) => timeout_at(end, work).await.unwrap_or_else(|_| Err(too_long(self.most))),
        }
    }

    /// Rings at its end; `None` where there is none.
    pub fn alarm(&self) -> Option<Alarm> {
        self.end.map(|end| Alarm { most: self.most, end: Box::pin(sleep_until(end)) })
    }

    /// A body that breaks off when the time is up.
    pub fn limit(&self, body: Body) -> Body {
        match self.end {
            Some(end) if !body.is_end_stream() => {
                Body::stream(Timed { body, most: self.most, end: Box::pin(sleep_until(end)) })
            }
            _ => body,
        }
    }
}

/// Rings when a visit has had its time.
pub struct Alarm {
    most: Duration,
    end: Pin<Box<Sleep>>,
}

impl Alarm {
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.end.as_mut().poll(cx).map(|()| too_long(self.most))
    }
}

fn too_long(most: Duration) -> Fault {
    Fault::with(Cause::TotalTimeout, format!("the visit took longer than {}", amount::write_duration(most)))
}

struct Timed {
    body: Body,
    most: Duration,
    end: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let timed = self.get_mut();
        if timed.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(too_long(timed.most))));
        }
        Pin::new(&mut timed.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;

    async fn all(mut body: Body) -> Result<usize, Fault> {
        let mut bytes = 0;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }

    /// A body that tells no length.
    struct Silent(Body);

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Pin::new(&mut self.get_mut().0).poll_frame(cx)
        }
    }

    struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_is_measured_before_and_while_it_comes() {
        let silent = || Body::stream(Silent(Body::full("12345")));
        assert_eq!(all(capped(Body::full("12345"), 5).unwrap()).await, Ok(5));
        assert_eq!(capped(Body::full("12345"), 4).err().map(|fault| fault.cause), Some(Cause::BodyTooLarge));
        assert_eq!(all(capped(silent(), 5).unwrap()).await, Ok(5));
        assert_eq!(all(capped(silent(), 0).unwrap()).await, Ok(5));
        assert_eq!(
            all(capped(silent(), 4).unwrap()).await.map_err(|fault| fault.cause),
            Err(Cause::BodyTooLarge)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_visit_has_its_time() {
        let start = clock::now();
        let time = Time::begin(Duration::from_secs(3));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Body::stream(Never))
        };
        // Two seconds went by for the head: one is left for the body.
        let body = time.within(pin!(slow)).await.unwrap();
        assert_eq!(all(time.limit(body)).await.unwrap_err().cause, Cause::TotalTimeout);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        let never = pin!(std::future::pending::<Result<(), Fault>>());
        assert_eq!(time.within(never).await.unwrap_err().cause, Cause::TotalTimeout);
        assert_eq!(Time::begin(Duration::ZERO).within(pin!(async { Ok(7) })).await, Ok(7));
    }
}
