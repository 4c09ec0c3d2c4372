"""PostgreSQL on a UNIX socket in a scratch directory, with the schema and initial data of Zabbix."""

import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.daemon import Daemon, scratch_directory
from tests.support.zabbix.machine import Release

# The data of a test needs no durability.
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 128MB
min_wal_size = 32MB
max_wal_size = 512MB
autovacuum = off
jit = off
timezone = 'UTC'
"""
POOL_PORT = 6432
"""Part of the name of the pool's socket."""
POOL = f"""
[databases]
zabbix = host={{sockets}} user=zabbix
[pgbouncer]
unix_socket_dir = {{sockets}}
unix_socket_mode = 0777
listen_port = {POOL_PORT}
auth_type = any
pool_mode = session
"""
FILES = Path("/usr/share/zabbix-server-pgsql")
LOCALE = "en_US.UTF-8"


class Database:
    """A cluster below ``scratch``. Clients connect to a socket in ``sockets``."""

    def __init__(self, release: Release, scratch: Path) -> None:
        self.release = release
        self.scratch = scratch
        self.directory = scratch / "var" / "postgres"
        self.sockets = scratch / "var"
        self.daemon: Daemon | None = None
        self.pool: Daemon | None = None

    def run(self, *arguments: str, user: str = "postgres") -> None:
        """Run a program of the release to its end."""
        done = subprocess.run(
            self.release.command(list(arguments), user, (self.scratch,)), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ChildProcessError(f"{arguments[0]}: {(done.stderr or done.stdout)[-1000:]}")

    def program(self, name: str) -> str:
        found = sorted(self.release.root.glob(f"usr/lib/postgresql/*/bin/{name}"))
        return "/" + str(found[-1].relative_to(self.release.root))

    def create(self) -> None:
        """Create an empty cluster. Every user who can connect to the socket has all permissions."""
        self.run(self.program("initdb"), "-D", str(self.directory), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync")  # fmt: skip

    def copy(self, kept: Path) -> None:
        """Copy a cluster that ``load`` created."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(kept), str(self.directory)], check=True)
        self.run("chown", "-R", "postgres:postgres", str(self.directory), user="root")

    def start(self) -> None:
        settings = self.scratch / "postgresql.conf"
        settings.write_text(SETTINGS.format(sockets=self.sockets))
        command = [self.program("postgres"), "-D", str(self.directory), "-c", f"config_file={settings}",
                   "-c", f"data_directory={self.directory}"]  # fmt: skip
        command += ["-c", f"hba_file={self.directory}/pg_hba.conf", "-c", f"ident_file={self.directory}/pg_ident.conf"]
        self.daemon = Daemon(
            "postgres",
            self.release.command(command, "postgres", (self.scratch,)),
            self.scratch / "postgres.log",
            signal.SIGINT,  # PostgreSQL's fast shutdown: it closes the connections
            lasting=True,
        )
        ready = self.release.command(["pg_isready", "-q", "-h", str(self.sockets)], "postgres", (self.scratch,))
        self.daemon.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0)

    def start_pool(self) -> None:
        """Start PgBouncer for the front end, which connects for each request. That took half of the time."""
        settings = self.scratch / "pgbouncer.ini"
        settings.write_text(POOL.format(sockets=self.sockets))
        command = self.release.command(["/usr/sbin/pgbouncer", str(settings)], "postgres", (self.scratch,))
        self.pool = Daemon("pgbouncer", command, self.scratch / "pgbouncer.log", lasting=True)
        self.pool.wait_until((self.sockets / f".s.PGSQL.{POOL_PORT}").exists)

    def stop(self) -> None:
        for daemon in (self.pool, self.daemon):
            if daemon:
                daemon.stop()

    def psql(self, *arguments: str, user: str = "postgres") -> None:
        self.run("psql", "-h", str(self.sockets), "-U", user, "-qX", "-v", "ON_ERROR_STOP=1", *arguments)


def load(release: Release) -> None:
    """Store a cluster with the data of Zabbix, and the locale of the front end, in the cache."""
    scratch = scratch_directory("load")
    database = Database(release, scratch)
    try:
        # Without its locale the front end complains on every page.
        locale = scratch / "var" / LOCALE
        database.run("localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", str(locale), user="root")
        database.create()
        database.start()
        database.psql("-c", "CREATE ROLE zabbix LOGIN", "-c", "CREATE DATABASE zabbix OWNER zabbix TEMPLATE template0")
        for part in ("schema", "images", "data"):
            script = f"zcat {FILES}/{part}.sql.gz | psql -h {database.sockets} -U zabbix -qAtX -v ON_ERROR_STOP=1"
            database.run("sh", "-c", f"{script} --single-transaction zabbix >/dev/null")
        database.psql("-c", "VACUUM ANALYZE", "zabbix")
        database.stop()
        kept = release.loaded_database()
        for source, target in ((locale, release.cache / "locale" / LOCALE), (database.directory, kept)):
            new = target.with_name(target.name + ".new")
            shutil.rmtree(new, ignore_errors=True)
            new.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", str(source), str(new)], check=True)
            shutil.rmtree(target, ignore_errors=True)
            new.rename(target)
    finally:
        database.stop()
        shutil.rmtree(scratch, ignore_errors=True)
