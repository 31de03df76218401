"""Layered left-to-right layout of one scope: columns by longest path, rows by branch, dummy cells for long edges."""

from __future__ import annotations

from dataclasses import dataclass, field

from workflows.document import SUBPROCESSES, Document, Element, Flow, Scope

EVENT, GATEWAY, TASK_W, TASK_H = 36, 50, 100, 80
GAP_X, GAP_Y, MARGIN = 55, 45, 40


@dataclass
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def centre(self) -> float:
        return self.x + self.width / 2


@dataclass
class Drawing:
    """Boxes by element id and waypoints by flow id, all relative to the top left corner of the scope."""

    boxes: dict[str, Box] = field(default_factory=dict)
    edges: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    width: float = 0
    height: float = 0

    def shift(self, dx: float, dy: float) -> None:
        for box in self.boxes.values():
            box.x, box.y = box.x + dx, box.y + dy
        self.edges = {key: [(x + dx, y + dy) for x, y in points] for key, points in self.edges.items()}


@dataclass(eq=False)
class _Cell:
    """A node of the grid: an element, or a place that a long edge passes."""

    column: int
    element: Element | None = None
    row: int = 0
    before: list[_Cell] = field(default_factory=list)
    below: bool = False


def draw(document: Document, scope: Scope) -> Drawing:
    """The drawing of a scope with everything inside it."""
    return _Layout(document, scope).draw()


class _Layout:
    def __init__(self, document: Document, scope: Scope) -> None:
        self.document, self.scope = document, scope
        self.inner = {
            element.id: draw(document, document.scopes[element.id])
            for element in scope.elements.values() if element.tag in SUBPROCESSES
        }  # fmt: skip
        self.nodes = [element for element in scope.elements.values() if element.tag != "boundaryEvent"]
        self.flows = [f for f in scope.flows if f.source in scope.elements and f.target in scope.elements]
        self.back: set[int] = set()
        self.cells: dict[str, _Cell] = {}
        self.chains: dict[int, list[_Cell]] = {}
        self.all: list[_Cell] = []

    def draw(self) -> Drawing:
        self._columns()
        self._rows()
        drawing = self._boxes()
        self._edges(drawing)
        return drawing

    # --- columns ---

    def _host(self, element_id: str) -> str:
        element = self.scope.elements[element_id]
        return element.attached_to if element.tag == "boundaryEvent" else element_id

    def _columns(self) -> None:
        after: dict[str, list[tuple[int, str]]] = {node.id: [] for node in self.nodes}
        for number, flow in enumerate(self.flows):
            if self._host(flow.source) in after and flow.target in after:
                after[self._host(flow.source)].append((number, flow.target))
        order = self._order(after)
        column = dict.fromkeys(order, 0)
        for node in order:
            for number, target in after[node]:
                if number not in self.back:
                    column[target] = max(column[target], column[node] + 1)
        for node in order:
            self.cells[node] = _Cell(column[node], self.scope.elements[node])
        self._chain_cells()

    def _order(self, after: dict[str, list[tuple[int, str]]]) -> list[str]:
        """Topological order; edges that close a loop are noted in ``back``. Iterative: long processes are deep."""
        done: list[str] = []
        state: dict[str, int] = {}
        roots = [node.id for node in self.nodes if node.tag == "startEvent"] + [node.id for node in self.nodes]
        for root in roots:
            if root in state:
                continue
            state[root] = 1
            stack = [(root, iter(after[root]))]
            while stack:
                node, following = stack[-1]
                step = next(following, None)
                if step is None:
                    state[node] = 2
                    done.append(node)
                    stack.pop()
                elif state.get(step[1]) == 1:
                    self.back.add(step[0])
                elif step[1] not in state:
                    state[step[1]] = 1
                    stack.append((step[1], iter(after[step[1]])))
        return done[::-1]

    def _chain_cells(self) -> None:
        self.all = list(self.cells.values())
        for number, flow in enumerate(self.flows):
            source, target = self.cells.get(self._host(flow.source)), self.cells.get(flow.target)
            if source is None or target is None or number in self.back:
                continue
            below = self.scope.elements[flow.source].tag == "boundaryEvent"
            previous = source
            for column in range(source.column + 1, target.column):
                cell = _Cell(column, None, before=[previous], below=below and previous is source)
                self.all.append(cell)
                self.chains.setdefault(number, []).append(cell)
                previous = cell
            target.before.append(previous)
            target.below = target.below or (below and previous is source and len(target.before) == 1)

    # --- rows ---

    def _rows(self) -> None:
        taken: set[tuple[int, int]] = set()
        for cell in sorted(self.all, key=lambda each: each.column):
            rows = sorted(each.row for each in cell.before)
            row = rows[0] + (1 if cell.below else 0) if rows else 0
            while (cell.column, row) in taken:
                row += 1
            cell.row = row
            taken.add((cell.column, row))

    # --- boxes ---

    def _size(self, element: Element) -> tuple[float, float]:
        if element.id in self.inner:
            inner = self.inner[element.id]
            return inner.width, inner.height
        if element.tag.endswith("Event"):
            return EVENT, EVENT
        return (GATEWAY, GATEWAY) if element.tag.endswith("Gateway") else (TASK_W, TASK_H)

    def _boxes(self) -> Drawing:
        widths: dict[int, float] = {}
        heights: dict[int, float] = {}
        for cell in self.all:
            width, height = self._size(cell.element) if cell.element else (0, 0)
            widths[cell.column] = max(widths.get(cell.column, 0), width)
            heights[cell.row] = max(heights.get(cell.row, TASK_H), height)
        self.left = _starts(widths, GAP_X)
        self.top = _starts(heights, GAP_Y)
        self.heights, self.widths = heights, widths
        drawing = Drawing()
        for cell in self.cells.values():
            if cell.element is None:
                continue
            width, height = self._size(cell.element)
            x = self.left[cell.column] + (widths[cell.column] - width) / 2
            y = self.top[cell.row] + (heights[cell.row] - height) / 2
            drawing.boxes[cell.element.id] = Box(x, y, width, height)
            if inner := self.inner.get(cell.element.id):
                inner.shift(x, y)
                drawing.boxes.update(inner.boxes)
                drawing.edges.update(inner.edges)
            self._boundaries(cell.element, drawing)
        drawing.width = max((self.left[c] + w for c, w in widths.items()), default=0) + MARGIN
        drawing.height = max((self.top[r] + h for r, h in heights.items()), default=0) + MARGIN + 12 * len(self.back)
        return drawing

    def _boundaries(self, element: Element, drawing: Drawing) -> None:
        host = drawing.boxes[element.id]
        for at, boundary in enumerate(element.boundaries, 1):
            centre = host.x + host.width * at / (len(element.boundaries) + 1)
            drawing.boxes[boundary.id] = Box(centre - EVENT / 2, host.bottom - EVENT / 2, EVENT, EVENT)

    # --- edges ---

    def _edges(self, drawing: Drawing) -> None:
        floor = max((self.top[r] + h for r, h in self.heights.items()), default=0) + 18
        for number, flow in enumerate(self.flows):
            source, target = drawing.boxes.get(flow.source), drawing.boxes.get(flow.target)
            if source is None or target is None:
                continue
            if number in self.back:
                drawing.edges[flow.id] = [(source.centre, source.bottom), (source.centre, floor),
                                          (target.centre, floor), (target.centre, target.bottom)]  # fmt: skip
                floor += 12
            else:
                drawing.edges[flow.id] = self._forward(number, flow, source, target)

    def _forward(self, number: int, flow: Flow, source: Box, target: Box) -> list[tuple[float, float]]:
        stops = []
        for cell in self.chains.get(number, []):
            left = self.left[cell.column]
            stops.append((left, self.top[cell.row] + self.heights[cell.row] / 2, left + self.widths[cell.column]))
        stops.append((target.x, target.middle, target.x))
        first = stops[0][1]
        if self.scope.elements[flow.source].tag == "boundaryEvent" and first > source.bottom:
            points = [(source.centre, source.bottom), (source.centre, first)]
        else:
            points = [(source.right, source.middle)]
        for left, middle, right in stops:
            x, y = points[-1]
            if abs(middle - y) > 1:
                turn = left - GAP_X / 2 if left != target.x else self._turn(flow, left)
                points += [(max(turn, x), y), (max(turn, x), middle)]
            points.append((left, middle))
            if right != left:
                points.append((right, middle))
        return _straight(points)

    def _turn(self, flow: Flow, left: float) -> float:
        cell = self.cells[flow.target]
        return self.left[cell.column] - GAP_X / 2 if cell.column else left - GAP_X / 2


def _starts(sizes: dict[int, float], gap: float) -> dict[int, float]:
    at: float = MARGIN
    found: dict[int, float] = {}
    for key in range(max(sizes, default=-1) + 1):
        found[key] = at
        at += sizes.get(key, 0) + gap
    return found


def _straight(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Drop doubled points and those in the middle of a straight line."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if kept and abs(kept[-1][0] - point[0]) < 0.5 and abs(kept[-1][1] - point[1]) < 0.5:
            continue
        if len(kept) > 1 and (
            (abs(kept[-2][1] - kept[-1][1]) < 0.5 and abs(kept[-1][1] - point[1]) < 0.5)
            or (abs(kept[-2][0] - kept[-1][0]) < 0.5 and abs(kept[-1][0] - point[0]) < 0.5)
        ):
            kept[-1] = point
        else:
            kept.append(point)
    return kept
