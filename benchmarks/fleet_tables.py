"""The results of ``benchmarks.fleet``: comparison, figures for larger fleets, and tables in both languages."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.figures import Words, number
from benchmarks.processes import Used
from usbrh.clock import NS

SENSORS = (1_000, 10_000, 100_000)
"""Sizes of the fleets for which the table of the plan has figures."""
PARTS: tuple[Words, ...] = (
    ("first proxy", "1 台目のプロキシ"),
    ("second proxy", "2 台目のプロキシ"),
    ("server", "サーバー"),
    ("database", "データベース"),
)
"""The programs of Zabbix in the order of ``Load.parts``."""
SESSION = "zabbix zabbix"
"""The title of a PostgreSQL process that serves the user zabbix in the database zabbix."""


@dataclass(frozen=True)
class Outcome:
    """What became of the readings of a time span."""

    readings: int
    missing: frozenset[tuple[str, int]]
    """Host and time, in ns since 1970, of the readings that the history does not have."""
    twice: int
    """Rows of the history beyond one per reading."""
    delays: Sequence[float]
    """Seconds from each measurement until its state was visible in the database, ascending."""

    @property
    def lost(self) -> int:
        """Number of missing readings."""
        return len(self.missing)

    def delay(self, part: float) -> float:
        """Return the delay that this part of the readings does not exceed; 1 is the largest delay."""
        return self.delays[min(len(self.delays) - 1, int(part * len(self.delays)))]


def compare(measured: Collection[tuple[str, int]], rows: Sequence[tuple[str, int, float]]) -> Outcome:
    """Compare readings (host, time in ns) with rows of the history (host, time in ns, moment of becoming visible)."""
    wanted = set(measured)
    arrived = {(host, time_ns): visible for host, time_ns, visible in rows}
    found = wanted & arrived.keys()
    delays = sorted(arrived[key] - key[1] / NS for key in found)
    return Outcome(len(wanted), frozenset(wanted - found), len(rows) - len(found), delays)


@dataclass(frozen=True)
class Load:
    """What the parts needed while all hosts sent through two proxies."""

    interval: int
    """Of each host, in s."""
    seconds: float
    hosts: int
    outcome: Outcome
    values: int
    """Rows that the history got for these readings and for the states of the bridges."""
    bridges: float
    """Processor time of all bridges, in s."""
    parts: Sequence[Used]
    """In the order of ``PARTS``."""

    def cores(self, part: int, hosts: int | None = None) -> float:
        """Return how many cores a part used on average; for another number of ``hosts``, in proportion."""
        return self.parts[part].seconds / self.seconds * (hosts or self.hosts) / self.hosts

    @property
    def limit(self) -> int:
        """The part that used most."""
        return max(range(len(PARTS)), key=self.cores)


@dataclass(frozen=True)
class Killed:
    """What happened when a proxy of the group was killed."""

    hosts: int
    orphans: int
    """Hosts that the killed proxy had."""
    failover: float
    """Seconds from the kill until new values of all hosts were visible."""
    before: Outcome
    """While the killed proxy does not run."""
    restarted: Outcome
    """When it runs again."""
    after: Outcome
    """When the missing readings were sent again."""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = "| --- |" + " ---: |" * (len(headings) - 1)
    return [f"| {' | '.join(headings)} |", ruler, *(f"| {' | '.join(row)} |" for row in rows)]


def _percent(cores: float) -> str:
    return f"{number(100 * cores)} %"


def _arrival(loaded: Load, killed: Killed, language: int) -> list[str]:
    english = language == 0
    outcomes = {
        ("two proxies", "プロキシ 2 台"): loaded.outcome,
        ("proxy group, one proxy killed", "プロキシグループ、1 台を強制終了"): killed.before,
        ("the same, when the killed proxy runs again", "同上、終了させたプロキシの再起動後"): killed.restarted,
        ("the same, after comparing and sending again", "同上、比較と再送の後"): killed.after,
    }
    headings = (
        ["", "readings", "lost", "twice", "delay: median", "99 %", "largest"]
        if english
        else ["", "測定値", "欠落", "重複", "遅れ：中央値", "99 %", "最大"]
    )
    rows = []
    for words, outcome in outcomes.items():
        counts = [f"{count:,}" for count in (outcome.readings, outcome.lost, outcome.twice)]
        rows.append([words[language], *counts, *(f"{number(outcome.delay(part))} s" for part in (0.5, 0.99, 1))])
    about = (
        f"Two proxies: {loaded.hosts:,} hosts every {loaded.interval} s. Proxy group: {killed.hosts:,} hosts, of which "
        f"the killed proxy had {killed.orphans:,}. "
        f"{killed.failover:.0f} s after the kill, new values of all were visible."
        if english
        else f"プロキシ 2 台：ホスト {loaded.hosts:,} 台、{loaded.interval} 秒ごと。"
        f"プロキシグループ：ホスト {killed.hosts:,} 台、うち {killed.orphans:,} 台が終了させたプロキシの担当。"
        f"終了の {killed.failover:.0f} 秒後には、全ホストの新しい値が見えていました。"
    )
    return [*_table(headings, rows), "", about]


def _load(loaded: Load, language: int) -> list[str]:
    english = language == 0
    headings = (
        ["", "processor, of one core", "per reading", "busiest process", "its share"]
        if english
        else ["", "1 コアに対する CPU 使用率", "測定値 1 件あたり", "最も負荷の高いプロセス", "その使用率"]
    )
    readings = loaded.outcome.readings

    def row(name: str, seconds: float, *busiest: str) -> list[str]:
        return [name, _percent(seconds / loaded.seconds), f"{number(1000 * seconds / readings)} ms", *busiest]

    bridges = (f"{loaded.hosts:,} bridges of usbrh", f"usbrh のブリッジ {loaded.hosts:,} 個")[language]
    rows = [row(bridges, loaded.bridges, "", "")]
    for words, used in zip(PARTS, loaded.parts, strict=True):
        title = ("session of Zabbix", "Zabbix のセッション")[language] if used.title == SESSION else f"`{used.title}`"
        rows.append(row(words[language], used.seconds, title, _percent(used.busiest / loaded.seconds)))
    part = PARTS[loaded.limit][language]
    share = loaded.cores(loaded.limit)
    hosts = round(loaded.hosts / share, -2)
    limit = (
        f"The limit is the {part}: it needs {_percent(share)} of a core for {loaded.hosts:,} hosts every "
        f"{loaded.interval} s. Extrapolated, one core is enough for {hosts:,.0f} hosts."
        if english
        else f"限界になるのは{part}です。{loaded.interval} 秒ごとのホスト {loaded.hosts:,} 台に、1 コアの "
        f"{_percent(share)} を使いました。外挿では、1 コアでホスト {hosts:,.0f} 台に足ります。"
    )
    return [*_table(headings, rows), "", limit]


def _plan(loaded: Load, size: float, language: int) -> list[str]:
    english = language == 0
    headings = (
        ["sensors", "readings/s", "stored values/s", "cores: all proxies", "server", "database", "history per day"]
        if english
        else [
            "センサー",
            "測定値/秒",
            "保存する値/秒",
            "コア数：全プロキシ",
            "サーバー",
            "データベース",
            "1 日のヒストリ",
        ]
    )
    rows = []
    for sensors in SENSORS:
        factor = sensors / loaded.hosts / loaded.seconds
        values = loaded.values * factor
        proxies = loaded.cores(0, sensors) + loaded.cores(1, sensors)
        cores = [number(each) for each in (proxies, loaded.cores(2, sensors), loaded.cores(3, sensors))]
        disk = f"{number(values * size * 86400 / 1e9)} GB"
        rows.append([f"{sensors:,}", number(loaded.outcome.readings * factor), number(values), *cores, disk])
    about = (
        f"**Extrapolated** in proportion from the {loaded.hosts:,} hosts every {loaded.interval} s above, "
        f"{number(size)} bytes per stored value, without trends."
        if english
        else f"上の {loaded.interval} 秒ごとのホスト {loaded.hosts:,} 台から比例計算で**外挿**した値です。"
        f"保存する値は 1 個 {number(size)} バイト、トレンドは含みません。"
    )
    return [*_table(headings, rows), "", about]


def tables(loaded: Load, killed: Killed, size: float, machine: str, language: int) -> dict[str, str]:
    """Return the tables by their places in docs/scale.md, in the language with this index in ``LANGUAGES``.

    ``size`` is that of a value in the database, in bytes. ``machine`` describes it, its load and the date.
    """
    found = {
        "fleet-arrival": _arrival(loaded, killed, language),
        "fleet-load": [*_load(loaded, language), "", machine],
        "fleet-plan": _plan(loaded, size, language),
    }
    return {place: "\n".join([*lines, ""]) for place, lines in found.items()}
