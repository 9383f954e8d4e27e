//! What a connection's own task does beside serving it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Connection;
use super::state::Order;

/// Who was told farewell is given this long to hang up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Does `work`, which is to serve a connection, as long as that does not stand still and need not
/// make room: `None` when it was broken off. `end` asks the work to come to an end.
pub async fn watch<F: Future>(
    connection: &Connection,
    mut work: Pin<&mut F>,
    mut end: impl FnMut(Pin<&mut F>),
) -> Option<F::Output> {
    let first = Instant::now() + connection.connections().limits.header_timeout;
    let mut timer = pin!(sleep_until(first));
    let mut ended: Option<Instant> = None;
    poll_fn(|cx| {
        loop {
            connection.poll(cx.waker());
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let now = connection.settle();
            let order = connection.order();
            if order == Order::Leave {
                if now.is_quiet {
                    return Poll::Ready(None);
                }
                connection.stay();
            }
            if order != Order::End || ended.is_some() {
                let deadline = match ended.filter(|_| now.is_quiet) {
                    Some(ended) => Some(ended.max(now.since) + FAREWELL),
                    None => now.deadline,
                };
                ready!(poll_deadline(timer.as_mut(), deadline, cx));
                if !now.is_quiet {
                    connection.abort();
                }
                if !now.is_quiet || ended.is_some() {
                    return Poll::Ready(None);
                }
            }
            if now.is_quiet && !now.speaks_http2 {
                return Poll::Ready(None);
            }
            // HTTP/2 has a word of farewell, and a request that runs may end.
            ended = Some(Instant::now());
            end(work.as_mut());
        }
    })
    .await
}

/// Ready when the deadline has passed. The timer is set back as seldom as possible.
fn poll_deadline(
    mut timer: Pin<&mut Sleep>,
    deadline: Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        return Poll::Pending;
    };
    if deadline < timer.deadline() {
        timer.as_mut().reset(deadline);
    }
    loop {
        ready!(timer.as_mut().poll(cx));
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}
