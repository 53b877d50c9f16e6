//! Starting children, and seeing to it that none outlives its use.
//!
//! A child is this program started anew, with an empty environment, one socket as its standard
//! input, and nothing else. It dies with whatever holds it: dropping a [`Child`] kills it and
//! waits for its end, so that there are no zombies; and the kernel kills it when the thread
//! that started it ends (see `child::jail`). That is a thread of its own, because the
//! runtime's come and go.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt as _, ExitStatusExt as _},
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::frame::ParentEnd;

/// How this program starts itself as a child. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Children(Arc<mpsc::SyncSender<Order>>);

/// What a child is for: the last word of its command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Compile,
    Run,
}

impl Task {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Run => "run",
        }
    }
}

#[derive(Debug)]
struct Order {
    task: Task,
    born: oneshot::Sender<io::Result<(Process, UnixStream)>>,
}

/// Orders that may wait for the thread that starts children; who finds it full waits.
const WAITING: usize = 64;

impl Children {
    /// Children are `program`, started with `arguments` and the name of their task, which
    /// must lead to [`fn@crate::child::compile`] and its like before anything else is done.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn of_program(
        program: impl Into<PathBuf>,
        arguments: &[&str],
    ) -> io::Result<Self> {
        let program = program.into();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (orders, inbox) = mpsc::sync_channel::<Order>(WAITING);
        thread::Builder::new().name("bulkhead-children".to_owned()).spawn(move || {
            while let Ok(Order { task, born }) = inbox.recv() {
                // When nobody waits any more, now or before it was taken, it is dropped unused,
                // which ends it.
                let _ = born.send(start(&program, &arguments, task));
            }
        })?;
        Ok(Self(Arc::new(orders)))
    }

    /// Children are this very program, also when its file has been replaced since.
    ///
    /// # Errors
    ///
    /// When the system does not say which file that is.
    pub fn of_this_program(arguments: &[&str]) -> io::Result<Self> {
        let running = Path::new("/proc/self/exe");
        let program = match running.try_exists() {
            Ok(true) => running.to_owned(),
            Ok(false) | Err(_) => std::env::current_exe()?,
        };
        Self::of_program(program, arguments)
    }

    /// Starts a child.
    pub(crate) async fn start(&self, task: Task) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts children is gone");
        let (born, birth) = oneshot::channel();
        let (orders, order) = (Arc::clone(&self.0), Order { task, born });
        // There is room in all but the worst of times, which no task must wait for.
        match orders.try_send(order) {
            Ok(()) => {}
            Err(mpsc::TrySendError::Disconnected(_)) => return Err(gone()),
            Err(mpsc::TrySendError::Full(order)) => {
                let sent = tokio::task::spawn_blocking(move || orders.send(order)).await;
                sent.map_err(io::Error::other)?.map_err(|_| gone())?;
            }
        }
        let (process, pipe) = birth.await.map_err(|_| gone())??;
        let mut child = Child { process, pipe: None, _alive: self.clone() };
        pipe.set_nonblocking(true)?;
        child.pipe = Some(ParentEnd(tokio::net::UnixStream::from_std(pipe)?));
        Ok(child)
    }
}

fn start(
    program: &Path,
    arguments: &[OsString],
    task: Task,
) -> io::Result<(Process, UnixStream)> {
    // Both ends close when something is executed, but for the one that becomes standard input.
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(program)
        .arg0("bulkhead")
        .args(arguments)
        .arg(task.as_str())
        .env_clear()
        // For its allocator: what it reserves ahead (in KiB) counts against its limit.
        .env("MIMALLOC_ARENA_RESERVE", "65536")
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A signal from the terminal is for the parent, which may want to end in order.
        .process_group(0)
        .spawn()?;
    Ok((Process(child), ours))
}

/// A child, alive or not. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    pipe: Option<ParentEnd>,
    /// The thread that started it lives as long as this.
    _alive: Children,
}

impl Child {
    /// The socket to it.
    pub(crate) fn pipe(&mut self) -> io::Result<&mut ParentEnd> {
        self.pipe.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Allows it this much processor time, over all its life. Where that cannot be told to
    /// the kernel, the parent's clock and the child's own engine bound it.
    pub(crate) fn allow(&self, time: Duration) {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Pid, Resource, Rlimit, prlimit};
            let seconds = Some(time.as_secs().saturating_add(1));
            let limit = Rlimit { current: seconds, maximum: None };
            // A child that is gone needs no time.
            let _ = prlimit(Some(Pid::from_child(&self.process.0)), Resource::Cpu, limit);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = time;
    }

    /// The signal that ended a child which stopped answering; `None` when it left by itself.
    pub(crate) fn signal(&mut self) -> Option<i32> {
        end(&mut self.process.0).and_then(|status| status.signal())
    }
}

/// The system's process. Dropping it ends it, wherever it is by then.
#[derive(Debug)]
struct Process(std::process::Child);

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Ends a child and takes its exit, so that nothing of it is left. One that was already
/// dying keeps the exit that it had.
fn end(child: &mut std::process::Child) -> Option<std::process::ExitStatus> {
    // It may be gone already.
    let _ = child.kill();
    child.wait().ok()
}
