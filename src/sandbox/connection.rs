//! The server's side of each TCP connection, which can misbehave below HTTP.
//!
//! hyper always writes a Date header and always finishes what it began. A vendor's proxy does neither, so the bytes pass
//! through here: an answer can be cut after so many bytes of its body, or never begin, or never end, or lose its Date.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// What the connection does with the answer that is written next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivery {
    /// Close after so many bytes of the body.
    pub(super) cut: Option<usize>,
    /// Reset instead of answering.
    pub(super) reset: bool,
    /// Write the body byte by byte.
    pub(super) drip: bool,
    /// Take the Date header out.
    pub(super) no_date: bool,
}

/// A handler's hold on the connection that its request came by. HTTP/1.1 answers one request at a time, so one value is enough.
#[derive(Clone, Default)]
pub(super) struct DeliveryControl(Arc<Mutex<Delivery>>);

impl DeliveryControl {
    pub(super) fn set(&self, delivery: Delivery) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = delivery;
    }

    fn delivery(&self) -> Delivery {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, ConnectionListener>> for DeliveryControl {
    fn connect_info(stream: IncomingStream<'_, ConnectionListener>) -> DeliveryControl {
        stream.io().control.clone()
    }
}

pub(super) struct ConnectionListener(pub(super) TcpListener);

impl Listener for ConnectionListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are written whole; waiting for more to send would only delay their last packet. A failure costs speed alone.
        let _ = stream.set_nodelay(true);
        (Connection { stream, control: DeliveryControl::default(), left: None, pause: None }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    control: DeliveryControl,
    /// How much of the present answer may still be written; of one that drips, how much of its head.
    left: Option<usize>,
    /// The wait before the next byte of an answer that drips.
    pause: Option<Pin<Box<Sleep>>>,
}

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(100);

const HEAD: &[u8] = b"HTTP/1.1 ";
const DATE: &[u8] = b"date: ";

impl Connection {
    /// How many of these bytes to write now.
    fn allowance(&mut self, bytes: &[u8], delivery: Delivery) -> usize {
        let mut most = bytes.len();
        if bytes.starts_with(HEAD) {
            let head = find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
            self.left = delivery.cut.map(|body| head + body).or(delivery.drip.then_some(head));
            if let Some(at) = find(bytes, b"\r\ndate: ").filter(|_| delivery.no_date) {
                most = at + 2;
            }
        }
        self.left.map_or(most, |left| most.min(left))
    }

    /// Waits before the next byte.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(DRIP)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let delivery = self.control.delivery();
        if delivery.reset {
            // Zero linger makes the close a reset; without it the client would see an orderly end, nearly as good.
            let _ = self.stream.set_zero_linger();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if delivery.no_date && bytes.starts_with(DATE) {
            // The line was left to this call by the one before; it counts as written.
            let line = find(bytes, b"\r\n").map_or(bytes.len(), |at| at + 2);
            return Poll::Ready(Ok(line));
        }
        let mut most = self.allowance(bytes, delivery);
        if delivery.drip && most == 0 {
            ready!(self.rest(cx));
            most = 1;
        }
        if most == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..most]))?;
        self.left = self.left.map(|left| left.saturating_sub(written));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}
