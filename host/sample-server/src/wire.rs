//! What HTTP libraries do not do to a socket: ending a connection without an answer, resets,
//! and the size of a TCP write.
//!
//! A handler holds the [`Tap`] of its connection and orders; the socket obeys. Nothing is
//! ordered: the socket is what it was. Clients of a fault do not pipeline, so an order
//! belongs to the answer of the request that gave it.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroU32,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use crate::scenario::End;

#[derive(Default)]
struct Orders {
    /// Ends the connection before another byte goes out.
    now: Option<End>,
    /// Ends it once what was written is out.
    when_flushed: Option<End>,
    most: Option<NonZeroU32>,
}

/// The handle by which a handler orders what becomes of its connection.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Orders>>);

impl Tap {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection without another byte.
    pub(crate) fn end(&self, end: End) {
        self.orders().now = Some(end);
    }

    /// Ends the connection once all that was written so far is out.
    pub(crate) fn end_when_flushed(&self, end: End) {
        self.orders().when_flushed = Some(end);
    }

    /// Bounds the bytes of a TCP write; `None` lifts it.
    pub(crate) fn writes(&self, most: Option<NonZeroU32>) {
        self.orders().most = most;
    }

    fn most(&self) -> Option<usize> {
        self.orders().most.and_then(|most| usize::try_from(most.get()).ok())
    }
}

/// Accepts connections whose sockets obey.
pub(crate) struct TapListener(pub(crate) TcpListener);

impl Listener for TapListener {
    type Io = Tapped;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Tapped, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Without it the kernel would join the small writes that a fault orders.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        (Tapped { stream, tap: Tap::default() }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, TapListener>> for Tap {
    fn connect_info(stream: IncomingStream<'_, TapListener>) -> Self {
        stream.io().tap.clone()
    }
}

/// A socket that obeys its [`Tap`].
pub(crate) struct Tapped {
    stream: TcpStream,
    tap: Tap,
}

impl Tapped {
    fn ended(&self, end: End) -> io::Error {
        match end {
            End::Close => {}
            End::Reset => {
                if let Err(error) = self.stream.set_zero_linger() {
                    tracing::debug!(%error, "the connection closes instead of a reset");
                }
            }
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, "ended by order")
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let now = this.tap.orders().now;
        if let Some(end) = now {
            return Poll::Ready(Err(this.ended(end)));
        }
        let most = this.tap.most().unwrap_or(bytes.len()).min(bytes.len());
        Pin::new(&mut this.stream).poll_write(cx, bytes.get(..most).unwrap_or_default())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let is_free = {
            let orders = this.tap.orders();
            orders.now.is_none() && orders.most.is_none()
        };
        if is_free {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        let first: &[u8] = first.map(|slice| &**slice).unwrap_or_default();
        Pin::new(this).poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        let end = this.tap.orders().when_flushed;
        match end {
            Some(end) => Poll::Ready(Err(this.ended(end))),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
