"""Benchmarks and long trials.

`make bench` is the one place where speed, size and scale are claimed. It runs the modules that
``benchmarks.__main__.MODULES`` names. Such a module has one function::

    def measure() -> Iterator[Figure]:

- A ``Figure`` (``benchmarks.figures``) is one claim: the values of usbrh in several runs, and in the same runs those
  of a named peer. The peer is another program with the same task, or usbrh with much less to do. Ours and theirs run
  in turn (``interleaved``), because machines are noisy. The median of the ratios counts, and their spread is printed.
- On a machine with other load, processor time is more exact than elapsed time: ``spend`` measures both of a command.
- ``measure`` raises ``Unavailable`` with the reason, in one line, if this machine lacks something.

The command writes each module's table between ``<!-- MODULE -->`` and ``<!-- /MODULE -->`` in docs/benchmarks.md and
docs/benchmarks.ja.md, with machine and date, and the ratios into benchmarks/ratios.json. The text around the tables is
written by hand. ``python -m benchmarks MODULE`` measures one module. A missed aim is printed as missed.

`make bench-check` measures too, writes nothing, and fails if a ratio is more than 25 % worse than in
benchmarks/ratios.json.

The other modules are trials with results of other kinds: faults, kills, accuracy. Each describes its own command.
"""
