//! A network between the tests and a PostgreSQL server that fails on demand.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::postgres::Server;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A TCP port on this machine that leads to a server's socket. Dropped, it cuts its connections.
/// It lives in the runtime of the test that made it.
pub struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    listening: watch::Receiver<bool>,
    /// Never listened on; it keeps the port from others while connections are refused.
    _port: TcpSocket,
}

/// How things stand in the network.
#[derive(Clone)]
struct Rules {
    socket: PathBuf,
    to_server: Duration,
    to_client: Duration,
    half_open: bool,
    refuse: bool,
    /// How often everything was cut; a connection ends when this is no longer what it was at its start.
    cuts: u64,
}

impl Proxy {
    /// A proxy in front of a server, on a free port.
    pub async fn start(server: &Server) -> Proxy {
        let port = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = port.local_addr().expect("bound");
        let (rules, seen) = watch::channel(Rules {
            socket: server.socket(),
            to_server: Duration::ZERO,
            to_client: Duration::ZERO,
            half_open: false,
            refuse: false,
            cuts: 0,
        });
        let (told, listening) = watch::channel(false);
        tokio::spawn(listen(address, seen, told));
        let proxy = Proxy { address, rules, listening, _port: port };
        proxy.is_listening(true).await;
        proxy
    }

    /// Where sqlx finds a database of the server behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://bihuan@{}/{database}?sslmode=disable", self.address)
    }

    /// New connections go to another server; those that are open stay where they are.
    pub fn lead_to(&self, server: &Server) {
        self.rules.send_modify(|rules| rules.socket = server.socket());
    }

    /// Everything is held back for that long on its way, in each direction.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.rules.send_modify(|rules| (rules.to_server, rules.to_client) = (to_server, to_client));
    }

    /// Resets all connections there are. Nothing sent on them later arrives. New ones are let in.
    pub fn cut(&self) {
        self.rules.send_modify(|rules| rules.cuts += 1);
    }

    /// Connections, old and new, stay open and take what is sent, and nothing arrives, not even their end.
    /// What was sent meanwhile arrives after `normal`, as the network would send it again.
    pub fn half_open(&self) {
        self.rules.send_modify(|rules| rules.half_open = true);
    }

    /// New connections are refused, as where nobody listens; those that are open stay.
    pub async fn refuse(&self) {
        self.rules.send_modify(|rules| rules.refuse = true);
        self.is_listening(false).await;
    }

    /// No delay, nothing held back, nothing refused.
    pub async fn normal(&self) {
        self.rules.send_modify(|rules| {
            (rules.to_server, rules.to_client) = (Duration::ZERO, Duration::ZERO);
            (rules.half_open, rules.refuse) = (false, false);
        });
        self.is_listening(true).await;
    }

    async fn is_listening(&self, wanted: bool) {
        self.listening.clone().wait_for(|is| *is == wanted).await.expect("the proxy runs");
    }
}

/// A socket that shares its port with others of ours, as long as only one of them listens.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("set");
    socket.bind(address).expect("a free port");
    socket
}

/// Lets connections in, unless they are to be refused. Ends with the proxy.
async fn listen(address: SocketAddr, mut rules: watch::Receiver<Rules>, listening: watch::Sender<bool>) {
    while rules.wait_for(|rules| !rules.refuse).await.is_ok() {
        let listener = socket(address).listen(BACKLOG).expect("the port is ours");
        listening.send_replace(true);
        let mut seen = rules.clone();
        tokio::select! {
            refused = seen.wait_for(|rules| rules.refuse) => if refused.is_err() { return },
            () = accept(&listener, &rules) => {}
        }
        drop(listener);
        listening.send_replace(false);
    }
}

async fn accept(listener: &TcpListener, rules: &watch::Receiver<Rules>) {
    loop {
        let (client, _) = listener.accept().await.expect("accepted");
        tokio::spawn(connection(client, rules.clone()));
    }
}

/// One connection, until an end closes it or it is cut.
async fn connection(mut client: TcpStream, mut rules: watch::Receiver<Rules>) {
    let begun = rules.borrow().clone();
    let other = rules.clone();
    // Cut first: what has been cut forwards nothing more.
    tokio::select! {
        biased;
        _ = rules.wait_for(|rules| rules.cuts != begun.cuts) => {}
        _ = forward(&mut client, begun.socket, other) => {}
    }
    // A reset and no orderly end, as from a network that fails. Where the client has closed it changes nothing.
    client.set_zero_linger().ok();
}

async fn forward(client: &mut TcpStream, server: PathBuf, rules: watch::Receiver<Rules>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = UnixStream::connect(server).await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::try_join!(
        carry(from_client, to_server, rules.clone(), |rules| rules.to_server),
        carry(from_server, to_client, rules, |rules| rules.to_client),
    )?;
    Ok(())
}

/// Carries bytes one way, until there are no more.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut rules: watch::Receiver<Rules>,
    delay: fn(&Rules) -> Duration,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes).await?;
        let delay = delay(&rules.borrow());
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if rules.wait_for(|rules| !rules.half_open).await.is_err() {
            return Ok(());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..read]).await?;
    }
}
