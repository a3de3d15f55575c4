//! A PostgreSQL cluster of a test's own, to be shut down under the server's feet.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Stdio},
};

use testkit::tempfile::TempDir;

/// Stopped and removed when dropped.
pub struct Cluster {
    bin: PathBuf,
    dir: TempDir,
    /// Whom it belongs to, user and group, when the tests are run by root, as whom PostgreSQL refuses to run.
    owner: Option<(u32, u32)>,
    port: u16,
}

impl Cluster {
    /// `None` where PostgreSQL's programs are not known.
    pub fn start() -> Option<Self> {
        let Some(bin) = std::env::var_os("HONGYAN_TEST_PG_BIN") else {
            eprintln!("skipped: HONGYAN_TEST_PG_BIN is not set");
            return None;
        };
        let root = id(&["-u"]) == Some(0);
        let owner = root.then(|| {
            let owner = |name| Some((id(&["-u", name])?, id(&["-g", name])?));
            owner("postgres").or_else(|| owner("nobody")).expect("a user to run PostgreSQL as")
        });
        let dir = testkit::tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((uid, gid)) = owner {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let cluster = Self { bin: bin.into(), dir, owner, port };
        cluster.program(
            "initdb",
            &["--username=postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "-N"],
        );
        cluster.up();
        Some(cluster)
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub fn up(&self) {
        let log = self.dir.path().join("log");
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off",
            self.port
        );
        self.program("pg_ctl", &["start", "--wait", "-l", log.to_str().unwrap(), "-o", &options]);
    }

    /// Without a good-bye to anybody; recovers when it is [`Cluster::up`] again.
    pub fn down(&self) {
        self.program("pg_ctl", &["stop", "--wait", "--mode=immediate"]);
    }

    /// Down and at once up again.
    pub fn restart(&self) {
        self.program("pg_ctl", &["restart", "--wait", "--mode=immediate"]);
    }

    /// Stops all of it where it stands, connections open: as a machine that hangs.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let file = std::fs::read_to_string(self.dir.path().join("data/postmaster.pid")).unwrap();
        let postmaster = file.lines().next().unwrap();
        let out = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
        let all = String::from_utf8(out.stdout).unwrap();
        let pairs = all.lines().filter_map(|line| line.trim().split_once(' '));
        let children = pairs.filter(|(_, parent)| parent.trim() == postmaster).map(|(pid, _)| pid);
        // One that ends meanwhile is no loss.
        let _ = Command::new("kill").arg(signal).arg(postmaster).args(children).status().unwrap();
    }

    fn program(&self, name: &str, args: &[&str]) {
        let mut command = Command::new(self.bin.join(name));
        command.args(args).arg("-D").arg(self.dir.path().join("data")).current_dir(self.dir.path());
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        // A file: the server inherits it, and a pipe would stay open as long as that lives.
        let said = self.dir.path().join(format!("{name}.out"));
        let out = std::fs::File::create(&said).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let status = command.status().unwrap();
        assert!(status.success(), "{name}: {}", std::fs::read_to_string(&said).unwrap());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.dir.path().join("data/postmaster.pid").exists() {
            self.thaw();
            self.down();
        }
    }
}

fn id(args: &[&str]) -> Option<u32> {
    let out = Command::new("id").args(args).output().ok()?;
    String::from_utf8_lossy(&out.stdout).trim().parse().ok()
}
