//! The line between a process and the one that takes over from it: messages, and open files with them.
//!
//! A pair of sockets that has no name anywhere: one end is the child's standard input, so nobody else can ever be
//! on it. Each message is one JSON object with a `say` and comes whole (`SOCK_SEQPACKET`); what a reader does not
//! know it passes over, so that programs of different age understand each other.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde_json::Value;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// Most files with one message; the kernel takes 253.
pub const FILES_MAX: usize = 64;
/// Longest message.
const BYTES_MAX: usize = 64 << 10;

/// Held as tokio's socket of messages, which is what it is but for its kind.
pub struct Line(UnixDatagram);

/// A message, and the files that came with it.
pub struct Heard {
    pub value: Value,
    pub files: Vec<OwnedFd>,
}

impl Heard {
    /// What it is about.
    pub fn word(&self) -> &str {
        self.text("say")
    }

    pub fn text(&self, name: &str) -> &str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.value.get(name).and_then(Value::as_u64)
    }
}

impl Line {
    /// Both ends; the second is for a child.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::over(ours)?, theirs))
    }

    /// One end that was made there.
    pub fn over(end: OwnedFd) -> io::Result<Self> {
        if rustix::net::sockopt::socket_type(&end)? != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self(UnixDatagram::from_std(end.into())?))
    }

    pub async fn say(&self, message: &Value, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = message.to_string();
        self.0.async_io(Interest::WRITABLE, || send(self.file(), &text, files)).await
    }

    /// Says it if there is room for it now.
    pub fn try_say(&self, message: &Value) -> io::Result<()> {
        send(self.file(), &message.to_string(), &[])
    }

    /// The next message; an error of kind `UnexpectedEof` when nobody is left on the other end.
    pub async fn hear(&self) -> io::Result<Heard> {
        self.0.async_io(Interest::READABLE, || receive(self.file())).await
    }

    /// What is there already.
    pub fn try_hear(&self) -> io::Result<Heard> {
        receive(self.file())
    }

    pub fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn send(end: BorrowedFd<'_>, text: &str, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut aside = SendAncillaryBuffer::new(&mut room);
    if !files.is_empty() && !aside.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let text = [IoSlice::new(text.as_bytes())];
    rustix::net::sendmsg(end, &text, &mut aside, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

fn receive(end: BorrowedFd<'_>) -> io::Result<Heard> {
    let mut bytes = vec![0; BYTES_MAX];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut aside = RecvAncillaryBuffer::new(&mut room);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = rustix::net::recvmsg(end, &mut [IoSliceMut::new(&mut bytes)], &mut aside, flags)?;
    let mut files = Vec::new();
    for message in aside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights);
        }
    }
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let value = serde_json::from_slice(bytes.get(..got.bytes).unwrap_or_default())?;
    Ok(Heard { value, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_message_brings_its_files_along() {
        let (ours, theirs) = Line::pair().unwrap();
        let theirs = Line::over(theirs).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let many: Vec<_> = (0..FILES_MAX).map(|_| listener.as_fd()).collect();
        ours.say(&json!({"say": "sockets", "number": 7, "new": {"to": "us"}}), &many).await.unwrap();
        ours.say(&json!({"say": "end"}), &[]).await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let heard = theirs.hear().await.unwrap();
        assert_eq!(
            (heard.word(), heard.number("number"), heard.files.len()),
            ("sockets", Some(7), FILES_MAX)
        );
        let moved = TcpListener::from(heard.files.into_iter().next().unwrap());
        let mut visitor = TcpStream::connect(at).unwrap();
        drop(moved.accept().unwrap());
        assert_eq!(visitor.read(&mut [0]).unwrap(), 0);
        assert_eq!(theirs.hear().await.unwrap().word(), "end");
        assert_eq!(theirs.try_hear().err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        assert_eq!(theirs.hear().await.err().unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_an_error_and_what_is_no_line_is_none() {
        let (ours, theirs) = Line::pair().unwrap();
        let theirs = Line::over(theirs).unwrap();
        ours.say(&json!({"say": "x".repeat(BYTES_MAX)}), &[]).await.unwrap();
        assert_eq!(theirs.hear().await.err().unwrap().kind(), io::ErrorKind::InvalidData);
        while ours.try_say(&json!({"say": "x"})).is_ok() {}
        assert_eq!(theirs.hear().await.unwrap().word(), "x", "who does not read holds nobody up");
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(Line::over(other.into()).is_err());
    }
}
