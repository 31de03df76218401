"""What a process remembers for a moment: no longer, no more than told, and safely from many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hub.kit.memory import Memory


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_value_is_good_until_its_time_is_over() -> None:
    clock = Clock()
    memory: Memory[str, str] = Memory(5, clock=clock)
    assert memory.recall("target") is None
    assert memory.remember("target", "first") == "first"
    clock.at += 4.9
    assert memory.recall("target") == "first"
    clock.at += 0.1
    assert memory.recall("target") is None, "recalling does not make it good for longer"
    memory.remember("target", "second")
    clock.at += 4
    memory.remember("target", "third")
    clock.at += 4
    assert memory.recall("target") == "third", "remembered anew, good for the whole time again"


def test_what_was_unused_for_longest_makes_room() -> None:
    memory: Memory[int, str] = Memory(60, most=3)
    for number in (1, 2, 3):
        memory.remember(number, "x")
    memory.recall(1)
    memory.remember(4, "x")
    assert [number for number in (1, 2, 3, 4) if memory.recall(number)] == [1, 3, 4]


def test_forgetting_one_or_all() -> None:
    memory: Memory[str, int] = Memory(60)
    memory.remember("one", 1)
    memory.remember("two", 2)
    memory.forget("one")
    memory.forget("never known")
    assert (memory.recall("one"), memory.recall("two")) == (None, 2)
    memory.clear()
    assert memory.recall("two") is None


def test_many_threads_at_once() -> None:
    memory: Memory[int, int] = Memory(60, most=50)

    def use(seed: int) -> bool:
        for step in range(2000):
            name = (seed * 7 + step) % 100
            memory.remember(name, name)
            if (found := memory.recall((name + seed) % 100)) is not None and found != (name + seed) % 100:
                return False
            if step % 500 == 0:
                memory.clear()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(8)))
    assert sum(memory.recall(name) is not None for name in range(100)) <= 50
