//! One cluster in a temporary folder.

use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// No sync to disk: the machine's crash is not among the things these tests look at, and the server's own
/// crash needs no sync. What a transaction promises otherwise is left as it is shipped.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 200
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
jit = off
";

/// Tries for a port: it is free when asked for, and may be taken before PostgreSQL binds it.
const PORTS: usize = 5;

/// A running cluster; dropping it shuts it down at once and removes its folder.
pub struct Cluster {
    bin: PathBuf,
    dir: PathBuf,
    owner: Option<Owner>,
    port: u16,
}

/// Whom the cluster belongs to when the command is run by root, as whom PostgreSQL refuses to run.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Makes and starts a cluster with the programs of `bin`.
    ///
    /// # Errors
    /// What PostgreSQL said, with the end of its log.
    pub fn start(bin: PathBuf) -> Result<Self> {
        let owner = owner()?;
        let dir = fresh_dir()?;
        // From here on the folder goes away with the value.
        let mut cluster = Self { bin, dir, owner, port: 0 };
        fs::set_permissions(&cluster.dir, fs::Permissions::from_mode(0o700))?;
        if let Some(owner) = owner {
            std::os::unix::fs::chown(&cluster.dir, Some(owner.uid), Some(owner.gid))?;
        }
        let data = cluster.data();
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync"]);
        output(initdb.arg("-D").arg(&data))?;
        let settings = data.join("postgresql.conf");
        let sockets = format!("unix_socket_directories = '{}'\n", cluster.dir.display());
        let text = fs::read_to_string(&settings)? + SETTINGS + &sockets;
        fs::write(&settings, text)?;
        cluster.bind()?;
        Ok(cluster)
    }

    /// For a superuser, over TCP.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn bind(&mut self) -> Result<()> {
        let mut failure = None;
        for _ in 0..PORTS {
            self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut start = self.program("pg_ctl");
            start.args(["start", "--wait", "--timeout=60", "--silent", "-D"]).arg(self.data());
            start.arg("-l").arg(self.log()).arg("-o").arg(format!("-p {}", self.port));
            match output(&mut start) {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let from = log.lines().count().saturating_sub(20);
        let tail: Vec<&str> = log.lines().skip(from).collect();
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("no port")).context(tail.join("\n")))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// One of PostgreSQL's programs, as the cluster's owner.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(&self.dir).stdin(Stdio::null());
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        command
    }

    fn stop(&self) -> Result<()> {
        let pid_file = self.data().join("postmaster.pid");
        let pid = match fs::read_to_string(&pid_file) {
            Ok(text) => text.lines().next().unwrap_or_default().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context("postmaster.pid"),
        };
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--wait", "--timeout=20", "--silent", "-D"]).arg(self.data());
        let Err(error) = output(&mut stop) else { return Ok(()) };
        eprintln!("{error:#}; killing it");
        output(Command::new("kill").args(["-KILL", &pid]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("PostgreSQL did not stop: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{} is left behind: {error}", self.dir.display());
        }
    }
}

/// A new folder in the system's temporary one.
fn fresh_dir() -> Result<PathBuf> {
    let parent = env::temp_dir();
    for n in 0..1000 {
        let dir = parent.join(format!("hongyan-postgres-{}-{n}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| dir.display().to_string()),
        }
    }
    bail!("no new folder in {}", parent.display())
}

/// `None` when the command is not run by root, otherwise the user `postgres`, or `nobody` if there is none.
fn owner() -> Result<Option<Owner>> {
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(Some(Owner { uid, gid }));
        }
    }
    bail!("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")
}

/// Whether the command is run by root.
pub(super) fn is_root() -> Result<bool> {
    Ok(id(&["-u"])? == 0)
}

fn id(args: &[&str]) -> Result<u32> {
    let out = Command::new("id").args(args).stderr(Stdio::null()).output().context("id")?;
    String::from_utf8_lossy(&out.stdout).trim().parse().with_context(|| format!("id {}", args.join(" ")))
}

fn output(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let out = command.output().with_context(|| program.clone())?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("{program} ended with {}: {}", out.status, said.trim());
    }
    Ok(())
}
