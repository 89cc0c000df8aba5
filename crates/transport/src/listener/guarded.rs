//! A stream that ends when the other side takes too long to begin, or to take what it is sent.

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

pub(super) struct Guarded<S> {
    stream: S,
    begun_bytes: usize,
    begin_by: Pin<Box<Sleep>>,
    write_by: Pin<Box<Sleep>>,
    is_writing: bool,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> Self {
        let now = Instant::now();
        Self {
            stream,
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
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
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.keep_time(cx, shut)
    }
}
