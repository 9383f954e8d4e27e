//! A socket that notes what its connection does.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Connection;
use crate::metrics;

/// The kernel takes this much that it has not sent yet. More would only hide from us whether a slow
/// client takes anything: the whole of a long send buffer counts as one step.
const UNSENT_BYTES: u32 = 256 << 10;

/// A socket that notes what its connection does.
pub struct Watched {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Watched {
    /// The socket of a connection.
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        let lowat = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
        if let Err(error) = stream.set_nodelay(true).and(lowat) {
            tracing::debug!(%error, "an option of a socket");
        }
        Self { stream, connection }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.connection.wrote(false),
            Poll::Ready(Ok(bytes @ 1..)) => {
                metrics::NETWORK_SENT_BYTES.add(*bytes as u64);
                self.connection.wrote(true);
            }
            Poll::Ready(_) => {}
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            metrics::NETWORK_RECEIVED_BYTES.add(bytes as u64);
            self.connection.heard();
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.connection.is_aborted() {
            // Else the kernel would keep what the client does not take, for minutes.
            let _reset = self.stream.set_zero_linger();
        }
    }
}
