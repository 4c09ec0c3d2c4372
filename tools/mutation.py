"""Small changes to Python source, each of which a test should notice: another operator, constant, result, and so on."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PAIRS = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
    (ast.And, ast.Or),
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.BitAnd, ast.BitOr),
)
_OPERATORS: dict[type[ast.AST], Any] = {
    **{one: other for pair in _PAIRS for one, other in (pair, pair[::-1])},
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_NOT_RUN = {"annotation", "returns", "decorator_list", "bases"}
"""Fields of a node that no behaviour depends on, or that click and dataclasses read at the import."""
_SYMMETRIC = {"max", "min", "suppress"}
"""Functions whose arguments have no order."""


@dataclass(frozen=True)
class Change:
    """One change to the source of a module."""

    line: int
    column: int
    before: str
    """The line in the source, without indentation."""
    was: str
    now: str
    start: int
    """Offset of ``was`` in the source, in bytes."""
    end: int

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        data = source.encode()
        return (data[: self.start] + self.now.encode() + data[self.end :]).decode()

    @property
    def text(self) -> str:
        """The change in one line."""
        was, now = (" ".join(text.split()) for text in (self.was, self.now))
        return f"{was} -> {now}"

    def rank(self, seed: int, name: str) -> str:
        """A random order that changes elsewhere in the module do not disturb."""
        return hashlib.sha256(f"{seed} {name} {self.before} {self.text} {self.column}".encode()).hexdigest()


def changes(source: str) -> list[Change]:
    """Return all changes to a module, in the order of its lines."""
    lines = source.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)
    data = source.encode()
    found = []
    for node, now in _walk(ast.parse(source)):
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        before = lines[node.lineno - 1].strip()
        found.append(Change(node.lineno, node.col_offset, before, data[start:end].decode(), now, start, end))
    return sorted(found, key=lambda each: (each.start, each.end, each.now))


def _walk(node: ast.AST) -> Iterator[tuple[Any, str]]:
    """Yield each node that can be replaced, and the text that replaces it."""
    yield from _replacements(node)
    for name, value in ast.iter_fields(node):
        if name in _NOT_RUN:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _stays(child):
                yield from _walk(child)


def _stays(node: ast.AST) -> bool:
    """Whether no test of behaviour depends on a node: docstrings, log lines and names of type variables.

    Parts of f-strings have no offsets.
    """
    match node:
        case ast.JoinedStr() | ast.Expr(value=ast.Constant()) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
            return True
    return False


def _replacements(node: ast.AST) -> Iterator[tuple[Any, str]]:
    """Yield the parts of ``node`` to replace, and the texts that replace them."""
    match node:
        case ast.Compare(ops=[operator, *others]) if new := _OPERATORS.get(type(operator)):
            yield node, ast.unparse(ast.Compare(node.left, [new(), *others], node.comparators))
        case ast.BoolOp(op=operator):
            yield node, ast.unparse(ast.BoolOp(_OPERATORS[type(operator)](), node.values))
        case ast.BinOp(op=operator) if new := _OPERATORS.get(type(operator)):
            yield node, ast.unparse(ast.BinOp(node.left, new(), node.right))
        case ast.UnaryOp(op=ast.Not()):
            yield node, f"bool({ast.unparse(node.operand)})"
        case ast.Constant(value=bool()):
            yield node, str(not node.value)
        case ast.Constant(value=int(number) | float(number)):
            yield node, repr(number + 1)
        case ast.Constant(value=str(value)) if value and not set(value) & set(" \n"):  # a name or key, no sentence
            yield node, repr(f"x{value}")
        case (
            ast.If(test=ast.Name() | ast.Attribute() | ast.Call())
            | ast.IfExp(test=ast.Name() | ast.Attribute() | ast.Call())
        ):
            yield node.test, f"not {ast.unparse(node.test)}"
        case ast.Return(value=ast.expr()) if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield node, "return None"
        case ast.Raise() | ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield node, "pass"
        case ast.Call(args=[first, second, *rest]) if not (
            {type(first), type(second)} & {ast.Starred}
            or ast.unparse(node.func) in _SYMMETRIC
            or ast.dump(first) == ast.dump(second)
        ):
            yield node, ast.unparse(ast.Call(node.func, [second, first, *rest], node.keywords))
