"""Syntax tree to closures. A compiled expression never sees Python objects, only FEEL values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from workflows.feel import nodes as n
from workflows.feel import values as v
from workflows.feel.builtins import BERLIN, FUNCTIONS, PARAMETERS
from workflows.feel.errors import LIMITS, ExpressionError


class Scope:
    """Names of one evaluation, the clock, and the budget of steps that all nested scopes share."""

    __slots__ = ("_steps", "now", "tables")

    def __init__(self, tables: tuple[Mapping[str, Any], ...], now: datetime | None, steps: list[int]) -> None:
        self.tables, self.now, self._steps = tables, now, steps

    def look_up(self, name: str) -> Any:
        for table in self.tables:
            if name in table:
                return v.feel(table[name])
        return None

    def knows(self, name: str) -> bool:
        return any(name in table for table in self.tables)

    def inner(self, names: Mapping[str, Any]) -> Scope:
        return Scope((names, *self.tables), self.now, self._steps)

    def spend(self) -> None:
        self._steps[0] -= 1
        if self._steps[0] < 0:
            raise ExpressionError(f"Der Ausdruck braucht mehr als {LIMITS.steps} Schritte und wurde angehalten.")


Run = Callable[[Scope], Any]


def scope(*tables: Mapping[str, Any], now: datetime | None = None, steps: int = LIMITS.steps) -> Scope:
    """A scope over these tables, the first one wins."""
    return Scope(tables, now, [steps])


def compile_node(node: n.Node) -> Run:
    """The closure of any node; raises ExpressionError for unknown functions."""
    return _COMPILERS[type(node)](node)


# --- atoms ---


def _literal(node: n.Literal) -> Run:
    value = node.value
    return lambda _: value


def _name(node: n.Name) -> Run:
    name = node.name

    def run(env: Scope) -> Any:
        for table in env.tables:
            if name in table:
                return v.feel(table[name])
        return None

    return run


def _path(node: n.Path) -> Run:
    base, name = compile_node(node.base), node.name
    return lambda env: v.entry(base(env), name)


def _list(node: n.ListNode) -> Run:
    items = [compile_node(item) for item in node.items]
    return lambda env: [item(env) for item in items]


def _context(node: n.ContextNode) -> Run:
    entries = [(key, compile_node(value)) for key, value in node.entries]

    def run(env: Scope) -> Any:
        made: dict[str, Any] = {}
        inner = env.inner(made)
        for key, value in entries:
            made[key] = value(inner)
        return made

    return run


def _range(node: n.RangeNode) -> Run:
    low = compile_node(node.low) if node.low else None
    high = compile_node(node.high) if node.high else None

    def run(env: Scope) -> v.Range:
        return v.Range(low(env) if low else None, high(env) if high else None, node.low_closed, node.high_closed)

    return run


# --- operators ---


def _negate(node: n.Negate) -> Run:
    value = compile_node(node.value)
    return lambda env: v.negate(value(env))


def _and(left: Run, right: Run) -> Run:
    def run(env: Scope) -> bool | None:
        a = left(env)
        if a is False:
            return False
        b = right(env)
        if b is False:
            return False
        return True if a is True and b is True else None

    return run


def _or(left: Run, right: Run) -> Run:
    def run(env: Scope) -> bool | None:
        a = left(env)
        if a is True:
            return True
        b = right(env)
        if b is True:
            return True
        return False if a is False and b is False else None

    return run


def _not_equal(left: Any, right: Any) -> bool | None:
    same = v.equal(left, right)
    return None if same is None else not same


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": v.plus, "-": v.minus, "*": v.times, "/": v.divided, "**": v.power, "=": v.equal, "!=": _not_equal,
}  # fmt: skip


def _binary(node: n.Binary) -> Run:
    left, right, op = compile_node(node.left), compile_node(node.right), node.op
    if op == "and":
        return _and(left, right)
    if op == "or":
        return _or(left, right)
    if op in _ARITHMETIC:
        apply = _ARITHMETIC[op]
        return lambda env: apply(left(env), right(env))
    compare = v.compare
    return lambda env: compare(op, left(env), right(env))


def _between(node: n.Between) -> Run:
    value, low, high = compile_node(node.value), compile_node(node.low), compile_node(node.high)

    def run(env: Scope) -> bool | None:
        tested = value(env)
        a, b = v.compare(">=", tested, low(env)), v.compare("<=", tested, high(env))
        return False if a is False or b is False else (None if a is None or b is None else True)

    return run


# --- unary tests ---

Test = Callable[[Scope, Any], bool | None]


def compile_test(node: n.Node) -> Test:
    """One test against a value: comparison, range, list, or any expression (equality, or its truth if it names ?)."""
    if isinstance(node, n.Compare):
        return _compare_test(node)
    expression = compile_node(node)
    asks = _names_input(node)

    def run(env: Scope, value: Any) -> bool | None:
        found = expression(env.inner({"?": value}) if asks else env)
        return (found if isinstance(found, bool) else None) if asks else matches(value, found)

    return run


def _compare_test(node: n.Compare) -> Test:
    right, op = compile_node(node.right), node.op
    if op == "=":
        return lambda env, value: v.equal(value, right(env))
    if op == "!=":
        return lambda env, value: _not_equal(value, right(env))
    return lambda env, value: v.compare(op, value, right(env))


def matches(value: Any, wanted: Any) -> bool | None:
    """Whether ``value`` fits what a test evaluated to."""
    if isinstance(wanted, v.Range):
        return wanted.holds(value)
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(matches(value, item) is True for item in wanted)
    if isinstance(wanted, list) and v.equal(value, wanted) is not True:
        return any(isinstance(item, list) and v.equal(value, item) is True for item in wanted)
    return v.equal(value, wanted)


def compile_tests(node: n.Tests) -> Test:
    """All tests of a cell: true when one holds; ``-`` always holds."""
    tests = [compile_test(test) for test in node.tests]
    if not tests:
        return lambda _env, _value: True
    negated = node.negated

    def run(env: Scope, value: Any) -> bool | None:
        unknown = False
        for test in tests:
            found = test(env, value)
            if found is True:
                return not negated
            unknown = unknown or found is None
        return None if unknown and negated else negated

    return run


def _in(node: n.In) -> Run:
    value, test = compile_node(node.value), compile_tests(n.Tests(node.at, node.tests))
    return lambda env: test(env, value(env))


def _names_input(node: Any) -> bool:
    if isinstance(node, n.Name):
        return node.name == "?"
    if isinstance(node, n.Node):
        return any(_names_input(part) for part in vars(node).values())
    return isinstance(node, tuple) and any(_names_input(part) for part in node)


# --- control ---


def _if(node: n.If) -> Run:
    condition, then, otherwise = compile_node(node.condition), compile_node(node.then), compile_node(node.otherwise)
    return lambda env: then(env) if condition(env) is True else otherwise(env)


def _loops(env: Scope, clauses: list[tuple[str, Run]], made: dict[str, Any]) -> Iterator[Scope]:
    name, source = clauses[0]
    for item in _iterated(source(env.inner(made))):
        env.spend()
        bound = {**made, name: item}
        if len(clauses) == 1:
            yield env.inner(bound)
        else:
            yield from _loops(env, clauses[1:], bound)


def _iterated(value: Any) -> list[Any] | range | Iterator[Decimal]:
    if isinstance(value, list):
        return value
    if isinstance(value, v.Range) and v.kind(value.low) == v.kind(value.high) == "number":
        low, high = int(value.low), int(value.high)
        return (Decimal(number) for number in range(low, high + (1 if high >= low else -1), 1 if high >= low else -1))
    return [] if value is None else [value]


def _clauses(clauses: tuple[tuple[str, n.Node], ...]) -> list[tuple[str, Run]]:
    return [(name, compile_node(source)) for name, source in clauses]


def _for(node: n.For) -> Run:
    clauses, result = _clauses(node.clauses), compile_node(node.result)

    def run(env: Scope) -> list[Any]:
        partial: list[Any] = []
        for inner in _loops(env, clauses, {"partial": partial}):
            if len(partial) >= LIMITS.items:
                raise ExpressionError(f"Eine Liste hat mehr als {LIMITS.items} Einträge.")
            partial.append(result(inner))
        return partial

    return run


def _quantified(node: n.Quantified) -> Run:
    clauses, condition, every = _clauses(node.clauses), compile_node(node.condition), node.every

    def run(env: Scope) -> bool | None:
        unknown = False
        for inner in _loops(env, clauses, {}):
            found = condition(inner)
            if found is (not every):
                return not every
            unknown = unknown or not isinstance(found, bool)
        return None if unknown else every

    return run


def _filter(node: n.Filter) -> Run:
    base, condition = compile_node(node.base), compile_node(node.condition)

    def run(env: Scope) -> Any:
        value = base(env)
        items = value if isinstance(value, list) else [] if value is None else [value]
        found: list[Any] = []
        for item in items:
            env.spend()
            local = {"item": item} if not isinstance(item, Mapping) else {**item, "item": item}
            chosen = condition(env.inner(local))
            if v.kind(chosen) == "number":
                return _at(items, chosen)
            if chosen is True:
                found.append(item)
        return found

    return run


def _at(items: list[Any], index: Decimal) -> Any:
    at = int(index)
    if 0 < at <= len(items):
        return items[at - 1]
    return items[at] if at < 0 and -at <= len(items) else None


# --- functions ---


def _call(node: n.Call) -> Run:
    name = node.function
    if name == "is defined":
        return _is_defined(node)
    args = [compile_node(arg) for arg in _arguments(node)]
    if name in ("now", "today") and not args:
        return _now if name == "now" else lambda env: _now(env).astimezone(BERLIN).date()
    function = FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(f"Die Funktion „{name}“ gibt es nicht.", position=node.at)

    def run(env: Scope) -> Any:
        env.spend()
        try:
            return function(*(arg(env) for arg in args))
        except TypeError:  # wrong number of arguments
            raise ExpressionError(f"Die Funktion „{name}“ passt nicht zu {len(args)} Angaben.") from None

    return run


def _arguments(node: n.Call) -> tuple[n.Node, ...]:
    if not node.named:
        return node.args
    given = dict(node.named)
    order = PARAMETERS.get(node.function, ())
    if len(given) == 1 and "from" in given:
        return (given["from"],)
    if not given.keys() <= set(order):
        raise ExpressionError(f"Die Funktion „{node.function}“ kennt die benannten Angaben nicht.", position=node.at)
    return tuple(given.get(name, n.Literal(node.at, None)) for name in order if name in given)


def _now(env: Scope) -> datetime:
    if env.now is None:
        raise ExpressionError("Hier gibt es keine Uhr: now() und today() sind nicht erlaubt.")
    return env.now


def _is_defined(node: n.Call) -> Run:
    if len(node.args) != 1:
        raise ExpressionError("is defined(…) erwartet genau eine Angabe.", position=node.at)
    arg = node.args[0]
    if isinstance(arg, n.Name):
        return lambda env: env.knows(arg.name)
    if isinstance(arg, n.Path):
        base, key = compile_node(arg.base), arg.name
        return lambda env: isinstance(found := base(env), Mapping) and key in found
    value = compile_node(arg)
    return lambda env: value(env) is not None


_COMPILERS: dict[type, Callable[[Any], Run]] = {
    n.Literal: _literal, n.Name: _name, n.Path: _path, n.ListNode: _list, n.ContextNode: _context,
    n.RangeNode: _range, n.Negate: _negate, n.Binary: _binary, n.Between: _between, n.In: _in, n.If: _if,
    n.For: _for, n.Quantified: _quantified, n.Filter: _filter, n.Call: _call,
}  # fmt: skip
