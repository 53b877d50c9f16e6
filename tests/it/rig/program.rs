//! The program as a child process: started, listened to, stopped, and never waited for
//! without an end.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

/// No child may take longer; the slowest is a build of a plugin.
const LONGEST: Duration = Duration::from_mins(3);

/// How often a child is weighed.
const LOOK: Duration = Duration::from_millis(20);

/// A command line of the program.
pub(crate) struct Program(Command);

impl Program {
    /// `bulkhead` in `dir`, without arguments yet.
    pub(crate) fn new(dir: &Path) -> Self {
        let mut command = Command::new(bulkhead_tests::program());
        command.current_dir(dir).stdin(Stdio::null());
        command.env_remove("BULKHEAD_LOG").env_remove("BULKHEAD_LOG_FORMAT");
        Self(command)
    }

    pub(crate) fn args<A: AsRef<OsStr>>(
        mut self,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(key, value);
        self
    }

    pub(crate) fn start(mut self) -> Started {
        let mut child =
            self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (say, news) = channel();
        let (open, ended) = channel();
        let out = listen(child.stdout.take().unwrap(), say.clone(), Sender::clone(&open));
        let err = listen(child.stderr.take().unwrap(), say, open);
        Started { child, news, ended, said: Some((out, err)) }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().finish()
    }
}

/// A running child. Dropping it ends it.
pub(crate) struct Started {
    child: Child,
    /// Lines of both outputs as they come.
    news: Receiver<String>,
    /// Disconnected when both outputs are closed.
    ended: Receiver<()>,
    said: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

impl Started {
    /// Returns the first line that contains `text`.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.news.recv_timeout(LONGEST) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => before.push(line),
                Err(error) => {
                    panic!("nobody said `{text}` ({error}), but:\n{}", before.join("\n"))
                }
            }
        }
    }

    /// Sends a signal by name, as a person or a supervisor would.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ended {
        if self.ended.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            self.child.kill().unwrap();
            let ended = self.end();
            panic!("it did not end:\n{}\n{}", ended.out, ended.err);
        }
        self.end()
    }

    /// Waits for its end, and looks meanwhile at how much memory it took at most, in bytes.
    pub(crate) fn finish_weighed(mut self) -> (Ended, u64) {
        let status = format!("/proc/{}/status", self.child.id());
        let mut most = 0;
        let looks = LONGEST.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            let text = fs_err::read_to_string(&status).unwrap_or_default();
            most = most.max(peak(&text).unwrap_or(0));
            if self.ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return (self.end(), most);
            }
        }
        (self.finish(), most)
    }

    /// Kills it after `delay`, unless it has ended before.
    pub(crate) fn kill_after(mut self, delay: Duration) -> Ended {
        if self.ended.recv_timeout(delay) == Err(RecvTimeoutError::Timeout) {
            self.child.kill().unwrap();
        }
        self.end()
    }

    fn end(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        let (out, err) = self.said.take().unwrap();
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        Ended { code: status.code(), is_killed: status.signal() == Some(9), out, err }
    }
}

/// `VmHWM` of `/proc/PID/status`, in bytes.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.said.is_some() {
            // A test failed before its end: the child must not outlive it.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a child came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) is_killed: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Asserts the exit code, and shows everything said when it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that a line of standard error is exactly this.
    #[track_caller]
    pub(crate) fn says(&self, line: &str) {
        let is_said = self.err.lines().any(|said| said == line);
        assert!(is_said, "this line is missing:\n{line}\nin:\n{}", self.err);
    }
}

fn listen(
    from: impl Read + Send + 'static,
    say: Sender<String>,
    open: Sender<()>,
) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { break };
            all.push_str(&line);
            all.push('\n');
            // Nobody may be listening any more.
            let _ = say.send(line);
        }
        drop(open);
        all
    })
}
