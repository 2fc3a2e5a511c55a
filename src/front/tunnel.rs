//! An upgraded connection: bytes both ways until both sides are done, counted for the record.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use super::h1::wire::Line;
use crate::message::{Tunnel, TunnelRider};

/// Held for each direction of each open tunnel; there may be many, and most are quiet.
const ROOM: usize = 4 << 10;

/// Carries bytes between the visitor and the far end of `tunnel` until both have said their last.
pub async fn carry(near: impl AsyncRead + AsyncWrite + Unpin, tunnel: Tunnel) {
    let Tunnel { mut far, rider } = tunnel;
    let told = Told { rider, to_backend: Rc::default(), to_visitor: Rc::default() };
    let (read, written) = (Rc::clone(&told.to_backend), Rc::clone(&told.to_visitor));
    let mut near = Counted { io: near, read, written };
    // Either side breaking off ends the tunnel; there is nobody to tell but the record.
    let _ = copy_bidirectional_with_sizes(&mut near, &mut far, ROOM, ROOM).await;
}

/// Tells what was moved, however the tunnel ends: also when the house closes over it.
struct Told {
    rider: Box<dyn TunnelRider>,
    to_backend: Rc<Cell<u64>>,
    to_visitor: Rc<Cell<u64>>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.rider.moved(self.to_backend.get(), self.to_visitor.get());
    }
}

struct Counted<T> {
    io: T,
    read: Rc<Cell<u64>>,
    written: Rc<Cell<u64>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.read.set(this.read.get() + (buffer.filled().len() - before) as u64);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(sent)) = &polled {
            this.written.set(this.written.get() + *sent as u64);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// An HTTP/1 connection seen as plain bytes, what was read ahead first.
pub struct Near<I>(pub Line<I>);

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Near<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.wire();
        if wire.inbound.is_empty() {
            return Pin::new(&mut wire.io).poll_read(cx, buffer);
        }
        let take = wire.inbound.len().min(buffer.remaining());
        buffer.put_slice(wire.inbound.get(..take).unwrap_or_default());
        wire.inbound.advance(take);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Near<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.wire().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.wire().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.wire().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    struct Rider(Rc<Cell<(u64, u64)>>);

    impl TunnelRider for Rider {
        fn moved(&mut self, to_backend: u64, to_visitor: u64) {
            self.0.set((to_backend, to_visitor));
        }
    }

    #[tokio::test]
    async fn a_tunnel_that_is_cut_off_is_counted_too() {
        let (mut visitor, near) = duplex(64);
        let (mut backend, far) = duplex(64);
        let moved = Rc::new(Cell::new((0, 0)));
        let tunnel = Tunnel { far: Box::new(far), rider: Box::new(Rider(Rc::clone(&moved))) };
        let talk = async {
            visitor.write_all(b"ping").await.unwrap();
            backend.read_exact(&mut [0; 4]).await.unwrap();
            backend.write_all(b"pongs").await.unwrap();
            visitor.read_exact(&mut [0; 5]).await.unwrap();
        };
        tokio::select! {
            () = carry(near, tunnel) => panic!("nobody hung up"),
            () = talk => {}
        }
        assert_eq!(moved.get(), (4, 5));
    }
}
