//! Private PostgreSQL servers for the tests: each in a fresh folder, on a unix socket only, gone with the test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// How long anything is waited for before it counts as failed. A busy machine is slow, never this slow.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// Of every server: it is told apart by the folder its socket lies in.
const PORT: u16 = 5432;

/// What differs from a fresh server's settings. A commit waits for its fsync, as in service. Checkpoints come
/// often enough that a crash can fall on one. Recovery syncs in one call: a thousand files one by one take seconds.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 200
shared_buffers = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
autovacuum = on
checkpoint_timeout = 1min
max_wal_size = 256MB
wal_level = replica
max_wal_senders = 10
wal_keep_size = 256MB
hot_standby = on
recovery_init_sync_method = syncfs
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
";

/// A PostgreSQL server of the tests' own. It stops, and its folder goes, when this is dropped or the process ends.
pub struct Server {
    folder: PathBuf,
    supervisor: Mutex<Supervisor>,
    /// While this is set the process has not been waited for, so that the number can be no other process's.
    postmaster: std::sync::Mutex<Option<u32>>,
}

/// The shell that owns the server; see its script.
struct Supervisor {
    child: Child,
    /// Closed to end it.
    requests: Option<ChildStdin>,
    answers: mpsc::UnboundedReceiver<String>,
}

impl Server {
    /// The server all tests of this process share. Not to be killed, stopped or paused.
    pub async fn shared() -> &'static Server {
        static SHARED: OnceCell<Server> = OnceCell::const_new();
        SHARED.get_or_init(Server::start).await
    }

    /// A server of one's own, running.
    pub async fn start() -> Server {
        let server = Server::supervised().await;
        // What initdb has written needs no sync: a killed process loses nothing the kernel has.
        let made = "--username=bihuan --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-instructions";
        server.run("initdb", &format!("{made} --no-sync")).await;
        server.append("postgresql.conf", SETTINGS);
        server.start_again().await;
        server
    }

    /// Only its supervisor and an empty folder.
    async fn supervised() -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("supervisor.sh"), "supervisor"]).arg(programs());
        // Its surroundings must not change the server; and what interrupts the tests must not end the supervisor.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
        let requests = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        // A thread reads: a server is used by tests with runtimes of their own, and belongs to none of these.
        let (sender, mut answers) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let folder = answers.recv().await.expect("the supervisor made a folder").into();
        let supervisor = Mutex::new(Supervisor { child, requests, answers });
        Server { folder, supervisor, postmaster: std::sync::Mutex::new(None) }
    }

    /// The folder its socket, its data and its log lie in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{PORT}"))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// The process that is the parent of all others of the server; none after `kill` and `stop`.
    pub fn postmaster(&self) -> Option<u32> {
        *self.postmaster.lock().expect("no test failed in here")
    }

    /// Where sqlx finds a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://bihuan@localhost:{PORT}/{database}?host={}", self.folder.display())
    }

    /// Makes an empty database with a name no other has in this process; returns its URL.
    pub async fn database(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("db{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// A connection to the database that belongs to no test.
    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url("postgres")).await.expect("the server answers")
    }

    async fn execute(&self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Kills every process of the server at once, as a power cut would. Returns when all of them are gone.
    pub async fn kill(&self) {
        let postmaster = self.postmaster().expect("the server runs");
        let mut all = freeze(postmaster).await;
        all.push(postmaster);
        signal("KILL", &all);
        self.wait().await;
        until("all processes of the killed server are gone", || !all.iter().any(|process| alive(*process)))
            .await;
        // Both name the dead process. Should its number be another's by now, the server would not start.
        for left in ["data/postmaster.pid".to_owned(), format!(".s.PGSQL.{PORT}.lock")] {
            std::fs::remove_file(self.folder.join(left)).ok();
        }
    }

    /// Kills one process that serves a connection, which one the seed says; none when there is no connection.
    /// The server then drops all connections, of which none is left on return, and recovers; `ready` waits for that.
    pub async fn kill_backend(&self, seed: u64) -> Option<u32> {
        let all = children(self.postmaster().expect("the server runs"));
        let serves = |process: &u32| {
            let title = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&title).contains(" [local] ")
        };
        let mut backends: Vec<u32> = all.iter().copied().filter(serves).collect();
        backends.sort_unstable();
        let number = u64::try_from(backends.len()).expect("few");
        let chosen = backends[usize::try_from(seed.checked_rem(number)?).expect("small")];
        signal("KILL", &[chosen]);
        // The postmaster ends all the others before it recovers.
        until("the killed backend and all others are gone", || !all.iter().any(|process| exists(*process)))
            .await;
        Some(chosen)
    }

    /// Starts the server after `kill` or `stop`. Returns when it accepts connections.
    pub async fn start_again(&self) {
        assert_eq!(self.postmaster(), None, "the server runs");
        let (folder, name) = (self.folder.display(), self.name());
        let start = format!("start -D {folder}/data -k {folder} -p {PORT} -c cluster_name={name}");
        let postmaster = self.ask(&start).await.parse().expect("the number of a process");
        *self.postmaster.lock().expect("no test failed in here") = Some(postmaster);
        self.ready().await;
    }

    /// Waits until the server accepts connections and answers.
    pub async fn ready(&self) {
        let postmaster = self.postmaster().expect("the server was started");
        let url = self.url("postgres");
        let begun = Instant::now();
        loop {
            let asked = async { PgConnection::connect(&url).await?.ping().await };
            if let Ok(Ok(())) = timeout(Duration::from_secs(5), asked).await {
                return;
            }
            assert!(alive(postmaster), "the server ended; its log:\n{}", self.log());
            assert!(begun.elapsed() < DEADLINE, "the server does not answer; its log:\n{}", self.log());
            sleep(LOOK).await;
        }
    }

    /// Stops the server in good order: connections are dropped, everything is written and sent to the replicas.
    pub async fn stop(&self) {
        signal("INT", &[self.postmaster().expect("the server runs")]);
        assert_eq!(self.wait().await, "0", "the server stopped badly; its log:\n{}", self.log());
    }

    /// Freezes every process of the server: connections stay open, and nothing answers.
    pub async fn pause(&self) {
        let postmaster = self.postmaster().expect("the server runs");
        signal("STOP", &freeze(postmaster).await);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        let postmaster = self.postmaster().expect("the server runs");
        signal("CONT", &children(postmaster));
        signal("CONT", &[postmaster]);
    }

    /// A new replica of this server, streaming. Once one is synchronous, every commit here waits for it, until
    /// another one is asked for as synchronous; so commits hang while it is down.
    pub async fn replica(&self, synchronous: bool) -> Server {
        let replica = Server::supervised().await;
        let source = format!("--host={} --port={PORT} --username=bihuan", self.folder.display());
        let how = "--write-recovery-conf --checkpoint=fast --wal-method=stream --no-sync";
        replica.run("pg_basebackup", &format!("{source} {how}")).await;
        // Copied with the rest; promoted, the replica would wait for itself.
        replica.append("postgresql.auto.conf", "synchronous_standby_names = ''\n");
        replica.start_again().await;
        let name = replica.name();
        if synchronous {
            self.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '\"{name}\"'")).await;
            self.execute("SELECT pg_reload_conf()").await;
        }
        self.streams_to(&replica, synchronous).await;
        if synchronous {
            // Commits begin to wait once the checkpointer has read the setting, as it does before a checkpoint.
            self.execute("CHECKPOINT").await;
        }
        replica
    }

    /// Waits until a replica receives all that is written here.
    async fn streams_to(&self, replica: &Server, synchronous: bool) {
        let sql = "SELECT count(*) FROM pg_stat_replication
            WHERE application_name = $1 AND state = 'streaming' AND (sync_state = 'sync' OR NOT $2)";
        let mut connection = self.connect().await;
        let begun = Instant::now();
        loop {
            let found = sqlx::query_scalar(sql).bind(replica.name()).bind(synchronous);
            let found: i64 = found.fetch_one(&mut connection).await.expect("read");
            if found == 1 {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "the replica does not stream; its log:\n{}", replica.log());
            sleep(LOOK).await;
        }
    }

    /// Makes a replica a primary. Returns when it accepts writes. Whether the old primary still runs is not asked.
    pub async fn promote(&self) {
        let asked = sqlx::query_scalar("SELECT pg_promote(true, 60)");
        let promoted: bool = asked.fetch_one(&mut self.connect().await).await.expect("asked");
        assert!(promoted, "the replica was not promoted; its log:\n{}", self.log());
    }

    /// Turns a server that was stopped in good order into a running replica of the one promoted in its place.
    pub async fn follow(&self, primary: &Server) {
        self.append("standby.signal", "");
        let source = format!("host={} port={PORT} user=bihuan", primary.folder.display());
        let settings = format!("primary_conninfo = '{source}'\nsynchronous_standby_names = ''\n");
        self.append("postgresql.auto.conf", &settings);
        self.start_again().await;
        primary.streams_to(self, false).await;
    }

    /// What the server calls itself, to a primary and in the list of processes.
    fn name(&self) -> &str {
        self.folder.file_name().and_then(OsStr::to_str).expect("a plain name")
    }

    /// Adds to a file of the server, which may be new.
    fn append(&self, file: &str, text: &str) {
        let path = self.folder.join("data").join(file);
        let opened = File::options().append(true).create(true).open(&path);
        opened.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
        // A new file is ours, and the server may run as another user: the one who has the folder.
        let owner = std::fs::metadata(&self.folder).expect("read");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given to the server");
    }

    /// Runs a program of PostgreSQL that makes the data, as the server's user.
    async fn run(&self, program: &str, arguments: &str) {
        let request = format!("{program} --pgdata={}/data {arguments}", self.folder.display());
        let status = self.ask(&request).await;
        assert_eq!(status, "0", "{program} failed:\n{}", self.log());
    }

    /// Waits until the postmaster has ended; returns its exit status.
    async fn wait(&self) -> String {
        let status = self.ask("wait").await;
        *self.postmaster.lock().expect("no test failed in here") = None;
        status
    }

    async fn ask(&self, request: &str) -> String {
        let mut supervisor = self.supervisor.lock().await;
        writeln!(supervisor.requests.as_ref().expect("open"), "{request}").expect("the supervisor listens");
        let answer = timeout(DEADLINE, supervisor.answers.recv()).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to `{request}`; the log:\n{}", self.log()));
        answer.expect("the supervisor lives")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!("the last lines of {}:\n{last}", self.name());
        }
        let supervisor = self.supervisor.get_mut();
        drop(supervisor.requests.take());
        // So that nothing of it is left when the next test looks. A failure shows in that test.
        supervisor.child.wait().ok();
    }
}

/// The name of the database in a URL of a server or a proxy.
pub fn database_of(url: &str) -> &str {
    let from = url.rfind('@').and_then(|at| url[at..].find('/').map(|slash| at + slash + 1)).expect("a URL");
    url[from..].split('?').next().expect("a name")
}

/// The folder of PostgreSQL's programs: that of the `postgres` on PATH, else Debian's newest.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("postgres"));
    // What lies on PATH is often a link to the folder with all of them.
    let on_path = on_path.filter_map(|program| program.canonicalize().ok()).next();
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| {
            Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin/postgres")))
        })
        .filter(|(_, program)| program.exists())
        .collect();
    debian.sort();
    let postgres = on_path.or_else(|| debian.pop().map(|(_, program)| program));
    let postgres =
        postgres.expect("PostgreSQL is missing: install the Debian package `postgresql` (./test does)");
    let folder = postgres.parent().expect("in a folder").to_path_buf();
    for program in ["initdb", "pg_basebackup"] {
        let beside = folder.join(program);
        assert!(beside.exists(), "{} is missing: install the Debian package `postgresql`", beside.display());
    }
    folder
}

/// Sends a signal. A process that is gone is none of our business.
fn signal(name: &str, processes: &[u32]) {
    let numbers = processes.iter().map(u32::to_string);
    // The shell's own `kill`: a small machine has no other.
    let mut command = Command::new("sh");
    command.args(["-c", "kill -s \"$@\"", "kill", name]).args(numbers);
    command.stderr(Stdio::null()).status().expect("sh starts");
}

/// State and parent of a process.
fn stat(process: u32) -> Option<(char, u32)> {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before them stands in brackets, and may hold anything.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn exists(process: u32) -> bool {
    stat(process).is_some()
}

/// Whether a process is there and not only waiting to be waited for.
pub fn alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != 'Z')
}

/// Stops a postmaster, and gives the processes it has started. Not before it stands still: one it is just starting
/// would be overlooked, and keep the server from starting again.
async fn freeze(postmaster: u32) -> Vec<u32> {
    signal("STOP", &[postmaster]);
    let still = || stat(postmaster).is_none_or(|(state, _)| matches!(state, 'T' | 'Z'));
    until("the postmaster stands still", still).await;
    children(postmaster)
}

/// The processes a process has started.
fn children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|process| stat(*process).is_some_and(|(_, its)| its == parent)).collect()
}

/// Waits until something is so; fails when it never is.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        sleep(LOOK).await;
    }
}
