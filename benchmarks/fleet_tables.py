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
        """The part that used most, of those that can't be multiplied: server and database."""
        return max(range(len(PARTS)), key=self.cores)


@dataclass(frozen=True)
class Killed:
    """What happened when a proxy of the group was killed."""

    interval: int
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


def _arrival(loads: Sequence[Load], killed: Killed, language: int) -> list[str]:
    english = language == 0
    names = [
        f"two proxies, every {each.interval} s" if english else f"プロキシ 2 台、{each.interval} 秒ごと"
        for each in loads
    ]
    names += (
        [
            f"proxy group, every {killed.interval} s, one proxy killed",
            "the same, when the killed proxy runs again",
            "the same, after `usbrh zabbix check --since`",
        ]
        if english
        else [
            f"プロキシグループ、{killed.interval} 秒ごと、1 台を強制終了",
            "同上、終了させたプロキシの再起動後",
            "同上、`usbrh zabbix check --since` の後",
        ]
    )
    outcomes = [each.outcome for each in loads] + [killed.before, killed.restarted, killed.after]
    headings = (
        ["", "readings", "lost", "twice", "delay: median", "99 %", "largest"]
        if english
        else ["", "測定値", "欠落", "重複", "遅れ：中央値", "99 %", "最大"]
    )
    rows = []
    for name, outcome in zip(names, outcomes, strict=True):
        counts = [f"{count:,}" for count in (outcome.readings, outcome.lost, outcome.twice)]
        rows.append([name, *counts, *(f"{number(outcome.delay(part))} s" for part in (0.5, 0.99, 1))])
    about = (
        f"The killed proxy had {killed.orphans:,} of {killed.hosts:,} hosts. "
        f"{killed.failover:.0f} s after the kill, new values of all of them were visible."
        if english
        else f"終了させたプロキシが担当していたホストは {killed.hosts:,} 台中 {killed.orphans:,} 台でした。"
        f"終了の {killed.failover:.0f} 秒後には、全ホストの新しい値が見えていました。"
    )
    return [*_table(headings, rows), "", about]


def _load(loads: Sequence[Load], language: int) -> list[str]:
    english = language == 0
    slow, fast = loads
    headings = [""]
    headings += [f"every {each.interval} s" if english else f"{each.interval} 秒ごと" for each in loads]
    headings += ["busiest process", "its share"] if english else ["最も負荷の高いプロセス", "その使用率"]
    rows = [
        [
            f"{fast.hosts:,} bridges of usbrh" if english else f"usbrh のブリッジ {fast.hosts:,} 個",
            *(_percent(each.bridges / each.seconds) for each in loads),
            *("", ""),
        ]
    ]
    for index, words in enumerate(PARTS):
        used = fast.parts[index]
        title = ("session of Zabbix", "Zabbix のセッション")[language] if used.title == SESSION else f"`{used.title}`"
        shares = [_percent(each.cores(index)) for each in loads]
        rows.append([words[language], *shares, title, _percent(used.busiest / fast.seconds)])
    for words, counts in (
        (("readings per second", "1 秒あたりの測定値"), [each.outcome.readings for each in loads]),
        (("stored values per second", "1 秒あたりに保存した値"), [each.values for each in loads]),
    ):
        rates = [number(count / each.seconds) for count, each in zip(counts, loads, strict=True)]
        rows.append([words[language], *rates, "", ""])
    part = PARTS[slow.limit][language]
    share = slow.cores(slow.limit)
    hosts = round(slow.hosts / share, -2)
    limit = (
        f"The limit is the {part}: it needs {_percent(share)} of a core for {slow.hosts:,} hosts every "
        f"{slow.interval} s. Extrapolated, one core is enough for {hosts:,.0f} hosts."
        if english
        else f"限界になるのは{part}です。{slow.interval} 秒ごとのホスト {slow.hosts:,} 台に、1 コアの "
        f"{_percent(share)} を使いました。外挿では、1 コアでホスト {hosts:,.0f} 台に足ります。"
    )
    return [*_table(headings, rows), "", limit]


def _plan(slow: Load, size: float, language: int) -> list[str]:
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
        factor = sensors / slow.hosts / slow.seconds
        values = slow.values * factor
        proxies = slow.cores(0, sensors) + slow.cores(1, sensors)
        cores = [number(each) for each in (proxies, slow.cores(2, sensors), slow.cores(3, sensors))]
        disk = f"{number(values * size * 86400 / 1e9)} GB"
        rows.append([f"{sensors:,}", number(slow.outcome.readings * factor), number(values), *cores, disk])
    about = (
        f"**Extrapolated** in proportion from the {slow.hosts:,} hosts every {slow.interval} s above, "
        f"{number(size)} bytes per stored value, without trends."
        if english
        else f"上の {slow.interval} 秒ごとのホスト {slow.hosts:,} 台から比例計算で**外挿**した値です。"
        f"保存する値は 1 個 {number(size)} バイト、トレンドは含みません。"
    )
    return [*_table(headings, rows), "", about]


def tables(loads: Sequence[Load], killed: Killed, size: float, machine: str, language: int) -> dict[str, str]:
    """Return the tables by their places in docs/scale.md, in the language with this index in ``LANGUAGES``.

    ``size`` is that of a value in the database, in bytes. ``machine`` describes it, its load and the date.
    """
    found = {
        "fleet-arrival": _arrival(loads, killed, language),
        "fleet-load": [*_load(loads, language), "", machine],
        "fleet-plan": _plan(loads[0], size, language),
    }
    return {place: "\n".join([*lines, ""]) for place, lines in found.items()}
