//! A stream that ends when the other side takes too long to begin, or to take what it is sent.
//!
//! And one that does not end too early. Who is answered before it has sent its whole body, as with 413, is still sending. Were
//! the connection closed upon what it sent, the system would reset it, and the answer would be lost with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::HEAD_TIMEOUT;

/// Until so many bytes are there it is not known which HTTP this is, and no other time-out runs: the preface of HTTP/2.
const BEGINNING_BYTES: usize = 24;
/// How long the other side may take no byte of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that are thrown away at the end of a connection whose other side is still sending.
const LINGER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long that may take.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Guarded<S> {
    stream: S,
    end: End,
    begun_bytes: usize,
    begin_by: Pin<Box<Sleep>>,
    write_by: Pin<Box<Sleep>>,
    is_writing: bool,
}

/// How far the end of a connection has come.
#[derive(Clone, Copy)]
enum End {
    Open,
    /// All is sent, and this many bytes were thrown away since.
    Lingering(usize),
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> Self {
        let now = Instant::now();
        Self {
            stream,
            end: End::Open,
            begun_bytes: 0,
            begin_by: Box::pin(sleep_until(now + HEAD_TIMEOUT)),
            write_by: Box::pin(sleep_until(now)),
            is_writing: false,
        }
    }

    /// Watches over what the stream says to a write: nothing for too long is an error.
    fn keep_time<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.is_writing = false;
            return wrote;
        }
        if !self.is_writing {
            self.is_writing = true;
            self.write_by.as_mut().reset(Instant::now() + WRITE_TIMEOUT);
        }
        ready!(self.write_by.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it takes nothing of what it is sent")))
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Throws away what the other side sends until it ends, if it sends anything.
    fn linger(&mut self, cx: &mut Context<'_>, mut thrown_away: usize) -> Poll<io::Result<()>> {
        let mut scratch = [0; 16 * 1024];
        while thrown_away < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => thrown_away += buffer.filled().len(),
                Poll::Pending if thrown_away > 0 => {
                    self.end = End::Lingering(thrown_away);
                    ready!(self.write_by.as_mut().poll(cx));
                    return Poll::Ready(Ok(()));
                }
                // It has ended, or sends nothing.
                Poll::Ready(Ok(()) | Err(_)) | Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.begun_bytes >= BEGINNING_BYTES {
            return read;
        }
        self.begun_bytes += buf.filled().len() - before;
        if read.is_ready() {
            return read;
        }
        ready!(self.begin_by.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it does not begin")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.keep_time(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.keep_time(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.keep_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let thrown_away = match self.end {
            End::Lingering(bytes) => bytes,
            End::Open => {
                let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
                ready!(self.keep_time(cx, shut))?;
                self.end = End::Lingering(0);
                self.write_by.as_mut().reset(Instant::now() + LINGER_TIMEOUT);
                0
            }
        };
        self.linger(cx, thrown_away)
    }
}
