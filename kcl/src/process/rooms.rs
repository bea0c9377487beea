//! Two places to run: the *office*, where leases are kept, and the *floor*, where records are read and processed.
//!
//! On a runtime with several threads the office is a thread of its own with a small runtime of its own: whatever the
//! floor does, parse 10 MiB or block every thread it has, heartbeats go out and answers to them come in. On a runtime
//! with one thread both are that thread, so that tests with a paused clock see one order of events.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

/// Where to run what. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    /// `None`: the floor is the office too.
    office: Option<Handle>,
    floor: Handle,
}

impl Rooms {
    /// The caller's runtime is all there is.
    fn shared() -> Self {
        Self {
            office: None,
            floor: Handle::current(),
        }
    }

    /// Where the user's code runs.
    pub(crate) fn floor(&self) -> &Handle {
        &self.floor
    }

    /// Carries out a call on the lease table, asked for on the floor: its connections belong to the office.
    ///
    /// # Cancel safety
    /// A dropped call goes on to its end.
    pub(crate) async fn in_office<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let Some(office) = &self.office else {
            return work.await;
        };
        match office.spawn(work.instrument(Span::current())).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The office has closed: whoever asks is about to be dropped with everything else.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Runs `work` in the office, which lasts for as long as the work, and is gone when this future is dropped.
///
/// # Errors
/// When the system gives no thread or no runtime.
pub(crate) async fn open<T, Fut>(work: impl FnOnce(Rooms) -> Fut + Send + 'static) -> io::Result<T>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send,
{
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work(Rooms::shared()).await);
    }
    let floor = Handle::current();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let rooms = Rooms {
        office: Some(runtime.handle().clone()),
        floor,
    };
    let closing = CancellationToken::new();
    let _close = closing.clone().drop_guard();
    let (reply, result) = oneshot::channel();
    let span = Span::current();
    let thread = std::thread::Builder::new().name("kcl-office".to_owned());
    let office = thread.spawn(move || {
        let work = closing.run_until_cancelled_owned(work(rooms).instrument(span));
        if let Some(done) = runtime.block_on(work) {
            // Nobody waits any more: the caller was dropped in this very moment.
            let _ = reply.send(done);
        }
        // A look-up of a host name cannot be called off; it must not hold up the end.
        runtime.shutdown_background();
    })?;
    match result.await {
        Ok(done) => Ok(done),
        Err(_) => match office.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => Err(io::Error::other("the office closed without a result")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn one_thread_is_one_room_and_its_clock_may_stand() {
        let began = Instant::now();
        let name = open(|rooms| async move {
            sleep(Duration::from_secs(3600)).await;
            rooms.in_office(async { thread_name() }).await
        });
        assert_eq!(name.await.unwrap(), thread_name());
        assert_eq!(began.elapsed(), Duration::from_secs(3600));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_office_works_while_every_thread_of_the_floor_is_blocked() {
        let (tell, told) = std::sync::mpsc::channel();
        let beats = open(|rooms| async move {
            // A processor that blocks the only thread of the floor until the office has done something.
            let blocked = rooms.floor().spawn(async move { told.recv() });
            let mut beats = 0;
            while beats < 5 {
                sleep(Duration::from_millis(1)).await;
                beats += 1;
            }
            tell.send(beats).unwrap();
            blocked.await.unwrap().unwrap()
        });
        assert_eq!(timeout(Duration::from_secs(20), beats).await.unwrap().unwrap(), 5);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn calls_from_the_floor_run_in_the_office() {
        let name = open(|rooms| async move {
            let floor = rooms.floor().clone();
            let asked = floor.spawn(async move { rooms.in_office(async { thread_name() }).await });
            asked.await.unwrap()
        });
        assert_eq!(name.await.unwrap(), "kcl-office");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn an_office_nobody_waits_for_closes() {
        let (alive, gone) = oneshot::channel::<()>();
        let mut opened = Box::pin(open(|_| async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        }));
        let waited = timeout(Duration::from_millis(20), &mut opened).await;
        assert!(waited.is_err());
        drop(opened);
        let gone = timeout(Duration::from_secs(20), gone).await;
        assert!(gone.expect("it closes").is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    #[should_panic(expected = "as told")]
    async fn a_defect_in_the_office_is_told_to_its_caller() {
        let _ = open::<(), _>(|_| async { panic!("as told") }).await;
    }
}
